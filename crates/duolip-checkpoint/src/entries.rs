//! From the values of a pickle to the list of named tensors that are the state dict.
//!
//! Must not know the container, nor which names a lip-sync network has.

use std::collections::BTreeMap;

use crate::{
    CheckpointError, Form, KnownNetwork,
    error::Damage,
    pickle::{Arena, TensorView, Value},
};

/// What `DataParallel` puts before the names.
const WRAPPER: &str = "module.";
/// Where training scripts put the weights, in a dictionary beside other things.
const STATE_DICT: &str = "state_dict";
/// A published network of any size has fewer tensors.
const MOST_TENSORS: usize = 16_384;
/// Longest name of a tensor, in bytes.
const MOST_NAME: usize = 512;
/// Modules within modules.
const MOST_NESTING: usize = 32;
/// Attributes looked at in all modules: a module may be reached by many paths.
const MOST_ATTRIBUTES: usize = 262_144;

/// Tensors by name, without `module.`.
pub(crate) type Entries = BTreeMap<String, TensorView>;

/// The named tensors of a state dict, of a dictionary that holds one, or of a module tree.
pub(crate) fn of(arena: &Arena, root: Value, form: Form) -> Result<Entries, CheckpointError> {
    let entries = if arena.module(root).is_some() {
        of_module(arena, root)
    } else {
        of_dictionary(arena, root)
    }
    .map_err(|damage| damage.of(form))?;
    if let Some(network) = KnownNetwork::of(entries.keys().map(String::as_str)) {
        return Err(CheckpointError::WrongNetwork { network });
    }
    match (entries.is_empty(), form) {
        (false, _) => Ok(entries),
        (true, Form::TorchScript) => Err(CheckpointError::Frozen),
        (true, form) => Err(CheckpointError::NoTensors { form }),
    }
}

/// Of `state_dict`, else of the dictionary itself, else of the first dictionary in it that has any.
fn of_dictionary(arena: &Arena, root: Value) -> Result<Entries, Damage> {
    let members = arena.dictionary(root).unwrap_or_default();
    let by_name = members
        .iter()
        .filter(|(key, _)| arena.text(*key) == Some(STATE_DICT))
        .map(|(_, value)| *value);
    let others = members.iter().map(|(_, value)| *value);
    for candidate in by_name.chain([root]).chain(others) {
        let mut entries = Entries::new();
        for (key, value) in arena.dictionary(candidate).unwrap_or_default() {
            if let (Some(name), Some(tensor)) = (arena.text(*key), arena.tensor(*value)) {
                insert(&mut entries, name, tensor)?;
            }
        }
        if !entries.is_empty() {
            return Ok(entries);
        }
    }
    Ok(Entries::new())
}

/// Of a tree of TorchScript objects: the path of attributes is the name.
fn of_module(arena: &Arena, root: Value) -> Result<Entries, Damage> {
    let mut entries = Entries::new();
    let mut looked_at = 0;
    let mut open = vec![(String::new(), 0, root)];
    while let Some((path, depth, module)) = open.pop() {
        if depth > MOST_NESTING {
            return Err(Damage::Nesting(MOST_NESTING));
        }
        for (key, value) in arena.module(module).unwrap_or_default() {
            looked_at += 1;
            if looked_at > MOST_ATTRIBUTES {
                return Err(Damage::Limit { of: "attributes of modules", most: MOST_ATTRIBUTES });
            }
            let Some(attribute) = arena.text(*key) else { continue };
            let name = || format!("{path}{attribute}");
            if let Some(tensor) = arena.tensor(*value) {
                insert(&mut entries, &name(), tensor)?;
            } else if arena.module(*value).is_some() {
                if open.len() == MOST_TENSORS || path.len() + attribute.len() > MOST_NAME {
                    return Err(Damage::Nesting(MOST_NESTING));
                }
                open.push((name() + ".", depth + 1, *value));
            }
        }
    }
    Ok(entries)
}

fn insert(entries: &mut Entries, name: &str, tensor: &TensorView) -> Result<(), Damage> {
    if name.len() > MOST_NAME {
        return Err(Damage::Limit { of: "bytes of a tensor's name", most: MOST_NAME });
    }
    if entries.len() == MOST_TENSORS {
        return Err(Damage::Limit { of: "tensors", most: MOST_TENSORS });
    }
    let name = name.replace(WRAPPER, "");
    if entries.contains_key(&name) {
        return Err(Damage::DuplicateTensor(name));
    }
    entries.insert(name, tensor.clone());
    Ok(())
}
