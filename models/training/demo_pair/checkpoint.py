"""Training that can be broken off: everything a stage needs to go on is kept in one file."""

import os

import torch


def save(path, **parts):
    """Writes beside and renames, so that a broken run never leaves half a file."""
    beside = path.with_suffix(".new")
    torch.save(parts, beside)
    os.replace(beside, path)


def load(path):
    """The parts that `save` was given, or None."""
    return torch.load(path, weights_only=False) if path.exists() else None
