"""A process's device with the renderers on it and without it, for an engine that a gate tells which of them to use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from render.errors import BackendUnavailable, DeviceLost

if TYPE_CHECKING:
    from render.config import RenderSettings
    from render.pipeline import Renderer, RenderRequest, RenderResult

_RESTART = "End this process and start another; the context cannot be mended."


class RenderingDevice:
    """Renders on the device, looks for it again, or does without it.

    Attributes:
        may_rest: the processor may do the device's work.

    Args:
        settings: of the renderers.
        opened: the renderer that was built first.
        has_device: ``opened`` renders on the device; ``is_lost``: the device is gone for this process.
    """

    def __init__(self, settings: RenderSettings, opened: Renderer, *, has_device: bool, is_lost: bool = False) -> None:
        self.may_rest = settings.device == "auto"
        self.opened = opened
        self._settings = settings
        self._has_device = has_device
        self._is_lost = is_lost
        self._without: Renderer | None = None if has_device else opened

    @classmethod
    def open(cls, settings: RenderSettings) -> RenderingDevice:
        """Build the first renderer; where the device breaks at that and may rest, one that does without it.

        Raises:
            ConfigError, KeyUnavailable, KeyRejected, BackendUnavailable, DeviceLost: as Renderer.
        """
        try:
            opened, has_device = _open(settings)
        except DeviceLost:
            if settings.device != "auto":
                raise
            return cls(settings, _build(replace(settings, device="cpu")), has_device=False, is_lost=True)
        return cls(settings, opened, has_device=has_device)

    def render(self, batch: Sequence[RenderRequest]) -> Sequence[RenderResult]:
        """Render on the device, looked for again if it was not there before.

        Raises:
            BackendUnavailable: it is not there; DeviceLost: it is gone for this process.
        """
        if self._is_lost:
            raise DeviceLost("the GPU failed for good in this process.", hint=_RESTART)
        try:
            if not self._has_device:
                self._reopen()
            return self.opened.render_batch(batch)
        except DeviceLost:
            self._is_lost = True
            raise

    def render_without(self, batch: Sequence[RenderRequest]) -> Sequence[RenderResult]:
        """Render on the processor alone."""
        if self._without is None:
            self._without = _build(replace(self._settings, device="cpu"))
        return self._without.render_batch(batch)

    def _reopen(self) -> None:
        from render.gpu.device import look_again

        found = look_again()
        if found.card is None:
            raise BackendUnavailable(found.reason, hint=found.remedy)
        opened, self._has_device = _open(self._settings)
        if not self._has_device:
            raise BackendUnavailable(f"{found.card.name} cannot be opened.", hint="Free memory on the device.")
        self.opened = opened


def _open(settings: RenderSettings) -> tuple[Renderer, bool]:
    """Build a renderer; return it and whether it renders on a device."""
    from render.gpu.device import Device, choose
    from render.gpu.events import GpuEvent, heard

    events: list[GpuEvent] = []
    with heard(events.append):
        renderer = _build(settings)
    return renderer, not events and choose(settings.device).device is Device.CUDA


def _build(settings: RenderSettings) -> Renderer:
    from render.pipeline import Renderer

    return Renderer(settings)
