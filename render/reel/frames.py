"""Pages to raw frames and back: which planes, in which order, with what beside the page.

Every frame format is one that its encoder takes as it is, so FFmpeg converts nothing on the way in: its conversion of
grey, if left to itself, narrows full range (0 … 255) to 16 … 235 and is no longer exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from render.errors import InputError
from render.pixels import PagePixels, luma
from render.reel.levels import grey_ramp, inverse, levels_of, translate
from render.reel.page import Pixels, RgbPixels
from render.reel.settings import Colours

U1 = NDArray[np.uint8]

# NVENC takes no frame narrower than 145 or lower than 49 pixels; 4:2:0 halves both sides.
MIN_FRAME_SIDE = 160
_PAPER = 255
_NEUTRAL_CHROMA = 128


class FrameFormat(StrEnum):
    """Layout of a raw frame, by FFmpeg's name."""

    GRAY = "gray"
    YUV420 = "yuv420p"
    YUV444 = "yuv444p"
    RGB24 = "rgb24"
    GBRP = "gbrp"


def frame_size(size_px: tuple[int, int]) -> tuple[int, int]:
    """Return width and height of frames that hold pages up to a size: even, and not below MIN_FRAME_SIDE."""
    width, height = (max(side + side % 2, MIN_FRAME_SIDE) for side in size_px)
    return width, height


@dataclass(frozen=True, eq=False, slots=True)
class Carried:
    """What of a page a reel carries.

    Attributes:
        pixels: uint8[height, width] levels or grey, or uint8[height, width, 3] RGB.
        digested: the arrays that the page's digest is taken over, in order.
    """

    pixels: U1
    digested: tuple[U1, ...]


def carry(pixels: Pixels, colours: Colours) -> Carried:
    """Return what of a page a reel of these colours carries.

    Raises:
        InputError: palette levels are wanted and the page has no palette; or an index is outside its palette.
    """
    if colours is Colours.PALETTE:
        if isinstance(pixels, RgbPixels):
            hint = "Choose colours rgb, or grey."
            raise InputError("the page has more than 256 colours, so its colours have no levels.", hint=hint)
        levels = translate(pixels.index, levels_of(pixels.palette))
        return Carried(levels, (pixels.palette, pixels.index))
    if colours is Colours.GREY:
        grey = pixels.grey() if isinstance(pixels, PagePixels) else _luma_of(pixels.rgb)
        return Carried(grey, (grey,))
    rgb = pixels.rgb() if isinstance(pixels, PagePixels) else pixels.rgb
    return Carried(rgb, (rgb,))


def _luma_of(rgb: U1) -> U1:
    return luma(rgb.reshape(-1, 3)).reshape(rgb.shape[:2])


class FrameBuffer:
    """One frame, filled anew for each page; what is beside a smaller page is paper.

    Args:
        size_px: width and height of the frame, both even.
        form: layout of the frame.
    """

    def __init__(self, size_px: tuple[int, int], form: FrameFormat) -> None:
        width, height = size_px
        self._form = form
        shapes: dict[FrameFormat, tuple[int, ...]] = {
            FrameFormat.RGB24: (height, width, 3),
            FrameFormat.GBRP: (3, height, width),
            FrameFormat.YUV444: (3, height, width),
        }
        self._canvas = np.full(shapes.get(form, (height, width)), _PAPER, np.uint8)
        self._chroma = np.full((height // 2, width), _NEUTRAL_CHROMA, np.uint8)

    def fill(self, carried: U1) -> list[memoryview]:
        """Put a page at the top left; return the bytes of the frame, valid until the next call.

        Args:
            carried: uint8[height, width], or uint8[height, width, 3] RGB for a format of colours.
        """
        height, width = carried.shape[:2]
        canvas = self._canvas
        planes = canvas.ndim == 3 and self._form is not FrameFormat.RGB24
        rows, columns = canvas.shape[1:] if planes else canvas.shape[:2]
        if (height, width) != (rows, columns):
            canvas.fill(_PAPER)
            if self._form is FrameFormat.YUV444:
                canvas[1:] = _NEUTRAL_CHROMA
        if self._form is FrameFormat.GBRP:
            for plane, channel in enumerate((1, 2, 0)):
                canvas[plane, :height, :width] = carried[:, :, channel]
        elif self._form is FrameFormat.YUV444:
            # Full-range BT.601, as in JFIF.
            for plane, part in enumerate(Image.fromarray(carried).convert("YCbCr").split()):
                canvas[plane, :height, :width] = np.asarray(part)
        else:
            canvas[:height, :width] = carried
        views = [canvas.data.cast("B")]
        return [*views, self._chroma.data.cast("B")] if self._form is FrameFormat.YUV420 else views


class FrameReader:
    """Turns raw frames, as :attr:`form` lays them out, back into what a reel carries.

    Args:
        size_px: width and height of the frame.
        is_lossless: whether colours were coded as RGB; otherwise they are luma and chroma.
    """

    def __init__(self, size_px: tuple[int, int], colours: Colours, *, is_lossless: bool) -> None:
        width, height = size_px
        self.form = FrameFormat.GRAY
        shape: tuple[int, ...] = (height, width)
        if colours is Colours.RGB:
            self.form = FrameFormat.RGB24 if is_lossless else FrameFormat.YUV444
            shape = (height, width, 3) if is_lossless else (3, height, width)
        self.buffer = np.empty(shape, np.uint8)

    def carried(self, size_px: tuple[int, int]) -> U1:
        """Return a copy of the page in the buffer: uint8[height, width], or uint8[height, width, 3] RGB."""
        width, height = size_px
        if self.form is FrameFormat.YUV444:
            planes = [Image.fromarray(np.ascontiguousarray(plane[:height, :width])) for plane in self.buffer]
            return np.array(Image.merge("YCbCr", planes).convert("RGB"))
        return self.buffer[:height, :width].copy()


def pixels_of(carried: U1, palette: tuple[U1, U1] | None, dpi: int) -> Pixels:
    """Return the page that a reel carried.

    Args:
        carried: uint8[height, width] levels or grey, or uint8[height, width, 3] RGB.
        palette: uint8[n, 3] RGB and uint8[n] levels, where levels stand for colours.
        dpi: dots per inch.
    """
    if carried.ndim == 3:
        return RgbPixels(carried, dpi)
    if palette is None:
        return PagePixels(carried, grey_ramp(), dpi)
    colours, levels = palette
    return PagePixels(translate(carried, inverse(levels)), colours, dpi)


def decoder_options(form: FrameFormat) -> dict[str, str]:
    """Return FFmpeg's output options that give frames of this layout without a change of range."""
    if form is FrameFormat.GRAY:
        return {"vf": "extractplanes=y", "pix_fmt": "gray"}
    # "j" states full range, as the stream does: asked for without it, FFmpeg would narrow the range.
    return {"pix_fmt": "yuvj444p" if form is FrameFormat.YUV444 else form.value}
