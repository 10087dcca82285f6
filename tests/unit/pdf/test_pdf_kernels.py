"""Compiled loops do what the same source does in Python, and what a plain reading of their task gives."""

import itertools

import numpy as np
import pytest

from render.pdf.kernels import codes, operators, stencil


@pytest.mark.parametrize("seed", range(6))
def test_rectangles_compiled_and_not(seed):
    rng = np.random.default_rng(seed)
    step = int(rng.choice([1, 7, 8, 541]))
    corner = rng.integers(-300, 300, (30, 2))
    rects = (np.concatenate([corner, corner + rng.integers(0, 40, (30, 2))], axis=1) * step).astype(np.int32)
    written = []
    for function in (operators.put_rectangles, operators.put_rectangles_scalar):
        out = np.zeros(operators.RECTANGLE_BYTES * 31, np.uint8)
        written.append(out[: function(rects, 140_000, out)].tobytes())
    assert written[0] == written[1]
    assert written[0].startswith(b"q ") == (step >= 8)


@pytest.mark.parametrize("seed", range(12))
def test_stencils_compiled_and_not(seed):
    rng = np.random.default_rng(seed)
    step, extent = int(rng.choice([1, 7, 606])), int(rng.choice([16, 33, 64]))
    corner = rng.integers(-3, extent - 7, (extent * extent // 3, 2))
    rects = np.concatenate([corner, corner + rng.integers(1, 5, corner.shape)], axis=1) * step
    # One that lies on no grid, beside those that do.
    rects[-1, 2] += (seed % 3 == 0) * (step > 1)
    written = []
    for function in (stencil.put_stencil, stencil.put_stencil_scalar):
        out = np.zeros(stencil.STENCIL_BYTES, np.uint8)
        written.append(out[: function(rects.astype(np.int32), 140_000, out)].tobytes())
    assert written[0] == written[1]
    assert bool(written[0]) == (seed % 3 != 0 or step == 1)


@pytest.mark.parametrize(
    "rects",
    [
        [[0, 0, 0, 5]] * 40,
        [[5, 5, 3, 9]] * 40,
        [[-(2**31), -(2**31), 2**31 - 1, 2**31 - 1], [0, 0, 1, 1]],
        [[0, 0, 2, 2], [3, 0, 5, 2]],
    ],
)
def test_rectangles_on_no_grid_make_no_stencil(rects):
    out = np.zeros(stencil.STENCIL_BYTES, np.uint8)
    for function in (stencil.put_stencil, stencil.put_stencil_scalar):
        assert function(np.array(rects, np.int32), 140_000, out) == 0


def test_no_rectangle_takes_more_room_than_its_bound():
    low, high = -(2**31), 2**31 - 1
    rects = np.array([[low, low, high, high], [0, 0, 1, 1], [high, low, high, high]] * 9, np.int32)
    out = np.zeros(operators.RECTANGLE_BYTES * 28, np.uint8)
    assert operators.put_rectangles_scalar(rects, 2**31 - 1, out) < len(out)


def _columns(rng, n_runs=24, longest=9):
    lengths = rng.integers(1, longest, n_runs)
    total = int(lengths.sum())
    return {
        "font": rng.integers(0, 3, n_runs).astype(np.uint16),
        "size": rng.choice([3_175, 900, 2_822], n_runs).astype(np.int32),
        "xscale": rng.choice([1000, 890, 895], n_runs).astype(np.uint16),
        "origin": rng.integers(-9_000, 200_000, (n_runs, 2)).astype(np.int32),
        "off": np.concatenate(([0], lengths.cumsum())).astype(np.uint32),
        "glyph": rng.integers(0, 50, total).astype(np.uint16),
        "char": rng.integers(0x20, 0x60, total).astype(np.uint32),
        "x": rng.integers(0, 3_000, total).cumsum().astype(np.int32),
        "page": np.sort(rng.integers(0, 3, n_runs)),
    }


@pytest.mark.parametrize("seed", range(6))
def test_texts_compiled_and_not(seed):
    rng = np.random.default_rng(seed)
    column = _columns(rng)
    total, n_runs = len(column["glyph"]), len(column["font"])
    widths = rng.integers(0, 1_000, (3, 50)).astype(np.int32)
    written = []
    for function in (operators.put_texts, operators.put_texts_scalar):
        out = np.zeros(operators.RUN_BYTES * n_runs + operators.GLYPH_BYTES * total, np.uint8)
        ends = np.zeros(n_runs + 1, np.int64)
        length = function(
            rng.permutation(n_runs) if not seed else np.arange(n_runs),
            column["page"],
            np.array([140_000, 297_000, 90_000]),
            *(column[name] for name in ("font", "size", "xscale", "origin", "off", "glyph", "x")),
            widths,
            np.arange(1, total + 1).astype(np.uint16),
            np.where(np.arange(n_runs) % 3, -1, np.arange(n_runs) * 7),
            np.arange(n_runs) % 3 == 1,
            ord("F"),
            np.zeros(longest_run(column), np.float64),
            np.zeros(longest_run(column), np.int64),
            out,
            ends,
        )
        written.append((out[:length].tobytes(), ends.tolist()))
        rng = np.random.default_rng(seed)
        _columns(rng)
        rng.integers(0, 1_000, (3, 50))
    assert written[0] == written[1]
    text, ends = written[0]
    runs = [text[a:b] for a, b in itertools.pairwise(ends)]
    for place, run in enumerate(runs):
        assert run.startswith(b"BT" if place % 3 else b"/P<</MCID %d>>BDC\nBT" % (place * 7))
        assert run.endswith(b" ET\nEMC\n" if place % 3 == 1 else b" ET\n")


def longest_run(column):
    return int(np.diff(column["off"].astype(np.int64)).max())


@pytest.mark.parametrize("seed", range(6))
def test_codes_number_the_sorted_pairs_of_each_document_and_face(seed):
    rng = np.random.default_rng(seed)
    column = _columns(rng, n_runs=40, longest=30)
    total = len(column["glyph"])
    expected_pairs, expected_codes = {}, []
    starts = column["off"].tolist()
    rows = [
        (int(column["page"][run]), int(column["font"][run]), (int(column["char"][g]) << 16) | int(column["glyph"][g]))
        for run, (a, b) in enumerate(itertools.pairwise(starts))
        for g in range(a, b)
    ]
    for document, face, pair in rows:
        expected_pairs.setdefault((document, face), set()).add(pair)
    seeds = np.array(sorted((2 << codes.FACE_SHIFT) | (char << 16) | 7 for char in (0x21, 0x7A, 0x7B)), np.int64)
    for (_, face), pairs in expected_pairs.items():
        if face == 2:
            pairs.update(seeds & (1 << codes.FACE_SHIFT) - 1)
    expected_codes = [sorted(expected_pairs[document, face]).index(pair) + 1 for document, face, pair in rows]
    for function in (codes.assign_codes, codes.assign_codes_scalar):
        distinct, found = np.zeros(total + 9, np.int64), np.zeros(total, np.uint16)
        groups = np.zeros((total + 1, 3), np.int64)
        slots = np.zeros((2 << total.bit_length(), 3), np.int64)
        columns = (column[name] for name in ("font", "off", "glyph", "char"))
        count = function(np.arange(40), column["page"], *columns, seeds, slots, distinct, found, groups)
        pairs = {
            (document, face): [key & (1 << codes.FACE_SHIFT) - 1 for key in distinct[begin:end].tolist()]
            for (document, face, begin), (_, _, end) in itertools.pairwise(groups[: count + 1].tolist())
        }
        assert pairs == {key: sorted(values) for key, values in expected_pairs.items()}
        assert found.tolist() == expected_codes
