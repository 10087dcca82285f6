"""``kaipiao reel``: pages into one video file, and out of it again."""

from __future__ import annotations

import io
import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from render.errors import ConfigError, Fault, InputError, KaipiaoError
from render.reel.settings import Codec, Colours, Device, Effort, Mode, ReelSettings
from workers.cli.output import (
    EXIT_FAILED,
    EXIT_INPUT,
    JsonFlag,
    console,
    error_console,
    print_json,
    printable,
    show_error,
)
from workers.cli.progress import progress_bar

if TYPE_CHECKING:
    from render.reel.index import PageEntry, ReelIndex
    from render.reel.page import Pixels
    from render.reel.writer import WrittenReel
    from workers.cli.reel_pages import Sources

_MOST_ROWS = 40
_RANGE = re.compile(r"(\d{1,9})(?:-(\d{1,9}))?")
_MOST_PAGES = 100_000

reel = typer.Typer(
    name="reel",
    no_args_is_help=True,
    add_completion=False,
    help="Put pages into one video file (H.264 or HEVC, by FFmpeg), list them, take them out again.",
)

Files = Annotated[
    list[Path],
    typer.Argument(metavar="FILE...", help="Pictures, or invoices (our JSON, EInvoice XML).", show_default=False),
]
ReelFile = Annotated[Path, typer.Argument(metavar="REEL", help="A reel, whatever it is called.", show_default=False)]
Target = Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="The reel: .mkv or .mp4.")]
OutFolder = Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Folder of PNG; made where missing.")]
ModeOption = Annotated[Mode, typer.Option("--mode", help="lossless: every pixel comes back. near: nearly so.")]
ColoursOption = Annotated[
    Colours | None,
    typer.Option(
        "--colours",
        help="palette (lossless; a level stands for a colour), rgb, or grey. Default: palette, for near rgb.",
        show_default=False,
    ),
]
DeviceOption = Annotated[Device, typer.Option("--device", help="cuda: NVENC or an error. auto: NVENC if it opens.")]
EffortOption = Annotated[Effort, typer.Option("--effort", help="fast, or small: fewer bytes in more time.")]
Quantizer = Annotated[
    int | None, typer.Option("--quantizer", help="Of mode near: 0 (finest) to 51. Default: 26.", show_default=False)
]
Dpi = Annotated[int, typer.Option("--dpi", min=72, max=600, help="Of invoices, and of pictures that state none.")]
KeyframeEvery = Annotated[int, typer.Option("--keyframe-every", help="Most pages that are decoded to reach one.")]
Threads = Annotated[int, typer.Option("--threads", help="Of the encoder on the CPU. Bytes depend on it.")]
Check = Annotated[bool, typer.Option("--check/--no-check", help="Decode the reel and compare it with the pages.")]
Force = Annotated[bool, typer.Option("--force", help="Replace what is there.")]
Pages = Annotated[str, typer.Option("--pages", metavar="3,7-9", help="Places in the reel, from 1. Default: all.")]
Numbers = Annotated[
    list[str] | None, typer.Option("--number", metavar="NUMBER", help="All pages of this invoice.", show_default=False)
]


@reel.command("make")
def make(
    files: Files,
    *,
    out: Target,
    codec: Annotated[Codec, typer.Option("--codec", help="Video coding.")] = Codec.H264,
    mode: ModeOption = Mode.LOSSLESS,
    colours: ColoursOption = None,
    device: DeviceOption = Device.AUTO,
    effort: EffortOption = Effort.FAST,
    quantizer: Quantizer = None,
    dpi: Dpi = 300,
    keyframe_every: KeyframeEvery = 16,
    threads: Threads = 1,
    check: Check = True,
    force: Force = False,
    as_json: JsonFlag = False,
) -> None:
    """Put the pages of pictures and invoices into one reel, with an index inside.

    A bad file does not stop the others. Nothing is left under the reel's name unless it is whole. Exit status: 0 = all
    well, 2 = some file was refused, 1 = anything else failed.
    """
    from render.reel.writer import write_reel
    from workers.cli.reel_pages import Sources

    settings = ReelSettings(codec, mode, colours, device, effort, quantizer, keyframe_every, threads, check).complete()
    sources = Sources(files, dpi, os.environ)
    with error_console().status("looking at the files"):
        largest_px = sources.survey()
    start = time.perf_counter()
    if largest_px == (0, 0):
        _end(None, sources, 0.0, as_json=as_json)
    with progress_bar() as progress:
        # How many pages invoices have is known once they are laid out.
        bars = {stage: progress.add_task(stage, total=None, visible=False) for stage in ("encode", "check")}
        found = 0

        def watch(stage: str, done: int) -> None:
            nonlocal found
            found = max(found, done)
            total = None if stage == "encode" else found
            progress.update(bars[stage], completed=done, total=total, visible=True)

        try:
            written = write_reel(out, sources.pages(), largest_px, settings, is_replacing=force, watch=watch)
        except InputError:
            if not found and sources.refused:
                # Not the reel is wrong, but every file of it.
                _end(None, sources, 0.0, as_json=as_json)
            raise
    _end(written, sources, time.perf_counter() - start, as_json=as_json)


@reel.command("list")
def list_pages(file: ReelFile, *, as_json: JsonFlag = False) -> None:
    """Say what is on a reel: how it was made, and every page."""
    from render.reel.reader import open_reel

    index = open_reel(file).index
    if as_json:
        print_json(_as_dict(index))
        return
    _show(file, index)


@reel.command("extract")
def extract(
    file: ReelFile,
    *,
    out: OutFolder = Path("out"),
    pages: Pages = "",
    number: Numbers = None,
    force: Force = False,
    as_json: JsonFlag = False,
) -> None:
    """Take pages out of a reel as PNG files named as the index names them.

    A file with the same content is left as it is; one with other content is an error, unless --force is given.
    """
    from render.reel.reader import open_reel
    from render.reel.staging import staging

    opened = open_reel(file)
    wanted = _wanted(opened.index, pages, number or [])
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{out} cannot be a folder: {error.strerror}.", hint="Choose another --out.") from error
    written = []
    with progress_bar() as progress, staging(out / "pages") as folder:
        bar = progress.add_task("extracting", total=len(wanted))
        for entry, pixels in opened.take(wanted):
            path = out / f"{entry.name}.png"
            _save(path, _png(pixels), folder / "page.png", is_replacing=force)
            written.append({"page": entry.frame + 1, "file": str(path)})
            progress.advance(bar)
    if as_json:
        print_json(written)
    else:
        console().print(Text(f"{len(written)} pages in {printable(str(out))}"))


def _wanted(index: ReelIndex, pages: str, numbers: list[str]) -> list[int]:
    """Return places in the reel, from 1."""
    chosen = parse_pages(pages) if pages else set()
    for number in numbers:
        found = {entry.frame + 1 for entry in index.pages if entry.number == number}
        if not found:
            fault = Fault("number", "reel.number_unknown", f"no page is of {number!r}.", "See `kaipiao reel list`.")
            raise InputError("the reel does not have that invoice.", faults=(fault,))
        chosen |= found
    return sorted(chosen) if pages or numbers else list(range(1, len(index.pages) + 1))


def parse_pages(text: str) -> set[int]:
    """Return the places that a text such as ``3,7-9`` names.

    Raises:
        InputError: it is another kind of text.
    """
    chosen: set[int] = set()
    for part in text.split(","):
        match = _RANGE.fullmatch(part.strip())
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if last < first or last - first >= _MOST_PAGES:
            fault = Fault("pages", "reel.pages_form", f"{part!r} names no pages.", "Write them as 3,7-9.")
            raise InputError("the pages cannot be told.", faults=(fault,))
        chosen.update(range(first, last + 1))
    return chosen


def _png(pixels: Pixels) -> bytes:
    from render.encode.api import encoder
    from render.pixels import PagePixels

    if isinstance(pixels, PagePixels):
        return encoder("png").encode(pixels)
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels.rgb).save(buffer, "PNG", dpi=(pixels.dpi, pixels.dpi))
    return buffer.getvalue()


def _save(path: Path, data: bytes, staged: Path, *, is_replacing: bool) -> None:
    """Write a file whole; leave one that holds the same."""
    from render.reel.staging import publish

    if path.is_file() and path.read_bytes() == data:
        return
    staged.write_bytes(data)
    publish(staged, path, is_replacing=is_replacing)
    staged.unlink(missing_ok=True)


def _end(written: WrittenReel | None, sources: Sources, seconds: float, *, as_json: bool) -> None:
    """Report, and end with the exit status."""
    if as_json:
        refused = [{"file": str(file), "error": error.as_dict()} for file, error in sources.refused.items()]
        print_json({"reel": _summary(written, seconds) if written else None, "refused": refused})
    else:
        for file, error in sources.refused.items():
            show_error(error, title=str(file))
        if written:
            _report(written, seconds)
    errors: list[KaipiaoError] = list(sources.refused.values())
    if errors:
        raise typer.Exit(EXIT_INPUT if all(isinstance(error, InputError) for error in errors) else EXIT_FAILED)


def _summary(written: WrittenReel, seconds: float) -> dict[str, Any]:
    index = written.index
    summary = {
        "file": str(written.path),
        "bytes": written.size,
        "pages": len(index.pages),
        "seconds": round(seconds, 3),
        "encoder": written.encoder,
        "device": written.device,
        "fallback": written.fallback,
        "mode": index.mode.value,
        "colours": index.colours.value,
    }
    errors = [entry.max_error for entry in index.pages if entry.max_error is not None]
    alike = [entry.ssim for entry in index.pages if entry.ssim is not None]
    return summary | ({"max_error": max(errors), "least_ssim": min(alike)} if errors and alike else {})


def _report(written: WrittenReel, seconds: float) -> None:
    summary = _summary(written, seconds)
    pages = summary["pages"]
    screen = console()
    screen.print(
        Text(
            f"{printable(str(written.path))}: {pages} pages, {written.size:,} bytes ({written.size // pages:,} a page),"
            f" {seconds:.2f} s, {written.encoder} on {written.device}"
        )
    )
    if "max_error" in summary:
        screen.print(f"largest error {summary['max_error']} of 255, least SSIM {summary['least_ssim']:.4f}")
    if written.fallback:
        error_console().print(Text(f"not by NVENC: {printable(written.fallback)}", style="yellow"))


def _as_dict(index: ReelIndex) -> dict[str, Any]:
    import msgspec

    values: dict[str, Any] = msgspec.to_builtins(index)
    return values


def _show(file: Path, index: ReelIndex) -> None:
    width, height = index.frame_px
    kind = f"{index.codec.value} {index.mode.value}, {index.colours.value}, by {index.encoder} of FFmpeg {index.ffmpeg}"
    table = Table(
        title=Text(
            printable(f"{file}: {kind}; frames of {width} × {height}, a key frame every {index.keyframe_every}")
        ),
        title_justify="left",
    )
    for heading, justify in (("page", "right"), ("name", "left"), ("invoice", "left"), ("size", "right")):
        table.add_column(heading, justify="right" if justify == "right" else "left", overflow="fold")
    for heading in ("dpi", "max error", "SSIM"):
        table.add_column(heading, justify="right")
    for entry in index.pages[:_MOST_ROWS]:
        table.add_row(*_cells(entry))
    if len(index.pages) > _MOST_ROWS:
        table.add_row("…", f"and {len(index.pages) - _MOST_ROWS} more; --json lists all")
    console().print(table)


def _cells(entry: PageEntry) -> list[str | Text]:
    return [
        str(entry.frame + 1),
        Text(printable(entry.name)),
        Text(printable(f"{entry.number}, page {entry.page}" if entry.number else "")),
        f"{entry.size_px[0]} × {entry.size_px[1]}",
        str(entry.dpi),
        "" if entry.max_error is None else str(entry.max_error),
        "" if entry.ssim is None else f"{entry.ssim:.4f}",
    ]
