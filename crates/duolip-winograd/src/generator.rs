//! The chain of layers from mel windows to mouths.

use std::collections::TryReserveError;
use std::ops::Range;
use std::sync::Arc;

use pulp::Arch;
use rayon::prelude::*;

use crate::crew::Crew;
use crate::lanes::{PANEL, Pixel};
use crate::layer::{Ending, Kind, Layer, Ready};
use crate::map::{self, Shape};
use crate::memory::Aligned;
use crate::store::End;
use crate::winograd::{self, Scratch};
use crate::{direct, sigmoid};

/// Layers one after the other, from mel windows to mouths.
#[derive(Debug)]
pub struct MouthGenerator {
    arch: Arch,
    layers: Vec<Ready>,
    stages: Vec<Stage>,
    crew: Arc<Crew>,
    /// One for each thread of the crew.
    memories: Vec<Memory>,
}

/// Layers that are gone through together for a few mouths at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stage {
    layers: Range<usize>,
    mouths: usize,
}

/// What one thread works in.
#[derive(Debug, Default)]
struct Memory {
    /// What a stage begins with and what it gives, for all mouths; of the first what it begins with, and
    /// of the last what it gives, for those that go through it together.
    whole: [Aligned; 2],
    /// What passes between layers within a stage.
    between: [Aligned; 2],
    scratch: Scratch,
}

/// The features of one face, laid out as the layers that add them want them.
#[derive(Debug, Clone)]
pub struct Features(Vec<Vec<Pixel>>);

/// There was no memory for as many mouths at once.
#[derive(Debug, Clone, thiserror::Error)]
#[error("no memory for {mouths} mouths at once")]
pub struct OutOfMemory {
    /// How many were to be painted.
    pub mouths: usize,
    source: TryReserveError,
}

/// Whether this processor has vector instructions that are used here; without them other programs
/// are faster.
#[must_use]
pub fn is_vectorised() -> bool {
    !matches!(Arch::new(), Arch::Scalar)
}

impl MouthGenerator {
    /// The generator that takes mel windows of the shape `window`, `[channels, rows, columns]`, through
    /// `layers`, painted by `crew`. A sigmoid follows the last layer.
    ///
    /// # Panics
    /// Weights have other lengths than their layer and the one before it ask for.
    pub fn new(
        window: [usize; 3],
        layers: impl IntoIterator<Item = Layer>,
        crew: Arc<Crew>,
    ) -> Self {
        let [channels, height, width] = window;
        let mut shape = Shape { height, width, channels };
        let mut ready = Vec::new();
        for layer in layers {
            let layer = Ready::new(layer, shape);
            shape = layer.output;
            ready.push(layer);
        }
        let memories = (0..crew.most()).map(|_| Memory::default()).collect();
        Self { arch: Arch::new(), stages: stages(&ready), layers: ready, crew, memories }
    }

    /// The features of one face: `planes` in their order, each `[channels, rows, columns]`.
    ///
    /// # Panics
    /// There are fewer, or they have other lengths than the layers that add them.
    #[must_use]
    pub fn features(&self, planes: &[&[f32]]) -> Features {
        let mut features = vec![Vec::new(); planes.len()];
        for layer in &self.layers {
            if let Ending::Feature(at) = layer.plus {
                let mut map = vec![Pixel::default(); layer.output.pixels()];
                lay_out(layer.output, planes[at], &mut map);
                features[at] = map;
            }
        }
        Features(features)
    }

    /// Paints a mouth for each of `windows`, `[N, channels, rows, columns]`, into `mouths`,
    /// `[N, channels, rows, columns]` of 0..=1. No mouth depends on those beside it.
    ///
    /// # Errors
    /// [`OutOfMemory`]; nothing is painted then.
    ///
    /// # Panics
    /// There is not room for just as many mouths as there are windows.
    pub fn paint(
        &mut self,
        features: &Features,
        windows: &[f32],
        mouths: &mut [f32],
    ) -> Result<(), OutOfMemory> {
        let (Some(first), Some(last)) = (self.layers.first(), self.layers.last()) else {
            return Ok(());
        };
        let (window, mouth) = (first.input.values(), last.output.values());
        let count = windows.len() / window;
        assert_eq!(mouths.len(), count * mouth, "room for {count} mouths");
        let shift = self.crew.begin();
        let share = count.div_ceil(shift.threads()).max(1);
        let threads = count.div_ceil(share);
        for memory in &mut self.memories[..threads] {
            memory
                .reserve(&self.layers, &self.stages, share)
                .map_err(|source| OutOfMemory { mouths: count, source })?;
        }
        let work = Work { arch: self.arch, layers: &self.layers, stages: &self.stages, features };
        let parts = windows.chunks(share * window).zip(mouths.chunks_mut(share * mouth));
        let parts = self.memories.iter_mut().zip(parts);
        match shift.pool(threads) {
            Some(pool) => {
                let parts: Vec<_> = parts.collect();
                pool.install(|| {
                    parts.into_par_iter().for_each(|(memory, (windows, mouths))| {
                        work.run(memory, windows, mouths);
                    });
                });
            }
            None => parts.for_each(|(memory, (windows, mouths))| work.run(memory, windows, mouths)),
        }
        Ok(())
    }

    /// Gives back the memory that the batches so far have taken.
    pub fn shrink(&mut self) {
        self.memories.iter_mut().for_each(|memory| *memory = Memory::default());
    }
}

/// As many mouths at a time as make a layer's maps as large as its weights: then neither is read more
/// often than the other, and maps stay in the cache from one layer to the next where weights do.
fn stages(layers: &[Ready]) -> Vec<Stage> {
    let mut stages: Vec<Stage> = Vec::new();
    for (at, layer) in layers.iter().enumerate() {
        let maps = (layer.input.len() + layer.output.len()) * size_of::<f32>();
        let mouths = layer.weight_bytes().div_ceil(maps).next_power_of_two();
        match stages.last_mut() {
            Some(stage) if stage.mouths == mouths => stage.layers.end = at + 1,
            _ => stages.push(Stage { layers: at..at + 1, mouths }),
        }
    }
    stages
}

impl Memory {
    /// Makes room for `count` mouths.
    fn reserve(
        &mut self,
        layers: &[Ready],
        stages: &[Stage],
        count: usize,
    ) -> Result<(), TryReserveError> {
        for (at, stage) in stages.iter().enumerate() {
            let layers = &layers[stage.layers.clone()];
            let mouths = stage.mouths.min(count);
            for (at, layer) in layers.iter().enumerate() {
                self.scratch.reserve(layer, mouths)?;
                // As they take turns in [`Work::through`]; the last writes to `whole`.
                if at + 1 < layers.len() {
                    self.between[1 - at % 2].reserve(mouths * layer.output.len())?;
                }
            }
            if let (Some(first), Some(last)) = (layers.first(), layers.last()) {
                // They change places from stage to stage.
                let taken = if at == 0 { mouths } else { count };
                self.whole[at % 2].reserve(taken * first.input.len())?;
                let given = if at + 1 == stages.len() { mouths } else { count };
                self.whole[1 - at % 2].reserve(given * last.output.len())?;
            }
        }
        Ok(())
    }
}

/// What all threads do, each for its own mouths.
#[derive(Clone, Copy)]
struct Work<'a> {
    arch: Arch,
    layers: &'a [Ready],
    stages: &'a [Stage],
    features: &'a Features,
}

impl Work<'_> {
    fn run(self, memory: &mut Memory, windows: &[f32], mouths: &mut [f32]) {
        let count = windows.len() / self.layers[0].input.values();
        let Memory { whole: [from, to], between, scratch } = memory;
        let (mut from, mut to) = (from, to);
        for (at, stage) in self.stages.iter().enumerate() {
            let (is_first, is_last) = (at == 0, at + 1 == self.stages.len());
            let layers = &self.layers[stage.layers.clone()];
            let (input, output) = (layers[0].input, layers[layers.len() - 1].output);
            for first in (0..count).step_by(stage.mouths) {
                let end = (first + stage.mouths).min(count);
                // Maps of windows and of mouths are large: none waits for the others.
                let read = if is_first { 0..end - first } else { first..end };
                let write = if is_last { 0..end - first } else { first..end };
                if is_first {
                    let windows = windows[first * input.values()..].chunks_exact(input.values());
                    let maps = from.get_mut(read.end * input.len()).chunks_exact_mut(input.len());
                    for (window, map) in windows.zip(maps) {
                        input.clear_border(map);
                        lay_out(input, window, map.as_chunks_mut().0);
                    }
                }
                let part = &from.get(read.end * input.len())[read.start * input.len()..];
                let maps = &mut to.get_mut(write.end * output.len())[write.start * output.len()..];
                self.through(layers, part, maps, between, scratch);
                if is_last {
                    let mouths =
                        mouths[first * output.values()..].chunks_exact_mut(output.values());
                    for (map, planes) in maps.chunks_exact(output.len()).zip(mouths) {
                        let map = map.as_chunks().0;
                        self.arch.dispatch(sigmoid::Apply { shape: output, map, planes });
                    }
                }
            }
            std::mem::swap(&mut from, &mut to);
        }
    }

    /// A few mouths through the layers of a stage.
    fn through(
        self,
        layers: &[Ready],
        part: &[f32],
        result: &mut [f32],
        between: &mut [Aligned; 2],
        scratch: &mut Scratch,
    ) {
        let mouths = part.len() / layers[0].input.len();
        let [read, write] = between;
        let (mut read, mut write) = (read, write);
        for (at, layer) in layers.iter().enumerate() {
            let given = if at == 0 { part } else { read.get(mouths * layer.input.len()) };
            if at + 1 == layers.len() {
                self.apply(layer, given, result, scratch);
            } else {
                let taken = write.get_mut(mouths * layer.output.len());
                self.apply(layer, given, taken, scratch);
            }
            std::mem::swap(&mut read, &mut write);
        }
    }

    fn apply(self, layer: &Ready, input: &[f32], output: &mut [f32], scratch: &mut Scratch) {
        for map in output.chunks_exact_mut(layer.output.len()) {
            layer.output.clear_border(map);
        }
        let plus = match &layer.plus {
            Ending::Bias(bias) => map::Plus::Bias(bias),
            Ending::Feature(at) => map::Plus::Feature(&self.features.0[*at]),
        };
        let end = End::new(plus, layer.output.plane(), layer.relu);
        let (input, output) = (input.as_chunks().0, output.as_chunks_mut().0);
        match &layer.kind {
            Kind::Direct(layer) => {
                self.arch.dispatch(direct::Apply { layer, end, input, output });
            }
            Kind::Winograd(layer) => {
                self.arch.dispatch(winograd::Apply { layer, end, input, output, scratch });
            }
        }
    }
}

/// Writes `planes`, `[channels, rows, columns]`, to `map`; what is no channel is left as it was.
fn lay_out(shape: Shape, planes: &[f32], map: &mut [Pixel]) {
    let size = shape.height * shape.width;
    for (channel, plane) in planes.chunks_exact(size).enumerate() {
        let (panel, channel) = (channel / PANEL, channel % PANEL);
        for (y, line) in plane.chunks_exact(shape.width).enumerate() {
            let first = panel * shape.plane() + shape.at(y + 1, 1);
            for (pixel, &value) in map[first..].iter_mut().zip(line) {
                pixel[channel] = value;
            }
        }
    }
}

#[cfg(test)]
mod tests;
