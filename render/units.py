"""Lengths: micrometres inside, millimetres in templates, points in PDF, pixels in images.

The only module that knows 25.4 and 72. Every length in a display list is an ``int32`` count of micrometres (µm),
so hashes, goldens and pixels do not depend on a machine's floating point.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

UM_PER_MM = 1000
UM_PER_INCH = 25400
PT_PER_INCH = 72


def mm_to_um(mm: Decimal | float | str) -> int:
    """Return millimetres as whole micrometres, halves away from zero."""
    return int((Decimal(str(mm)) * UM_PER_MM).to_integral_value(ROUND_HALF_UP))


def um_to_pt(um: int) -> float:
    """Return micrometres as PDF points."""
    return um * PT_PER_INCH / UM_PER_INCH


def um_to_px(um: int, dpi: int) -> int:
    """Return micrometres as whole pixels at ``dpi``, halves up, in integer arithmetic."""
    return (2 * um * dpi + UM_PER_INCH) // (2 * UM_PER_INCH)
