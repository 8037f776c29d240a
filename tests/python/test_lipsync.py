"""The mouths of both models follow speech that they have never heard, and look as drawn.

Measured in the pixels of MP4s that the program renders. docs/demo-pair.md has
the same figures for more speech and more faces.
"""

from dataclasses import asdict

import pytest
from demo_pair.avatar import GALLERY, held_out_avatar
from demo_pair.calibrate import fitted_ruler
from demo_pair.clips import VOICES
from demo_pair.drawn import Sitter
from demo_pair.edge import Rings, colour_step, texture_step
from demo_pair.motion import agreement
from demo_pair.mouth_area import lips_area
from demo_pair.recordings import (
    brief_recording,
    engine_recording,
    espeak_recording,
    stillness_recording,
)
from demo_pair.ruler import Ruler
from demo_pair.sharpness import gradient_ratio, ssim
from demo_pair.steadiness import jitter, movement_by_sound, movement_in_speech
from demo_pair.thresholds import (
    MODEL,
    MOTION,
    NEVER_HEARD,
    PICTURE,
    STILLNESS,
    UNSEEN_ESPEAK,
    kind_of,
)
from demo_pair.video import LOOKS, Program, decode, encode

import pair

ANNA = GALLERY["anna"]
STRANGER = held_out_avatar(0)
RULER = Ruler.load(pair.ROOT / "tests/python/lipsync_ruler.json")
ENGINES = sorted(folder.name for folder in VOICES.iterdir() if kind_of(folder.name) == NEVER_HEARD)
SECONDS_OF_PICTURE = 12


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """Renders a recording with a look on Anna or on the stranger, once."""
    made = {}
    stranger = Sitter(STRANGER).write(tmp_path_factory.mktemp("avatars") / "stranger")

    def rendered(look, recording, avatar=ANNA):
        key = look, avatar.name, recording.name, recording.language
        if key not in made:
            folder = tmp_path_factory.mktemp("rendered")
            audio = recording.write(folder / "speech.wav")
            shown = stranger if avatar is STRANGER else avatar.name
            made[key] = Program(pair.PAIR).render(look, audio, shown, folder / "video.mp4")
        return made[key]

    return rendered


def followed(video, look, recording, avatar=ANNA, ruler=RULER):
    """How the mouth in a rendered video follows the recording."""
    measured = ruler.measure(decode(video(look, recording, avatar), ruler.area))
    figures = asdict(agreement(measured, recording.mouths))
    print(look, avatar.name, recording.name, recording.language, figures)
    return figures


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("language", ["ru", "en"])
def test_the_mouth_follows_voices_that_training_never_heard(video, look, language):
    figures = followed(video, look, espeak_recording(language))
    assert not pair.misses(look, f"espeak-ng {language}", figures, MOTION[UNSEEN_ESPEAK])


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("engine", ENGINES)
def test_the_mouth_follows_engines_that_training_never_heard(video, look, engine):
    figures = followed(video, look, engine_recording(VOICES / engine))
    assert not pair.misses(look, engine, figures, MOTION[NEVER_HEARD])


@pytest.mark.parametrize("look", LOOKS)
def test_the_mouth_of_somebody_never_trained_follows_too(video, look):
    ruler, _ = fitted_ruler(STRANGER, brief_recording().mouths, drawings=300)
    figures = followed(video, look, brief_recording(), STRANGER, ruler)
    assert not pair.misses(look, STRANGER.name, figures, MOTION[UNSEEN_ESPEAK])


@pytest.mark.parametrize("look", LOOKS)
def test_the_mouth_is_still_in_silence_and_in_faint_noise(video, look):
    spoken, silent = brief_recording(), stillness_recording()
    in_speech = movement_in_speech(decode(video(look, spoken), RULER.area), spoken.mouths)
    silence = decode(video(look, silent), RULER.area)
    shares = {sound: m / in_speech for sound, m in movement_by_sound(silence, silent).items()}
    print(look, shares)
    assert not pair.misses(look, "no speech", shares, STILLNESS)


@pytest.fixture(scope="module", params=[ANNA, STRANGER], ids=lambda avatar: avatar.name)
def avatar(request):
    return request.param


@pytest.fixture(scope="module")
def drawing(avatar, tmp_path_factory):
    """The beginning of the brief recording, with drawn mouths."""
    photos = Sitter(avatar).photos(brief_recording().mouths[: 25 * SECONDS_OF_PICTURE])
    return encode(photos, tmp_path_factory.mktemp("drawn") / "drawing.mp4")


@pytest.mark.parametrize("look", LOOKS)
def test_the_picture_is_as_crisp_and_seamless_as_the_drawing(video, avatar, drawing, look):
    lips, rings = lips_area(avatar), Rings.of(avatar)
    painting = video(look, brief_recording(), avatar)
    drawn, drawn_edge = decode(drawing, lips), decode(drawing, rings.area)[::2]
    painted = decode(painting, lips)[: len(drawn)]
    edge = decode(painting, rings.area)[: len(drawn) : 2]
    figures = {
        "gradient": gradient_ratio(painted, drawn),
        "ssim": ssim(painted[::2], drawn[::2]),
        "colour_step": colour_step(rings, edge, drawn_edge)[1],
        "texture_step": texture_step(rings, edge, drawn_edge),
        "jitter": jitter(painted, drawn),
    }
    print(look, avatar.name, figures)
    assert not pair.misses(look, avatar.name, figures, PICTURE[look])


@pytest.mark.parametrize("look", LOOKS)
def test_a_model_is_small(look):
    graph = pair.PAIR / look / "lipsync.onnx"
    assert MODEL["bytes"].holds(graph.stat().st_size)
