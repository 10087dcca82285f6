"""The device of this machine: every step of a flight, and batches of 1 to ``count`` pages beside the CPU."""

from __future__ import annotations

from bench.measurement import Row
from bench.pages import EverydayPages
from bench.runner import require
from render.gpu.device import choose
from render.gpu.session import Session
from workers.selftest.report import BatchTime, Outcome
from workers.selftest.trials import Trial, time_batches, time_steps, try_pixels, try_png

DEFAULT_COUNT = 1024
NOTES = (
    "display list to PNG files in the host's memory, transfers included; layout, PDF and signature are not",
    "the CPU's samples are of one core; beyond 64 pages they are not taken again",
    "steps are timed by the device's events and hold its waits for the host",
)


def run(count: int) -> list[Row]:
    """Compare the device's pages with the CPU's first: a wrong page is not worth timing.

    Raises:
        BackendUnavailable: there is no device that can be used; the hint says what to do.
        CheckFailed: the device draws other pages than the CPU.
    """
    choice = choose("cuda")
    pages = EverydayPages.load()
    trial = Trial(Session.open(choice), pages.template, pages.of, most_pages=count)
    checks = (try_pixels(trial), try_png(trial, {}))
    require("the device", [step.detail for step in checks if step.outcome is not Outcome.OK])
    steps = time_steps(trial).figures.items()
    rows = [Row(f"gpu.step.{name.partition(',')[0]}", "cuda", (microseconds / 1000,)) for name, microseconds in steps]
    return rows + [_row(batch) for batch in time_batches(trial)]


def _row(batch: BatchTime) -> Row:
    has_peer = batch.cpu_ms is not None
    return Row(
        case=f"gpu.batch_{batch.pages}",
        backend="cuda",
        samples_ms=(batch.device_ms / batch.pages,),
        bytes=round(batch.bytes_a_page),
        peer="CPU, one core" if has_peer else "",
        peer_samples_ms=(batch.cpu_ms / batch.pages,) if batch.cpu_ms is not None else (),
    )
