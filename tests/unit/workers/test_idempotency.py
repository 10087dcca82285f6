"""The idempotency key: what makes two jobs the same job."""

import itertools

import pytest

from render.encode.formats import FORMATS
from render.errors import InputError
from workers.idempotency import Identity, idempotency_key

IDENTITY = Identity("26312000005000000001", "vat_special", "1", "sm3:00", "91310000MA1FL00000")


def key(*outputs, dpi=300, **more):
    return idempotency_key(IDENTITY, outputs, dpi, **more)


def test_keys_of_receipts_that_were_written_before_levels_and_modes_stay():
    """Receipts in stores are filed under these: another key would render issued invoices again."""
    assert key("pdf", "png") == "9016945f58646aeb9a018454eec37f48b9016e1b089a83f8bc1ad3c97773b14e"
    assert key("png", dpi=150) == "805139d7b2e30068292a0312ad8cff6403bb1d8710903dd2ce43c7c19ec2f7be"
    assert key("pdf", dpi=150) == "533c78c013ed78af1a613a295d5c036ed4a9e08fab1f65389e05d8949ecb28bc"


def test_what_gives_other_bytes_has_another_key():
    keys = [
        key(*outputs, dpi=dpi, level=level, mode=mode)
        for outputs in (("png",), ("jpeg",), ("png", "jpeg"), ("pdf", "webp"))
        for dpi, level, mode in itertools.product((150, 300), ("fast", "small"), ("auto", "grey"))
    ]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("kind", FORMATS)
def test_resolution_counts_for_every_picture(kind):
    assert key(kind, dpi=150) != key(kind, dpi=151)


def test_what_gives_the_same_bytes_has_the_same_key():
    assert key("png", "pdf") == key("pdf", "png", mode="indexed") == key("pdf", "png")
    assert key("pdf", level="small", mode="grey", dpi=72) == key("pdf")
    assert key("g4", level="small") == key("g4", mode="bilevel") == key("g4")
    assert key("jpeg", mode="rgb") == key("jpeg")


def test_outputs_that_do_not_exist_have_no_key():
    with pytest.raises(InputError, match="Did you mean 'jpeg'"):
        key("jpg")
