"""ToUnicode CMaps (ISO 32000-1, 9.10.3): as text, and for the fonts of one document as a zlib stream at once.

Nearly all of a map is the same each time, and what differs is a sorted list of numbers. So prefix codes and the bits of
the fixed parts are made once, and a list takes a tenth of the time of making and compressing the text.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from render.deflating.huffman import (
    END_OF_BLOCK,
    LENGTH_EXTRA,
    LENGTH_EXTRA_BITS,
    LENGTH_SYMBOL,
    MAX_BITS,
    MIN_LENGTH,
    N_DISTANCES,
    N_LITERALS,
    code_lengths,
    codes_of,
    distance_symbol,
    put_codes,
)
from render.deflating.pieces import ADLER_BASE, CODES, HEADER_WORDS
from render.fonts.characters import common_characters
from render.pdf.kernels.unicode_map import (
    CHARACTER_SHIFT,
    DIGITS,
    DISTANCE,
    HEAD,
    N_PARTS,
    N_TOKENS,
    REPETITION,
    SEPARATOR,
    press_map,
)

_BMP_END = 0x10000
_CODES_A_RANGE = 256
_RANGES_A_SECTION = 100
_WORD_BYTES = 8
# About as many characters as a font of values has; the prefix codes are made from them.
_SAMPLE_STEP = 43

_HEAD = """/CIDInit/ProcSet findresource begin
12 dict begin
begincmap
/CIDSystemInfo<</Registry(Adobe)/Ordering(UCS)/Supplement 0>>def
/CMapName/Adobe-Identity-UCS def
/CMapType 2 def
1 begincodespacerange
<0000><FFFF>
endcodespacerange
"""
_TAIL = """endcmap
CMapName currentdict/CMap defineresource pop
end
end"""
# Of a map of one range: what stands before its last code, between that and the first character, and behind the last.
_PARTS = (f"{_HEAD}1 beginbfrange\n<0001><", ">[<", f">]\nendbfrange\n{_TAIL}")

_DIGITS = [bytes((digit,)) for digit in DIGITS]
# The shortest repetition: what stands between two characters, and one digit.
_REPEATED = len(SEPARATOR) + 1

Token = tuple[int, int]
"""A byte and 0, or length and distance of a repetition."""


def to_unicode_map(chars: NDArray[np.int64]) -> str:
    """Return a ToUnicode CMap that reads code i + 1 as ``chars[i]``, which ascend."""
    if _is_one_range(len(chars), int(chars[-1]) if len(chars) else 0):
        head, middle, tail = _PARTS
        return f"{head}{len(chars):04x}{middle}{'><'.join(_utf16(chars))}{tail}"
    return _map_of_ranges(_utf16(chars))


def pressed_map(pairs: NDArray[np.int64]) -> bytes | None:
    """Return the map of the characters of pairs as a zlib stream.

    Args:
        pairs: int64[n], character × 2¹⁶ + glyph, ascending.

    Returns:
        None where the map has more than one range or characters beyond the basic plane.
    """
    if not _is_one_range(len(pairs), int(pairs[-1]) >> CHARACTER_SHIFT if len(pairs) else 0):
        return None
    ready = _ready()
    out = np.empty(len(ready.words) + len(pairs) + 2, np.uint64)
    n_bytes = press_map(pairs, ready.tokens, ready.words, ready.parts, ready.codes, out)
    return out.view(np.uint8)[:n_bytes].tobytes()


class _Ready(NamedTuple):
    """What :func:`render.pdf.kernels.unicode_map.press_map_scalar` takes beside the pairs."""

    tokens: NDArray[np.uint64]
    words: NDArray[np.uint64]
    parts: NDArray[np.int64]
    codes: NDArray[np.uint64]


@cache
def _ready() -> _Ready:
    parts = [part.encode("ascii") for part in _PARTS]
    sample = [code.encode("ascii") for code in _utf16(np.array(common_characters()[::_SAMPLE_STEP], np.int64))]
    codes, header, header_bits = _codes([*map(_tokens, parts), list(_list_tokens(sample))])
    words, about = [], np.zeros((N_PARTS, 4), np.int64)
    for place, part in enumerate(parts):
        bits, n_bits = _joined(_tokens(part), codes, *((header, header_bits) if place == HEAD else (0, 0)))
        words.append(bits.to_bytes((n_bits // 64 + 1) * _WORD_BYTES, "little"))
        data = np.frombuffer(part, np.uint8).astype(np.int64)
        about[place] = n_bits, len(data), data.sum() % ADLER_BASE, data.cumsum().sum() % ADLER_BASE
    repetitions = [[(length, DISTANCE)] for length in range(_REPEATED, _REPEATED + N_TOKENS - REPETITION)]
    table = [_joined(tokens, codes) for tokens in (*map(_literals, _DIGITS), _literals(SEPARATOR), *repetitions)]
    return _Ready(np.array(table, np.uint64), np.frombuffer(b"".join(words), np.uint64), about, codes)


def _literals(data: bytes) -> list[Token]:
    return [(byte, 0) for byte in data]


def _tokens(data: bytes) -> list[Token]:
    """Return a fixed part as literals and repetitions within it."""
    tokens, at = list[Token](), 0
    while at < len(data):
        length = place = 0
        while at + length < len(data) and (found := data.rfind(data[at : at + length + 1], 0, at + length)) >= 0:
            length, place = length + 1, found
        if length < MIN_LENGTH:
            tokens.append((data[at], 0))
            at += 1
        else:
            tokens.append((length, at - place))
            at += length
    return tokens


def _list_tokens(codes: Sequence[bytes]) -> Iterator[Token]:
    """Yield a list of characters, all different, as the compiled loop writes it."""
    yield from _literals(SEPARATOR.join(codes[:2]))
    for before, code in itertools.pairwise(codes[1:]):
        shared = next(place for place in range(len(code)) if before[place] != code[place])
        yield from [(_REPEATED + shared - 1, DISTANCE)] if shared else _literals(SEPARATOR)
        yield from _literals(code[shared:])


def _codes(samples: Sequence[Sequence[Token]]) -> tuple[NDArray[np.uint64], int, int]:
    """Return codes that suit these tokens and can write any list: uint64[CODES, 2], their block's header, its bits."""
    counts, distances = np.zeros(N_LITERALS, np.int64), np.zeros(N_DISTANCES, np.int64)
    counts[[END_OF_BLOCK, *DIGITS, *SEPARATOR]] = 1
    counts[LENGTH_SYMBOL[_REPEATED - MIN_LENGTH :][: N_TOKENS - REPETITION]] = 1
    for value, distance in itertools.chain.from_iterable(samples):
        counts[LENGTH_SYMBOL[value - MIN_LENGTH] if distance else value] += 1
        if distance:
            distances[distance_symbol(distance)[0]] += 1
    bits, distance_bits = np.zeros(N_LITERALS, np.int64), np.zeros(N_DISTANCES, np.int64)
    of_symbol, of_distance = np.zeros(N_LITERALS, np.uint64), np.zeros(N_DISTANCES, np.uint64)
    code_lengths(distances, MAX_BITS, distance_bits)
    codes_of(distance_bits, of_distance)
    header, state = np.zeros(HEADER_WORDS, np.uint64), np.zeros(3, np.uint64)
    put_codes(header, state, counts, distance_bits, 1, bits, of_symbol)
    header[int(state[2])] = state[0]
    codes = np.zeros((CODES, 2), np.uint64)
    codes[:N_LITERALS] = np.stack([of_symbol, bits.astype(np.uint64)], axis=1)
    codes[N_LITERALS:] = np.stack([of_distance, distance_bits.astype(np.uint64)], axis=1)
    return codes, int.from_bytes(header.tobytes(), "little"), int(state[2]) * 64 + int(state[1])


def _joined(tokens: Sequence[Token], codes: NDArray[np.uint64], bits: int = 0, n_bits: int = 0) -> tuple[int, int]:
    """Return the bits of tokens behind those given, the first lowest, and how many they are."""
    for value, distance in tokens:
        fields = [(codes[LENGTH_SYMBOL[value - MIN_LENGTH] if distance else value])]
        if distance:
            symbol, extra, extra_bits = distance_symbol(distance)
            fields.append((LENGTH_EXTRA[value - MIN_LENGTH], LENGTH_EXTRA_BITS[value - MIN_LENGTH]))
            fields += [codes[N_LITERALS + symbol], (extra, extra_bits)]
        for field, n_field in fields:
            bits |= int(field) << n_bits
            n_bits += int(n_field)
    return bits, n_bits


def _is_one_range(count: int, last_char: int) -> bool:
    """Tell whether a map of characters has one range of codes, which must not cross a change of a code's first byte."""
    return 0 < count < _CODES_A_RANGE and last_char < _BMP_END


def _map_of_ranges(texts: Sequence[str]) -> str:
    ranges = []
    for start in range(0, len(texts) + 1, _CODES_A_RANGE):
        first, last = max(start, 1), min(start + _CODES_A_RANGE - 1, len(texts))
        if first <= last:
            ranges.append(f"<{first:04x}><{last:04x}>[<{'><'.join(texts[first - 1 : last])}>]\n")
    sections = []
    for start in range(0, len(ranges), _RANGES_A_SECTION):
        section = ranges[start : start + _RANGES_A_SECTION]
        sections.append(f"{len(section)} beginbfrange\n{''.join(section)}endbfrange\n")
    return "".join((_HEAD, *sections, _TAIL))


def _utf16(chars: NDArray[np.int64]) -> list[str]:
    """Return each character as UTF-16BE in hexadecimal."""
    return [chr(char).encode("utf-16-be").hex() for char in chars.tolist()]
