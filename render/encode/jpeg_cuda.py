"""JPEG (ISO/IEC 10918-1) by nvJPEG through nvImageCodec: pages go from the compositor to the codec on the device.

Lossy encoders of two makers give different bytes and nearly the same picture, so this one never passes for the CPU's:
its name stands in the receipt. Colour is not subsampled, as on the CPU.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from render.encode.formats import FORMATS
from render.errors import BackendUnavailable
from render.gpu.faults import DeviceRefused, OutOfDeviceMemory
from render.gpu.flight import Flight
from render.gpu.pages import DevicePages, PageKind, Pending
from render.gpu.session import Session
from render.gpu.signatures import Page
from render.pixels import MAX_PALETTE, PagePixels

DEFAULT_QUALITY = 85

PAGES_AT_ONCE = 8
"""Pages that are spread to RGB at a time."""

_CHANNELS = 3
_PROBE_SIDE = 64
# Beside the RGB pixels, the codec needs room for coefficients: three 16-bit values a pixel.
_WORKSPACE = 6
_INSTALL = "Install the extra: pip install 'kaipiao[gpu]' brings nvImageCodec and nvJPEG."
_START, _JFIF_MARKER, _JFIF_NAME = b"\xff\xd8", b"\xff\xe0", b"JFIF\0"
_DOTS_PER_INCH = 1


class PageEncoder(Protocol):
    """What encodes a page on the CPU."""

    def encode(self, pixels: PagePixels) -> bytes:
        """Return the file."""
        ...


class JpegSink:
    """Makes JPEG files of pages on the device. Build it once; it has opened a real session of the encoder by then.

    Args:
        session: the device.
        counterpart: what encodes the pages that the device does not, such as ``encoder("jpeg")``.
        quality: of libjpeg's scale, 1 to 100; give the counterpart the same.

    Raises:
        BackendUnavailable: the library is missing, or its encoder does not encode on this device.
        DeviceLost: the device is gone for this process.
    """

    name = "nvjpeg"
    cpu_library = FORMATS["jpeg"].library
    media_type = "image/jpeg"
    suffix = ".jpg"

    def __init__(self, session: Session, counterpart: PageEncoder, quality: int = DEFAULT_QUALITY) -> None:
        self._session = session
        self._counterpart = counterpart
        self._codec, self._encoder = _open(session)
        codec = self._codec
        self._parameters = codec.EncodeParams(
            quality_type=codec.QualityType.QUALITY,
            quality_value=quality,
            chroma_subsampling=codec.ChromaSubsampling.CSS_444,
        )
        self._probe()

    def bytes_of(self, kind: PageKind) -> int:
        """Return the device memory for a page in RGB and the codec's workspace."""
        return kind.index.size * (_CHANNELS + _WORKSPACE)

    def tables(self, kinds: Sequence[PageKind]) -> dict[str, NDArray[np.generic]]:
        """Return the palettes, each of MAX_PALETTE colours."""
        palettes = np.zeros((len(kinds), MAX_PALETTE, _CHANNELS), np.uint8)
        for row, kind in zip(palettes, kinds, strict=True):
            row[: len(kind.palette)] = kind.palette
        return {"palettes": palettes}

    def submit(self, pages: DevicePages) -> Pending[bytes]:
        """Leave the pages where they are: the codec is asked when they are collected, since its calls wait."""
        pages.flight.mark()
        return _PendingJpegs(self, pages)

    def on_cpu(self, pixels: PagePixels) -> bytes:
        """Return the JPEG of a page as the counterpart writes it."""
        return self._counterpart.encode(pixels)

    def encode(self, flight: Flight, images: Sequence[Any]) -> list[bytes | None]:
        """Encode device arrays uint8[height, width, 3]; None where the codec failed at one."""
        streams = self._encoder.encode(
            [self._codec.as_image(image, cuda_stream=flight.stream.ptr) for image in images],
            "jpeg",
            params=self._parameters,
            cuda_stream=flight.stream.ptr,
        )
        flight.stream.synchronize()
        return [None if stream is None else bytes(stream) for stream in streams]

    def _probe(self) -> None:
        """Encode a small picture: that an encoder can be made proves nothing."""
        session, shape = self._session, (_PROBE_SIDE, _PROBE_SIDE, _CHANNELS)
        try:
            with session.lock, session.doing("trying nvJPEG"):
                flight = Flight(session)
                with flight.stream:
                    size = _PROBE_SIDE * _PROBE_SIDE * _CHANNELS
                    (file,) = self.encode(flight, [_device_array(session, flight.zeros(size), shape)])
        except (DeviceRefused, OutOfDeviceMemory) as error:
            raise BackendUnavailable(f"nvJPEG does not encode here: {error}.", hint=_INSTALL) from error
        if file is None or not file.startswith(_START):
            raise BackendUnavailable("nvJPEG encoded nothing on this device.", hint=_INSTALL)


@dataclass(frozen=True, eq=False, slots=True)
class _PendingJpegs:
    """Pages that are composed and wait for the codec."""

    sink: JpegSink
    pages: DevicePages

    def collect(self) -> Sequence[bytes | None]:
        """Spread the pages to RGB and encode them, a few at a time."""
        flight, files = self.pages.flight, list[bytes | None]()
        rows = self.pages.table.rows.tolist()
        flight.land()
        for first in range(0, len(rows), PAGES_AT_ONCE):
            images = [self._rgb(row) for row in rows[first : first + PAGES_AT_ONCE]]
            files += self.sink.encode(flight, images)
        return [
            None if file is None else with_density(file, kind.dpi)
            for file, kind in zip(files, self.pages.kinds, strict=True)
        ]

    def _rgb(self, row: Sequence[int]) -> Any:  # noqa: ANN401 cupy's ndarray
        session, addresses = self.pages.flight.session, self.pages.addresses
        shape, strides = (row[Page.HEIGHT], row[Page.WIDTH]), (row[Page.PITCH], 1)
        index = _device_array(session, addresses["pages"] + row[Page.PAGE_OFF], shape, strides)
        place = addresses["palettes"] + row[Page.TABLE] * MAX_PALETTE * _CHANNELS
        palette = _device_array(session, place, (MAX_PALETTE, _CHANNELS))
        with session.cupy.cuda.using_allocator(session.alloc):
            return session.cupy.take(palette, index, axis=0)


def _open(session: Session) -> tuple[Any, Any]:
    """Return nvImageCodec and an encoder that may use the device alone."""
    try:
        nvimgcodec: Any = import_module("nvidia.nvimgcodec")
    except ImportError as error:
        raise BackendUnavailable(f"nvImageCodec cannot be imported: {error}.", hint=_INSTALL) from error
    kinds = (nvimgcodec.BackendKind.GPU_ONLY, nvimgcodec.BackendKind.HYBRID_CPU_GPU)
    backends = [nvimgcodec.Backend(kind) for kind in kinds]
    try:
        with session.doing("opening nvJPEG"):
            return nvimgcodec, nvimgcodec.Encoder(device_id=session.card.index, backends=backends)
    except DeviceRefused as error:
        raise BackendUnavailable(f"nvImageCodec has no encoder for this device: {error}.", hint=_INSTALL) from error


def _device_array(
    session: Session, address: int, shape: tuple[int, ...], strides: tuple[int, ...] | None = None
) -> Any:  # noqa: ANN401 cupy's ndarray
    """Return device memory that others hold as an array uint8[shape]."""
    cuda = session.cupy.cuda
    size = shape[0] * (strides[0] if strides else int(np.prod(shape[1:])))
    pointer = cuda.MemoryPointer(cuda.UnownedMemory(address, size, session), 0)
    return session.cupy.ndarray(shape, np.uint8, memptr=pointer, strides=strides)


def with_density(file: bytes, dpi: int) -> bytes:
    """Return a JPEG file that states its resolution in a JFIF segment (ITU-T T.871, 10.1).

    Args:
        file: with or without such a segment; then it is the first.
        dpi: dots per inch, at most 65,535.
    """
    density = struct.pack(">BHH", _DOTS_PER_INCH, dpi, dpi)
    # SOI, APP0, length and name, version; density; size of a thumbnail.
    has_segment = file[2:4] == _JFIF_MARKER and file[6:11] == _JFIF_NAME
    if has_segment:
        return file[:13] + density + file[18:]
    segment = _JFIF_NAME + b"\x01\x02" + density + b"\0\0"
    return file[:2] + _JFIF_MARKER + struct.pack(">H", 2 + len(segment)) + segment + file[2:]
