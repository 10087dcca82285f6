"""Draws the pages of display lists: on the CPU, or on a device where there is one (自动 auto, cpu, cuda)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import TYPE_CHECKING

from render.display.list import DisplayList
from render.pixels import PagePixels
from render.raster.api import Rasterizer
from render.templates.registry import Template

if TYPE_CHECKING:
    from render.encode.png_cuda import PngSink
    from render.gpu.session import Session
    from render.raster.raster_cuda import CudaRasterizer

# Each keeps backgrounds and glyphs of a template at a resolution; requests may name hundreds of resolutions.
_MOST_RASTERIZERS = 8

DrawnPage = tuple[PagePixels | bytes, str]
"""A page as pixels or, encoded where it was drawn, as a PNG file; and what made it."""


class Drawing:
    """Rasterisers by template and resolution; build it once a process.

    Args:
        device: ``auto`` (a device where one is found), ``cpu`` (no device is touched) or ``cuda`` (nothing else).

    Raises:
        ConfigError: no such device.
        BackendUnavailable: ``cuda`` was asked for and is impossible here.
        DeviceLost: the device broke while it was opened.
    """

    def __init__(self, device: str) -> None:
        self._is_strict = device == "cuda"
        self._session = _open(device)
        self._png: PngSink | None = None
        self._rasterizers: OrderedDict[tuple[str, int], Rasterizer] = OrderedDict()

    def pages(self, template: Template, dpi: int, display: DisplayList, *, as_png: bool) -> Iterator[DrawnPage]:
        """Return the pages of a list in order, each drawn when it is asked for.

        Args:
            template: whose resources the list names.
            dpi: dots per inch.
            display: what to draw.
            as_png: nothing but PNG files of level ``fast`` is wanted, so a device may encode them as well.

        Raises:
            InputError, GlyphMissing, OutputInvalid: as :meth:`render.raster.api.Rasterizer.rasterize`.
            BackendUnavailable: the device failed at a page, and nothing else was allowed.
            DeviceLost: the device is gone for this process.
        """
        rasterizer = self._rasterizer(template, dpi)
        if self._session is None:
            return ((pixels, rasterizer.backend) for pixels in rasterizer.rasterize(display))
        return self._on_device(rasterizer, display, as_png=as_png)

    def _on_device(self, rasterizer: Rasterizer, display: DisplayList, *, as_png: bool) -> Iterator[DrawnPage]:
        from render.encode.png_cuda import PngSink
        from render.raster.raster_cuda import CudaRasterizer, PixelSink

        if not isinstance(rasterizer, CudaRasterizer):
            raise TypeError(type(rasterizer))
        if not as_png:
            return ((made.value, made.backend) for made in rasterizer.run(display, PixelSink()))
        self._png = self._png or PngSink()
        return ((made.value, made.backend) for made in rasterizer.run(display, self._png))

    def _rasterizer(self, template: Template, dpi: int) -> Rasterizer:
        key = (template.digest, dpi)
        if key not in self._rasterizers:
            if self._session is None:
                self._rasterizers[key] = Rasterizer(template.resources, dpi)
            else:
                self._rasterizers[key] = self._device_rasterizer(template, dpi, self._session)
            while len(self._rasterizers) > _MOST_RASTERIZERS:
                self._rasterizers.popitem(last=False)
        self._rasterizers.move_to_end(key)
        return self._rasterizers[key]

    def _device_rasterizer(self, template: Template, dpi: int, session: Session) -> CudaRasterizer:
        from render.raster.raster_cuda import CudaRasterizer

        return CudaRasterizer(template.resources, dpi, session=session, is_strict=self._is_strict)


def _open(device: str) -> Session | None:
    from render.gpu.session import open_session

    return open_session(device)
