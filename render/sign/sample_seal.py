"""Seals for trying things out: valid in form, and marked as worth nothing in their name.

Real seals come from an authority's seal system; Kaipiao makes none, and imitates none.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from render.errors import ConfigError, SigningError
from render.sign.api import RawSigner
from render.sign.seal import seal_info, seal_of
from render.sign.sm3 import sm3_hex

SAMPLE_NAME = "KAIPIAO TEST ONLY 样章 不具法律效力"
SAMPLE_VENDOR = "KAIPIAO-TEST-ONLY"

_KIND = 3
_ID_DIGITS = 16


def make_sample_seal(
    maker: RawSigner,
    holders: Sequence[bytes],
    picture_png: bytes,
    *,
    size_mm: tuple[int, int],
    validity: tuple[datetime, datetime],
) -> bytes:
    """Make a seal that says in its name, its identifier and its vendor that it is for tests.

    Args:
        maker: signs the seal; a test identity.
        holders: certificates of those who may use it, DER.
        picture_png: what it shows; never the picture of a real seal.
        size_mm: width and height of the picture.
        validity: first and last moment, with time zone.

    Returns:
        SESeal, DER.

    Raises:
        ConfigError: nobody may use it, its size is none, or a time has no zone.
        SigningError: the maker's key failed.
    """
    if not holders or min(size_mm) <= 0 or any(moment.tzinfo is None for moment in validity):
        raise ConfigError("a sample seal needs a user, a size and times with zone.", hint="Give all three.")
    info = seal_info(
        vendor=SAMPLE_VENDOR,
        seal_id=f"TEST-{sm3_hex(*holders)[:_ID_DIGITS]}",
        kind=_KIND,
        name=SAMPLE_NAME,
        holders=holders,
        validity=validity,
        picture=("png", picture_png, *size_mm),
    )
    signature = maker.sign_raw(info)
    if not signature:
        raise SigningError("the maker of the seal returned no signature.", hint="Check the key store.")
    return seal_of(info, maker.certificate_der, signature)
