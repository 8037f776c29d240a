"""Speech engines beside espeak-ng, and the voices that are kept out of training.

Engines give samples and the segments spoken in them (`segments`); who speaks in
training is `speech`'s business. `python -m demo_pair.engines --output DIR`
writes the voices never heard, with the mouths they should show.
"""
