//! A job, its cast and its stages, all fakes.

use std::path::Path;
use std::sync::Arc;

use duolip_pipeline::JobError;
use duolip_pipeline::face::Avatar;
use duolip_pipeline::job::{Job, JobRequest, Limits};
use duolip_pipeline::lipsync::{LipSync, Look, OnOutOfMemory};
use duolip_pipeline::run::{Cast, Stages, Video, run};
use duolip_pipeline::units::FrameRate;
use duolip_testkit::{
    FakeDecoder, FakeEncoder, FakeLipSync, FakeMuxer, FakeSynthesizer, FakeVideo, Recorder, avatar,
    babble,
};
use tempfile::TempDir;

/// The rate of most speeches here: that of the mel spectrogram, so that nothing is resampled.
pub(crate) const RATE_HZ: u32 = 16_000;

pub(crate) struct Scene {
    pub(crate) models: Vec<Arc<FakeLipSync>>,
    pub(crate) encoder: Arc<FakeEncoder>,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) request: JobRequest,
    pub(crate) synthesizer: Arc<FakeSynthesizer>,
    pub(crate) decoder: Arc<FakeDecoder>,
    pub(crate) muxer: Arc<FakeMuxer>,
    pub(crate) avatar: Arc<Avatar>,
    pub(crate) on_out_of_memory: OnOutOfMemory,
    work_dir: TempDir,
}

impl Scene {
    /// The GAN model says `seconds` of babble.
    pub(crate) fn of_seconds(seconds: usize) -> Self {
        Self::of_samples(seconds * RATE_HZ as usize, RATE_HZ)
    }

    pub(crate) fn of_samples(samples: usize, rate_hz: u32) -> Self {
        let speech = babble(samples, rate_hz);
        Self {
            models: vec![Arc::new(FakeLipSync::new(Look::Gan))],
            encoder: Arc::default(),
            recorder: Arc::default(),
            request: JobRequest {
                text: Some("babble".to_owned()),
                language: "en".to_owned(),
                avatar: "gradient".to_owned(),
                models: vec![Look::Gan],
                ..JobRequest::default()
            },
            synthesizer: Arc::new(FakeSynthesizer::new(speech.clone())),
            decoder: Arc::new(FakeDecoder::new(speech)),
            muxer: Arc::default(),
            avatar: Arc::new(avatar(FrameRate::DEFAULT, &[32])),
            on_out_of_memory: OnOutOfMemory::default(),
            work_dir: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn painted_by(mut self, models: impl IntoIterator<Item = FakeLipSync>) -> Self {
        self.models = models.into_iter().map(Arc::new).collect();
        self.request.models = self.models.iter().map(|model| model.look()).collect();
        self
    }

    pub(crate) fn painted_by_the_pair(self) -> Self {
        self.painted_by(Look::PAIR.map(FakeLipSync::new))
    }

    pub(crate) fn in_chunks(mut self, workers: i64) -> Self {
        self.request.num_workers = Some(workers);
        self
    }

    /// Chunks may move to the other model.
    pub(crate) fn moving_when_out_of_memory(mut self) -> Self {
        self.on_out_of_memory = OnOutOfMemory::OtherModel;
        self
    }

    pub(crate) fn encoded_by(mut self, encoder: FakeEncoder) -> Self {
        self.encoder = Arc::new(encoder);
        self
    }

    pub(crate) fn watched_by(mut self, recorder: Recorder) -> Self {
        self.recorder = Arc::new(recorder);
        self
    }

    pub(crate) fn work_dir(&self) -> &Path {
        self.work_dir.path()
    }

    /// Job folders that are there.
    pub(crate) fn folders(&self) -> usize {
        std::fs::read_dir(self.work_dir()).unwrap().count()
    }

    pub(crate) fn job(&self) -> Job {
        let limits = Limits { text_chars: 100, audio_bytes: 100, speech_seconds: 600 };
        self.request.clone().validate(limits).unwrap()
    }

    pub(crate) fn cast(&self) -> Cast {
        let models = self.models.iter().cloned();
        Cast {
            avatar: Arc::clone(&self.avatar),
            models: models.map(|model| model as Arc<dyn LipSync>).collect(),
            observer: Arc::clone(&self.recorder) as _,
        }
    }

    pub(crate) fn stages(&self) -> Stages {
        Stages {
            synthesizer: Arc::clone(&self.synthesizer) as _,
            decoder: Arc::clone(&self.decoder) as _,
            encoder: Arc::clone(&self.encoder) as _,
            muxer: Arc::clone(&self.muxer) as _,
            work_dir: self.work_dir().to_owned(),
            encoder_threads: 4,
            on_out_of_memory: self.on_out_of_memory,
        }
    }

    pub(crate) async fn render(&self) -> Result<Video, JobError> {
        run(self.job(), self.cast(), &self.stages()).await
    }

    /// What the finished video shows.
    pub(crate) async fn show(&self) -> FakeVideo {
        let video = self.render().await.unwrap();
        FakeVideo::read(&video.path)
    }

    /// The error of a job that must fail, and must leave nothing behind.
    pub(crate) async fn fail(&self) -> JobError {
        let error = self.render().await.map(|_| "a video").unwrap_err();
        assert_eq!(self.folders(), 0, "a job folder was left behind");
        assert_eq!(self.encoder.open_segments().now(), 0);
        assert_eq!(self.encoder.forsaken(), 0, "a stalled encoder was not stopped");
        error
    }
}
