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


def test_page_sizes_seen_long_ago_are_let_go():
    buffers = PageBuffers()
    for size in range(1, 40):
        buffers.take((size, size))
    assert len(buffers._held) <= 4
