"""Display lists that use every kind of item, for tests of the PDF writer."""

from datetime import datetime, timedelta, timezone

import numpy as np
import segno

from render.display.builder import DisplayListBuilder
from render.display.list import Blend, Verb
from render.display.resolve import Align
from render.display.resources import Picture, Resources
from render.pdf.writer import Attachment, PdfInfo

WIDTH_UM, HEIGHT_UM = 210_000, 140_000
NUMBER = "24312000000000000001"
CHINA = timezone(timedelta(hours=8))
CREATED = datetime(2026, 11, 23, 9, 30, 15, tzinfo=CHINA)
XML = f"<EInvoice><Number>{NUMBER}</Number>{'<Line>样品</Line>' * 40}</EInvoice>".encode()


def caption_page(fonts):
    """Return a background: title with letter spacing, condensed captions, rules and a ring."""
    builder = DisplayListBuilder(fonts)
    builder.page(WIDTH_UM, HEIGHT_UM)
    brown = builder.paint(128, 0, 0)
    steps = [7_070] * 11
    builder.text(
        "kai", 7_073, 57_061, 14_085, "电子发票（增值税专用发票）", paint=brown, tag="caption.title", steps_um=steps
    )
    builder.text("kai", 3_300, 154_000, 14_000, "发票号码：", paint=brown, tag="caption.number")
    caption = "统一社会信用代码/纳税人识别号："
    builder.text("kai", 3_175, 11_000, 47_000, caption, paint=brown, tag="caption.tax_id", xscale=890)
    for y in (30_000, 52_000, 96_000, 104_000, 124_000):
        builder.line(4_500, y, 205_500, y, 400, paint=brown, tag="rule")
    verbs = [Verb.MOVE, Verb.CUBIC, Verb.CUBIC, Verb.CLOSE]
    ring = [(90_000, 20_000), (90_000, 10_000), (120_000, 10_000), (120_000, 20_000)]
    back = [(120_000, 28_000), (90_000, 28_000), (90_000, 20_000)]
    builder.path(verbs, ring + back, paint=brown, tag="seal.ring", stroke_um=700)
    return builder.freeze()


def qr_rects(left_um, top_um, size_um):
    """Return the dark modules of a QR code as rectangles that share exact edges."""
    matrix = np.array([list(row) for row in segno.make(f"01,32,,{NUMBER},113.00,20261123", micro=False).matrix])
    edges = np.rint(np.linspace(0, size_um, len(matrix) + 1)).astype(int)
    rows, columns = np.nonzero(matrix)
    return np.stack(
        [left_um + edges[columns], top_um + edges[rows], left_um + edges[columns + 1], top_um + edges[rows + 1]], axis=1
    )


def seal_picture():
    """Return a red disc with a soft edge on nothing."""
    y, x = np.mgrid[0:120, 0:180]
    distance = np.hypot((x - 89.5) / 90, (y - 59.5) / 60)
    rgba = np.zeros((120, 180, 4), np.uint8)
    rgba[:, :, 0] = 220
    rgba[:, :, 3] = np.clip((1.0 - distance) * 900, 0, 200)
    return Picture(rgba)


def value_texts(serial=0):
    """Return role, size, x, baseline, text, tag and alignment of each value."""
    buyer = f"上海示范科技有限公司第{serial}分公司"
    return [
        ("song", 3_175, 172_000, 14_000, f"{int(NUMBER) + serial}", "number", Align.LEFT),
        ("song", 3_175, 28_000, 36_500, buyer, "buyer.name", Align.LEFT),
        ("mono", 3_175, 60_000, 47_000, "91310000MA1K00000X", "buyer.tax_id", Align.LEFT),
        ("song", 3_175, 128_000, 36_500, "北京某某商贸有限责任公司", "seller.name", Align.LEFT),
        ("song", 3_175, 6_000, 60_000, "*计算机外部设备*激光打印机 HP-1020/ABC (黑)", "lines[0].name", Align.LEFT),
        ("song", 3_175, 200_000, 60_000, "13.00", "lines[0].tax", Align.RIGHT),
        ("song", 3_175, 60_000, 101_000, "壹佰壹拾叁圆整", "total_words", Align.LEFT),
        ("song", 2_600, 14_000, 110_000, "㛃䶮𬭊鿏· é “备注”——Ω", "remark", Align.LEFT),
        ("mono", 3_175, 170_000, 101_000, "¥113.00", "total", Align.CENTER),
    ]


def value_page(builder, base, serial=0, seal=None):
    """Append a page of values with a QR code, and a seal over them where one is given."""
    builder.page(WIDTH_UM, HEIGHT_UM, base)
    black = builder.paint(0, 0, 0)
    for role, size, x, baseline, text, tag, align in value_texts(serial):
        builder.text(role, size, x, baseline, text, paint=black, tag=tag, align=align)
    builder.rects(qr_rects(6_000, 6_000, 20_000), paint=black, tag="qr_text")
    builder.rects([(30_000, 126_000, 40_000, 127_000)], paint=builder.paint(10, 20, 200, 128), tag="mark")
    if seal is not None:
        multiply = builder.paint(0, 0, 0, blend=Blend.MULTIPLY)
        builder.image(seal.digest, (90_000, 5_000, 120_000, 25_000), paint=multiply, tag="seal")


class Samples:
    """A template's resources and documents over them."""

    def __init__(self, fonts):
        self.fonts = fonts
        self.base = caption_page(fonts)
        self.seal = seal_picture()
        bases, pictures = {self.base.digest: self.base}, {self.seal.digest: self.seal}
        self.resources = Resources(fonts, bases, pictures)

    def document(self, serial=0, pages=1):
        builder = DisplayListBuilder(self.fonts)
        for page in range(pages):
            value_page(builder, self.base.digest, serial + page, self.seal)
        return builder.freeze()


def info(**changes):
    values = {"title": f"增值税专用发票 {NUMBER}", "author": "北京某某商贸有限责任公司", "subject": "增值税专用发票"}
    return PdfInfo(**(values | {"keywords": NUMBER, "created": CREATED} | changes))


def attachment(**changes):
    values = {"name": f"{NUMBER}.xml", "data": XML, "media_type": "text/xml", "relationship": "Source"}
    return Attachment(**(values | {"description": "EInvoice", "modified": CREATED} | changes))
