"""What readers that are not ours say about our files."""

import html
import re
import subprocess
from collections import Counter

import pypdfium2
from pdf_samples import value_texts

from render.display.list import Kind
from render.pdf.inspect import forbidden_in
from render.sign.verify import verify_pdf


def _run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_qpdf_finds_nothing_to_mend(need, files):
    need("qpdf")
    for name, path in files.items():
        done = _run("qpdf", "--check", str(path))
        assert done.returncode == 0, (name, done.stdout, done.stderr)
        assert "No syntax or stream encoding errors found" in done.stdout
        assert "WARNING" not in done.stdout + done.stderr


def test_poppler_extracts_every_value_in_order(need, files):
    need("pdftotext")
    done = _run("pdftotext", "-raw", str(files["plain"]), "-")
    assert done.stderr == ""
    places = [done.stdout.find(text) for _, _, _, _, text, _, _ in value_texts()]
    assert -1 not in places
    assert places == sorted(places)


def test_poppler_sees_embedded_subsets_only(need, files):
    need("pdffonts")
    for path in files.values():
        rows = _run("pdffonts", str(path)).stdout.splitlines()[2:]
        assert len(rows) >= 3
        assert [row.split()[-5:-2] for row in rows] == [["yes", "yes", "yes"]] * len(rows)


def test_poppler_detaches_the_attachment(need, files, tmp_path):
    need("pdfdetach")
    done = _run("pdfdetach", "-saveall", "-o", str(tmp_path), str(files["pages"]))
    assert done.returncode == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["24312000000000000001.xml", "说明.txt"]


def test_pdfium_reads_every_page(files):
    for name, path in files.items():
        with pypdfium2.PdfDocument(path) as pdf:
            for page in range(len(pdf)):
                text = pdf[page].get_textpage().get_text_range()
                assert all(value in text for _, _, _, _, value, _, _ in value_texts(page)), (name, page)


def test_a_signed_file_verifies_and_covers_everything(files):
    for name in ("signed", "signed-pages"):
        found = verify_pdf(files[name].read_bytes())
        assert found.is_intact, found
        assert found.covers_whole_file, found


def test_no_file_holds_anything_forbidden(files):
    assert {name: forbidden_in(path.read_bytes()) for name, path in files.items()} == dict.fromkeys(files, ())


def test_invoices_extract_run_by_run_in_paint_order(invoices):
    for name, (path, display) in invoices.items():
        with pypdfium2.PdfDocument(path) as pdf:
            assert len(pdf) == display.n_pages
            for page in range(display.n_pages):
                text = _without_spaces(pdf[page].get_textpage().get_text_range())
                assert text.endswith(_without_spaces(_printed(display, page))), (name, page)


def test_three_readers_extract_the_same_characters(need, invoices):
    """Each run's text stands in what poppler, pdfium and MuPDF read, character by character and once for each run."""
    need("pdftotext")
    need("mutool")
    for name, (path, display) in invoices.items():
        with pypdfium2.PdfDocument(path) as pdf:
            pdfium = [pdf[page].get_textpage().get_text_range() for page in range(len(pdf))]
        poppler = _run("pdftotext", "-raw", str(path), "-").stdout.split("\f")
        mupdf = _run("mutool", "draw", "-q", "-F", "txt", str(path)).stdout.split("\f")
        for page in range(display.n_pages):
            values = _values(display, page)
            read = {"pdfium": pdfium[page], "poppler": poppler[page], "MuPDF": mupdf[page]}
            for reader, text in read.items():
                assert Counter(_without_spaces(text)) >= Counter("".join(values)), (reader, name, page)
                missing = [value for value in values if value not in _without_spaces(text)]
                assert missing == [], (reader, name, page)


def test_content_order_is_reading_order_for_readers_that_keep_it(need, invoices):
    need("mutool")
    for name, (path, display) in invoices.items():
        trace = _run("mutool", "draw", "-q", "-F", "trace", str(path)).stdout
        drawn = "".join(html.unescape(char) for char in re.findall(r'unicode="([^"]*)"', trace))
        expected = "".join(_printed(display, page) for page in range(display.n_pages))
        place = 0
        for char in expected:
            place = drawn.find(char, place)
            assert place >= 0, (name, char)
            place += 1


def test_page_boxes_are_those_of_the_form(need, invoices):
    need("pdfinfo")
    for path, display in invoices.values():
        shown = _run("pdfinfo", "-l", "-1", "-box", str(path)).stdout
        found = re.findall(r"MediaBox:\s+([\d. ]+)", shown)
        assert len(found) == display.n_pages
        # pdfinfo rounds to hundredths of a point: 210 × 140 mm are 595.28 × 396.85.
        assert {tuple(box.split()) for box in found} == {("0.00", "0.00", "595.28", "396.85")}


def test_invoices_pass_qpdf_verify_and_hold_nothing_forbidden(need, invoices):
    need("qpdf")
    for name, (path, _) in invoices.items():
        done = _run("qpdf", "--check", str(path))
        assert (done.returncode, "WARNING" in done.stdout + done.stderr) == (0, False), name
        assert forbidden_in(path.read_bytes()) == ()
        assert verify_pdf(path.read_bytes()).covers_whole_file


def _printed(display, page):
    """Return the text of a page's own runs; the background's comes before it."""
    items = range(int(display.page_item_off[page]), int(display.page_item_off[page + 1]))
    runs = [int(display.item_ref[item]) for item in items if display.item_kind[item] == Kind.GLYPHS]
    return "".join(display.run_text(run) for run in runs)


def _values(display, page):
    """Return the text of each of a page's own runs, without spaces."""
    items = range(int(display.page_item_off[page]), int(display.page_item_off[page + 1]))
    runs = [int(display.item_ref[item]) for item in items if display.item_kind[item] == Kind.GLYPHS]
    return [_without_spaces(display.run_text(run)) for run in runs]


def _without_spaces(text):
    """Readers add spaces and line ends where text stands apart; pdfium marks a hyphen at a line's end with U+FFFE."""
    return "".join(text.replace("\ufffe", "-").split())
