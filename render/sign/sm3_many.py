"""SM3 digests of many byte strings at once: three to four times as fast as one after another where there are enough."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np

from render.sign.kernels.sm3_lanes import IS_COMPILED, LANES, STATE_WORDS, sm3_lanes
from render.sign.sm3 import sm3

_BLOCK = 64
_LENGTH_BYTES = 8
# A round of lanes takes as long as its longest message: below so many messages of that length, a library is faster.
_LEAST_BUSY_LANES = 12
_ROUND_BYTES = 32 << 20
"""Messages are copied side by side; no more than this at a time."""


def sm3_many(messages: Sequence[bytes]) -> list[bytes]:
    """Return the SM3 digest (GB/T 32905) of each message, 32 bytes each.

    Raises:
        BackendUnavailable: no library knows SM3, and there are too few messages for the lanes.
    """
    digests = [b""] * len(messages)
    order = sorted(range(len(messages)), key=lambda place: len(messages[place]), reverse=True)
    left = sum(map(len, messages))
    while order:
        longest = max(len(messages[order[0]]), 1)
        if not IS_COMPILED or sys.byteorder != "little" or left < longest * _LEAST_BUSY_LANES:
            place = order.pop(0)
            digests[place] = sm3(messages[place])
            left -= len(messages[place])
            continue
        count = _take(messages, order)
        for place, digest in zip(order[:count], _digest([messages[place] for place in order[:count]]), strict=True):
            digests[place] = digest
        left -= sum(len(messages[place]) for place in order[:count])
        order = order[count:]
    return digests


def _take(messages: Sequence[bytes], order: Sequence[int]) -> int:
    """Return how many messages, longest first, to take in one round: at least one for each lane."""
    total = 0
    for count, place in enumerate(order):
        total += len(messages[place])
        if total > _ROUND_BYTES and count >= LANES:
            return count
    return len(order)


def _digest(messages: Sequence[bytes]) -> list[bytes]:
    n_blocks = np.array([(len(message) + _LENGTH_BYTES) // _BLOCK + 1 for message in messages], np.int64)
    ends = n_blocks.cumsum()
    padded = np.empty(int(ends[-1]) * _BLOCK, np.uint8)
    view = padded.data
    for message, end in zip(messages, (ends * _BLOCK).tolist(), strict=True):
        begin = end - ((len(message) + _LENGTH_BYTES) // _BLOCK + 1) * _BLOCK
        tail = begin + len(message)
        view[begin:tail] = message
        view[tail:end] = b"\x80" + bytes(end - tail - 1 - _LENGTH_BYTES) + (8 * len(message)).to_bytes(8, "big")
    states = np.empty((len(messages), STATE_WORDS), np.uint32)
    sm3_lanes(padded.view(np.uint32), ends - n_blocks, n_blocks, states)
    digests = states.astype(">u4").tobytes()
    return [digests[at : at + 32] for at in range(0, len(digests), 32)]
