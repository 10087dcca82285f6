"""The structure of a whole file as text, to be read by people: every object but the fonts' own bytes."""

import io
import re

import pikepdf
from pdf_samples import attachment, info, seal_picture

from render.display.builder import DisplayListBuilder
from render.display.list import Blend, Verb
from render.display.resolve import Align
from render.display.resources import Resources
from render.pdf.inspect import forbidden_in
from render.pdf.writer import PdfWriter

_FROM_FONTS = ("/Length", "/Length1", "/FontBBox", "/Ascent", "/Descent", "/CapHeight", "/ByteRange")
_CODES = re.compile(rb"\(((?:\\.|[^\\()])*)\)(?=Tj|\]TJ|-?\d)", re.DOTALL)
_SUBSET_TAG = re.compile(r"/[A-Z]{6}\+")


def _dump(data):
    """Return one paragraph an object, in the order of numbers."""
    with pikepdf.open(io.BytesIO(data)) as pdf:
        parts = [f"trailer {_show({k: v for k, v in pdf.trailer.items() if k in ('/Root', '/Info', '/Size')})}"]
        for number, item in enumerate(pdf.objects, start=1):
            kind = str(item.get("/Type", "")) if isinstance(item, (pikepdf.Dictionary, pikepdf.Stream)) else ""
            if kind in ("/ObjStm", "/XRef"):
                continue
            parts.append(f"{number} 0 obj {_show(item)}{_stream_text(item)}")
        return "\n\n".join(parts) + "\n"


def _stream_text(item):
    if not isinstance(item, pikepdf.Stream):
        return ""
    content = item.read_bytes()
    if any(key in item for key in ("/Length1", "/N", "/Width")) or "CIDFont" in str(item.get("/Subtype", "")):
        return "\n(bytes)"
    return "\n" + _CODES.sub(_in_hexadecimal, content).decode("utf-8").replace("\r", "").strip("\ufeff")


def _in_hexadecimal(string):
    """Return a literal string of character codes as people can read it."""
    plain = re.sub(rb"\\(.)", lambda found: b"\r" if found[1] == b"r" else found[1], string[1], flags=re.DOTALL)
    return b"<%b>" % plain.hex().encode("ascii")


def _show(item, depth=0):
    if depth and isinstance(item, pikepdf.Object) and item.is_indirect:
        return f"{item.objgen[0]} 0 R"
    if isinstance(item, (dict, pikepdf.Dictionary, pikepdf.Stream)):
        keys = sorted(set(item.keys()) - set(_FROM_FONTS))
        return f"<<{' '.join(f'{key} {_show(item[key], depth + 1)}' for key in keys)}>>"
    if isinstance(item, pikepdf.Array):
        return f"[{' '.join(_show(part, depth + 1) for part in item)}]"
    text = str(item)
    return _SUBSET_TAG.sub("/######+", text) if text.isprintable() else f"<{bytes(item).hex()}>"


def _document(fonts):
    seal = seal_picture()
    back = DisplayListBuilder(fonts)
    back.page(210_000, 140_000)
    brown = back.paint(128, 0, 0)
    back.text("kai", 7_073, 57_061, 14_085, "电子发票", paint=brown, tag="caption.title", steps_um=[7_500] * 3)
    back.text("kai", 3_175, 11_000, 47_000, "纳税人识别号：", paint=brown, tag="caption.tax_id", xscale=890)
    back.line(4_500, 30_000, 205_500, 30_000, 400, paint=brown, tag="rule")
    base = back.freeze()
    page = DisplayListBuilder(fonts)
    page.page(210_000, 140_000, base.digest)
    black, red = page.paint(0, 0, 0), page.paint(220, 40, 40, 128)
    page.text("song", 3_175, 172_000, 14_000, "2431200000", paint=black, tag="number")
    page.text("song", 3_175, 28_000, 36_500, "示范公司𬭊", paint=black, tag="buyer.name")
    page.text("mono", 3_175, 200_000, 60_000, "-13.00", paint=black, tag="lines[0].tax", align=Align.RIGHT)
    page.rects([(6_000, 6_000, 7_000, 7_000), (8_000, 6_000, 9_000, 7_000)], paint=black, tag="qr_text")
    triangle = [(90_000, 20_000), (95_000, 20_000), (95_000, 25_000)]
    page.path([Verb.MOVE, Verb.LINE, Verb.LINE, Verb.CLOSE], triangle, paint=red, tag="mark")
    page.image(
        seal.digest, (90_000, 5_000, 120_000, 25_000), paint=page.paint(0, 0, 0, blend=Blend.MULTIPLY), tag="seal"
    )
    return page.freeze(), Resources(fonts, {base.digest: base}, {seal.digest: seal})


def test_the_structure_of_a_file_is_as_reviewed(fonts, golden):
    display, resources = _document(fonts)
    file = PdfWriter(resources).write(display, 0, info(), [attachment(data=b"<EInvoice/>")], 16)
    assert forbidden_in(file.data) == ()
    golden("pdf/structure.txt", _dump(file.data))
