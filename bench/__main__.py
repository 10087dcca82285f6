"""``python -m bench``: run a case, list them, compare or plot reports, model a device, draw sheets, show the demo."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType

from rich.console import Console

import render
from bench import cases, machine, report
from bench.measurement import Report
from bench.runner import CheckFailed
from render.errors import KaipiaoError

EXIT_FAILED = 1
EXIT_USAGE = 2
PIPE_COLUMNS = 150


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 a check or a rendering failed, 2 wrong usage."""
    options = _parser().parse_args(arguments)
    # A file or a pipe has no width of its own; 80 columns would break every row of a table.
    console = Console() if sys.stdout.isatty() else Console(width=PIPE_COLUMNS)
    try:
        if options.command == "run":
            return _run(options.case, options.count, options.json, console)
        if options.command == "list":
            return _list(console)
        if options.command == "model":
            return _model(options.count, options.dpi, options.json, console)
        if options.command == "compare":
            report.print_comparison(report.load(options.before), report.load(options.after), console)
            return 0
        if options.command == "plot":
            return _plot(options.report, options.out, console)
        if options.command == "sheet":
            from bench.sheet import write_sheets

            write_sheets(options.out, console)
            return 0
        from bench.demo import DemoSettings, run_demo

        settings = DemoSettings(options.count, options.out.resolve(), options.workers)
        return run_demo(settings, console)
    except (CheckFailed, KaipiaoError) as error:
        console.print(f"Failed: {error}", style="red", markup=False)
        return EXIT_FAILED
    except ValueError as error:
        console.print(str(error), style="red", markup=False)
        return EXIT_USAGE


def _run(name: str, count: int | None, json_file: Path | None, console: Console) -> int:
    case = _case(name)
    rows = case.run(count or case.DEFAULT_COUNT)
    result = Report(tuple(rows), machine.describe(), render.__version__, case.NOTES)
    getattr(case, "print_results", report.print_results)(result, console)
    report.print_circumstances(result, console)
    if json_file is not None:
        result.write(json_file)
        console.print(f"Written: {json_file}")
    return 0


def _model(count: int, dpi: int, json_file: Path | None, console: Console) -> int:
    from bench.model import run_model
    from bench.model_table import as_json, print_model

    model = run_model(count, dpi)
    print_model(model, console)
    if json_file is not None:
        json_file.write_text(json.dumps(as_json(model), indent=1) + "\n", encoding="utf-8")
        console.print(f"Written: {json_file}")
    return 0


def _plot(path: Path, folder: Path, console: Console) -> int:
    from bench.cases.images_plot import write_plots

    for file in write_plots(report.load(path), folder):
        console.print(f"Written: {file}")
    return 0


def _case(name: str) -> ModuleType:
    return import_module(f"bench.cases.{name.replace('-', '_')}")


def _list(console: Console) -> int:
    for name in cases.NAMES:
        summary = (_case(name).__doc__ or "").splitlines()[0]
        console.print(f"[bold]{name}[/bold]  {summary}")
    return 0


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measurements and demo of Kaipiao.")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="measure one case beside a peer in the same run")
    run.add_argument("case", choices=cases.NAMES)
    run.add_argument("--count", type=_count, help="how many invoices; default: the case's own")
    run.add_argument("--json", type=Path, metavar="FILE", help="write the figures as JSON")
    commands.add_parser("list", help="say what can be measured")
    compare = commands.add_parser("compare", help="compare two reports, and say where the difference is noise")
    compare.add_argument("before", type=Path)
    compare.add_argument("after", type=Path)
    model = commands.add_parser("model", help="say what devices should take, on paper, from counted bytes")
    model.add_argument("--count", type=_count, default=32, help="how many pages are counted (default: %(default)s)")
    model.add_argument("--dpi", type=_count, default=300, help="resolution (default: %(default)s)")
    model.add_argument("--json", type=Path, metavar="FILE", help="write the figures as JSON")
    plot = commands.add_parser("plot", help="draw the files of an images report: milliseconds against bytes, as SVG")
    plot.add_argument("report", type=Path)
    plot.add_argument("--out", type=Path, default=Path("out/plots"), help="folder of results (default: %(default)s)")
    sheet = commands.add_parser("sheet", help="draw every template beside pdfium's picture of it, whole and enlarged")
    sheet.add_argument("--out", type=Path, default=Path("out/sheets"), help="folder of results (default: %(default)s)")
    demo = commands.add_parser("demo", help="render invoices through the pool, check every one, write a gallery")
    demo.add_argument("--count", type=_count, default=200, help="how many invoices (default: %(default)s)")
    demo.add_argument("--out", type=Path, default=Path("out/demo"), help="folder of results (default: %(default)s)")
    demo.add_argument("--workers", type=_count, default=2, help="worker processes (default: %(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
