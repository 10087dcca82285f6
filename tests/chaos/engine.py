"""An engine for the fault suite: like the pool tests' own, but it works a little, and tells the time of every step."""

import os
import signal
import time

from render.pipeline import RenderResult
from tests.workers.fake_engine import FakeEngine, output
from workers.in_hand import unexpected


class ChaosEngine(FakeEngine):
    """Notes ``begin`` and ``end`` of every rendering with the machine's monotonic clock and the process."""

    def __init__(self, log, work_s):
        self._log = log
        self._work_s = work_s

    def render_batch(self, requests):
        return [self._render(request) for request in requests]

    def _render(self, request):
        import json

        said = json.loads(request.data)
        self._note("begin", said["number"])
        result = RenderResult(request.job_id, said["number"], "fake", "1", "sha256:0", said["seller"])
        act, _, argument = said["act"].partition(":")
        if act == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if act == "kill-worker":
            # Parent first: nobody is left who could tell what became of the child.
            os.kill(os.getppid(), signal.SIGKILL)
            os.kill(os.getpid(), signal.SIGKILL)
        if act == "hang":
            while True:
                time.sleep(1)
        if act == "memory":
            try:
                _exhaust_memory()
            except MemoryError as error:
                # As the renderer does: an invoice's fault is its own, and its batch goes on.
                result.error = unexpected(error)
                return result
        time.sleep(float(argument) if act == "sleep" else self._work_s)
        result.outputs = tuple(output(said["number"], kind, request) for kind in request.outputs)
        result.stage_ms = {"read": 0.1}
        self._note("end", said["number"])
        return result

    def _note(self, event, number):
        # One write() a line, so that processes do not mix.
        with open(self._log, "a") as file:  # noqa: PTH123
            file.write(f"{event} {time.monotonic():.4f} {os.getpid()} {number}\n")


def _exhaust_memory():
    """Ask for more and more memory until there is no more: a gibibyte, so that the machine itself is not harmed."""
    import resource

    usual, most = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (_address_space() + (256 << 20), most))
    hoard = []
    try:
        while True:
            hoard.append(bytearray(16 << 20))
    finally:
        hoard.clear()
        resource.setrlimit(resource.RLIMIT_AS, (usual, most))


def _address_space():
    with open("/proc/self/statm") as file:  # noqa: PTH123
        return int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")


def build(values):
    return ChaosEngine(os.environ["CHAOS_LOG"], float(os.environ.get("CHAOS_WORK_S", "0.002")))
