"""Photos of an avatar with any mouth: the truth that rendered frames are compared with."""

import numpy as np

from demo_pair.avatar import REST, write_png
from demo_pair.mouth_area import changing_area
from demo_pair.paste import Paste, ideal_crop


class Sitter:
    """An avatar that is drawn often: only what moves with the mouth is drawn anew."""

    def __init__(self, avatar):
        self.avatar = avatar
        self._rest = avatar.draw(REST)
        self._changing = changing_area(avatar)
        self._paste = Paste(self._rest, avatar.face_box, self._ideal_crop(self._rest))

    def photo(self, mouth):
        """The whole photo with this mouth, as drawn; BGR."""
        photo = self._rest.copy()
        self._changing.of(photo)[:] = self.avatar.draw(mouth, self._changing.box)
        return photo

    def photo_through_96_pixels(self, mouth):
        """The photo as the runtime would make it from the best mouth that 96 pixels can hold."""
        return self._paste.pasted(self._ideal_crop(self.photo(mouth)))

    def _ideal_crop(self, photo):
        left, top, right, bottom = self.avatar.face_box
        return ideal_crop(photo[top:bottom, left:right])

    def photos(self, mouths):
        """`photo` of each mouth; a mouth that is held is drawn once."""
        last, photo = None, None
        for mouth in mouths:
            if last is None or not np.array_equal(mouth, last):
                last, photo = mouth, self.photo(mouth)
            yield photo

    def write(self, folder):
        """The avatar as a folder that the program takes."""
        folder.mkdir(parents=True, exist_ok=True)
        write_png(str(folder / "photo.png"), self._rest)
        left, top, right, bottom = self.avatar.face_box
        box = f"left = {left}, top = {top}, right = {right}, bottom = {bottom}"
        (folder / "avatar.toml").write_text(f"frame_rate = 25\nface_box = {{ {box} }}\n")
        return folder
