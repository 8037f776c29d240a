//! The short list of Python names a checkpoint may mention, and what each one means here.
//!
//! Must not know what calling them does: that is `call`'s.

use crate::{dtype::Dtype, error::Damage};

/// A Python class or function of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Global {
    /// `torch.FloatStorage`, …: names the element type of a storage.
    StorageClass(Dtype),
    /// `torch.float32`, …
    Dtype(Dtype),
    /// Gives an empty or filled dictionary.
    Dictionary,
    /// `_rebuild_tensor`, `_rebuild_tensor_v2`: a view into a storage.
    RebuildTensor,
    /// `_rebuild_tensor_v3`: the same, with the element type as the seventh argument.
    RebuildTypedTensor,
    /// `_rebuild_parameter` and others whose result is their first argument.
    FirstArgument,
    /// Gives something that is of no interest: a device, a number of numpy's.
    Ignored,
    /// A class of TorchScript: `__torch__.…`.
    Module,
}

/// Whose classes are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Classes {
    /// Those of `torch.save`.
    Pickle,
    /// Those of `torch.jit.save`, which has the network's own under `__torch__`.
    TorchScript,
}

/// Longest name of a refused class that a message shows.
const MOST_SHOWN: usize = 200;

impl Classes {
    /// The meaning of a name, or the refusal that shows it.
    pub(crate) fn find(self, module: &str, name: &str) -> Result<Global, Damage> {
        Ok(match (module, name) {
            ("collections", "OrderedDict" | "defaultdict") => Global::Dictionary,
            ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2") => Global::RebuildTensor,
            ("torch._utils", "_rebuild_tensor_v3") => Global::RebuildTypedTensor,
            ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state")
            | ("torch", "Size")
            | (
                "torch.jit._pickle",
                "build_intlist" | "build_doublelist" | "build_boollist" | "build_tensorlist"
                | "restore_type_tag",
            ) => Global::FirstArgument,
            ("torch", "device")
            | ("torch.serialization", "_get_layout")
            | ("collections", "Counter")
            | ("builtins" | "__builtin__", "dict" | "list" | "set")
            | ("_codecs", "encode")
            | ("numpy", "dtype")
            | ("numpy.core.multiarray" | "numpy._core.multiarray", "scalar") => Global::Ignored,
            ("torch" | "torch.storage", class) => Dtype::from_storage_class(class)
                .map(Global::StorageClass)
                .or_else(|| Dtype::from_torch_name(name).map(Global::Dtype))
                .ok_or_else(|| refused(module, name))?,
            _ if self == Self::TorchScript
                && (module == "__torch__" || module.starts_with("__torch__.")) =>
            {
                Global::Module
            }
            _ => return Err(refused(module, name)),
        })
    }
}

fn refused(module: &str, name: &str) -> Damage {
    Damage::Class(format!("{module}.{name}").chars().take(MOST_SHOWN).collect())
}
