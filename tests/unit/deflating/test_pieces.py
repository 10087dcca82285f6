"""Pieces that were compressed each by itself, joined, are a stream that zlib reads, with the right checksum."""

import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from render.deflating import pieces
from render.deflating.huffman import MAX_BITS

COMPILED = pieces.make_codes, pieces.press_pieces
INTERPRETED = pieces.make_codes_scalar, pieces.press_pieces_scalar
SAMPLE = [b"abcabcabcabd", b"\0\0\0\0\0\0\1", b"the quick brown fox", bytes(range(40, 90))]


def laid_out(parts):
    length = np.array(list(map(len, parts)), np.int64)
    return np.frombuffer(b"".join(parts), np.uint8), np.cumsum(length) - length, length


def codes_for(sample, make_codes=pieces.make_codes):
    codes, header = np.zeros((pieces.CODES, 2), np.uint64), np.zeros(pieces.HEADER_WORDS, np.uint64)
    return codes, header, make_codes(*laid_out(sample), codes, header)


def pressed(parts, codes, press=pieces.press_pieces):
    data, start, length = laid_out(parts)
    words = np.zeros(data.size * MAX_BITS // 64 + 2 * len(parts) + 1, np.uint64)
    about = np.zeros((len(parts), pieces.N_ABOUT_RUN), np.int64)
    n_words = press(data, start, length, codes, words, about)
    return words[:n_words], about


def joined(parts, literal, sample=SAMPLE):
    """Return a stream of ready pieces with bytes that were not ready before each of them and at the end."""
    codes, header, header_bits = codes_for(sample)
    words, about = pressed(parts, codes)
    literals = np.frombuffer(literal, np.uint8)
    out = np.zeros(256 + 2 * (sum(map(len, parts)) + len(literal) * (len(parts) + 1)), np.uint64)
    state, adler = np.zeros(3, np.uint64), np.array([1, 0])
    pieces.put(out, state, np.uint64(pieces.ZLIB_HEADER), 16)
    pieces.put_run(out, state, header, 0, header_bits)
    for part, (first_word, n_bits, total, weighted) in zip(parts, about.tolist(), strict=True):
        pieces.put_bytes(out, state, adler, codes, literals, 0, len(literal))
        pieces.put_run(out, state, words, first_word, n_bits)
        pieces.count_in(adler, len(part), total, weighted)
    pieces.put_bytes(out, state, adler, codes, literals, 0, len(literal))
    return out.view(np.uint8)[: pieces.put_end(out, state, adler, codes)].tobytes()


some_bytes = st.binary(max_size=60) | st.text("ab", max_size=60).map(str.encode)


@settings(max_examples=60, deadline=None)
@given(st.lists(some_bytes, min_size=1, max_size=6), st.binary(max_size=9))
def test_joined_pieces_read_as_what_they_were_made_of(parts, literal):
    stream = joined(parts, literal)
    # zlib compares the checksum, and takes nothing behind it.
    reader = zlib.decompressobj()
    assert reader.decompress(stream) == b"".join(literal + part for part in parts) + literal
    assert reader.eof
    assert reader.unused_data == b""


def test_a_long_piece_is_summed_as_zlib_does():
    part = bytes(np.random.default_rng(5).integers(200, 256, 9_000, dtype=np.uint8))
    assert zlib.decompress(joined([part, part], b"")) == 2 * part


@pytest.mark.parametrize("part", [b"\7" * 700, b"ab" * 400, bytes(range(256)) * 5])
def test_repetitions_within_a_piece_are_found(part):
    assert len(joined([part], b"")) < len(part) // 2 + 90


@settings(max_examples=20, deadline=None)
@given(st.lists(some_bytes.filter(len), min_size=1, max_size=4))
def test_pieces_are_the_same_compiled_and_not(parts):
    tables = [codes_for(parts, make_codes) for make_codes, _ in (COMPILED, INTERPRETED)]
    assert tables[0][2] == tables[1][2]
    assert all(np.array_equal(one, other) for one, other in zip(tables[0][:2], tables[1][:2], strict=True))
    runs = [pressed(parts, tables[0][0], press) for _, press in (COMPILED, INTERPRETED)]
    assert all(np.array_equal(one, other) for one, other in zip(*runs, strict=True))


def test_every_byte_and_every_match_has_a_code_whatever_the_sample():
    codes, _, _ = codes_for([b"aaaa"])
    literals_and_lengths = codes[:286, 1]
    assert literals_and_lengths.min() > 0
    near = codes[286 : 286 + 18, 1]
    assert near.min() > 0
    assert codes[:, 1].max() <= MAX_BITS
