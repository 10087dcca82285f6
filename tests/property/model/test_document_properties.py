import copy
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from render.errors import Fault, InputError
from render.model.einvoice import write_einvoice
from render.model.faults import Findings
from render.model.fields import NUMBER
from render.model.invoice import Invoice, LineRole, Media
from render.model.json_reader import _read_any, _read_plain
from render.model.read import read_invoice
from render.model.schema import json_schema
from render.model.text import find_forbidden
from render.model.uscc import ALPHABET, with_check_digit

INVOICES = Path(__file__).parents[2] / "data" / "invoices"
SAMPLES = [json.loads(path.read_text("utf-8")) for path in sorted(INVOICES.glob("*.json"))]
XML_SAMPLES = [path.read_bytes() for path in sorted(INVOICES.glob("*.xml"))]
VALIDATOR = Draft202012Validator(json_schema())
CENT = Decimal("0.01")

Document = dict[str, Any]

many = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def texts(max_size: int) -> st.SearchStrategy[str]:
    characters = st.characters(
        exclude_categories=("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"), exclude_characters="\ufffc\ufffd"
    )
    return st.text(characters, min_size=1, max_size=max_size).map(str.strip).filter(bool)


codes = st.text(ALPHABET, min_size=17, max_size=17).map(with_check_digit)
cents = st.integers(0, 10**8).map(lambda fen: Decimal(fen).scaleb(-2))
rates = st.sampled_from(["0.13", "0.09", "0.06", "0.05", "0.03", "0.015", "0.01", "0"])


def money(value: Decimal) -> str:
    return f"{value.quantize(CENT, ROUND_HALF_UP):.2f}"


@st.composite
def lines(draw: st.DrawFn, sign: int) -> list[dict[str, str]]:
    """Draw one line of whichever sort, with its discount where it has one."""
    line = {"name": draw(texts(40)), "treatment": draw(st.sampled_from(["taxed", "taxed", "exempt", "not_taxed"]))}
    line |= draw(st.fixed_dictionaries({}, optional={"spec": texts(20), "unit": texts(5)}))
    line["rate"] = draw(rates) if line["treatment"] == "taxed" else "0"
    if draw(st.booleans()):
        quantity, price = draw(st.integers(1, 1000)), draw(cents)
        amount = price * quantity * sign
        line |= {"quantity": str(quantity * sign), "unit_price": str(price)}
    else:
        amount = draw(cents) * sign
    line |= {"amount": money(amount), "tax": money(amount * Decimal(line["rate"]))}
    if sign > 0 and amount >= 1 and draw(st.booleans()):
        line["role"] = "discounted"
        less = -money_part(amount, draw(st.integers(1, 100)))
        names = {name: line[name] for name in ("name", "treatment", "rate")}
        discount = {**names, "amount": money(less), "tax": money(less * Decimal(line["rate"])), "role": "discount"}
        return [line, discount]
    return [line]


def money_part(amount: Decimal, percent: int) -> Decimal:
    return (amount * percent / 100).quantize(CENT, ROUND_HALF_UP)


@st.composite
def documents(draw: st.DrawFn) -> Document:
    """Draw a valid invoice document."""
    is_red = draw(st.booleans())
    issued = draw(st.dates(min_value=date(2021, 12, 1), max_value=date(2099, 12, 31)))
    groups = draw(st.lists(lines(-1 if is_red else 1), min_size=1, max_size=5))
    flat = [line for group in groups for line in group]
    amount = sum((Decimal(line["amount"]) for line in flat), Decimal(0))
    tax = sum((Decimal(line["tax"]) for line in flat), Decimal(0))
    party = {"name": texts(30), "tax_id": codes}
    more = {"address": texts(30), "phone": texts(10), "bank": texts(20), "account": texts(20)}
    document: Document = {
        "schema": "kaipiao.invoice/1",
        "kind": draw(st.sampled_from(["vat_special", "vat_ordinary"])),
        "number": f"{issued:%y}" + draw(st.text("0123456789", min_size=18, max_size=18)),
        "issued": issued.isoformat(),
        "seller": draw(st.fixed_dictionaries(party, optional=more)),
        "buyer": draw(st.fixed_dictionaries(party, optional=more)),
        "lines": flat,
        "total_amount": money(amount),
        "total_tax": money(tax),
        "total": money(amount + tax),
        "clerk": draw(texts(10)),
        "remark": draw(st.one_of(st.just(""), texts(100))),
    }
    if is_red and amount < 0:
        blue = draw(st.text("0123456789", min_size=20, max_size=20).filter(lambda number: number != document["number"]))
        document["red"] = {"blue_number": blue, "confirmation": draw(st.text("0123456789Ab", min_size=1, max_size=40))}
    elif is_red:
        document["lines"] = [{**line, "quantity": "", "unit_price": ""} for line in flat]
    return document


def encode(document: object, *, is_escaped: bool = False) -> bytes:
    return json.dumps(document, ensure_ascii=is_escaped).encode("utf-8", "surrogatepass")


def outcome(data: bytes, media: Media | None = None) -> tuple[Invoice | None, str, tuple[Fault, ...]]:
    """Return what reading gives; anything but the documented errors fails the test by itself."""
    try:
        read = read_invoice(data, media)
    except InputError as error:
        refusal = error
    else:
        return read.invoice, "", read.warnings
    assert refusal.faults
    assert str(refusal).encode("utf-8")
    return None, refusal.code, refusal.faults


@many
@given(documents())
def test_valid_documents_are_read_and_written_and_read_again_equal(document: Document) -> None:
    invoice = read_invoice(encode(document)).invoice
    assert VALIDATOR.is_valid(document)
    written = write_einvoice(invoice)
    again = read_invoice(written, Media.EINVOICE_XML).invoice
    assert replace(again, source=None) == replace(invoice, source=None)
    assert write_einvoice(again) == written


@many
@given(documents())
def test_what_is_read_keeps_the_rules_however_they_are_computed(document: Document) -> None:
    invoice = read_invoice(encode(document)).invoice
    assert sum(line.amount for line in invoice.lines) == invoice.total_amount
    assert sum(line.tax for line in invoice.lines) == invoice.total_tax
    assert invoice.total_amount + invoice.total_tax == invoice.total
    for before, line in zip((None, *invoice.lines), invoice.lines, strict=False):
        if line.role is LineRole.DISCOUNT:
            assert before is not None
            assert before.role is LineRole.DISCOUNTED
            assert 0 < -line.amount <= before.amount


def places(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, child in children for place in places(child, (*path, key)))]


strange_texts = st.one_of(
    st.text(max_size=30),
    st.text(st.characters(), max_size=10),
    st.sampled_from(
        ["", "NaN", "Infinity", "1E5", "-0.00", "../../x", "\0", "１２", "．．／", "9" * 400, "0.01", "\ud800"]
    ),
)
strange_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), strange_texts),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=10), inner, max_size=3)),
    max_leaves=6,
)


@st.composite
def mutations(draw: st.DrawFn) -> object:
    """Draw a sample with one to four values replaced, removed, repeated, or added."""
    document: Any = copy.deepcopy(draw(st.sampled_from(SAMPLES)))
    for _ in range(draw(st.integers(1, 4))):
        path = draw(st.sampled_from(places(document)))
        if not path:
            continue
        place: Any = document
        for key in path[:-1]:
            place = place[key]
        action: Callable[[], object] = draw(
            st.sampled_from(
                [
                    lambda place=place, key=path[-1]: place.__setitem__(key, draw(strange_values)),
                    lambda place=place, key=path[-1]: place.__delitem__(key),
                    lambda place=place, key=path[-1]: (
                        place.append(place[key])
                        if isinstance(place, list)
                        else place.update({draw(st.text()): place[key]})
                    ),
                ]
            )
        )
        action()
    return document


@settings(many, max_examples=300)
@given(mutations())
def test_mutated_json_is_read_by_the_rules_or_refused_with_faults(document: object) -> None:
    plain, escaped = outcome(encode(document)), outcome(encode(document, is_escaped=True))
    invoice = escaped[0]
    if invoice is not None:
        assert VALIDATOR.is_valid(document)
        assert NUMBER.fullmatch(invoice.number)
        assert all(
            find_forbidden(text) < 0 for text in (invoice.remark.replace("\n", ""), invoice.clerk, invoice.seller.name)
        )
    # Both spellings are answered alike, but that lone surrogates exist in escaped JSON alone.
    if not any(fault.rule == "document.encoding" for fault in plain[2]):
        assert plain[1:] == escaped[1:]
        assert (plain[0] is None) == (invoice is None)
        if plain[0] is not None and invoice is not None:
            assert replace(plain[0], source=None) == replace(invoice, source=None)


@settings(many, max_examples=300)
@given(document=st.one_of(mutations(), documents()), is_escaped=st.booleans())
def test_the_fast_reader_takes_only_what_the_full_one_reads_alike(document: object, *, is_escaped: bool) -> None:
    data = encode(document, is_escaped=is_escaped)
    fast = _read_plain(data)
    if fast is not None:
        findings = Findings()
        assert fast == _read_any(data.decode(), findings)
        assert findings.all() == ()


@st.composite
def damaged(draw: st.DrawFn, samples: list[bytes]) -> bytes:
    """Draw a sample with pieces cut out, doubled or overwritten."""
    data = bytearray(draw(st.sampled_from(samples)))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(start + 60, len(data))))
        piece = bytes(data[start:end])
        data[start:end] = draw(st.one_of(st.just(b""), st.just(piece * 2), st.binary(max_size=20)))
    return bytes(data)


@settings(many, max_examples=300)
@given(damaged([encode(document) for document in SAMPLES]))
def test_damaged_json_raises_nothing_but_input_errors(data: bytes) -> None:
    outcome(data)


@settings(many, max_examples=300)
@given(damaged(XML_SAMPLES))
def test_damaged_xml_raises_nothing_but_input_errors(data: bytes) -> None:
    outcome(data)


@many
@given(st.binary(max_size=200), st.sampled_from([None, *Media]))
def test_any_bytes_raise_nothing_but_input_errors(data: bytes, media: Media | None) -> None:
    outcome(data, media)


@many
@given(mutations(), st.data())
def test_a_repeated_name_is_found_wherever_it_stands(document: object, data: st.DataObject) -> None:
    text = json.dumps(document, ensure_ascii=False)
    names = [part for part in ('"clerk":', '"name":', '"amount":', '"seller":', '"lines":') if part in text]
    if not names or "\\" in text:
        return
    name = data.draw(st.sampled_from(names))
    value = data.draw(st.sampled_from(['"x"', "1", "null", "{}", '["a", "b"]', '{"a": "b"}']))
    _, code, faults = outcome(text.replace(name, f"{name} {value}, {name}", 1).encode("utf-8", "surrogatepass"))
    assert code == "input_malformed"
    assert faults[0].rule in {"json.duplicate_name", "document.encoding", "json.syntax"}
