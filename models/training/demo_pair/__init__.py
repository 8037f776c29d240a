"""Trains the demo pair: two narrow lip-sync networks on synthetic speech and drawn faces.

`espeak`, `mouth_track`, `mel` and `paste` need numpy alone, so the lip-sync
checker of the test suite imports them without the training dependencies.
"""
