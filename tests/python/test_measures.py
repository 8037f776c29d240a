"""The measures of the demo pair see what they are meant to see.

Each is shown something known: drawings with the true mouth, and the same
drawings late, at the wrong moments, blurred, discoloured or trembling.
"""

from types import SimpleNamespace

import numpy as np
import pytest
from demo_pair import table
from demo_pair.avatar import GALLERY, REST
from demo_pair.calibrate import fitted_ruler
from demo_pair.drawn import Sitter
from demo_pair.edge import Rings, colour_step, texture_step
from demo_pair.motion import agreement
from demo_pair.mouth_area import lips_area
from demo_pair.mouth_track import CLOSE, OPEN, WIDE
from demo_pair.paste import feather_mask
from demo_pair.recordings import brief_recording
from demo_pair.ruler import Ruler
from demo_pair.sharpness import gradient_ratio, ssim
from demo_pair.steadiness import jitter, movement, movement_in_speech
from demo_pair.thresholds import MOTION, UNSEEN_ESPEAK
from demo_pair.video import decode, encode

import pair

ANNA = GALLERY["anna"]
SECONDS = 14
RULER = Ruler.load(pair.ROOT / "tests/python/lipsync_ruler.json")
LIPS = lips_area(ANNA)
RINGS = Rings.of(ANNA)


@pytest.fixture(scope="module")
def mouths():
    return brief_recording().mouths[: SECONDS * 25]


@pytest.fixture(scope="module")
def drawn(mouths, tmp_path_factory):
    """The true drawings as an MP4: the lips, the ruler's area and the edge in every frame."""
    photos = list(Sitter(ANNA).photos(mouths))
    video = encode(photos, tmp_path_factory.mktemp("drawn") / "drawing.mp4")
    areas = {"lips": LIPS, "ruled": RULER.area, "edge": RINGS.area}
    return SimpleNamespace(photos=photos, **{n: decode(video, a) for n, a in areas.items()})


def encoded(photos, folder, area):
    return decode(encode(photos, folder / "changed.mp4"), area)


def blurred(photo):
    """Means over 3 x 3 pixels."""
    around = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1)]
    return np.mean([np.roll(photo, shift, (0, 1)) for shift in around], axis=0).astype(np.uint8)


def test_true_drawings_agree_with_the_truth_and_reach_every_bound(drawn, mouths):
    seen = agreement(RULER.measure(drawn.ruled), mouths)
    assert seen.opening > 0.99 and seen.width > 0.98
    assert seen.amplitude == pytest.approx(1, abs=0.03)
    assert (seen.closed, seen.falsely_closed) == (1, 0)
    assert not pair.misses("drawing", "itself", vars(seen), MOTION[UNSEEN_ESPEAK])


def test_drawings_that_come_two_frames_late_are_two_frames_late(drawn, mouths):
    assert agreement(RULER.measure(np.roll(drawn.ruled, 2, axis=0)), mouths).lag == 2
    assert agreement(RULER.measure(np.roll(drawn.ruled, -2, axis=0)), mouths).lag == -2


def test_the_mouth_of_another_moment_does_not_agree(drawn, mouths):
    wrong = agreement(RULER.measure(np.roll(drawn.ruled, len(mouths) // 2, axis=0)), mouths)
    assert abs(wrong.opening) < 0.3
    assert abs(agreement(RULER.measure(drawn.ruled), mouths).shuffled) < 0.1


def test_lips_that_never_meet_and_lips_that_never_part_are_both_seen(mouths):
    never_meet, never_part = mouths.copy(), np.zeros_like(mouths)
    never_meet[:, OPEN] = np.maximum(never_meet[:, OPEN], 0.2)
    for shown, closed, falsely_closed in ((never_meet, 0, 0), (never_part, 1, 1)):
        measured = {"open": shown[:, OPEN], "wide": shown[:, WIDE], "close": shown[:, CLOSE]}
        seen = agreement(measured, mouths)
        assert (seen.closed, seen.falsely_closed) == (closed, falsely_closed)


def test_half_an_opening_is_half_an_amplitude(mouths):
    measured = {"open": mouths[:, OPEN] / 2, "wide": mouths[:, WIDE]}
    assert agreement(measured, mouths).amplitude == pytest.approx(0.5, abs=0.001)


def test_a_video_of_the_wrong_length_is_refused(mouths):
    measured = {"open": mouths[1:, OPEN], "wide": mouths[1:, WIDE]}
    with pytest.raises(ValueError, match=f"{len(mouths) - 1} frames rendered, {len(mouths)}"):
        agreement(measured, mouths)


def test_a_ruler_fitted_anew_measures_as_the_stored_one(mouths, drawn):
    ruler, correlations = fitted_ruler(ANNA, brief_recording().mouths, drawings=300)
    assert min(correlations["open"], correlations["wide"]) > 0.98
    anew, stored = ruler.measure(drawn.ruled), RULER.measure(drawn.ruled)
    for name in ("open", "wide"):
        assert np.abs(anew[name] - stored[name]).mean() < 0.05


def test_a_blurred_truth_is_less_sharp_and_less_alike(drawn, tmp_path):
    lips = encoded([blurred(photo) for photo in drawn.photos], tmp_path, LIPS)
    assert gradient_ratio(drawn.lips, drawn.lips) == 1
    assert gradient_ratio(lips, drawn.lips) < 0.8
    alike = ssim(lips[::5], drawn.lips[::5])
    assert alike < 0.98 < ssim(drawn.lips[::5], drawn.lips[::5])


def test_the_mouth_of_another_moment_is_less_alike_though_as_sharp(drawn):
    wrong = np.roll(drawn.lips, len(drawn.lips) // 2, axis=0)
    assert ssim(wrong[::5], drawn.lips[::5]) < 0.85
    assert gradient_ratio(wrong, drawn.lips) == pytest.approx(1, abs=0.01)


def with_opacity(photo, change):
    """A photo with `change` (a picture of the face box) where the runtime would paint."""
    left, top, right, bottom = ANNA.face_box
    opacity = feather_mask(right - left, bottom - top)[:, :, None]
    changed = photo.astype(np.float32)
    face = changed[top:bottom, left:right]
    face += opacity * (change(face) - face)
    return np.clip(np.rint(changed), 0, 255).astype(np.uint8)


def test_a_redder_mouth_is_a_colour_step_of_as_many_levels(drawn, tmp_path):
    redder = [with_opacity(photo, lambda face: face + (0, 0, 8)) for photo in drawn.photos[:100]]
    edge = encoded(redder, tmp_path, RINGS.area)
    mean, worst = colour_step(RINGS, edge, drawn.edge[:100])
    assert 4 < mean <= worst < 9
    assert colour_step(RINGS, drawn.edge, drawn.edge) == (0, 0)


def test_grain_inside_the_edge_is_a_texture_step(drawn, tmp_path):
    random = np.random.default_rng(1)
    grainy = [
        with_opacity(photo, lambda face: face + random.normal(0, 6, face.shape))
        for photo in drawn.photos[:50]
    ]
    assert texture_step(RINGS, encoded(grainy, tmp_path, RINGS.area), drawn.edge[:50]) > 1
    assert texture_step(RINGS, drawn.edge, drawn.edge) == 0


def test_a_trembling_mouth_jitters(drawn, tmp_path):
    trembling = [np.roll(photo, at % 2, axis=0) for at, photo in enumerate(drawn.photos)]
    assert jitter(drawn.lips, drawn.lips) == 1
    assert jitter(encoded(trembling, tmp_path, LIPS), drawn.lips) > 1.5


def test_a_photo_that_rests_hardly_moves_beside_one_that_speaks(drawn, mouths, tmp_path):
    still = encoded([Sitter(ANNA).photo(REST)] * 100, tmp_path, RULER.area)
    assert movement(still) < 0.01 * movement_in_speech(drawn.ruled, mouths)


def test_the_page_is_made_of_its_figures_and_they_are_those_of_the_shipped_pair():
    page = pair.ROOT / "docs/demo-pair.md"
    figures = table.load(page)
    assert page.read_text() == table.page(figures, page.stem)
    for look, model in figures["model"].items():
        manifest = (pair.ROOT / "models/demo" / look / "manifest.toml").read_text()
        assert model["sha256"] in manifest, f"{look} was measured before it was last changed"
