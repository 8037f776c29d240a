//! Which part of every layer the painted pixels need, found from the picture backwards.

use crate::area::{Area, Reach, reach, whole};
use crate::layer::Layer;
use crate::network::Network;

/// A layer and the part of it that is computed.
#[derive(Debug)]
pub(super) struct Step<'network> {
    pub(super) layer: &'network Layer,
    /// What it reads, rows and columns.
    pub(super) reach: [Reach; 2],
    /// What it gives.
    pub(super) output: Area,
}

impl Step<'_> {
    /// Rows and columns of what it reads.
    pub(super) fn input(&self) -> Area {
        self.reach.map(|axis| axis.input)
    }
}

/// The layers between one skip and the next: the first of them reads the block before and a skip.
#[derive(Debug)]
pub(super) struct Block<'network> {
    pub(super) steps: Vec<Step<'network>>,
    /// How many of the first layer's input channels come from the block before.
    pub(super) channels: usize,
    /// Width and height of the skip, in places.
    pub(super) skip_size: usize,
}

impl Block<'_> {
    /// The shape of what the first layer makes of the skip.
    pub(super) fn feature_shape(&self) -> [usize; 3] {
        let first = &self.steps[0];
        [first.layer.outputs, first.output[0].len(), first.output[1].len()]
    }
}

/// The decoder after its first block, which has no skip, and the output block.
#[derive(Debug)]
pub(super) struct Plan<'network> {
    pub(super) blocks: Vec<Block<'network>>,
    pub(super) painted: Area,
}

impl<'network> Plan<'network> {
    pub(super) fn new(network: &'network Network, painted: Area) -> Self {
        let mut needed = painted;
        let mut blocks = Vec::new();
        let parts =
            network.decoder[1..].iter().map(Vec::as_slice).chain([network.output.as_slice()]);
        for (before, layers) in parts.enumerate().collect::<Vec<_>>().into_iter().rev() {
            let skip_size = network.decoder_size(before);
            let mut steps = Vec::new();
            for (at, layer) in layers.iter().enumerate().rev() {
                let sizes = match at {
                    0 => skip_size,
                    _ => layers[0].form.output_size(skip_size, 0),
                };
                let reach = [0, 1].map(|axis| reach(&layer.form, axis, needed[axis], sizes));
                steps.push(Step { layer, reach, output: needed });
                needed = reach.map(|axis| axis.input);
            }
            steps.reverse();
            let last = network.decoder[before].last();
            let channels = last.map_or(0, |layer| layer.outputs);
            blocks.push(Block { steps, channels, skip_size });
        }
        blocks.reverse();
        debug_assert_eq!(needed, whole(1));
        Self { blocks, painted }
    }
}
