"""Prints the model of a device, with the word MODEL on every table."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.model import CALL_US, CALLS, MOST_PAGES, STREAMING_SHARE, Model

KIND = "a model on paper: no figure of a device in it was measured"


def as_json(model: Model) -> dict[str, Any]:
    """Return the model as plain values that say what they are."""
    assumptions = {"streaming_share": STREAMING_SHARE, "call_us": CALL_US, "calls": CALLS}
    return {"kind": KIND, "assumptions": assumptions, **asdict(model)}


def print_model(model: Model, console: Console) -> None:
    """Print counts, measured times of the CPU, and predictions."""
    traffic, cpu = model.traffic, model.cpu
    counted = Table(title=f"counted: bytes a page, mean of {model.n_pages} everyday pages at {model.dpi} dpi")
    counted.add_column("what")
    counted.add_column("bytes", justify="right")
    for name, size in {"upload": traffic.upload, **traffic.by_kernel, "download": traffic.download}.items():
        counted.add_row(name, f"{size:,.0f}")
    counted.add_row("in the device's memory", f"{traffic.device:,.0f}", style="bold")
    console.print(counted)
    console.print(f"Counted operations a page: {traffic.operations:,.0f} (pixels compared, scanline bytes looked at).")
    console.print(
        f"Measured here, one core, ms a page: prepare {cpu.prepare:.3f} (for either device), "
        f"compose {cpu.compose:.3f}, encode PNG {cpu.encode:.3f}."
    )
    table = Table(title=f"MODEL, not a measurement: ms a page at {STREAMING_SHARE:.0%} of datasheet bandwidths")
    for heading in (
        "card",
        "upload",
        "kernels",
        "download",
        "steady",
        "faster than one core from",
        "and if slower by less than",
    ):
        table.add_column(heading, justify="left" if heading == "card" else "right")
    for each in model.predictions:
        crossover = f"batches of {each.crossover}" if each.crossover else f"not up to {MOST_PAGES}"
        times = (f"{value:.4f}" for value in (each.upload, each.kernels, each.download, each.steady))
        table.add_row(each.card, *times, crossover, f"{each.margin:,.0f} ×")
    console.print(table)
    console.print(
        f"Assumed: {CALLS} calls of {CALL_US:g} µs a flight; kernels wait for memory alone, so times are lower bounds. "
        f"The host prepares each page for {cpu.prepare:.3f} ms on one core, whatever the card."
    )
