"""The PDF cases, with the peers that are here: ReportLab always is, any other test skips where its peer is missing."""

import importlib.metadata
import io
import json
import math
import mmap
import os
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest
from rich.console import Console

import bench.cases.pdf as case
import bench.cases.pdf_memory as memory
import bench.cases.pdf_start as start
from bench.__main__ import main
from bench.cases.pdf_ours import findings, open_ours, peer_fonts
from bench.corpus import typical, with_lines
from bench.measurement import Report, Row
from bench.peers import pdf_chromium, pdf_peer
from bench.peers.pdf_lineup import KEYS, open_lineup, open_peer
from bench.peers.pdf_peer import PeerMissing
from bench.peers.pdf_sheet import QR_MM, Page, qr_modules, sheets
from bench.runner import CheckFailed

pytestmark = pytest.mark.fonts

HIDDEN = "fpdf2"


class OtherFont(pdf_peer.PeerFont):
    family = "Comic Neue"


@pytest.fixture(scope="module")
def ours():
    with open_ours() as ours:
        yield ours


@pytest.fixture(scope="module")
def fonts(ours):
    return peer_fonts(ours)


@pytest.fixture
def two_peers(monkeypatch):
    """Leave ReportLab and a peer that is not installed."""
    real = importlib.metadata.version

    def version(name):
        if name == HIDDEN:
            raise importlib.metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(pdf_peer.metadata, "version", version)
    for module in (case, start):
        monkeypatch.setattr(module, "KEYS", ("reportlab", HIDDEN))


def report(path):
    return {row["case"]: row for row in json.loads(path.read_text(encoding="utf-8"))["results"]}


@contextmanager
def opened_or_skipped(key, fonts):
    with ExitStack() as stack:
        try:
            opened = stack.enter_context(open_peer(key, fonts))
        except PeerMissing as absence:
            if key == "reportlab":
                raise
            pytest.skip(str(absence))
        yield opened


@pytest.mark.slow
def test_case_measures_beside_peers_and_names_those_that_are_not_here(two_peers, tmp_path, capsys):
    path = tmp_path / "report.json"
    assert main(["run", "pdf", "--count", "2", "--json", str(path)]) == 0
    rows = report(path)
    beside = [f"pdf.{name}.{key}" for name in ("document", "lines_1", "lines_40") for key in ("reportlab", HIDDEN)]
    alone = [f"pdf.{name}" for name in ("writer", "batch_64", "writer_batch_64", "one_font")]
    assert sorted(rows) == sorted(beside + alone)
    for name, row in rows.items():
        assert 0 < row["min_ms"] <= row["median_ms"] <= row["p95_ms"], name
        assert row["bytes"] > 10_000, name
        if name.endswith(HIDDEN):
            assert row["peer"] == f"{HIDDEN}: not installed: pip install {HIDDEN}"
            assert row["peer_median_ms"] is row["ratio"] is None
        elif row["peer"]:
            assert row["peer"].startswith("ReportLab ")
            assert row["peer_text"] == row["peer_qr"] == 1
            assert math.isclose(row["ratio"], row["peer_median_ms"] / row["median_ms"], rel_tol=0.05)
            assert row["peer_bytes"] > 10_000
    assert rows["pdf.lines_40.reportlab"]["bytes"] > rows["pdf.lines_1.reportlab"]["bytes"]
    assert rows["pdf.document.reportlab"]["whole_ms"] > rows["pdf.document.reportlab"]["median_ms"]
    printed = capsys.readouterr().out
    assert f"not installed: pip install {HIDDEN}" in printed
    assert printed.count("yes") == 4


@pytest.mark.slow
def test_start_case_takes_a_fresh_process_for_every_sample(two_peers, tmp_path):
    path = tmp_path / "report.json"
    assert main(["run", "pdf-start", "--count", "1", "--json", str(path)]) == 0
    rows = report(path)
    assert list(rows) == [
        f"pdf-start.{phase}.{key}" for phase in ("cold", "first", "steady") for key in ("reportlab", HIDDEN)
    ]
    cold, first, steady = (rows[f"pdf-start.{phase}.reportlab"] for phase in ("cold", "first", "steady"))
    assert (cold["n"], first["n"], steady["n"]) == (1, 1, 9)
    assert cold["median_ms"] > first["median_ms"] > 0
    assert cold["peer_median_ms"] > first["peer_median_ms"] > 0


def test_memory_case_reports_sizes_and_slope(tmp_path, capsys):
    path = tmp_path / "report.json"
    assert main(["run", "pdf-memory", "--count", "70", "--json", str(path)]) == 0
    (row,) = report(path).values()
    assert row["n"] == 2
    assert 20 < row["start_rss_mb"] <= row["highest_rss_mb"]
    assert {"end_rss_mb", "kb_per_1000", "late_kb_per_1000"} <= row.keys()


def test_slope_is_kilobytes_for_a_thousand_documents():
    grows = [(done, 50_000_000 + 12 * done) for done in range(0, 5000, 64)]
    assert math.isclose(memory.slope_kb_per_1000(grows), 12, rel_tol=1e-6)
    assert abs(memory.slope_kb_per_1000([(done, 50_000_000) for done, _ in grows])) < 1e-6
    assert memory.slope_kb_per_1000([(0, 1)]) == 0


def test_memory_is_that_of_this_process():
    before = memory.resident_bytes()
    # Fresh from the system: the heap may hold as much that was given back.
    with mmap.mmap(-1, 50_000_000) as block:
        for place in range(0, len(block), mmap.PAGESIZE):
            block[place] = 1
        assert memory.resident_bytes() - before > 40_000_000


@pytest.mark.slow
@pytest.mark.parametrize("key", KEYS)
def test_a_peer_draws_the_same_invoice(key, ours, fonts):
    with opened_or_skipped(key, fonts) as (name, draw):
        assert any(char.isdigit() for char in name), "a name without a version"
        for document in (*typical(2, 31), *with_lines(9, 1, 32)):
            found = findings(document.invoice, draw(document.invoice), (fonts.kai.family, fonts.mono.family))
            assert (found.text, found.qr, found.page) == ([], [], [])
            expected = findings(document.invoice, ours.pdf(document), (fonts.kai.family, fonts.mono.family))
            assert found.pages == expected.pages


def test_findings_name_what_is_wrong(ours, fonts):
    mine, other = typical(2, 33)
    pdf = ours.pdf(mine)
    families = (fonts.kai.family, fonts.mono.family)
    right = findings(mine.invoice, pdf, families)
    assert (right.text, right.qr, right.page, right.pages) == ([], [], [], 1)
    wrong = findings(other.invoice, pdf, (*families, "Comic Neue"))
    assert f"{other.invoice.number!r} is not found" in wrong.text
    assert "the QR code says" in wrong.qr[0]
    assert wrong.page == ["Comic Neue is not embedded"]


def test_a_wrong_output_of_a_peer_is_told(ours, fonts):
    mine, other = typical(2, 34)
    with open_lineup(fonts, ("reportlab",)) as lineup:
        (peer,) = lineup.peers
        theirs = case._Theirs(replace(peer, draw=lambda _: peer.draw(other.invoice)))
        theirs.check([mine], [1], fonts)
        assert dict(theirs.verdict) == {"text": 0, "qr": 0}
        with pytest.raises(CheckFailed, match="1 pages, ours has 2"):
            theirs.check([mine], [2], fonts)
        with pytest.raises(CheckFailed, match="is not embedded"):
            theirs.check([mine], [1], replace(fonts, mono=OtherFont(fonts.mono.path)))


def test_no_measured_invoice_was_drawn_before():
    seen: dict[str, list[str]] = {"a": [], "b": []}

    def side(name):
        def work(item):
            seen[name] += [document.name + document.invoice.number for document in (item.lead, item.document)]
            return {"document": 1.0}

        return work

    samples = case._measure({name: side(name) for name in seen}, 4)
    assert len(samples["a"]["document"]) == len(samples["b"]["document"]) == 4
    assert len(set(seen["a"])) == len(seen["a"]) == 2 * (4 + case._WARM_UP)
    assert sorted(seen["a"]) == sorted(seen["b"])


def test_tables_show_a_peer_that_cannot_be_read():
    def row(name, peer="", **extra):
        samples = (8.0, 9.0) if peer else ()
        return Row(f"pdf.{name}", "cpu", (1.0, 2.0), 40, peer, samples, 50, {"min_ms": 1.0, "whole_ms": 3.0, **extra})

    cases = ("document", "lines_1", "lines_40")
    rows = [row(f"{name}.reportlab", "blind 1.0", peer_text=0.0, peer_qr=1.0) for name in cases]
    rows += [row(name) for name in ("writer", "batch_64", "writer_batch_64", "one_font")]
    console = Console(width=150, record=True, file=io.StringIO())
    case.print_results(Report(tuple(rows), {}, "0"), console)
    line = next(line for line in console.export_text().splitlines() if "blind" in line)
    assert [cell.strip() for cell in line.split("│")][-3:-1] == ["NO", "yes"]


def test_sheets_hold_every_line_once_and_sums_on_the_last():
    (document,) = with_lines(40, 1, 5)
    pages = sheets(document.invoice)
    assert [page.page for page in pages] == [*[Page.MIDDLE] * (len(pages) - 1), Page.LAST]
    texts = [text.text for page in pages for text in page.texts]
    assert sum(text.endswith("%") for text in texts) == 40
    amounts = sum(Decimal(text[1:]) for text in texts if text.startswith("¥"))
    # Each line is in one subtotal; the sums and the total are printed once.
    assert amounts == 3 * document.invoice.total
    assert document.invoice.total_words in {text.text for text in pages[-1].texts}
    assert document.invoice.total_words not in {text.text for page in pages[:-1] for text in page.texts}


def test_modules_fill_the_box_and_never_overlap():
    modules = qr_modules("01,31,,26312000011000000003,568821.82,20260804,,ABCD")
    left, top, side = QR_MM
    height = modules[0][3]
    assert math.isclose(modules[0][2], 7 * height)
    assert min(x for x, *_ in modules) == left
    assert min(y for _, y, *_ in modules) == top
    assert math.isclose(max(x + width for x, _, width, _ in modules), left + side)
    assert math.isclose(max(y for _, y, *_ in modules), top + side - height)
    for (x, y, width, _), (next_x, next_y, _, _) in pairwise(modules):
        assert next_y > y or next_x > x + width


@pytest.mark.parametrize("fails", [False, True])
def test_chromium_ends_with_its_context_and_listens_nowhere(fails, fonts):
    with (
        pytest.raises(ZeroDivisionError) if fails else nullcontext(),
        opened_or_skipped("chromium", fonts),
    ):
        (browser,) = [pid for pid in _children() if b"--remote-debugging-pipe" in _command(pid)]
        members = pdf_chromium.session_members(browser)
        assert browser in members
        assert not _listening(members)
        if fails:
            raise ZeroDivisionError
    assert pdf_chromium.session_members(browser) == []
    assert browser not in _children()


def _children():
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = (entry / "stat").read_text().rpartition(")")[2].split()[1]
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(parent) == os.getpid():
                found.append(int(entry.name))
    return found


def _command(pid):
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def _listening(pids):
    """Return the sockets of processes that wait for connections."""
    waiting = {
        row.split()[9]
        for table in ("/proc/net/tcp", "/proc/net/tcp6")
        for row in Path(table).read_text().splitlines()[1:]
        if row.split()[3] == "0A"
    }
    held = set()
    for pid in pids:
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            target = str(entry.readlink()) if entry.is_symlink() else ""
            held.add(target.removeprefix("socket:[").removesuffix("]"))
    return waiting & held
