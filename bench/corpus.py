"""Seeded generator of valid, made-up invoices as documents, JSON and ``EInvoice`` XML. One seed, the same bytes."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from bench import lines as made_up
from bench.vocabulary import (
    FAKE_REGION,
    GOODS,
    LONG_PARTY_NAME,
    RARE_PARTY_NAME,
    RARE_PERSONS,
    made_up_clerk,
    made_up_company,
    made_up_person,
)
from render.model.einvoice import write_einvoice
from render.model.invoice import Invoice, InvoiceKind, Line, LineRole, Media, Party, RedReference, Treatment
from render.model.qr import qr_text
from render.model.words import amount_in_words

SCHEMA = "kaipiao.invoice/1"
MAX_REMARK = 450
_FIRST_DAY = date(2026, 1, 1)
_REMARK_SENTENCE = (
    "本单据为虚构样例，仅供演示与测试，合同编号SL-{:05d}，收货地址：虚构市示例区样本路{}号，验收后三十日内付款。"
)
_DOMESTIC = (InvoiceKind.VAT_SPECIAL, InvoiceKind.VAT_ORDINARY)


@dataclass(frozen=True, slots=True)
class Document:
    """One invoice as it would come in.

    Attributes:
        name: file name, from the place in the corpus, the recipe and the media.
        media: JSON or ``EInvoice`` XML; ``data``: the document.
        invoice: the values that the document states, for checks of what was made of it.
        features: what is special about it, such as ``red`` or ``long_remark``.
    """

    name: str
    media: Media
    data: bytes = field(repr=False)
    invoice: Invoice = field(repr=False)
    features: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Draft:
    """What a recipe decides; the rest of an invoice follows from it."""

    kind: InvoiceKind
    seller: Party
    buyer: Party
    lines: list[Line]
    clerk: str
    remark: str = ""
    red: RedReference | None = None


def typical(n: int, seed: int) -> list[Document]:
    """Return everyday invoices: companies, 1 to 8 lines of 13 %, a short remark or none; JSON."""
    rng = random.Random(seed)
    return [_document(rng, seed, place, "everyday", _everyday, Media.JSON) for place in range(n)]


def varied(n: int, seed: int) -> list[Document]:
    """Return invoices that take every recipe in turn, in JSON and XML; from 26 on, every recipe came in both."""
    rng = random.Random(seed)
    names = list(RECIPES)
    documents = []
    for place in range(n):
        turn, which = divmod(place, len(names))
        media = (Media.JSON, Media.EINVOICE_XML)[(turn + which) % 2]
        documents.append(_document(rng, seed, place, names[which], RECIPES[names[which]], media))
    return documents


def with_lines(count: int, n: int, seed: int) -> list[Document]:
    """Return everyday invoices of exactly ``count`` lines; JSON."""
    rng = random.Random(seed)

    def recipe(rng: random.Random) -> _Draft:
        return replace(_everyday(rng), lines=made_up.ordinary_lines(rng, count))

    return [_document(rng, seed, place, f"{count}_lines", recipe, Media.JSON) for place in range(n)]


def to_json(invoice: Invoice, *, is_explicit: bool = True) -> bytes:
    """Return an invoice as our JSON; ``is_explicit`` also states the words and the QR text, which may be absent."""
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "kind": invoice.kind.value,
        "number": invoice.number,
        "issued": invoice.issued.isoformat(),
        "seller": _party(invoice.seller),
        "buyer": _party(invoice.buyer),
        "lines": [_line(line) for line in invoice.lines],
        "total_amount": str(invoice.total_amount),
        "total_tax": str(invoice.total_tax),
        "total": str(invoice.total),
        "remark": invoice.remark,
        "clerk": invoice.clerk,
    }
    if is_explicit:
        document |= {"total_words": invoice.total_words, "qr_text": invoice.qr_text}
    if invoice.red is not None:
        document["red"] = {"blue_number": invoice.red.blue_number, "confirmation": invoice.red.confirmation}
    return json.dumps(document, ensure_ascii=False, indent=1).encode()


def _party(party: Party) -> dict[str, str]:
    names = ("name", "tax_id", "address", "phone", "bank", "account")
    return {name: getattr(party, name) for name in names if getattr(party, name)}


def _line(line: Line) -> dict[str, str]:
    text = {name: getattr(line, name) for name in ("spec", "unit", "quantity", "unit_price", "tax_code")}
    return {
        "name": line.name,
        **{name: value for name, value in text.items() if value},
        "amount": str(line.amount),
        "rate": str(line.rate),
        "tax": str(line.tax),
        "treatment": line.treatment.value,
        "role": line.role.value,
    }


def _document(
    rng: random.Random, seed: int, place: int, recipe: str, make: Callable[[random.Random], _Draft], media: Media
) -> Document:
    invoice = _complete(rng, seed, place, make(rng))
    if media is Media.JSON:
        data, suffix = to_json(invoice, is_explicit=rng.random() < 0.5), "json"
    else:
        data, suffix = write_einvoice(invoice), "xml"
    features = tuple(sorted({recipe, suffix, invoice.kind.value, *_features(invoice)}))
    return Document(f"{place:05d}-{recipe}.{suffix}", media, data, invoice, features)


def _complete(rng: random.Random, seed: int, place: int, draft: _Draft) -> Invoice:
    """Add number, date, totals, words and QR text."""
    issued = _FIRST_DAY + timedelta(days=rng.randrange(320))
    number = f"{issued:%y}312{seed % 10**6:06d}{place:09d}"
    total_amount = sum((line.amount for line in draft.lines), Decimal(0))
    total_tax = sum((line.tax for line in draft.lines), Decimal(0))
    total = total_amount + total_tax
    return Invoice(
        kind=draft.kind,
        number=number,
        issued=issued,
        seller=draft.seller,
        buyer=draft.buyer,
        lines=tuple(draft.lines),
        total_amount=total_amount,
        total_tax=total_tax,
        total=total,
        total_words=amount_in_words(total),
        qr_text=qr_text(draft.kind, number, total, issued),
        clerk=draft.clerk,
        remark=draft.remark,
        red=draft.red,
    )


def _features(invoice: Invoice) -> Iterator[str]:
    """Yield what the finished invoice shows, whichever recipe made it."""
    treatments = {line.treatment for line in invoice.lines}
    claims = {
        "red": invoice.red is not None,
        "discount": any(line.role is LineRole.DISCOUNT for line in invoice.lines),
        "exempt": Treatment.EXEMPT in treatments,
        "not_taxed": Treatment.NOT_TAXED in treatments,
        "mixed_rates": len({line.rate for line in invoice.lines}) > 1,
        "one_line": len(invoice.lines) == 1,
        "many_lines": len(invoice.lines) > 8,
        "private_buyer": not invoice.buyer.tax_id,
    }
    return (name for name, holds in claims.items() if holds)


def _everyday(rng: random.Random) -> _Draft:
    return _Draft(
        kind=rng.choice(_DOMESTIC),
        seller=made_up_company(rng),
        buyer=made_up_company(rng),
        lines=made_up.ordinary_lines(rng, made_up.usual_count(rng)),
        clerk=made_up_clerk(rng),
        remark=rng.choice(("", "", f"示例订单{rng.randrange(10**6):06d}")),
    )


def _many_lines(rng: random.Random) -> _Draft:
    return replace(_everyday(rng), lines=made_up.ordinary_lines(rng, made_up.many_count(rng)))


def _red(rng: random.Random) -> _Draft:
    draft = _everyday(rng)
    red = RedReference(
        blue_number=f"26312{rng.randrange(10**9):015d}", confirmation=f"31012601{rng.randrange(10**9):012d}"
    )
    remark = f"被红冲蓝字数电发票号码：{red.blue_number} 红字发票信息确认单编号：{red.confirmation}"
    return replace(draft, lines=made_up.negative(draft.lines), red=red, remark=remark)


def _discount(rng: random.Random) -> _Draft:
    return replace(_everyday(rng), lines=made_up.discounted_lines(rng))


def _exempt(rng: random.Random) -> _Draft:
    lines = made_up.untaxed_lines(rng, Treatment.EXEMPT)
    return replace(_everyday(rng), kind=InvoiceKind.VAT_ORDINARY, lines=lines)


def _not_taxed(rng: random.Random) -> _Draft:
    lines = made_up.untaxed_lines(rng, Treatment.NOT_TAXED)
    return replace(_everyday(rng), kind=InvoiceKind.VAT_ORDINARY, lines=lines)


def _mixed_rates(rng: random.Random) -> _Draft:
    return replace(_everyday(rng), lines=made_up.mixed_rate_lines(rng))


def _long_names(rng: random.Random) -> _Draft:
    buyer = made_up_company(rng, name=LONG_PARTY_NAME)
    return replace(_everyday(rng), buyer=buyer, lines=made_up.long_name_lines(rng))


def _rare_characters(rng: random.Random) -> _Draft:
    return replace(
        _everyday(rng),
        seller=made_up_company(rng, name=RARE_PARTY_NAME),
        buyer=Party(name=rng.choice(RARE_PERSONS)),
        kind=InvoiceKind.VAT_ORDINARY,
        lines=made_up.rare_character_lines(rng),
        clerk=RARE_PERSONS[1],
    )


def _long_remark(rng: random.Random) -> _Draft:
    sentences = "".join(_REMARK_SENTENCE.format(rng.randrange(10**5), rng.randrange(1, 1000)) for _ in range(10))
    return replace(_everyday(rng), remark=sentences[: rng.randrange(200, MAX_REMARK + 1)])


def _private_buyer(rng: random.Random) -> _Draft:
    return replace(_everyday(rng), kind=InvoiceKind.VAT_ORDINARY, buyer=made_up_person(rng))


def _old_tax_id(rng: random.Random) -> _Draft:
    draft = _everyday(rng)
    return replace(draft, buyer=replace(draft.buyer, tax_id=f"{FAKE_REGION}{rng.randrange(10**9):09d}"))


def _long_figures(rng: random.Random) -> _Draft:
    goods = rng.sample(GOODS, rng.randrange(1, 4))
    return replace(_everyday(rng), lines=[made_up.long_figures_line(rng, each) for each in goods])


RECIPES: dict[str, Callable[[random.Random], _Draft]] = {
    "everyday": _everyday,
    "many_lines": _many_lines,
    "red": _red,
    "discount": _discount,
    "exempt": _exempt,
    "not_taxed": _not_taxed,
    "mixed_rates": _mixed_rates,
    "long_names": _long_names,
    "rare_characters": _rare_characters,
    "long_remark": _long_remark,
    "private_buyer": _private_buyer,
    "old_tax_id": _old_tax_id,
    "long_figures": _long_figures,
}
"""How to make each sort of invoice; a corpus of 26 or more holds each in JSON and in XML."""
