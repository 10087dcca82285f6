"""SM3 (GB/T 32905) of many messages side by side: what one message needs eight registers for, LANES need eight vectors.

Compiled, the loops over lanes become vector instructions. Every result is taken back to 32 bits at once, since compiled
integer arithmetic is done in 64 and would halve the vectors.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from render.compiled import compiled, jitable

U4 = NDArray[np.uint32]
I8 = NDArray[np.int64]

LANES = 32
"""Fewer give shorter vectors than a processor has, more only spill."""

BLOCK_WORDS = 16
STATE_WORDS = 8
_ROUNDS = 64
_SCHEDULE_WORDS = _ROUNDS + 4
_FIRST_ROUNDS = 16


def _round_constants() -> U4:
    """Return T_j, each turned left by j (GB/T 32905, 4.2 and 5.3.3)."""
    constants = []
    for j in range(_ROUNDS):
        constant, turn = (0x79CC4519 if j < _FIRST_ROUNDS else 0x7A879D8A), j % 32
        constants.append((constant << turn | constant >> (32 - turn)) & 0xFFFFFFFF)
    return np.array(constants, np.uint32)


_TURNED = _round_constants()
_START = np.array(
    [0x7380166F, 0x4914B2B9, 0x172442D7, 0xDA8A0600, 0xA96F30BC, 0x163138AA, 0xE38DEE4D, 0xB0FB0E4E], np.uint32
)
# Unsigned indices spare the compiler Python's meaning of negative ones, so the loops over lanes vectorise.
_L = np.uintp(LANES)
_B, _C, _D, _E, _F, _G, _H = (np.uintp(LANES * k) for k in range(1, 8))
_BACK_3, _BACK_6, _BACK_9, _BACK_13, _BACK_16 = (np.uintp(LANES * k) for k in (3, 6, 9, 13, 16))
_AHEAD_4 = np.uintp(LANES * 4)
_ROW_0, _ROW_16, _ROW_64, _ROW_68 = np.uintp(0), np.uintp(16), np.uintp(_ROUNDS), np.uintp(_SCHEDULE_WORDS)


@jitable
def _turn(word: np.uint32, bits: int) -> np.uint32:
    return np.uint32(np.uint32(word << np.uint32(bits)) | np.uint32(word >> np.uint32(32 - bits)))


@jitable
def _add(one: np.uint32, other: np.uint32) -> np.uint32:
    return np.uint32(one + other)


@jitable
def _expand(words: U4) -> None:
    """Fill in words 16 … 67 of the schedule (GB/T 32905, 5.3.2)."""
    for j in range(_ROW_16, _ROW_68):
        at = j * _L
        for lane in range(_L):
            mixed = np.uint32(words[at - _BACK_16 + lane] ^ words[at - _BACK_9 + lane])
            mixed = np.uint32(mixed ^ _turn(words[at - _BACK_3 + lane], 15))
            mixed = np.uint32(mixed ^ _turn(mixed, 15) ^ _turn(mixed, 23))
            words[at + lane] = np.uint32(mixed ^ _turn(words[at - _BACK_13 + lane], 7) ^ words[at - _BACK_6 + lane])


@jitable
def _rotate_registers(s: U4, lane: int, first: np.uint32, second: np.uint32) -> None:
    """Move the registers on after a round and put in what it made."""
    s[_D + lane] = s[_C + lane]
    s[_C + lane] = _turn(s[_B + lane], 9)
    s[_B + lane] = s[lane]
    s[lane] = first
    s[_H + lane] = s[_G + lane]
    s[_G + lane] = _turn(s[_F + lane], 19)
    s[_F + lane] = s[_E + lane]
    s[_E + lane] = np.uint32(second ^ _turn(second, 9) ^ _turn(second, 17))


@jitable
def _compress(state: U4, words: U4, s: U4) -> None:
    """Take one block of each lane into its state (GB/T 32905, 5.3.3)."""
    for k in range(np.uintp(STATE_WORDS) * _L):
        s[k] = state[k]
    for j in range(_ROW_0, _ROW_16):
        at = j * _L
        for lane in range(_L):
            turned = _turn(s[lane], 12)
            ss1 = _turn(_add(_add(turned, s[_E + lane]), _TURNED[j]), 7)
            word = words[at + lane]
            ff = np.uint32(s[lane] ^ s[_B + lane] ^ s[_C + lane])
            gg = np.uint32(s[_E + lane] ^ s[_F + lane] ^ s[_G + lane])
            mixed = _add(np.uint32(ss1 ^ turned), np.uint32(word ^ words[at + _AHEAD_4 + lane]))
            first = _add(_add(ff, s[_D + lane]), mixed)
            second = _add(_add(gg, s[_H + lane]), _add(ss1, word))
            _rotate_registers(s, lane, first, second)
    for j in range(_ROW_16, _ROW_64):
        at = j * _L
        for lane in range(_L):
            turned = _turn(s[lane], 12)
            ss1 = _turn(_add(_add(turned, s[_E + lane]), _TURNED[j]), 7)
            word = words[at + lane]
            a, b, c = s[lane], s[_B + lane], s[_C + lane]
            ff = np.uint32((a & b) | ((a | b) & c))
            gg = np.uint32(((s[_F + lane] ^ s[_G + lane]) & s[_E + lane]) ^ s[_G + lane])
            mixed = _add(np.uint32(ss1 ^ turned), np.uint32(word ^ words[at + _AHEAD_4 + lane]))
            first = _add(_add(ff, s[_D + lane]), mixed)
            second = _add(_add(gg, s[_H + lane]), _add(ss1, word))
            _rotate_registers(s, lane, first, second)
    for k in range(np.uintp(STATE_WORDS) * _L):
        state[k] ^= s[k]


@jitable
def _load(message_words: U4, block: int, words: U4, lane: int) -> None:
    """Put a block into the schedule of a lane; the bytes of each word come most significant first."""
    for j in range(BLOCK_WORDS):
        word = message_words[block * BLOCK_WORDS + j]
        high = np.uint32(np.uint32(word << np.uint32(24)) | np.uint32(np.uint32(word << np.uint32(8)) & 0x00FF0000))
        low = np.uint32(np.uint32(np.uint32(word >> np.uint32(8)) & 0x0000FF00) | np.uint32(word >> np.uint32(24)))
        words[j * LANES + lane] = np.uint32(high | low)


def sm3_lanes_scalar(message_words: U4, first_block: I8, n_blocks: I8, states: U4) -> None:
    """Write the SM3 state of each message; the digest is its words, most significant byte first.

    Args:
        message_words: uint32[16 × blocks], the padded messages one after another, as they stand in memory on a
            little-endian machine.
        first_block: int64[n], where each message begins. Messages are taken in this order as lanes become free: the
            longest should come first.
        n_blocks: int64[n], the blocks of each, one at least.
        states: uint32[n, 8], written.
    """
    words = np.zeros(_SCHEDULE_WORDS * LANES, np.uint32)
    working, state = np.zeros(STATE_WORDS * LANES, np.uint32), np.zeros(STATE_WORDS * LANES, np.uint32)
    message, block = np.full(LANES, -1, np.int64), np.zeros(LANES, np.int64)
    taken = busy = 0
    while True:
        for lane in range(LANES):
            if message[lane] < 0 and taken < first_block.size:
                message[lane], block[lane] = taken, 0
                for k in range(STATE_WORDS):
                    state[k * LANES + lane] = _START[k]
                taken += 1
                busy += 1
            if message[lane] >= 0:
                _load(message_words, first_block[message[lane]] + block[lane], words, lane)
        if busy == 0:
            return
        _expand(words)
        _compress(state, words, working)
        for lane in range(LANES):
            if message[lane] >= 0:
                block[lane] += 1
                if block[lane] == n_blocks[message[lane]]:
                    for k in range(STATE_WORDS):
                        states[message[lane], k] = state[k * LANES + lane]
                    message[lane] = -1
                    busy -= 1


_SIGNATURE = (
    "void(Array(uint32, 1, 'C', readonly=True), Array(int64, 1, 'C', readonly=True), "
    "Array(int64, 1, 'C', readonly=True), uint32[:,::1])"
)

sm3_lanes = compiled(sm3_lanes_scalar, _SIGNATURE)
IS_COMPILED = sm3_lanes is not sm3_lanes_scalar
"""Interpreted, it is a thousand times slower than any library."""
