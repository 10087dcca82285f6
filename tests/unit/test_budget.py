"""Budgets: what they refuse for good, what they only put off, and that settings set them."""

import pytest

from render.budget import MAX_PAGE_PIXELS, BatchFull, BatchRoom, Budget
from render.config import RenderSettings
from render.errors import ConfigError, InputError, Retry
from render.raster import api as raster

BUDGET = Budget(page_pixels=1_000, batch_pixels=5_000, batch_bytes=100)


def test_no_page_is_allowed_that_the_rasteriser_refuses():
    assert MAX_PAGE_PIXELS == raster.MAX_PAGE_PIXELS
    assert Budget().page_pixels == MAX_PAGE_PIXELS


def test_a_page_that_is_too_large_is_named():
    with pytest.raises(InputError) as caught:
        BatchRoom(BUDGET).take_pixels([(10, 100), (11, 100)], 1)
    (fault,) = caught.value.faults
    assert (fault.path, fault.rule) == ("dpi", "budget.page_pixels")
    assert fault.message == "page 2 has 11 × 100 pixels; a page may have 1,000."
    assert "KAIPIAO_PAGE_PIXELS" in fault.hint


def test_an_invoice_larger_than_any_batch_is_refused_for_good():
    room = BatchRoom(BUDGET)
    room.take_pixels([(10, 100)] * 2, 1)
    with pytest.raises(InputError, match="KAIPIAO_BATCH_PIXELS") as caught:
        room.take_pixels([(10, 100)] * 3, 2)
    assert caught.value.faults[0].message == "3 pages × 2 formats have 6,000 pixels; a batch may have 5,000."
    assert caught.value.retry is Retry.NEVER


def test_an_invoice_beside_others_is_put_off_and_a_smaller_one_still_fits():
    room = BatchRoom(BUDGET)
    room.take_pixels([(10, 100)] * 3, 1)
    with pytest.raises(BatchFull, match=r"3,000 pixels are wanted, 2,000 of the batch's 5,000 are left") as caught:
        room.take_pixels([(10, 100)] * 3, 1)
    assert caught.value.retry is Retry.LATER
    room.take_pixels([(10, 100)] * 2, 1)
    with pytest.raises(BatchFull):
        room.take_pixels([(1, 1)], 1)


def test_bytes_are_counted_while_files_grow_and_given_back_by_what_fails():
    room = BatchRoom(BUDGET)
    room.hold_bytes(0, 60)
    room.hold_bytes(0, 40)
    with pytest.raises(BatchFull, match="KAIPIAO_BATCH_BYTES"):
        room.hold_bytes(40, 41)
    room.release_bytes(40)
    room.hold_bytes(60, 100)
    with pytest.raises(InputError, match="its files have 101 bytes and more; a batch may have 100"):
        room.hold_bytes(100, 101)


def test_settings_set_the_budget():
    values = {"KAIPIAO_PAGE_PIXELS": "10000", "KAIPIAO_BATCH_PIXELS": "20000", "KAIPIAO_BATCH_BYTES": "3000000"}
    assert RenderSettings.from_mapping(values).budget == Budget(10_000, 20_000, 3_000_000)
    assert RenderSettings.from_mapping({"KAIPIAO_PAGE_PIXELS": ""}).budget == Budget()


@pytest.mark.parametrize("value", ["0", "-5", "1e6", "9" * 5_000, "٣٠٠٠٠٠", "40000001", "many"])
def test_a_budget_out_of_range_is_refused_with_the_range(value):
    with pytest.raises(ConfigError, match=r"KAIPIAO_PAGE_PIXELS .* from 10,000 to 40,000,000"):
        RenderSettings.from_mapping({"KAIPIAO_PAGE_PIXELS": value})
