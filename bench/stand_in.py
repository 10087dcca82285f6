"""An engine that renders nothing and takes as long as its documents say: for measuring what is around it."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence

from render.model.invoice import Media
from render.pipeline import Output, RenderRequest, RenderResult
from render.sign.sm3 import sm3_hex
from workers.idempotency import Identity

SELLER = "91000000MA00000001"


def document(number: int, takes_ms: float) -> str:
    """Return a document that takes so long."""
    return json.dumps({"number": f"{number:020d}", "takes_ms": takes_ms})


class StandIn:
    """Sleeps instead of rendering."""

    def identify(self, data: bytes, media: Media | None) -> Identity:  # noqa: ARG002 the seam's signature
        """Read who a document is."""
        said = json.loads(data)
        return Identity(said["number"], "stand_in", "1", f"sm3:{sm3_hex(data)}", SELLER)

    def render_batch(self, requests: Sequence[RenderRequest]) -> Sequence[RenderResult]:
        """Take as long as the documents say."""
        return [self._render(request) for request in requests]

    def _render(self, request: RenderRequest) -> RenderResult:
        said = json.loads(request.data)
        time.sleep(said["takes_ms"] / 1000)
        output = Output("a.pdf", "pdf", "application/pdf", request.data, f"sm3:{sm3_hex(request.data)}", "sleep", "00")
        return RenderResult(request.job_id, said["number"], "stand_in", "1", outputs=(output,))


def build(values: Mapping[str, str]) -> StandIn:  # noqa: ARG001 the seam's signature
    """Build the engine."""
    return StandIn()
