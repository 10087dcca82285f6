"""Texts resolved by the compiled loop stand where array operations put them."""

import dataclasses

import numpy as np
import pytest

from render.display import resolve as module
from render.display.builder import DisplayListBuilder
from render.display.kernels.resolve import resolve, resolve_scalar
from render.display.list import ARRAY_COLUMNS
from render.display.resolve import Align


def _fill(fonts, seed, *, documents=1):
    rng = np.random.default_rng(seed)
    builder = DisplayListBuilder(fonts)
    ink = builder.paint(0, 0, 0)
    for _ in range(documents):
        builder.document()
        builder.page(210_000, 140_000)
        builder.rects([(0, 0, 9, 9)], paint=ink, tag="first")
        for line in range(12):
            role = ("kai", "song", "mono")[int(rng.integers(3))]
            text = "".join(rng.choice(list("0123456789.-ABxyz" if role == "mono" else "购方税号0123.-ABC（）"), 9))
            size, x, y = (int(value) for value in rng.integers((900, -5_000, 0), (9_000, 200_000, 140_000)))
            align = Align(int(rng.integers(3)))
            builder.text(
                role, size, x, y, text, paint=ink, tag=f"t{line}", align=align, xscale=int(rng.choice([890, 1000]))
            )
        builder.line(0, 0, 9, 9, 3, paint=ink, tag="last")
    return builder


@pytest.mark.parametrize("seed", range(5))
def test_all_three_ways_agree(fonts, monkeypatch, seed):
    lists = [_fill(fonts, seed).freeze()]
    monkeypatch.setattr(module, "resolve", resolve_scalar)
    lists.append(_fill(fonts, seed).freeze())
    monkeypatch.setattr(module, "resolve", lambda *_: False)
    lists.append(_fill(fonts, seed).freeze())
    for other in lists[1:]:
        for name in ARRAY_COLUMNS:
            one, two = getattr(lists[0], name), getattr(other, name)
            assert one.dtype == two.dtype, name
            assert np.array_equal(one, two), name


def test_a_missing_character_is_left_to_the_chain_of_faces(fonts):
    builder = DisplayListBuilder(fonts)
    builder.page(210_000, 140_000)
    builder.text("mono", 3_000, 0, 9_000, "A票B", paint=builder.paint(0, 0, 0), tag="t")
    display = builder.freeze()
    assert [display.run_text(run) for run in range(3)] == ["A", "票", "B"]
    assert len(set(display.run_font.tolist())) == 2


def test_documents_of_one_recording_are_those_of_single_ones(fonts):
    batch = _fill(fonts, 3, documents=3).freeze()
    assert batch.doc_page_off.tolist() == [0, 1, 2, 3]
    assert batch.page_item_off.tolist() == [0, 14, 28, 42]
    assert [batch.tag_of(item) for item in (0, 1, 13, 14, 41)] == ["first", "t0", "last", "first", "last"]
    assert dataclasses.asdict(_fill(fonts, 3).freeze())["run_origin_um"].tolist() == batch.run_origin_um[:12].tolist()


def test_texts_placed_together_are_those_placed_one_by_one(fonts):
    rows, text = [], ""
    single, together = DisplayListBuilder(fonts), DisplayListBuilder(fonts)
    for builder in (single, together):
        builder.page(210_000, 140_000)
        builder.rects([(0, 0, 5, 5), (2, 3, 9, 8)], paint=builder.paint(0, 0, 0), tag="first", box_um=(0, 0, 9, 8))
    for place, (role, value) in enumerate([("kai", "购方"), ("mono", "A票B"), ("song", "1"), ("kai", "票")]):
        single.text(role, 3_000 + place, 70, 9_000, value, paint=0, tag=f"t{place % 2}", align=Align(place % 3))
        number, tag = list(fonts.chains).index(role), together.tag(f"t{place % 2}")
        rows.append((70, 9_000, len(value), 3_000 + place, 1_000, place % 3, number, 0, tag))
        text += value
    together.place_all(np.array(rows[:3]), text[:-1])
    together.place_all(np.array(rows[3:]), text[-1])
    for builder in (single, together):
        builder.line(0, 0, 9, 9, 3, paint=0, tag="last")
    one, other = single.freeze(), together.freeze()
    assert one.tags == other.tags
    for name in ARRAY_COLUMNS:
        assert np.array_equal(getattr(one, name), getattr(other, name)), name


def test_the_compiled_loop_stops_where_a_face_lacks_a_character(fonts):
    texts = np.array([[0, 0, 2, 3_000, 1_000, 0, 0]], np.int64)
    chars = np.array([0x41, 0x10FFFF], np.uint32)
    outs = (np.zeros(2, np.uint16), np.zeros(2, np.int32), np.zeros(1, np.uint16), np.zeros((1, 2), np.int32))
    outs += (np.zeros((1, 4), np.int32), np.zeros(2, np.uint32))
    for function in (resolve, resolve_scalar):
        assert not function(texts, chars, np.array([0]), fonts.cmap, fonts.advance, *outs)
