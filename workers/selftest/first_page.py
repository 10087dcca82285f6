"""One made-up invoice through the whole renderer: proof that a machine can render; compiles its inner loops."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from render.config import RenderSettings
from render.errors import OutputInvalid
from render.model.einvoice import write_einvoice
from render.pipeline import Renderer, RenderRequest
from workers.selftest.invoices import made_up_invoice

_ANY_TIME = datetime(2026, 1, 1, tzinfo=UTC)


def render_first_page(values: Mapping[str, str]) -> None:
    """Render an unsigned PDF and a PNG on the CPU, and keep nothing of them.

    On a machine's first run this compiles every inner loop that everyday outputs need, which takes some half a minute;
    compiled code stays beside its source or in the user's cache folder.

    Args:
        values: the ``KAIPIAO_*`` settings of fonts and templates.

    Raises:
        ConfigError: fonts or templates are missing.
        KaipiaoError: the page could not be rendered.
    """
    settings = {**values, "KAIPIAO_SIGNING": "off", "KAIPIAO_DEVICE": "cpu"}
    renderer = Renderer(RenderSettings.from_mapping(settings))
    request = RenderRequest(write_einvoice(made_up_invoice(1)), _ANY_TIME, outputs=("pdf", "png"))
    (result,) = renderer.render_batch([request])
    if result.error is not None:
        raise result.error
    if [output.kind for output in result.outputs] != ["pdf", "png"]:
        raise OutputInvalid("a made-up invoice did not become a PDF and a picture.", hint="Please report this defect.")
