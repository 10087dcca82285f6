"""A deflate block (RFC 1951, 3.2.7) of tokens that are bytes, or copies from one of two distances: 1 and the pitch.

A token is a byte, or LEFT or ABOVE + length - MIN_LENGTH; so one table gives the bits of every token.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from render.compiled import jitable
from render.deflating.huffman import (
    END_OF_BLOCK,
    LENGTH_EXTRA,
    LENGTH_EXTRA_BITS,
    LENGTH_SYMBOL,
    MAX_LENGTH,
    MIN_LENGTH,
    N_DISTANCES,
    N_LITERALS,
    put,
    put_codes,
)

U2 = NDArray[np.uint16]
U8 = NDArray[np.uint64]
I8 = NDArray[np.int64]
Whole = int | np.signedinteger[Any]

LEFT, ABOVE = 256, 512
_NOTHING = 768
_N_TOKENS = 769


@jitable
def piece(length: Whole) -> Whole:
    """Return how much of a match of some length the next token takes: what is left must be a match too."""
    return length if length <= MAX_LENGTH else min(MAX_LENGTH, length - MIN_LENGTH)


@jitable
def put_long(tokens: U2, n_tokens: int, kind: Whole, length: Whole) -> int:
    """Append a match of more than 258 bytes as several; return the number of tokens."""
    while length:
        taken = piece(length)
        tokens[n_tokens] = kind + taken
        n_tokens += 1
        length -= taken
    return n_tokens


@jitable
def put_block(out: U8, state: U8, tokens: U2, n_tokens: int, pitch: int, last: int) -> None:
    """Append tokens as a block with codes of its own; ``last`` is 1 for the last block of a stream, otherwise 0."""
    counts, odd_counts = np.zeros(_N_TOKENS, np.uint32), np.zeros(_N_TOKENS, np.uint32)
    # By pairs, in two tables and one step: a count need not wait for that of an equal token before it.
    tokens[n_tokens] = _NOTHING
    n_pairs = np.uintp((n_tokens + 1) // 2)
    for pair in range(n_pairs):
        k = pair * np.uintp(2)
        counts[tokens[k]] += np.uint32(1)
        odd_counts[tokens[k + np.uintp(1)]] += np.uint32(1)
    for token in range(_N_TOKENS):
        counts[token] += odd_counts[token]
    of_symbol = np.zeros(N_LITERALS, np.int64)
    for value in range(LEFT):
        of_symbol[value] = counts[value]
    for length in range(LEFT):
        of_symbol[LENGTH_SYMBOL[length]] += np.int64(counts[LEFT + length]) + np.int64(counts[ABOVE + length])
    of_symbol[END_OF_BLOCK] = 1
    # A code needs two symbols.
    of_symbol[0] += 1
    distance_symbol, distance_bits, distance = 3, 0, 3
    while pitch - 1 > distance:
        distance_symbol += 1
        distance_bits = distance_symbol // 2 - 1
        distance += 1 << distance_bits
    distance_lengths = np.zeros(N_DISTANCES, np.int64)
    distance_lengths[0] = distance_lengths[distance_symbol] = 1
    lengths, codes = np.zeros(N_LITERALS, np.int64), np.zeros(N_LITERALS, np.uint64)
    put_codes(out, state, of_symbol, distance_lengths, last, lengths, codes)
    code, bits = np.zeros(_N_TOKENS, np.uint64), np.zeros(_N_TOKENS, np.uint64)
    for value in range(LEFT):
        code[value], bits[value] = codes[value], lengths[value]
    above = np.uint64(1 | (pitch - 1 - (distance - (1 << distance_bits) + 1)) << 1)
    for length in range(LEFT):
        symbol = LENGTH_SYMBOL[length]
        word = codes[symbol] | np.uint64(LENGTH_EXTRA[length]) << np.uint64(lengths[symbol])
        n_bits = lengths[symbol] + LENGTH_EXTRA_BITS[length]
        code[LEFT + length], bits[LEFT + length] = word, n_bits + 1
        code[ABOVE + length], bits[ABOVE + length] = word | above << np.uint64(n_bits), n_bits + 1 + distance_bits
    word, waiting, place = state[0], state[1], np.uintp(state[2])
    for pair in range(n_pairs):
        k = pair * np.uintp(2)
        token, next_token = tokens[k], tokens[k + np.uintp(1)]
        # Two tokens have 63 bits at most: 15 + 5 + 1 + 13 is the longest, and beside it stands one without extra bits.
        value, n_bits = code[token] | code[next_token] << bits[token], bits[token] + bits[next_token]
        word |= value << waiting
        waiting += n_bits
        out[place] = word
        # Without a branch: what follows when the word is full cannot be foretold.
        is_full = waiting >> np.uint64(6)
        waiting &= np.uint64(63)
        keep = is_full - np.uint64(1)
        word = (word & keep) | (value >> ((n_bits - waiting) & np.uint64(63)) & ~keep)
        place += np.uintp(is_full)
    state[0], state[1], state[2] = word, waiting, place
    put(out, state, codes[END_OF_BLOCK], lengths[END_OF_BLOCK])
