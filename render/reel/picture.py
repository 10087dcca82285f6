"""Picture files to page pixels, exactly: what a reel could not give back as it was is refused."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from render.errors import KaipiaoError, MalformedInput
from render.pixels import MAX_PALETTE, PagePixels
from render.reel.index import MAX_DPI
from render.reel.levels import grey_ramp
from render.reel.page import Pixels, RgbPixels, is_size

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP")
MAX_FILE_PAGES = 10_000
# First bytes of the formats; WebP's kind stands after its length.
_MAGIC = (b"\x89PNG", b"\xff\xd8\xff", b"RIFF", b"II*\0", b"MM\0*", b"BM")


def is_picture(head: bytes) -> bool:
    """Tell from the first bytes whether a file is a picture that can be read here."""
    return head.startswith(_MAGIC)


def picture_sizes(path: Path) -> list[tuple[int, int]]:
    """Return width and height of each page of a picture file, read from its heads.

    Raises:
        MalformedInput: it cannot be read, or a page has too many pixels.
    """
    sizes = []
    for image in _frames(path):
        if not is_size(image.size):
            width, height = image.size
            raise MalformedInput(f"{path} has a page of {width} × {height} pixels.", hint="Lower its resolution.")
        sizes.append(image.size)
    return sizes


def read_picture(path: Path, default_dpi: int) -> Iterator[Pixels]:
    """Return the pages of a picture file in order, each read when it is asked for.

    Args:
        path: PNG, JPEG, WebP, TIFF or BMP.
        default_dpi: dots per inch of a picture that states none.

    Raises:
        MalformedInput: it cannot be read, has too many pixels, is transparent, or has more than 8 bits a channel.
    """
    for image in _frames(path):
        if not is_size(image.size):
            raise MalformedInput(f"{path} has {image.width} × {image.height} pixels.", hint="Lower its resolution.")
        try:
            image.load()
            yield _pixels(image, path, _dpi(image, default_dpi))
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise _unreadable(path, error) from error


def _frames(path: Path) -> Iterator[Image.Image]:
    try:
        with warnings.catch_warnings():
            # A picture of very many pixels only warns; sizes are checked here.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            opened = Image.open(path, formats=FORMATS)
        with opened:
            count = getattr(opened, "n_frames", 1)
            if count > MAX_FILE_PAGES:
                raise MalformedInput(f"{path} has {count} pages.", hint=f"Give at most {MAX_FILE_PAGES} a file.")
            for place in range(count):
                opened.seek(place)
                yield opened
    except (OSError, SyntaxError, ValueError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> KaipiaoError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return MalformedInput(f"{path} cannot be read as a picture: {reason}.", hint="Name sound pictures.")


def _dpi(image: Image.Image, default: int) -> int:
    try:
        stated = round(float(image.info["dpi"][0]))
    except (KeyError, IndexError, TypeError, ValueError, OverflowError, ZeroDivisionError):
        return default
    return stated if 1 <= stated <= MAX_DPI else default


def _pixels(image: Image.Image, path: Path, dpi: int) -> Pixels:
    plain = _opaque(image, path)
    if plain.mode in {"1", "L"}:
        return PagePixels(np.asarray(plain.convert("L")), grey_ramp(), dpi)
    if plain.mode == "P":
        index = np.asarray(plain)
        palette = np.array(plain.getpalette("RGB") or [], np.uint8).reshape(-1, 3)
        if int(index.max()) >= len(palette):
            raise MalformedInput(f"{path} has pixels without a colour.", hint="Name sound pictures.")
        return PagePixels(index, palette, dpi)
    if plain.mode != "RGB":
        hint = "Convert it to RGB or grey of 8 bits first."
        raise MalformedInput(f"{path} is of mode {image.mode}, which a reel cannot give back.", hint=hint)
    rgb = np.asarray(plain)
    counted = plain.getcolors(MAX_PALETTE)
    if counted is None:
        return RgbPixels(rgb, dpi)
    palette = np.array(sorted(colour for _, colour in counted), np.uint8)
    index = np.searchsorted(_packed(palette), _packed(rgb)).astype(np.uint8)
    return PagePixels(index, palette, dpi)


def _packed(rgb: NDArray[np.uint8]) -> NDArray[np.uint32]:
    return np.asarray(rgb.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32))


def _opaque(image: Image.Image, path: Path) -> Image.Image:
    """Return a picture without its alpha channel, if that says nothing."""
    if not image.has_transparency_data:
        return image
    alpha = image.convert("RGBA").getchannel("A")
    if alpha.getextrema() != (255, 255):
        raise MalformedInput(f"{path} is transparent in places.", hint="Put it on white paper first.")
    return image if image.mode == "P" else image.convert("L" if image.mode == "LA" else "RGB")
