"""The reference of a red invoice (红字发票) to the blue one that it reverses, as the remark states it."""

from __future__ import annotations

import re
from typing import Final

from render.model.invoice import RedReference

_BLUE_NUMBER: Final = re.compile(r"被红冲蓝字数电发?票号码：([0-9]{20})(?![0-9])")
_CONFIRMATION: Final = re.compile(r"红字发票信息确认单编号：([0-9A-Za-z]{1,40})(?![0-9A-Za-z])")


def find_blue_number(remark: str) -> str:
    """Return the first number of a reversed invoice in a remark, in the newer or the older wording, or nothing."""
    found = _BLUE_NUMBER.search(remark)
    return found[1] if found else ""


def find_confirmation(remark: str) -> str:
    """Return the first number of a confirmation slip (红字发票信息确认单) in a remark, or nothing."""
    found = _CONFIRMATION.search(remark)
    return found[1] if found else ""


def remark_with_reference(red: RedReference, remark: str) -> str:
    """Return a remark that states what the red invoice reverses; one that states it already stays as it is."""
    missing = []
    if not find_blue_number(remark):
        missing.append(f"被红冲蓝字数电发票号码：{red.blue_number}")
    if not find_confirmation(remark):
        missing.append(f"红字发票信息确认单编号：{red.confirmation}")
    return " ".join([*missing, remark] if remark else missing)
