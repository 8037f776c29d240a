"""Duolip and the usual design in Python (`baseline`), side by side in one run."""
