"""The sRGB output profile (IEC 61966-2-1) as a version 2 ICC profile (ICC.1:2001-04), built from its numbers."""

from __future__ import annotations

import struct
from functools import cache

_HEADER_SIZE = 128
_CURVE_POINTS = 128
_VERSION = 0x02100000
_CREATED = (2000, 1, 1, 0, 0, 0)
_D50 = (0.9642, 1.0, 0.8249)
# Primaries and white of sRGB, adapted from D65 to the D50 of the connection space by the Bradford transform.
_WHITE = (0.95045, 1.0, 1.08905)
_RED = (0.43607, 0.22249, 0.01392)
_GREEN = (0.38515, 0.71687, 0.09708)
_BLUE = (0.14307, 0.06061, 0.71410)
_NAME = b"sRGB IEC61966-2.1"
_RIGHTS = b"No rights reserved"


@cache
def srgb_profile() -> bytes:
    """Return a display profile of sRGB; the curve is sampled at 128 points, 0.01 of an 8-bit level from exact."""
    curve = _curve()
    elements = {
        b"desc": _description(_NAME),
        b"cprt": b"text\0\0\0\0" + _RIGHTS + b"\0",
        b"wtpt": _xyz(_WHITE),
        b"rXYZ": _xyz(_RED),
        b"gXYZ": _xyz(_GREEN),
        b"bXYZ": _xyz(_BLUE),
        b"rTRC": curve,
        b"gTRC": curve,
        b"bTRC": curve,
    }
    place: dict[bytes, int] = {}
    at = _HEADER_SIZE + 4 + 12 * len(elements)
    body = b""
    for data in elements.values():
        if data not in place:
            place[data] = at + len(body)
            body += data + b"\0" * (-len(data) % 4)
    directory = struct.pack(">I", len(elements)) + b"".join(
        struct.pack(">4sII", signature, place[data], len(data)) for signature, data in elements.items()
    )
    return _header(at + len(body)) + directory + body


def _header(size: int) -> bytes:
    fields = struct.pack(">I4xI4s4s4s6H4s", size, _VERSION, b"mntr", b"RGB ", b"XYZ ", *_CREATED, b"acsp")
    intent = struct.pack(">4xI4x4x8xI", 0, 0)
    return (fields + intent + _fixed(_D50)).ljust(_HEADER_SIZE, b"\0")


def _curve() -> bytes:
    samples = [round(0xFFFF * _to_linear(i / (_CURVE_POINTS - 1))) for i in range(_CURVE_POINTS)]
    return struct.pack(f">4s4xI{_CURVE_POINTS}H", b"curv", _CURVE_POINTS, *samples)


def _to_linear(value: float) -> float:
    return float(value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4)


def _description(text: bytes) -> bytes:
    """Return a textDescriptionType with empty Unicode and ScriptCode parts."""
    return struct.pack(">4s4xI", b"desc", len(text) + 1) + text + b"\0" + bytes(8 + 3 + 67)


def _xyz(values: tuple[float, float, float]) -> bytes:
    return b"XYZ \0\0\0\0" + _fixed(values)


def _fixed(values: tuple[float, float, float]) -> bytes:
    return struct.pack(">3i", *(round(value * 0x10000) for value in values))
