//! The unpickler: a small machine that turns a pickle into plain values and references to
//! storages.
//!
//! Between a container's reader and the list of named tensors. No instruction of it runs code: a
//! class or function is a [`Global`] from a short list, everything else is refused by its name.
//! What it builds is bounded: see the limits of [`machine`] and [`arena`].
//!
//! Must not know the container, nor read a storage.

mod arena;
mod call;
mod global;
mod machine;

pub(crate) use arena::{Arena, Storage, TensorView, Value};
pub(crate) use global::Classes;
pub(crate) use machine::{MOST_BYTES, run};

use global::Global;
