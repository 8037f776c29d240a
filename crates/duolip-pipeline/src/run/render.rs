//! One chunk: mel windows → mouths → frames → segment.
//!
//! While one batch of mouths is composed and encoded the next is already being painted.

use std::collections::VecDeque;
use std::slice::ChunksExact;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::chunk::{Chunk, Fade};
use crate::compose::Composer;
use crate::encode::{Segment, SegmentSettings, SegmentWriter, VideoEncoder};
use crate::error::{JobError, Stage};
use crate::face::{Avatar, FaceCrop};
use crate::folder::JobFolder;
use crate::lipsync::{
    JobTicket, LipSync, LipSyncError, Look, MouthBatch, Mouths, OnOutOfMemory, PendingMouths,
};
use crate::mel::{MelSpectrogram, SILENCE, WINDOW_VALUES};
use crate::observe::Observer;
use crate::picture::YuvFrame;
use crate::statistics::ChunkStatistics;
use crate::units::FrameRange;

/// Batches that one chunk has under way: while one is painted or composed, the next is queued or
/// painted already.
const BATCHES_AHEAD: usize = 2;

/// A chunk's segment and what it cost.
pub(super) type Rendered = (Segment, ChunkStatistics);

/// The models of a job, found by look.
#[derive(Clone)]
pub(super) struct Painters {
    models: Vec<Arc<dyn LipSync>>,
    job: JobTicket,
    on_out_of_memory: OnOutOfMemory,
}

impl Painters {
    pub(super) fn new(models: &[Arc<dyn LipSync>], on_out_of_memory: OnOutOfMemory) -> Self {
        Self { models: models.to_vec(), job: JobTicket::new(), on_out_of_memory }
    }

    /// The plan deals chunks to the job's own models only, so the look is always there.
    fn of(&self, look: Look) -> Result<&Arc<dyn LipSync>, LipSyncError> {
        let mut models = self.models.iter();
        models.find(|model| model.look() == look).ok_or(LipSyncError::SessionEnded { look })
    }

    /// Who paints on when `look` has given `error`, if that is allowed and there is another model.
    fn instead_of(&self, look: Look, error: &LipSyncError) -> Option<&Arc<dyn LipSync>> {
        let allowed = self.on_out_of_memory == OnOutOfMemory::OtherModel
            && matches!(error, LipSyncError::OutOfMemory { .. });
        self.models.iter().find(|model| allowed && model.look() != look)
    }
}

/// All that one chunk needs.
pub(super) struct ChunkRender {
    pub(super) chunk: Chunk,
    pub(super) settings: SegmentSettings,
    pub(super) mel: Arc<MelSpectrogram>,
    pub(super) avatar: Arc<Avatar>,
    pub(super) painters: Painters,
    pub(super) encoder: Arc<dyn VideoEncoder>,
    pub(super) observer: Arc<dyn Observer>,
    pub(super) folder: JobFolder,
    pub(super) cancel: CancellationToken,
}

/// Where a chunk's time went.
#[derive(Default)]
struct Times {
    lip_sync: Duration,
    compose: Duration,
    encode: Duration,
}

impl ChunkRender {
    /// Renders the chunk. Blocks.
    pub(super) fn run(self) -> Result<Rendered, JobError> {
        let started = Instant::now();
        let mut times = Times::default();
        let path = self.folder.file(&format!("segment-{:02}.h264", self.chunk.index));
        let mut writer = self
            .encoder
            .begin_segment(self.chunk.index, &path, &self.avatar.base, self.settings, &self.cancel)
            .map_err(JobError::at(Stage::Encode))?;
        let moved = self.frames(writer.as_mut(), &mut times)?;
        let segment =
            clocked(&mut times.encode, || writer.finish()).map_err(JobError::at(Stage::Encode))?;
        let statistics = ChunkStatistics {
            index: self.chunk.index,
            look: self.chunk.look,
            moved,
            frames: self.chunk.frames.clone(),
            render: started.elapsed(),
            lip_sync: times.lip_sync,
            compose: times.compose,
            encode: times.encode,
        };
        Ok((segment, statistics))
    }

    /// Paints, composes and writes all frames; tells the model that painted the last of them, and
    /// from which frame on, if it is not the planned one.
    fn frames(
        &self,
        writer: &mut dyn SegmentWriter,
        times: &mut Times,
    ) -> Result<Option<(Look, usize)>, JobError> {
        let mut painter =
            self.painters.of(self.chunk.look).map_err(JobError::at(Stage::LipSync))?;
        let mut moved = None;
        let mut fades = self.begin_fades()?;
        // The composer of the painter's mouths, once it has shown its mouth at rest.
        let mut composer = None;
        let mut unasked = self.chunk.frames.clone();
        let mut asked: VecDeque<Asked> = VecDeque::new();
        loop {
            while asked.len() < BATCHES_AHEAD && !unasked.is_empty() {
                let opening = composer.is_none() && asked.is_empty();
                let mouths = painter.batch_size() - usize::from(opening);
                let end = (unasked.start + mouths.max(1)).min(unasked.end);
                asked.push_back(self.ask(painter.as_ref(), opening, unasked.start..end)?);
                unasked.start = end;
            }
            let Some(batch) = asked.pop_front() else {
                return Ok(moved);
            };
            let (frames, face) = (batch.frames.clone(), Arc::clone(&batch.face));
            let mouths = match batch.wait(&self.cancel) {
                Ok(mouths) => mouths,
                Err(error) => {
                    let other = self.painters.instead_of(self.chunk.look, &error);
                    let Some(other) = other.filter(|_| moved.is_none()) else {
                        return Err(JobError::at(Stage::LipSync)(error));
                    };
                    let (to, first) = (other.look(), frames.start);
                    tracing::warn!(%error, %to, frame = first, "the chunk moves to the other model");
                    moved = Some((to, first));
                    painter = other;
                    composer = None;
                    // What else was asked of the first model is given up.
                    asked.clear();
                    unasked.start = first;
                    continue;
                }
            };
            times.lip_sync += mouths.work;
            let mut each = mouths.each();
            let composer = match &mut composer {
                Some(composer) => composer,
                none => none.insert(self.composer(&face, &mut each)),
            };
            for (frame, mouth) in frames.zip(each) {
                let mut buffer = clocked(&mut times.encode, || writer.buffer())
                    .map_err(JobError::at(Stage::Encode))?;
                clocked(&mut times.compose, || composer.compose(mouth, &mut buffer));
                for fade in &mut fades {
                    fade.mix_into(frame, &mut buffer, self, times)?;
                }
                self.observer.composed(self.chunk.index, frame, &buffer.planes);
                clocked(&mut times.encode, || writer.write(buffer))
                    .map_err(JobError::at(Stage::Encode))?;
            }
        }
    }

    /// A painter's composer. Takes the first of `mouths`, the one at rest, which [`Asked::wait`] has
    /// counted.
    fn composer(&self, face: &FaceCrop, mouths: &mut ChunksExact<'_, u8>) -> Composer<'_> {
        Composer::new(&self.avatar.patch, face, mouths.next().unwrap_or_default())
    }

    /// Asks the neighbours' models for the frames in which they are mixed in.
    fn begin_fades(&self) -> Result<Vec<FadeRender<'_>>, JobError> {
        let fades = self.chunk.fades.iter().map(|fade| {
            let painter = self.painters.of(fade.look).map_err(JobError::at(Stage::LipSync))?;
            let asked = self.ask(painter.as_ref(), true, fade.frames.clone())?;
            Ok(FadeRender { fade, mouths: FadeMouths::Pending(Some(asked)) })
        });
        fades.collect()
    }

    /// Asks for the mouths of `frames`; when `opening`, for the painter's mouth at rest before them.
    fn ask(
        &self,
        painter: &dyn LipSync,
        opening: bool,
        frames: FrameRange,
    ) -> Result<Asked, JobError> {
        let at = JobError::at(Stage::LipSync);
        if self.cancel.is_cancelled() {
            return Err(at(LipSyncError::Cancelled));
        }
        let expected = painter.input_size();
        let face = self.avatar.crop(expected).ok_or_else(|| {
            at(LipSyncError::WrongFaceSize {
                look: painter.look(),
                expected,
                actual: self.avatar.crops.first().map_or(0, |crop| crop.size),
            })
        })?;
        let count = frames.len() + usize::from(opening);
        let mut mel_windows = Vec::with_capacity(count * WINDOW_VALUES);
        if opening {
            mel_windows.resize(WINDOW_VALUES, SILENCE);
        }
        for frame in frames.clone() {
            self.mel.append_window(frame, self.settings.frame_rate, &mut mel_windows);
        }
        let face = Arc::clone(face);
        let batch = MouthBatch { job: self.painters.job, mel_windows, face: Arc::clone(&face) };
        let pending = painter.submit(batch).map_err(at)?;
        Ok(Asked { frames, count, look: painter.look(), face, pending })
    }
}

/// The mouths of some frames, on their way.
struct Asked {
    frames: FrameRange,
    /// One more than there are frames if the mouth at rest is among them.
    count: usize,
    look: Look,
    face: Arc<FaceCrop>,
    pending: PendingMouths,
}

/// Not the mouths that were asked for.
#[derive(Debug, thiserror::Error)]
#[error(
    "{wanted} mouths of {wanted_size} px were asked for; {bytes} bytes of mouths of {size} px came"
)]
struct OtherMouths {
    wanted: usize,
    wanted_size: usize,
    bytes: usize,
    size: usize,
}

impl Asked {
    /// Blocks until they have come. A mouth too few would cut the video short without a word.
    fn wait(self, cancel: &CancellationToken) -> Result<Mouths, LipSyncError> {
        let mouths = self.pending.wait_unless(cancel)?;
        let (wanted, wanted_size) = (self.count, self.face.size);
        let (bytes, size) = (mouths.bgr.len(), mouths.size);
        if size == wanted_size && bytes == wanted * size * size * 3 {
            return Ok(mouths);
        }
        let source = OtherMouths { wanted, wanted_size, bytes, size };
        Err(LipSyncError::Inference { look: self.look, source: Box::new(source) })
    }
}

/// A fade whose mouths are on their way or have come.
struct FadeRender<'a> {
    fade: &'a Fade,
    mouths: FadeMouths<'a>,
}

enum FadeMouths<'a> {
    /// Taken when first needed.
    Pending(Option<Asked>),
    /// The first is the mouth at rest.
    Painted(Mouths, Box<Composer<'a>>),
    /// The neighbour's model had no memory: the neighbour is painted by this chunk's model as well.
    NotNeeded,
}

impl<'a> FadeRender<'a> {
    /// Mixes the other model's picture of `frame` into `buffer`, if the fade covers it.
    fn mix_into(
        &mut self,
        frame: usize,
        buffer: &mut YuvFrame,
        chunk: &'a ChunkRender,
        times: &mut Times,
    ) -> Result<(), JobError> {
        if !self.fade.frames.contains(&frame) {
            return Ok(());
        }
        let place = frame - self.fade.frames.start;
        if let FadeMouths::Pending(asked) = &mut self.mouths
            && let Some(asked) = asked.take()
        {
            let face = Arc::clone(&asked.face);
            self.mouths = match asked.wait(&chunk.cancel) {
                Ok(painted) => {
                    times.lip_sync += painted.work;
                    let composer = chunk.composer(&face, &mut painted.each());
                    FadeMouths::Painted(painted, Box::new(composer))
                }
                Err(error) if chunk.painters.instead_of(self.fade.look, &error).is_some() => {
                    tracing::warn!(%error, "no fade to the neighbour, which moves to this model");
                    FadeMouths::NotNeeded
                }
                Err(error) => return Err(JobError::at(Stage::LipSync)(error)),
            };
        }
        if let FadeMouths::Painted(mouths, composer) = &mut self.mouths
            && let Some(mouth) = mouths.each().nth(1 + place)
        {
            clocked(&mut times.compose, || {
                composer.mix(mouth, self.fade.shares[place], buffer);
            });
        }
        Ok(())
    }
}

/// Adds the time that `work` takes to `time`.
fn clocked<T>(time: &mut Duration, work: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let result = work();
    *time += started.elapsed();
    result
}
