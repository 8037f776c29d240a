//! From references to numbers: each storage is read once, and its tensors are laid out row by row.
//!
//! Must not know where a storage lies: the container's reader brings it.

use crate::{
    StateDict, Tensor,
    entries::Entries,
    error::Damage,
    pickle::{Storage, TensorView},
};

/// The tensors of a file may take this many times its size: bytes become four-byte floats…
const MOST_GROWTH: u64 = 4;
/// …and this much more, for small files whose tensors share a storage, or pack well.
const ALWAYS_ALLOWED: u64 = 1 << 20;
/// Storages read may come to this much more than [`MOST_GROWTH`] times the file.
const ALWAYS_READ: u64 = 16 << 20;

/// The tensors, every storage brought once by `load`.
pub(crate) fn state_dict(
    entries: Entries,
    storages: &[Storage],
    file_bytes: u64,
    mut load: impl FnMut(&Storage) -> Result<Vec<u8>, Damage>,
) -> Result<StateDict, Damage> {
    let grown = file_bytes.saturating_mul(MOST_GROWTH);
    let wanted = entries.values().fold(0u64, |sum, view| {
        sum.saturating_add(view.elements.saturating_mul(size_of::<f32>() as u64))
    });
    within(wanted, grown.saturating_add(ALWAYS_ALLOWED))?;

    let mut entries: Vec<(String, TensorView)> = entries.into_iter().collect();
    entries.sort_by_key(|(_, view)| view.storage);
    let mut state = Vec::with_capacity(entries.len());
    let mut read = 0u64;
    for tensors in entries.chunk_by_mut(|(_, a), (_, b)| a.storage == b.storage) {
        let storage = &storages[tensors[0].1.storage];
        let says_bytes = storage.size_bytes().unwrap_or(u64::MAX);
        read = read.saturating_add(says_bytes);
        within(read, grown.saturating_add(ALWAYS_READ))?;
        let bytes = load(storage)?;
        if bytes.len() as u64 != says_bytes {
            let (key, has_bytes) = (storage.key.clone(), bytes.len() as u64);
            return Err(Damage::StorageSize { key, has_bytes, says_bytes });
        }
        for (name, view) in tensors {
            let values = if view.elements == 0 {
                // Its other axes may be of any length: their product need not be a number.
                Vec::new()
            } else if is_contiguous(view) {
                view.dtype.gather(&bytes, view.offset..view.offset + view.elements)
            } else {
                view.dtype.gather(&bytes, Indices::of(view))
            };
            let shape = view.axes.iter().map(|(length, _)| *length as usize).collect();
            state.push((std::mem::take(name), Tensor { shape, values }));
        }
    }
    Ok(state.into_iter().collect())
}

fn within(wanted_bytes: u64, most_bytes: u64) -> Result<(), Damage> {
    if wanted_bytes > most_bytes {
        return Err(Damage::TooLarge { wanted_bytes, most_bytes });
    }
    Ok(())
}

/// Whether its elements, of which there are some, lie in the storage in the order they are wanted
/// in.
fn is_contiguous(view: &TensorView) -> bool {
    let mut expected = 1;
    view.axes.iter().rev().all(|(length, stride)| {
        let fits = *length == 1 || *stride == expected;
        expected *= length;
        fits
    })
}

/// The storage indices of a tensor's elements, the last axis running fastest.
struct Indices<'a> {
    axes: &'a [(u64, u64)],
    position: Vec<u64>,
    index: u64,
    left: usize,
}

impl<'a> Indices<'a> {
    fn of(view: &'a TensorView) -> Self {
        let (axes, left) = (&*view.axes, view.elements as usize);
        Self { axes, position: vec![0; axes.len()], index: view.offset, left }
    }
}

impl Iterator for Indices<'_> {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        self.left = self.left.checked_sub(1)?;
        let present = self.index;
        for ((length, stride), position) in self.axes.iter().zip(&mut self.position).rev() {
            *position += 1;
            if *position < *length {
                self.index += stride;
                break;
            }
            // Back to the start of this axis; one step on the axis before it.
            self.index -= stride * (*length - 1);
            *position = 0;
        }
        Some(present)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}
