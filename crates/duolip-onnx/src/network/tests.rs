//! The demo pair painting for several jobs at once, and how missing memory is told by the runtime's words.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc::sync_channel;

use duolip_pipeline::compose::Paste;
use duolip_pipeline::lipsync::{JobTicket, MouthBatch, PendingMouths};
use duolip_pipeline::mel::mel_from_speech;
use duolip_pipeline::units::FrameRate;
use duolip_testkit::{avatar, babble};
use tokio::sync::oneshot;

use super::*;
use crate::chain::Crew;
use crate::owner::serve;
use crate::provider::ExecutionProvider;
use crate::waiting::Request;

/// Counts the runs of the network behind it.
struct Counted {
    network: Network,
    runs: usize,
}

impl Painter for Counted {
    fn batch_size(&self) -> usize {
        self.network.batch_size
    }

    fn paint(
        &mut self,
        face: &Arc<FaceCrop>,
        windows: &[f32],
        bgr: &mut Vec<u8>,
    ) -> Result<(), LipSyncError> {
        self.runs += 1;
        self.network.paint(face, windows, bgr)
    }

    fn shrink(&mut self, rows: usize) -> bool {
        self.network.shrink(rows)
    }
}

fn demo(look: Look) -> Counted {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let runtime = OnnxRuntime::load(&[root.join("target/onnxruntime")]).unwrap();
    let model = LipSyncModel::open(&root.join("models/demo").join(look.name()), look).unwrap();
    let settings = SessionSettings {
        provider: ExecutionProvider::Cpu,
        intra_threads: NonZeroUsize::new(2).unwrap(),
        crew: Crew::of_one().into(),
        batch_size: NonZeroUsize::new(8).unwrap(),
        paste: Paste::Feathered,
        feature_limit_bytes: 4 << 20,
    };
    let network = Network::load(&model, &settings, Device::Cpu, runtime, Arc::default()).unwrap();
    Counted { network, runs: 0 }
}

/// What each of the jobs is given when all of them wait at the same time; and the number of runs.
fn served(network: &mut Counted, jobs: &[(Arc<FaceCrop>, Vec<f32>)]) -> (Vec<Vec<u8>>, usize) {
    let (queue, requests) = sync_channel(jobs.len());
    let pending: Vec<_> = jobs
        .iter()
        .map(|(face, mel_windows)| {
            let (answer, pending) = oneshot::channel();
            let (face, mel_windows) = (Arc::clone(face), mel_windows.clone());
            let batch = MouthBatch { job: JobTicket::new(), mel_windows, face };
            queue.send(Request { batch, answer }).unwrap();
            PendingMouths::new(Look::Gan, pending)
        })
        .collect();
    drop(queue);
    network.runs = 0;
    serve(Look::Gan, network, &requests, &AtomicUsize::new(0));
    (pending.into_iter().map(|pending| pending.wait().unwrap().bgr).collect(), network.runs)
}

/// Two avatars, and jobs of every length from one frame to more than two batches.
#[test]
fn the_demo_pair_paints_merged_jobs_to_the_bit_as_each_job_alone() {
    let rate = FrameRate::DEFAULT;
    let counts = [3, 2, 7, 1, 5, 17, 4, 8];
    let frames: usize = counts.iter().sum();
    let mel = mel_from_speech(&babble((frames + 10) * 640, 16_000)).unwrap();
    for look in Look::PAIR {
        let mut network = demo(look);
        let anna = Arc::clone(&avatar(rate, &[network.network.input_size()]).crops[0]);
        let bgr = anna.bgr.iter().map(|byte| !byte).collect();
        let boris = Arc::new(FaceCrop { size: anna.size, bgr });
        let mut first = 1;
        let jobs: Vec<_> = counts
            .iter()
            .enumerate()
            .map(|(job, &count)| {
                let mut windows = Vec::new();
                (first..first + count).for_each(|at| mel.append_window(at, rate, &mut windows));
                first += count;
                // Every third job shows the other avatar; the others have one copy of theirs each.
                (if job % 3 == 2 { Arc::clone(&boris) } else { Arc::new((*anna).clone()) }, windows)
            })
            .collect();
        let (mut alone, mut runs_alone) = (Vec::new(), 0);
        for job in &jobs {
            let (painted, runs) = served(&mut network, std::slice::from_ref(job));
            alone.extend(painted);
            runs_alone += runs;
        }
        let (together, runs) = served(&mut network, &jobs);
        for (job, (together, alone)) in together.iter().zip(&alone).enumerate() {
            assert!(together == alone, "{look}: job {job} is painted otherwise in company");
        }
        // 23 frames on one face and 24 on the other, in eights; alone, most runs are short.
        assert_eq!((runs, runs_alone), (3 + 3, 10));
    }
}

#[test]
fn memory_that_ran_out_is_told_from_other_failures() {
    let out_of_memory = [
        "Non-zero status code returned while running Conv node. Name:'/0' Status Message: \
         bfc_arena.cc:376 void* onnxruntime::BFCArena::AllocateRawInternal Failed to allocate \
         memory for requested buffer of size 18874368",
        "CUDA failure 2: out of memory ; GPU=0 ; expr=cudaMalloc((void**)&p, size);",
        "CUDNN failure 4: CUDNN_STATUS_ALLOC_FAILED ; GPU=0",
        "CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED ; GPU=0",
        // As ONNX Runtime 1.31 says it.
        "CUBLAS failure 3: the resource allocation failed ; GPU=0 ; expr=cublasCreate(&cublas_handle_);",
        "Exception during initialization: std::bad_alloc",
    ];
    for message in out_of_memory {
        assert!(is_out_of_memory(message), "{message}");
    }
    let others = [
        "CUDA failure 700: an illegal memory access was encountered ; GPU=0",
        "indices element out of data bounds, idx=4 must be within the inclusive range [-1,0]",
    ];
    for message in others {
        assert!(!is_out_of_memory(message), "{message}");
    }
}
