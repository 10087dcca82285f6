"""The seam between the pool and the renderer: what a worker needs of whatever renders for it."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol, cast, runtime_checkable

from render.errors import ConfigError
from render.model.invoice import Media
from workers.config import WorkerSettings
from workers.idempotency import Identity, content_digest

if TYPE_CHECKING:
    from render.model.read import ReadInvoice
    from render.pipeline import Renderer, RenderRequest, RenderResult
    from workers.breaker.device import DeviceGate
    from workers.rendering_device import RenderingDevice


class Engine(Protocol):
    """Renders invoices in a worker process; built once a process."""

    def identify(self, data: bytes, media: Media | None) -> Identity:
        """Read an invoice and tell who it is.

        Raises:
            InputError: it cannot be read, or breaks rules.
        """

    def render_batch(self, requests: Sequence[RenderRequest]) -> Sequence[RenderResult]:
        """Render invoices; one's error stands in its result."""


@runtime_checkable
class DeviceEngine(Protocol):
    """An engine that can do without its device."""

    def put_behind(self, gate: DeviceGate) -> None:
        """Ask the gate from now on whether a batch may use the device."""


class RenderEngine:
    """The product's own renderer.

    Args:
        renderer: reads, and renders unless there is a gate.
        device: what the gate decides about; None = nothing can be put behind one.
    """

    def __init__(self, renderer: Renderer, device: RenderingDevice | None = None) -> None:
        self._renderer = renderer
        self._device = device
        self._gate: DeviceGate | None = None
        # What the invoices of the batch under way say: each is identified first and rendered then.
        self._read: dict[tuple[bytes, Media | None], ReadInvoice] = {}

    def identify(self, data: bytes, media: Media | None) -> Identity:
        """Read an invoice and tell who it is.

        Raises:
            InputError: it cannot be read, or breaks rules.
        """
        from render.model.read import read_invoice

        read = self._read[data, media] = read_invoice(data, media)
        invoice = read.invoice
        template = self._renderer.template(invoice.kind.value)
        return Identity(
            number=invoice.number,
            template_id=template.id,
            template_version=template.version,
            content=content_digest(invoice),
            seller_tax_id=invoice.seller.tax_id,
        )

    def render_batch(self, requests: Sequence[RenderRequest]) -> Sequence[RenderResult]:
        """Render invoices; one's error stands in its result."""
        known, self._read = self._read, {}
        batch = [replace(request, read=known.get((request.data, request.media))) for request in requests]
        gate, device = self._gate, self._device
        if gate is None or device is None:
            return self._renderer.render_batch(batch)
        return gate.run(lambda: device.render(batch), lambda: device.render_without(batch))

    def put_behind(self, gate: DeviceGate) -> None:
        """Ask the gate from now on; not where nothing but the device may render."""
        if self._device is not None and self._device.may_rest:
            self._gate = gate


def build_engine(values: Mapping[str, str]) -> Engine:
    """Build the product's own renderer from ``KAIPIAO_*`` values.

    Raises:
        ConfigError: fonts or templates are missing; KeyUnavailable, KeyRejected: no signing.
    """
    from render.config import RenderSettings
    from workers.rendering_device import RenderingDevice

    device = RenderingDevice.open(RenderSettings.from_mapping(values))
    return RenderEngine(device.opened, device)


def load_engine(settings: WorkerSettings) -> Engine:
    """Build the engine that the settings name.

    Raises:
        ConfigError: there is no such function, or what it needs is missing.
    """
    module, _, function = settings.engine.partition(":")
    try:
        build = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"KAIPIAO_ENGINE names {settings.engine}: {error}.", hint="Write module:function.") from error
    return cast("Engine", build(dict(settings.values)))
