"""An engine without a renderer: its documents say how it shall behave. Used by the pool's tests."""

import json
import os
import signal
import time
from pathlib import Path

from render.errors import DeviceLost, EncoderFailed, Fault, InvoiceInvalid, KeyUnavailable
from render.pipeline import Output, RenderResult
from render.sign.sm3 import sm3_hex
from workers.idempotency import Identity


def document(number, text="", act="", seller="91000000MA00000001"):
    """Return a document: ``act`` is what the engine does when it renders it."""
    return json.dumps({"number": f"{number:020d}", "text": text, "act": act, "seller": seller}).encode()


class FakeEngine:
    def identify(self, data, media):
        said = json.loads(data)
        if said["act"] == "invalid":
            fault = Fault("lines[0].tax", "line.tax_arithmetic", "1 is not 2.", "Make it 2.")
            raise InvoiceInvalid("the invoice breaks rules.", faults=(fault,))
        if said["act"] == "crash":
            raise ZeroDivisionError("secret buyer name")
        content = f"sm3:{sm3_hex(json.dumps(said, sort_keys=True).encode())}"
        return Identity(said["number"], "fake", "1", content, said["seller"])

    def render_batch(self, requests):
        note("batch", " ".join(request.job_id for request in requests))
        return [self._render(request) for request in requests]

    def _render(self, request):
        said = json.loads(request.data)
        note("render", said["number"])
        result = RenderResult(request.job_id, said["number"], "fake", "1", "sha256:0", said["seller"])
        act, _, argument = said["act"].partition(":")
        if act == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if act == "kill-worker":
            os.kill(os.getppid(), signal.SIGKILL)
            os.kill(os.getpid(), signal.SIGKILL)
        if act == "sleep":
            time.sleep(float(argument))
        if act == "device" and times_rendered(said["number"]) <= int(argument):
            raise DeviceLost("the context is gone.", hint="Start anew.")
        if act == "later" and times_rendered(said["number"]) <= int(argument):
            result.error = EncoderFailed("the encoder ended early.", hint="Wait.")
            return result
        if act == "keyless" and times_rendered(said["number"]) <= int(argument):
            result.error = KeyUnavailable("the key is out of reach.", hint="Wait.")
            return result
        result.outputs = tuple(output(said["number"], kind, request) for kind in request.outputs)
        result.stage_ms = {"read": 0.1}
        return result


def output(number, kind, request):
    data = f"{kind} {request.dpi} ".encode() + request.data
    media_type = {"pdf": "application/pdf", "png": "image/png"}[kind]
    return Output(f"{number}.{kind}", kind, media_type, data, f"sm3:{sm3_hex(data)}", "fake", "0a")


def note(event, text):
    """Append a line to the file that the test reads, if it gave one."""
    path = os.environ.get("FAKE_ENGINE_LOG")
    if path:
        with open(path, "a") as file:  # noqa: PTH123 one write() a line, so that processes do not mix
            file.write(f"{event} {text}\n")


def times_rendered(number):
    return Path(os.environ["FAKE_ENGINE_LOG"]).read_text().splitlines().count(f"render {number}")


def build(values):
    return FakeEngine()
