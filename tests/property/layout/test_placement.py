"""Whatever the values, they stand in their cells and over nothing else, or the invoice is refused by field."""

from dataclasses import replace
from decimal import Decimal

import layout_samples as samples
from hypothesis import given, settings
from hypothesis import strategies as st

from render.display.check import check
from render.errors import ContentOverflow, GlyphMissing
from render.layout.bounds import find_misplaced
from render.layout.paging import paginate
from render.model.invoice import LineRole, Treatment
from render.templates.spec import PageKind, Paging

# Printable and not: full and half width, long words, punctuation of both scripts, plane 2, and what no font has.
_CHARS = st.one_of(
    st.sampled_from("甲乙丙虚构示例（）《》，。：；、㛃䶮𬭊𠅤·—…"),
    st.sampled_from("ABCxyz0123456789 .,-/()*%×é"),
    st.characters(min_codepoint=0x4E00, max_codepoint=0x9FA5),
)
_ANY_CHARS = st.one_of(_CHARS, st.characters(blacklist_categories=("Cs",)))


def text(low, high, chars=_CHARS):
    return st.text(chars, min_size=low, max_size=high)


_MONEY = st.decimals(Decimal("-9999999999999999.99"), Decimal("9999999999999999.99"), places=2)
_FIGURE = st.text("0123456789.", min_size=0, max_size=25)
_LINES = st.builds(
    samples.line,
    name=text(1, 120),
    spec=text(0, 60),
    unit=text(0, 20),
    quantity=_FIGURE,
    unit_price=_FIGURE,
    amount=_MONEY,
    tax=_MONEY,
    rate=st.sampled_from([Decimal(rate) for rate in ("0", "0.015", "0.13")]),
    treatment=st.sampled_from(Treatment),
    role=st.sampled_from(LineRole),
)


_PARTY = st.fixed_dictionaries({"name": text(1, 140), "tax_id": st.text("ABCD0123456789", max_size=20)})


def assert_well_placed(invoice, fonts):
    display = samples.lay_out(invoice, fonts)
    check(display)
    assert find_misplaced(display, samples.template(invoice.kind.value, fonts)) == ()
    return display


@settings(max_examples=60)
@given(data=st.data())
def test_values_of_any_permitted_length_stand_in_their_cells(fonts, data):
    invoice = samples.sample(data.draw(st.sampled_from(samples.KINDS)))
    parties = {side: replace(getattr(invoice, side), **data.draw(_PARTY)) for side in ("buyer", "seller")}
    invoice = replace(
        invoice,
        **parties,
        lines=tuple(data.draw(st.lists(_LINES, min_size=1, max_size=12))),
        total_amount=data.draw(_MONEY),
        total_tax=data.draw(_MONEY),
        total=data.draw(_MONEY),
        remark=data.draw(text(0, 450)),
        clerk=data.draw(text(0, 150)),
        red=data.draw(st.sampled_from([None, samples.RED])),
    )
    display = assert_well_placed(invoice, fonts)
    for index, line in enumerate(invoice.lines):
        printed = "".join(samples.texts(display, f"lines[{index}].name"))
        assert printed.replace(" ", "") == line.name.replace(" ", "")


@settings(max_examples=150)
@given(
    field=st.sampled_from(["clerk", "remark", "buyer.name", "seller.name", "lines[0].name", "lines[0].unit"]),
    value=text(0, 1_200, _ANY_CHARS),
)
def test_any_text_at_all_fits_or_is_refused_by_the_name_of_its_field(fonts, field, value):
    invoice = samples.sample()
    owner, _, name = field.rpartition(".")
    if not owner:
        changes = {name: value}
    elif owner == "lines[0]":
        changes = {"lines": (samples.line(**{name: value}),)}
    else:
        changes = {owner: replace(getattr(invoice, owner), **{name: value})}
    refused = set()
    try:
        assert_well_placed(replace(invoice, **changes), fonts)
    except (ContentOverflow, GlyphMissing) as error:
        refused = {fault.path for fault in error.faults}
    assert refused <= {field}


@given(value=text(0, 200), limit_ems=st.integers(1, 30))
def test_lines_keep_every_character_but_spaces_and_never_exceed_their_width(fonts, value, limit_ems):
    limit = limit_ems * 2_048_000
    _, lines = samples.set_text(value, fonts, limit)
    assert "".join(lines).replace(" ", "") == value.replace(" ", "")
    assert all(samples.set_text(line, fonts, limit)[0] <= limit for line in lines)


@given(
    heights=st.lists(st.one_of(st.integers(1, 3), st.integers(1, 20)), min_size=1, max_size=60),
    discounts=st.lists(st.booleans(), min_size=60, max_size=60),
    single=st.integers(1, 9),
    middle=st.integers(1, 9),
    last=st.integers(1, 9),
)
def test_paging_places_every_row_once_in_order_and_overfills_no_page(heights, discounts, single, middle, last):
    capacity = {PageKind.SINGLE: single, PageKind.MIDDLE: middle, PageKind.LAST: min(single, last)}
    paging = Paging(capacity, is_provisional=True)
    pages = paginate(heights, [False, *discounts[: len(heights) - 1]], paging)
    rows = [
        (fragment.line, fragment.first_row + row) for page in pages for fragment in page for row in range(fragment.rows)
    ]
    assert rows == [(line, row) for line, height in enumerate(heights) for row in range(height)]
    for index, page in enumerate(pages):
        kind = PageKind.SINGLE if len(pages) == 1 else PageKind.LAST if index + 1 == len(pages) else PageKind.MIDDLE
        assert page
        at_row = 0
        for fragment in page:
            assert fragment.at_row == at_row
            at_row += fragment.rows
        assert at_row <= capacity[kind]
