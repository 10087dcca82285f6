"""The picture cases: sides, checks, tables, plots. What they measure is not asserted, only that it is something right.

Fidelity and QR codes are in tests/contract/raster, the recogniser in tests/ocr.
"""

import gc
import importlib.metadata
import io
import json
import math
from collections import Counter
from dataclasses import replace
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

import bench.cases.images as case
from bench import sheet
from bench.__main__ import main
from bench.cases import images_ocr, images_page, images_plot, images_table
from bench.cases.images_checks import drawn_problems, file_problems
from bench.cases.images_samples import samples, with_lines_of_one_row
from bench.corpus import to_json, varied, with_lines
from bench.measurement import Report, Row
from bench.peers import image_codecs, image_raster, pdf_peer
from bench.report import load
from bench.runner import CheckFailed
from render.encode.api import encoder
from render.layout.engine import layout_invoice
from render.model.read import read_invoice

pytestmark = pytest.mark.fonts

HIDDEN = "pyvips"
DPI = 150


@pytest.fixture(scope="module")
def workshop():
    with images_page.open_workshop() as workshop:
        yield workshop


@pytest.fixture(scope="module")
def laid_out(workshop):
    (document,) = with_lines(1, 1, 51)
    return workshop.sheet(document.invoice)


@pytest.fixture(scope="module")
def pixels(workshop, laid_out):
    return workshop.first_page(laid_out, DPI)


@pytest.fixture
def without(monkeypatch):
    """Return a function that makes a distribution look as if it were not installed."""
    real = importlib.metadata.version

    def hide(hidden):
        def version(name):
            if name == hidden:
                raise importlib.metadata.PackageNotFoundError(name)
            return real(name)

        monkeypatch.setattr(pdf_peer.metadata, "version", version)

    return hide


def rows_of(path):
    return {row["case"]: row for row in json.loads(path.read_text(encoding="utf-8"))["results"]}


@pytest.mark.slow
def test_case_measures_beside_libraries_and_names_those_that_are_not_here(without, monkeypatch, tmp_path, capsys):
    without(HIDDEN)
    monkeypatch.setattr(case, "_DPIS", (DPI,))
    monkeypatch.setattr(case, "_LINES", (1,))
    monkeypatch.setattr(case, "_REPEATS", 1)
    path = tmp_path / "report.json"
    assert main(["run", "images", "--count", "1", "--json", str(path)]) == 0
    rows = {name.removeprefix(f"images.{DPI}dpi.lines_1."): row for name, row in rows_of(path).items()}
    beside = {f"{mode}.{key}" for mode in ("rgb", "grey") for key in image_raster.KEYS}
    beside |= {f"{form}.{key}" for form, key in image_codecs.KEYS}
    assert beside <= rows.keys()
    assert {"ink", "png_small", "webp_small", "tiff_small", "both.fastest_libraries"} <= rows.keys()
    assert {"rgb_batch", "ink_batch", "both_batch"} <= rows.keys()
    for name, row in rows.items():
        assert 0 < row["min_ms"] <= row["median_ms"] <= row["p95_ms"], name
        assert row["n"] == 1, name
        if HIDDEN in name:
            assert row["peer"].endswith(f"not installed: pip install {HIDDEN}")
            assert row["ratio"] is None
        elif row["peer_median_ms"] is not None:
            assert math.isclose(row["ratio"], row["peer_median_ms"] / row["median_ms"], rel_tol=0.05), name
            assert any(char.isdigit() for char in row["peer"]), "a name without a version"
            assert row["peer_bytes"] > 1000, name
    assert rows["png.pillow"]["bytes"] == rows["both.fastest_libraries"]["bytes"]
    printed = capsys.readouterr().out
    assert "Pixels and PNG together:" in printed
    assert f"pyvips: not installed: pip install {HIDDEN}" in printed
    assert main(["plot", str(path), "--out", str(tmp_path)]) == 0
    assert (tmp_path / f"images-{DPI}dpi-1-lines.svg").exists()


def test_every_library_is_here_or_missing(without):
    without(HIDDEN)
    here, missing = image_codecs.open_codecs()
    assert {key for key in image_codecs.KEYS if key[1].startswith(HIDDEN)} <= set(missing)
    assert sorted([*((codec.form, codec.key) for codec in here), *missing]) == sorted(image_codecs.KEYS)
    rasters, absent = image_raster.open_rasters()
    assert sorted([*(peer.key for peer in rasters), *absent]) == sorted(image_raster.KEYS)


@pytest.mark.parametrize("key", image_codecs.KEYS, ids=".".join)
def test_a_library_writes_the_page_as_it_is_told(key, pixels, laid_out):
    here, missing = image_codecs.open_codecs()
    if key in missing:
        pytest.skip(missing[key])
    (codec,) = (each for each in here if (each.form, each.key) == key)
    page = images_page.shown(pixels)
    assert file_problems(codec.form, codec.encode(codec.prepare(page)), page, laid_out.invoice) == []


@pytest.mark.parametrize("key", image_raster.KEYS)
def test_a_library_draws_our_pdf_and_its_picture_lasts(key, pixels, laid_out):
    here, missing = image_raster.open_rasters((key,))
    if missing:
        pytest.skip(missing[key])
    (peer,) = here
    for is_grey in (False, True):
        drawn = peer.draw(laid_out.pdf, DPI, is_grey)
        before = drawn.copy()
        gc.collect()
        blocks = [np.full(drawn.size, 7, np.uint8) for _ in range(8)]
        assert np.array_equal(drawn, before), f"{len(blocks)} blocks took its memory"
        assert drawn.ndim == (2 if is_grey else 3)
        assert drawn_problems(drawn, pixels.index.shape, laid_out.invoice) == []
        assert drawn.max() == 255
    is_grey = False
    red = peer.draw(laid_out.pdf, DPI, is_grey).reshape(-1, 3)
    assert red[:, 0].mean() > red[:, 2].mean(), "red and blue are exchanged"


def test_a_file_that_is_not_the_page_is_told(pixels, laid_out):
    page = images_page.shown(pixels)
    other = page.rgb.copy()
    other[-1, -1] = (254, 255, 255)

    def told(form, picture, **options):
        file = io.BytesIO()
        picture.save(file, **options)
        return file_problems(form, file.getvalue(), page, laid_out.invoice)

    right = Image.fromarray(page.rgb)
    assert told("png", right, format="PNG") == []
    assert told("png", Image.fromarray(other), format="PNG") == ["1 pixels differ"]
    assert told("png", right.crop((0, 0, 900, 700)), format="PNG")[0].startswith("(700, 900, 3) pixels")
    assert told("png", Image.new("RGB", right.size, "white"), format="PNG")[0] == "0 QR codes were read"
    assert told("jpeg", right, format="JPEG", quality=85, subsampling="4:2:0") == ["colour is subsampled"]
    assert any("mean error" in problem for problem in told("jpeg", right, format="JPEG", quality=1, subsampling=0))
    bilevel = np.where(page.grey < page.ink_below, 0, 255).astype(np.uint8)
    bilevel[-1, -1] = 0
    assert told("g4", Image.fromarray(bilevel), format="TIFF") == ["1 pixels differ"]


def test_a_picture_of_another_size_or_invoice_is_told(pixels, laid_out):
    rgb, (height, width) = pixels.rgb(), pixels.index.shape
    assert drawn_problems(rgb, (height + 1, width - 1), laid_out.invoice) == []
    assert "pixels instead of" in drawn_problems(rgb, (height + 2, width), laid_out.invoice)[0]
    other = replace(laid_out.invoice, number="26312000000000000000")
    assert "the QR code says" in drawn_problems(rgb, (height, width), other)[0]


def test_the_case_stops_at_a_wrong_output(workshop, laid_out):
    rivals = case._Rivals.open()
    wrong = replace(rivals.codecs[0], encode=lambda _: encoder("png").encode(other))
    other = replace(workshop.first_page(laid_out, DPI), palette=np.zeros((256, 3), np.uint8))
    with pytest.raises(CheckFailed, match="QR codes were read"):
        case._check(workshop, replace(rivals, codecs=(wrong,)), laid_out, DPI)


def test_pages_that_are_measured_are_single_and_all_different(workshop):
    leads, sheets = case._sheets(workshop, 8, 3)
    assert [sheet.display.n_pages for sheet in sheets] == [1, 1, 1]
    assert [len(sheet.invoice.lines) for sheet in sheets] == [8, 8, 8]
    for made in sheets:
        assert read_invoice(to_json(made.invoice)).invoice.total == made.invoice.total
    assert [sheet.batch.n_pages for sheet in sheets] == [case.BATCH] * 3
    assert len({sheet.template.id for sheet in sheets}) == 2
    # A page is warmed up for by another of its template.
    assert [sheet.template.id for sheet in sheets] == [leads[place % 2].template.id for place in range(3)]
    numbers = [sheet.display.digest for sheet in (*leads, *sheets)] + [sheet.batch.digest for sheet in sheets]
    assert len(set(numbers)) == 8


def test_a_turn_begins_with_a_page_that_does_not_count():
    seen = []
    lead = case._Page(None, 300, None)
    side = case._Side("any", lambda page: seen.append(page) or 7)
    page = case._Page(None, 300, None, lead=lead)
    side(page)
    assert (seen, side.sizes) == ([lead, page], [7])
    case._Side("batch", side.work, 16, warm_up=lambda page: seen.append("first"))(page)
    assert seen[2:] == ["first", page]
    side.last_ms = case.LEAD_BELOW_MS
    side(page)
    assert seen[4:] == [page]


def test_goods_that_never_fit_are_no_endless_search():
    with pytest.raises(ValueError, match="no goods"):
        with_lines_of_one_row(8, 2, 1, lambda _: False)
    made = with_lines_of_one_row(2, 5, 1, lambda invoice: len(invoice.lines[0].name) < 12)
    assert len({invoice.number for invoice in made}) == 5
    assert all(len(line.name) < 12 for invoice in made for line in invoice.lines)


def row(name, peer="", ms=9.0, size=50, **extra):
    figures = {"min_ms": 1.0, "cpu_ms": 2.0, "peer_cpu_ms": 8.0, "cpu_ratio": 4.0, **extra}
    return Row(f"images.300dpi.lines_8.{name}", "cpu", (1.0, 2.0), 40, peer, (ms,) if peer else (), size, figures)


def test_sentences_tell_what_is_larger_and_how_much_faster():
    rows = [row("png.pillow", "Pillow"), row("png.pillow_palette", "Pillow palette", size=39)]
    rows += [row("both.fastest_libraries", "A + B"), row("png_small")]
    rows += [replace(row("both_batch"), samples_ms=(0.5, 1.0))]
    assert images_table.sentences(rows) == [
        "Pixels and PNG together: 6.0 × as fast (4.0 × by CPU time), in batches 12.0 ×, as A + B.",
        "Our PNG is smaller than Pillow's: 40 to 50 bytes.",
        "Our PNG is NOT smaller than Pillow palette's: 40 to 39 bytes.",
    ]
    console = Console(width=150, record=True, file=io.StringIO())
    images_table.print_tables(Report(tuple(rows), {}, "0"), console)
    assert "one page at 300 dpi, invoices of 8 line(s)" in console.export_text()


def test_plot_shows_every_writer_where_it_belongs(tmp_path):
    rows = [row("png.pillow", "Pillow 13.0.0 (default)", ms=90.0, size=400_000), row("png_small")]
    rows += [row("webp.pyvips", "libvips 8.18.7 (pyvips 3.2.0) (default)", ms=900.0, size=20_000)]
    rows += [row("rgb.pdfium", "pdfium 8149"), row("jpeg.fpng", "fpng: not installed", ms=1.0)]
    rows[-1] = replace(rows[-1], peer_samples_ms=())
    report = tmp_path / "report.json"
    Report(tuple(rows), {}, "0").write(report)
    (file,) = images_plot.write_plots(load(report), tmp_path / "plots")
    assert file.name == "images-300dpi-8-lines.svg"
    drawn = ET.fromstring(file.read_text(encoding="utf-8"))
    texts = [entry.text for entry in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert Counter(texts) >= Counter(["Kaipiao", "Kaipiao, small", "Pillow", "Kaipiao", "libvips", "Kaipiao"])
    assert not any("pdfium" in text or "fpng" in text for text in texts)
    points = [
        images_plot.Point("png", "small and fast", 100, 1.0, is_ours=True),
        images_plot.Point("png", "large and slow", 10_000, 100.0, is_ours=False),
    ]
    circles = ET.fromstring(images_plot.draw("<&>", points)).iter("{http://www.w3.org/2000/svg}circle")
    (fast_x, fast_y), (slow_x, slow_y) = [(float(c.get("cx")), float(c.get("cy"))) for c in circles][-2:]
    assert 0 < fast_x < slow_x < images_plot.WIDTH
    assert 0 < slow_y < fast_y < images_plot.HEIGHT


def test_plot_of_another_report_is_wrong_usage(tmp_path):
    path = tmp_path / "report.json"
    Report((Row("stages.sign", "cpu", (1.0,)),), {}, "0").write(path)
    assert main(["plot", str(path), "--out", str(tmp_path)]) == 2


def test_labels_leave_points_and_one_another_alone():
    points = [images_plot.Point("png", f"library {place}", 1000 + place, 5.0, is_ours=False) for place in range(6)]
    points.append(images_plot.Point("png", "far away", 9_000, 50.0, is_ours=True))
    drawn = ET.fromstring(images_plot.draw("t", points))
    names = {point.label for point in points}
    labels = [t for t in drawn.iter("{http://www.w3.org/2000/svg}text") if t.text in names]
    places = {(round(float(label.get("x"))), round(float(label.get("y")))) for label in labels}
    assert len(labels) == len(places) == len(points)


def test_samples_are_valid_invoices_of_every_template_and_colour():
    made = list(samples())
    assert [sample.name for sample in made] == [sample.name for sample in samples()]
    assert len({sample.name for sample in made}) == 8
    for sample in made:
        read = read_invoice(to_json(sample.invoice)).invoice
        assert (read.kind, read.total, read.qr_text) == (
            sample.invoice.kind,
            sample.invoice.total,
            sample.invoice.qr_text,
        )
        assert (read.red is not None) == (read.total < 0) == (".red_" in sample.name)
        assert len(read.lines) in (1, 40)


def test_sheets_hold_our_page_and_pdfiums_side_by_side(monkeypatch, tmp_path, workshop):
    first = next(samples())
    monkeypatch.setattr(sheet, "samples", lambda: iter([first]))
    assert main(["sheet", "--out", str(tmp_path)]) == 0
    plain, sealed = (Image.open(tmp_path / f"vat_ordinary-blue_1{suffix}.png") for suffix in ("", "-picture-seal"))
    template = workshop.renderer.template("vat_ordinary")
    page = next(workshop.pages(template, layout_invoice(first.invoice, template), sheet.DPI)).rgb()
    height, width = page.shape[:2]
    whole = np.asarray(plain)
    corner = np.argwhere((whole == 255).all(axis=2))[0]
    left, top = int(corner[1]), int(corner[0])
    assert np.array_equal(whole[top : top + height, left : left + width], page)
    theirs = whole[top : top + height, left + width + 12 : left + 2 * width + 12].astype(int)
    assert 0 < np.abs(theirs - page).mean() < 12
    assert sealed.size[0] == plain.size[0]
    assert not np.array_equal(np.asarray(sealed)[:height], whole[:height])


def test_parts_of_a_sheet_lie_on_the_page(workshop):
    for kind in ("vat_ordinary", "vat_special"):
        spec = workshop.renderer.template(kind).spec
        parts = list(sheet.parts_of(spec))
        assert len({part.name for part in parts}) == len(parts) > 8
        for part in parts:
            left, top, right, bottom = part.box_um
            assert 0 <= left < right <= spec.page_um[0], part
            assert 0 <= top < bottom <= spec.page_um[1], part


def test_memory_case_reports_sizes_and_slope(tmp_path):
    path = tmp_path / "report.json"
    assert main(["run", "images-memory", "--count", "20", "--json", str(path)]) == 0
    (row,) = rows_of(path).values()
    assert row["n"] == 2
    assert row["bytes"] > 1000
    assert 20 < row["start_rss_mb"] <= row["highest_rss_mb"]
    assert {"end_rss_mb", "kb_per_1000", "late_kb_per_1000"} <= row.keys()


def test_every_field_that_is_to_be_read_has_a_place_on_some_page(workshop):
    for document in varied(26, 52):
        template = workshop.renderer.template(document.invoice.kind.value)
        display = layout_invoice(document.invoice, template)
        seen = {tag for page in range(display.n_pages) for tag in images_ocr.field_boxes(display, page)}
        assert images_ocr.printed_fields(document.invoice).keys() <= seen, document.name
    assert images_ocr.printed_fields(document.invoice)["total"].startswith("¥")


def test_boxes_of_a_field_are_its_lines_of_text_from_top_to_bottom(workshop):
    (document,) = [each for each in varied(8, 53) if "long_names" in each.features]
    display = layout_invoice(document.invoice, workshop.renderer.template(document.invoice.kind.value))
    pages = [images_ocr.field_boxes(display, page) for page in range(display.n_pages)]
    assert all(len(boxes["number"]) == 1 for boxes in pages)
    name = pages[0]["lines[0].name"]
    assert len(name) > 1
    assert name == sorted(name, key=lambda box: box[1])
    left, _, right, _ = pages[-1]["total"][0]
    assert right - left > 10_000, "the sign and the sum are one line"


@pytest.mark.parametrize(
    ("text", "is_rare"), [("虚构有限公司", False), ("示例䶮", True), ("鿏", True), ("A-1（）·", False)]
)
def test_rare_ideographs_are_told_from_others(text, is_rare):
    assert images_ocr.has_rare_ideograph(text) is is_rare


def test_without_the_recogniser_the_case_says_what_to_install(without, capsys):
    without("rapidocr")
    assert main(["run", "images-ocr", "--count", "1"]) == 1
    assert "pip install rapidocr" in capsys.readouterr().out
