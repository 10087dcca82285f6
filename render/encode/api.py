"""The encoders by name."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Protocol, runtime_checkable

from render.encode.heif import AvifEncoder, HeifEncoder
from render.encode.jpeg import JpegEncoder
from render.encode.png import PngEncoder
from render.encode.request import NO_TEXT
from render.encode.tiff import TiffEncoder, TiffG4Encoder
from render.encode.tiff_file import TiffPage
from render.encode.webp import WebpEncoder
from render.errors import Fault, InputError
from render.pixels import PagePixels


class Encoder(Protocol):
    """Makes one kind of picture file.

    Attributes:
        media_type: for example ``image/png``.
        suffix: of file names, with the dot.
        levels: names of the trade-offs between time and bytes, the default first.
    """

    media_type: str
    suffix: str
    levels: tuple[str, ...]

    def encode(self, pixels: PagePixels, *, level: str = "fast", text: Mapping[str, str] = NO_TEXT) -> bytes:
        """Return the file: the same bytes for the same arguments.

        Raises:
            InputError: no such level, or metadata that the format cannot hold.
        """
        ...


@runtime_checkable
class PagedEncoder(Encoder, Protocol):
    """Makes one file of all pages of a document."""

    def encode_page(self, pixels: PagePixels, *, level: str = "fast") -> TiffPage:
        """Return one page, compressed.

        Raises:
            InputError: no such level, or a page that the format cannot hold.
        """
        ...

    def join(self, pages: Sequence[TiffPage], *, text: Mapping[str, str] = NO_TEXT) -> bytes:
        """Return the file of a document.

        Raises:
            InputError: more pages or bytes than the format can hold, or metadata that it cannot.
        """
        ...


_ENCODERS: Mapping[str, Callable[[], Encoder]] = MappingProxyType(
    {
        "png": PngEncoder,
        "png-grey": lambda: PngEncoder(is_grey=True),
        "jpeg": JpegEncoder,
        "jpeg-grey": lambda: JpegEncoder(is_grey=True),
        "webp": WebpEncoder,
        "webp-grey": lambda: WebpEncoder(is_grey=True),
        "tiff": TiffEncoder,
        "tiff-grey": lambda: TiffEncoder(mode="grey"),
        "tiff-rgb": lambda: TiffEncoder(mode="rgb"),
        "tiff-g4": TiffG4Encoder,
        "heif": HeifEncoder,
        "heif-grey": lambda: HeifEncoder(is_grey=True),
        "avif": AvifEncoder,
        "avif-grey": lambda: AvifEncoder(is_grey=True),
    }
)


def encoder_names() -> tuple[str, ...]:
    """Return the names of all formats, whether or not their library is present; see :func:`encoder`."""
    return tuple(_ENCODERS)


def encoder(name: str) -> Encoder:
    """Return the encoder of a format, with its default quality; for another, make the class of the format.

    Raises:
        InputError: there is none; the hint names the nearest.
        BackendUnavailable: its library is not installed; the hint names the package.
    """
    if name not in _ENCODERS:
        near = difflib.get_close_matches(name.lower(), _ENCODERS, n=1)
        hint = f"Did you mean {near[0]!r}?" if near else f"Known formats: {', '.join(_ENCODERS)}."
        fault = Fault("outputs", "encode.format_unknown", f"no picture format {name!r}.", hint)
        raise InputError("the picture cannot be encoded.", faults=(fault,))
    return _ENCODERS[name]()
