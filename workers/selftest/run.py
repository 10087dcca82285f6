"""A whole self-test: everything that this machine can take, from the probe of the device to times of batches."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial

import render
from render.encode.png import PngEncoder
from render.errors import KaipiaoError
from render.gpu.device import Choice, choose
from render.gpu.faults import DeviceRefused, OutOfDeviceMemory
from render.gpu.session import Session
from render.raster.api import Rasterizer
from render.templates.registry import Template
from workers.cli.probes import State, probe_ffmpeg
from workers.selftest.invoices import load_template, sample_pages
from workers.selftest.offline import try_compiling_offline
from workers.selftest.report import Outcome, SelfTest, Step
from workers.selftest.trials import Trial, run_steps, time_batches


def run_selftest(values: Mapping[str, str], pages: int, dpi: int) -> SelfTest:
    """Run every step that this machine can take.

    Args:
        values: the environment, with the ``KAIPIAO_*`` settings.
        pages: of the largest batch.
        dpi: resolution of what is timed.

    Raises:
        ConfigError: fonts or templates are missing.
    """
    test = SelfTest(render.__version__, datetime.now(UTC).isoformat(timespec="seconds"))
    choice = choose("auto")
    test.steps += [device_step(choice), *try_compiling_offline(), *_video_steps(values)]
    template = load_template(values)
    if choice.card is None:
        _draw_on_cpu(test, template, dpi)
    else:
        test.card = choice.card.as_dict()
        _try_device(test, choice, template, pages, dpi)
    return test


def device_step(choice: Choice) -> Step:
    """Return what the probe of the device found."""
    if choice.card is None:
        return Step("device", Outcome.MISSING, choice.reason, choice.remedy)
    card = choice.card
    detail = (
        f"{card.name}, {card.arch}, {card.processors} processors, {card.memory_bytes >> 20:,} MiB, "
        f"driver {card.driver}, CUDA {card.runtime}, NVRTC {card.nvrtc}, CuPy {card.cupy}"
    )
    return Step("device", Outcome.OK, detail)


def _video_steps(values: Mapping[str, str]) -> list[Step]:
    """Ask FFmpeg's NVENC encoders for a frame; documents do not need them, page reels do."""
    return [
        Step(
            finding.name,
            Outcome.OK if finding.state in {State.OK, State.LIMITED} else Outcome.LEFT_OUT,
            finding.detail,
            finding.remedy,
        )
        for finding in probe_ffmpeg(values)
    ]


def _try_device(test: SelfTest, choice: Choice, template: Template, pages: int, dpi: int) -> None:
    try:
        trial = Trial(Session.open(choice), template, partial(sample_pages, template), dpi, pages)
        test.steps += run_steps(trial, test.pictures)
        # Times of a device that draws wrong pages would be worth nothing.
        if all(step.outcome is not Outcome.FAILED for step in test.steps):
            test.batches += time_batches(trial)
    except (KaipiaoError, DeviceRefused, OutOfDeviceMemory) as error:
        test.steps.append(Step("batches", Outcome.FAILED, str(error), "Please report this."))


def _draw_on_cpu(test: SelfTest, template: Template, dpi: int) -> None:
    """Draw a page on the CPU, so that the report shows what a device would have to make."""
    (pixels,) = Rasterizer(template.resources, dpi).rasterize(sample_pages(template, 1))
    test.pictures["a page made by cpu"] = PngEncoder().encode(pixels)
    height, width = pixels.index.shape
    detail = f"{width} × {height} pixels; kernels, encoders and times on a device were not tried"
    test.steps.append(Step("page on the CPU", Outcome.OK, detail))
