import numpy as np

from render.raster.buffers import PageBuffers

SHAPE = (4, 6)


def address(array):
    return array.__array_interface__["data"][0]


def test_dropped_buffer_is_used_again():
    buffers = PageBuffers()
    first = address(buffers.take(SHAPE))
    assert address(buffers.take(SHAPE)) == first


def test_held_buffer_is_not_handed_out():
    buffers = PageBuffers()
    held = [buffers.take(SHAPE) for _ in range(5)]
    assert len({address(buffer) for buffer in held}) == 5


def test_buffer_counts_as_held_by_any_view_of_it():
    buffers = PageBuffers()
    row = buffers.take(SHAPE)[1:2]
    assert not np.shares_memory(buffers.take(SHAPE), row)
    seen = memoryview(buffers.take((3, 3)))
    assert not np.shares_memory(buffers.take((3, 3)), np.asarray(seen))


def test_buffer_of_the_same_ground_is_preferred_and_says_what_is_stale():
    buffers, one, two = PageBuffers(), np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8)
    pixels, stale = buffers.take_on(one)
    assert stale.all()
    stale[1:] = 0
    place = address(pixels)
    del pixels, stale
    other, stale = buffers.take_on(two)
    assert address(other) != place
    assert stale.all()
    pixels, stale = buffers.take_on(one)
    assert address(pixels) == place
    assert stale.tolist() == [2**64 - 1, 0, 0, 0]


def test_buffer_taken_without_a_ground_is_all_stale_afterwards():
    buffers, ground = PageBuffers(), np.zeros(SHAPE, np.uint8)
    buffers.take_on(ground)[1][:] = 0
    for _ in range(20):
        buffers.take(SHAPE)[:] = 9
    pixels, stale = buffers.take_on(ground)
    assert ((pixels == 0).all(axis=1) | (stale == 2**64 - 1)).all()


def test_full_stock_gives_buffers_to_other_grounds():
    buffers, grounds = PageBuffers(), [np.zeros(SHAPE, np.uint8) for _ in range(30)]
    for ground in grounds:
        assert buffers.take_on(ground)[1].all()
        buffers.take_on(ground)[1][:] = 0
    assert buffers._held_bytes() <= 8 * grounds[0].nbytes


def test_stock_of_large_pages_is_bounded_in_bytes(monkeypatch):
    monkeypatch.setattr("render.raster.buffers.MAX_HELD_BYTES", 3 * 24)
    buffers = PageBuffers()
    kept = [buffers.take(SHAPE) for _ in range(9)]
    assert len(kept) == 9
    assert buffers._held_bytes() == 3 * 24
    larger = buffers.take((40, 40))
    assert address(larger) != 0
    assert buffers._held_bytes() == 3 * 24 + 1600


def test_page_sizes_seen_long_ago_are_let_go():
    buffers = PageBuffers()
    for size in range(1, 40):
        buffers.take((size, size))
    assert len(buffers._held) <= 4
