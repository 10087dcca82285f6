"""Templates and laid-out invoices as readable text."""

import re
from dataclasses import replace
from decimal import Decimal

import layout_samples as samples
import pytest

from render.display.dump import to_text
from render.model.invoice import LineRole, Treatment
from render.templates.spec import PageKind

pytestmark = pytest.mark.fonts

# Outlines of the fonts' glyphs, and hashes over them: thousands of numbers that nobody reads.
_OUTLINES = re.compile(r"^( +path +(?:watermark|seal\.sample|seal\.notice) +#\w+\*? fill) .*$", re.MULTILINE)
_HASHES = re.compile(r" over blake2b:\w+")
_MODULES = re.compile(r"^( +rects +qr_text +#\w+ \[[^]]*\]) .*$", re.MULTILINE)


def readable(display):
    text = _OUTLINES.sub(r"\1 …", to_text(display))
    return _MODULES.sub(r"\1 …", _HASHES.sub("", text))


@pytest.mark.parametrize(
    ("kind", "page"), [("vat_special", page) for page in PageKind] + [("vat_ordinary", PageKind.SINGLE)]
)
def test_a_background_is_as_it_was(golden, fonts, kind, page):
    form = samples.template(kind, fonts)
    golden(f"display/{kind}-{page.value}.txt", readable(form.resources.bases[form.bases[page]]))


def continued():
    """Ten lines, of which one wraps and one is a discount: two pages."""
    lines = [samples.line(name=f"*示例*样品{place}", amount=Decimal(place)) for place in range(8)]
    lines[2] = samples.line(name="*示例大类*一个要分成两行的虚构商品名称", spec="A/B-12 3×4", unit="平方千米")
    lines[6] = replace(lines[6], role=LineRole.DISCOUNTED)
    lines.insert(7, samples.line(role=LineRole.DISCOUNT, amount=Decimal("-1.00"), tax=Decimal("-0.13")))
    return samples.sample(lines=tuple(lines))


def red():
    """Negative sums, a reference before the remark, an exempt line, a shrunk price."""
    minus = samples.line(
        quantity="-2", unit_price="4197.16981132075", amount=Decimal("-2500.00"), tax=Decimal("-325.00")
    )
    exempt = samples.line(
        treatment=Treatment.EXEMPT, rate=Decimal(0), amount=Decimal("-1.00"), tax=Decimal(0), quantity="", unit_price=""
    )
    return samples.sample(
        "vat_ordinary",
        lines=(minus, exempt),
        red=samples.RED,
        remark="销货退回",
        total_amount=Decimal("-2501.00"),
        total_tax=Decimal("-325.00"),
        total=Decimal("-2826.00"),
        total_words="（负数）贰仟捌佰贰拾陆圆整",
    )


@pytest.mark.parametrize("make", [samples.sample, continued, red])
def test_an_invoice_is_laid_out_as_it_was(golden, fonts, make):
    golden(f"display/invoice-{make.__name__}.txt", readable(samples.lay_out(make(), fonts)))
