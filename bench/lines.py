"""Made-up invoice lines with exact arithmetic: Decimal, halves up, tax from the amount of its own line."""

from __future__ import annotations

import random
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Context, Decimal

from bench.vocabulary import GOODS, LONG_GOODS, RARE_GOODS, Goods
from render.model.invoice import Line, LineRole, Treatment

CENT = Decimal("0.01")
NO_RATE = Decimal(0)
STANDARD_RATE = Decimal("0.13")
RATES = tuple(map(Decimal, ("0.13", "0.09", "0.06", "0.05", "0.03", "0.015", "0.01", "0")))
MAX_LINES = 40

_FIFTEEN_DIGITS = Context(prec=15, rounding=ROUND_HALF_UP)
# Few lines are usual, many are the exception.
_LINE_COUNTS = (1, 1, 1, 2, 2, 3, 3, 4, 5, 6, 7, 8)


def cents(value: Decimal) -> Decimal:
    """Return a value with two decimals, halves away from zero."""
    return value.quantize(CENT, ROUND_HALF_UP)


def _money(rng: random.Random, low_cents: int, high_cents: int) -> Decimal:
    return cents(Decimal(rng.randrange(low_cents, high_cents)) / 100)


def usual_count(rng: random.Random) -> int:
    """Return how many lines an everyday invoice has."""
    return rng.choice(_LINE_COUNTS)


def made_up_line(
    rng: random.Random,
    goods: Goods,
    rate: Decimal = STANDARD_RATE,
    treatment: Treatment = Treatment.TAXED,
    role: LineRole = LineRole.NORMAL,
) -> Line:
    """Return a line of some quantity at some price; the amount is their product."""
    quantity = Decimal(rng.randrange(1, 200))
    price = _money(rng, 100, 500_000)
    amount = cents(quantity * price)
    return Line(
        name=goods.printed,
        amount=amount,
        tax=cents(amount * rate),
        rate=rate,
        treatment=treatment,
        role=role,
        spec=goods.spec,
        unit=goods.unit,
        quantity=str(quantity),
        unit_price=str(price),
        tax_code=goods.tax_code,
    )


def lump_line(rng: random.Random, goods: Goods, rate: Decimal = STANDARD_RATE) -> Line:
    """Return a line of an amount alone, without quantity and price."""
    amount = _money(rng, 1000, 5_000_000)
    return Line(goods.printed, amount, cents(amount * rate), rate, tax_code=goods.tax_code)


def long_figures_line(rng: random.Random, goods: Goods, rate: Decimal = STANDARD_RATE) -> Line:
    """Return a line whose quantity and price have 15 significant digits, as divisions leave them."""
    quantity = Decimal(rng.randrange(10**13, 10**15)) / 10**12
    amount = _money(rng, 100_000, 5_000_000)
    price = _FIFTEEN_DIGITS.divide(amount, quantity)
    return Line(
        name=goods.printed,
        amount=amount,
        tax=cents(amount * rate),
        rate=rate,
        spec=goods.spec,
        unit=goods.unit,
        quantity=f"{quantity:f}",
        unit_price=f"{price:f}",
        tax_code=goods.tax_code,
    )


def many_count(rng: random.Random) -> int:
    """Return more lines than a page holds; one time in five as many as there ever are."""
    return MAX_LINES if rng.random() < 0.2 else rng.randrange(9, MAX_LINES)


def ordinary_lines(rng: random.Random, count: int, rate: Decimal = STANDARD_RATE) -> list[Line]:
    """Return lines of one rate; now and then one is a lump sum."""
    return [_one_line(rng, rng.choice(GOODS), rate) for _ in range(count)]


def _one_line(rng: random.Random, goods: Goods, rate: Decimal) -> Line:
    return lump_line(rng, goods, rate) if rng.random() < 0.1 else made_up_line(rng, goods, rate)


def mixed_rate_lines(rng: random.Random) -> list[Line]:
    """Return three to six lines of different rates."""
    return [made_up_line(rng, rng.choice(GOODS), rate) for rate in rng.sample(RATES, rng.randrange(3, 7))]


def untaxed_lines(rng: random.Random, treatment: Treatment) -> list[Line]:
    """Return exempt (免税) or not-taxed (不征税) lines."""
    return [made_up_line(rng, rng.choice(GOODS), NO_RATE, treatment) for _ in range(rng.randrange(1, 4))]


def discounted_lines(rng: random.Random) -> list[Line]:
    """Return some lines, of which at least one is followed by its discount line (折扣行)."""
    lines: list[Line] = []
    for position in range(rng.randrange(1, 4)):
        rate = rng.choice(RATES[:3])
        goods = rng.choice(GOODS)
        if position == 0 or rng.random() < 0.5:
            whole = made_up_line(rng, goods, rate, role=LineRole.DISCOUNTED)
            amount = -cents(whole.amount * rng.randrange(1, 40) / 100)
            tax = cents(amount * rate)
            lines += [whole, Line(whole.name, amount, tax, rate, role=LineRole.DISCOUNT, tax_code=whole.tax_code)]
        else:
            lines.append(made_up_line(rng, goods, rate))
    return lines


def long_name_lines(rng: random.Random) -> list[Line]:
    """Return lines whose names take several rows."""
    return [made_up_line(rng, LONG_GOODS), *ordinary_lines(rng, rng.randrange(0, 3))]


def rare_character_lines(rng: random.Random) -> list[Line]:
    """Return lines with characters that few fonts have."""
    return [made_up_line(rng, RARE_GOODS), *ordinary_lines(rng, rng.randrange(0, 2))]


def negative(lines: Sequence[Line]) -> list[Line]:
    """Return the lines of the red invoice (红字发票) that reverses these."""
    return [
        Line(
            name=line.name,
            amount=-line.amount,
            tax=-line.tax,
            rate=line.rate,
            treatment=line.treatment,
            role=line.role,
            spec=line.spec,
            unit=line.unit,
            quantity=f"-{line.quantity}" if line.quantity else "",
            unit_price=line.unit_price,
            tax_code=line.tax_code,
        )
        for line in lines
    ]
