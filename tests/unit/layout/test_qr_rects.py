"""QR codes: what they hold, and where their modules lie."""

import numpy as np
import pytest
import segno
import zxingcpp
from segno.encoder import mask_scores

from render.errors import ContentOverflow, InvoiceInvalid
from render.layout import qr_symbol
from render.layout.kernels import qr
from render.layout.qr import QrSymbols

TEXT = "01,31,,24312000000000000001,1130.00,20240528,,49EE"
BOX = (6_500, 6_000, 26_500, 26_000)


def qr_rects(text, box):
    symbols = QrSymbols([text], box)
    if symbols.errors[0] is not None:
        raise symbols.errors[0]
    return symbols.rects(0)


def modules_of(data):
    """The modules of a symbol, one µm each, drawn from its rectangles."""
    rects, (end,) = qr_symbol.encode([data], 0, 0, 1)
    modules = np.zeros((33, 33), np.uint8)
    for left, top, right, bottom in rects[:end].tolist():
        modules[top:bottom, left:right] = 1
    return modules


def picture(rects, box, scale=50):
    """Draw rectangles at one pixel per `scale` µm, with a quiet zone."""
    margin = 60
    left, top, right, bottom = box
    shape = ((bottom - top) // scale + 2 * margin, (right - left) // scale + 2 * margin)
    pixels = np.full(shape, 255, np.uint8)
    for x0, y0, x1, y1 in (rects - np.array([left, top, left, top])) // scale + margin:
        pixels[y0:y1, x0:x1] = 0
    return pixels


def read(text):
    (found,) = zxingcpp.read_barcodes(picture(qr_rects(text, BOX), BOX))
    return found


def test_the_invoice_text_reads_back_as_version_4_level_m():
    found = read(TEXT)
    assert (found.text, found.ec_level) == (TEXT, "M")
    assert modules_of(TEXT.encode())[[0, 0, 32], [0, 32, 0]].all()


@pytest.mark.parametrize("length", [1, 2, 30, 46, 61, 62, 63, 100, 300])
def test_texts_of_any_length_read_back(length):
    text = ("01,32,,x9" * 40)[:length]
    assert read(text).text == text


def test_text_beyond_ascii_reads_back():
    assert read("01,32,,虚构,1.00").text == "01,32,,虚构,1.00"


@pytest.mark.parametrize("mask", range(8))
def test_a_full_symbol_equals_segno_under_every_mask(mask):
    # A full symbol, since segno pads a text that ends at a byte with one byte more than the standard.
    data = bytes(33 + (7 * place) % 90 for place in range(qr_symbol.MAX_BYTES))
    symbol = segno.make(data, version=4, error="m", mode="byte", mask=mask, boost_error=False)
    rows = [int("".join(map(str, row))[::-1], 2) for row in symbol.matrix]
    assert qr_symbol.candidates(data)[mask, :33].tolist() == rows


def test_penalties_are_those_of_the_standard():
    data = TEXT.encode()
    for symbol in qr_symbol.candidates(data):
        lanes = symbol[:33].tolist()
        rows = [bytearray(lane >> place & 1 for place in range(33)) for lane in lanes]
        assert qr_symbol.penalty(symbol) == sum(mask_scores(rows, 33, 33))


def test_the_mask_with_the_lowest_penalty_is_taken():
    data = TEXT.encode()
    penalties = [qr_symbol.penalty(symbol) for symbol in qr_symbol.candidates(data)]
    best = qr_symbol.candidates(data)[penalties.index(min(penalties)), :33].tolist()
    found = [int("".join(map(str, row))[::-1], 2) for row in modules_of(data).tolist()]
    assert found == best


@pytest.mark.parametrize("seed", range(8))
def test_kernels_do_the_same_compiled_and_not(seed):
    rng = np.random.default_rng(seed)
    symbol = qr_symbol.candidates(bytes(rng.integers(0, 128, 40, dtype=np.uint8)))[seed]
    patterns = rng.integers(0, 1 << 33, (66, 3), np.uint64)
    totals = [np.zeros(3, np.uint64) for _ in range(2)]
    for function, total in zip((qr.penalties, qr.penalties_scalar), totals, strict=True):
        function(symbol, patterns, total)
    assert totals[0].tolist() == totals[1].tolist()
    assert totals[0][2] == qr_symbol.penalty(symbol ^ patterns[:, 2])
    modules = rng.integers(0, 2, (21 + seed, 21 + seed), dtype=np.uint8)
    found = []
    for function in (qr.rectangles, qr.rectangles_scalar):
        rects = np.zeros((400, 4), np.int32)
        found.append(rects[: function(modules, 100, 200, 606, rects)].tolist())
    assert found[0] == found[1]
    drawn = np.zeros_like(modules)
    for left, top, right, bottom in ((np.array(found[0]) - [100, 200, 100, 200]) // 606).tolist():
        drawn[top:bottom, left:right] += 1
    assert np.array_equal(drawn, modules), "each dark module once"


def test_symbols_are_encoded_together_as_alone_compiled_and_not():
    data = [TEXT.encode(), b"1", bytes(range(qr_symbol.MAX_BYTES)), TEXT.encode()[:-1]]
    tables = qr_symbol._tables()
    found = []
    for function in (qr.encode, qr.encode_scalar):
        rects, ends = np.zeros((4 * 561, 4), np.int32), np.zeros(4, np.int64)
        joined, places = np.frombuffer(b"".join(data), np.uint8), np.cumsum([*map(len, data)])
        with np.errstate(over="ignore"):
            function(joined, places, tables.contributions, tables.patterns, 10, 20, 7, rects, ends)
        found.append((rects[: ends[-1]].tolist(), ends.tolist()))
    assert found[0] == found[1]
    rects, ends = found[0]
    for place, (begin, end) in enumerate(zip([0, *ends], ends, strict=False)):
        alone, (count,) = qr_symbol.encode([data[place]], 10, 20, 7)
        assert rects[begin:end] == alone[:count].tolist()
        again = np.zeros((561, 4), np.int32)
        assert again[: qr.rectangles(modules_of(data[place]), 10, 20, 7, again)].tolist() == rects[begin:end]


def test_each_text_of_several_has_its_own_symbol_or_error():
    texts = [TEXT, "", "虚构", TEXT[:-1], "x" * 5_000]
    symbols = QrSymbols(texts, BOX)
    assert [type(error) for error in symbols.errors] == [type(None), InvoiceInvalid, *[type(None)] * 2, ContentOverflow]
    for place in (0, 2, 3):
        rects = symbols.rects(place)
        assert rects.tolist() == qr_rects(texts[place], BOX).tolist()
        assert symbols.box_um(place) == (*rects.min(axis=0)[:2].tolist(), *rects.max(axis=0)[2:].tolist())


def test_modules_are_equal_squares_that_fill_the_box():
    rects = qr_rects(TEXT, BOX)
    # 20 mm hold 33 modules of 606 µm; the 2 µm that are left stand on either side.
    assert rects.min(axis=0)[:2].tolist() == [6_501, 6_001]
    assert rects.max(axis=0)[2:].tolist() == [26_499, 25_999]
    assert {(x - 6_501) % 606 for x in rects[:, [0, 2]].ravel().tolist()} == {0}
    assert {(y - 6_001) % 606 for y in rects[:, [1, 3]].ravel().tolist()} == {0}


def test_a_run_of_dark_modules_is_one_rectangle_with_the_same_run_below():
    above, count = set(), 0
    for row in modules_of(TEXT.encode()).tolist():
        edges = np.flatnonzero(np.diff([0, *row, 0])).reshape(-1, 2)
        runs = set(map(tuple, edges.tolist()))
        count += len(runs - above)
        above = runs
    assert len(qr_rects(TEXT, BOX)) == count


def test_an_empty_text_is_refused():
    with pytest.raises(InvoiceInvalid) as caught:
        qr_rects("", BOX)
    assert caught.value.faults[0].path == "qr_text"


def test_a_text_longer_than_any_code_is_refused():
    with pytest.raises(ContentOverflow) as caught:
        qr_rects("x" * 5_000, BOX)
    assert caught.value.faults[0].path == "qr_text"
