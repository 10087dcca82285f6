"""Batches for the kernels: made up at random, or caught from the real rasteriser, and both through all kernels."""

from dataclasses import dataclass, field

import numpy as np

from render.encode.splice_table import make_splice_table
from render.gpu import signatures
from render.gpu.page_table import PageShape, PageTable
from render.raster.api import Rasterizer
from render.raster.kernels.bin_items import count_pairs
from tests.gpu.kernel_shim import Launch

RASTER = signatures.KERNELS[:4]
SPLICE = signatures.KERNELS[4:]
UNWRITTEN = 0xEE
UNORDERED = "tile_items"
"""The one array whose content may lie in another order."""


@dataclass
class Sample:
    """The arguments of all kernels by name, before the first of them has run.

    Attributes:
        table: the page table with its sizes.
        arrays, scalars: arguments by the names that the signatures have for them.
    """

    table: PageTable
    arrays: dict[str, np.ndarray]
    scalars: dict[str, dict[str, int]] = field(default_factory=dict)

    def value(self, kernel, argument):
        """Return the name of an array, or a scalar's value."""
        if argument.role == "scalar":
            return self.scalars[kernel.name][argument.name]
        if kernel.name == "splice_png_checksum" and argument.name == "streams":
            return "streams_bytes"
        return argument.name

    def launches(self, kernels=signatures.KERNELS):
        """Return the launches of kernels for this batch."""
        n_items = len(self.arrays["item_page"])
        return [
            Launch(
                kernel,
                kernel.grid(self.table.sizes(n_items)),
                tuple(self.value(kernel, argument) for argument in kernel.arguments),
            )
            for kernel in kernels
        ]

    def run(self, call, kernels=signatures.KERNELS):
        """Give every launch to ``call(kernel, grid, arguments)``; return the arrays afterwards."""
        after = {name: array.copy() for name, array in self.arrays.items()}
        after["streams_bytes"] = after["streams"].view(np.uint8)
        for launch in self.launches(kernels):
            if 0 not in launch.grid:
                values = [after[value] if isinstance(value, str) else value for value in launch.arguments]
                call(launch.kernel, launch.grid, values)
        del after["streams_bytes"]
        return after

    def run_program(self, program, kernels=signatures.KERNELS, **options):
        """Let a :class:`kernel_shim.Program` run all launches; return the arrays afterwards."""
        # A buffer has one name there, and its bytes are the same whoever looks at them.
        launches = [
            launch._replace(
                arguments=tuple("streams" if value == "streams_bytes" else value for value in launch.arguments)
            )
            for launch in self.launches(kernels)
            if 0 not in launch.grid
        ]
        return program.run(self.arrays, launches, **options)

    def pages(self, arrays):
        """Return every page's pixels, as views."""
        pages = []
        for row in self.table.rows:
            pitch, height, start = (int(row[column]) for column in (2, 1, 4))
            whole = arrays["pages"][start : start + pitch * height].reshape(height, pitch)
            pages.append(whole[:, : int(row[0])])
        return pages

    def streams(self, arrays):
        """Return every page's zlib stream, None where it did not fit."""
        data = arrays["streams"].view(np.uint8)
        return [
            data[start : start + size].tobytes() if start >= 0 else None
            for start, size in arrays["results"][:, :2].tolist()
        ]


def differences(sample, one, other):
    """Return the names of arrays that differ; the order of items within a tile does not count."""
    names = []
    for name in one:
        a, b = one[name], other[name]
        if name == UNORDERED:
            bounds = one["tile_off"].astype(np.int64)
            a, b = (np.concatenate([np.sort(part) for part in np.split(array, bounds[1:-1])]) for array in (a, b))
        elif name == "piece_words":
            # What lies beyond a piece's bits was never written.
            used = np.arange(a.shape[1]) < -(-one["piece_bits"][:, None].astype(np.int64) // 32)
            a, b = a[used], b[used]
        if not np.array_equal(a, b):
            names.append(name)
    return names


def build(shapes, grounds, tones, stamps, rects, *, capacity=None):
    """Return a sample of pages, grounds as a list of uint8[H, W], and the columns of stamps and rectangles."""
    rows, ground_off = [], 0
    padded = []
    for (width, height), ground, depth, place in zip(
        shapes, grounds, [tone[1] for tone in tones], range(len(shapes)), strict=True
    ):
        pitch = signatures.pitch_of(width)
        page = np.zeros((height, pitch), np.uint8)
        page[:, :width] = ground
        padded.append(page.reshape(-1))
        rows.append(PageShape(width, height, ground_off, depth, place))
        ground_off += page.size
    table = PageTable.of(rows)
    made = [make_splice_table(ground, depth, tone) for ground, (tone, depth) in zip(grounds, tones, strict=True)]
    arrays = {
        "page_table": table.rows,
        "grounds": np.concatenate(padded),
        **stamps,
        **rects,
        "codes": np.stack([one.codes for one in made]),
        "headers": np.stack([one.header for one in made]),
    }
    geometry = [arrays[name] for name in ("cell_pitch", "cell_rows", "left", "top", "rect_px", "item_page")]
    n_pairs, _ = count_pairs(*geometry, table.rows)
    n_pieces, n_pages = table.n_pieces, len(shapes)
    if capacity is None:
        capacity = sum(pitch * height for _, height, pitch in table.rows[:, :3].tolist()) * 2 + 1024 * n_pages
    capacity -= capacity % signatures.STREAM_ALIGN
    arrays |= {
        "tile_next": np.zeros(table.n_tiles, np.uint32),
        "tile_off": np.full(table.n_tiles + 1, UNWRITTEN, np.uint32),
        "tile_items": np.full(n_pairs, UNWRITTEN, np.int32),
        "pages": np.full(table.page_bytes, UNWRITTEN, np.uint8),
        "piece_words": np.full((n_pieces, signatures.PIECE_WORDS), UNWRITTEN, np.uint32),
        "piece_bits": np.full(n_pieces, UNWRITTEN, np.uint32),
        "piece_sums": np.full((n_pieces, 2), UNWRITTEN, np.uint32),
        "piece_bit_off": np.full(n_pieces, UNWRITTEN, np.int64),
        "results": np.zeros((n_pages, signatures.RESULT_COLUMNS), np.int64),
        "streams": np.zeros(capacity // 4, np.uint32),
    }
    n_stamps, n_rects = len(stamps["left"]), len(rects["rect_px"])
    items = {"n_stamps": n_stamps, "n_rects": n_rects}
    scalars = {
        "bin_items_count": items,
        "bin_items_scan": {"n_tiles": table.n_tiles},
        "bin_items_fill": items | {"capacity": n_pairs},
        "composite_tiles": items,
        "splice_png_place": {"n_pages": n_pages, "capacity": capacity},
    }
    return Sample(table, arrays, scalars)


def random_sample(seed, sizes, n_stamps=60, n_rects=12, depths=(8,), capacity=None):
    """Return made-up pages: paper and noise, stamps and rectangles, of which some lie across and off the edges."""
    rng = np.random.default_rng(seed)
    grounds, tones = [], []
    for place, (width, height) in enumerate(sizes):
        depth = depths[place % len(depths)]
        top = (1 << depth) - 1
        ground = np.zeros((height, width), np.uint8)
        noise = rng.integers(0, top, (height, width), endpoint=True).astype(np.uint8)
        ground[rng.random(height) < 0.3] = rng.integers(0, top, endpoint=True)
        is_noisy = np.arange(height) % 11 == 3
        ground[is_noisy] = noise[is_noisy]
        tones.append((np.sort(rng.integers(0, top, 256, endpoint=True)).astype(np.uint8), depth))
        grounds.append(ground)
    lowest = min((1 << depth) - 1 for _, depth in tones)
    item_page = rng.integers(-1, len(sizes), n_stamps + n_rects).astype(np.int32)
    width, height = np.array(sizes)[item_page].T
    pitch = rng.choice([16, 32, 48, 160], n_stamps).astype(np.int32)
    rows = rng.integers(0, 50, n_stamps).astype(np.int32)
    cells = rng.integers(0, lowest, int((pitch * rows).sum()), endpoint=True).astype(np.uint8)
    cells[rng.random(len(cells)) < 0.5] = 0
    corners = rng.integers(-30, np.stack([width, height], axis=1)[n_stamps:, None] + 30, (n_rects, 2, 2))
    rect_px = np.sort(corners, axis=1).reshape(n_rects, 4)
    is_turned = rng.random(n_rects) < 0.1
    rect_px[is_turned] = rect_px[is_turned][:, [2, 1, 0, 3]]
    stamps = {
        "cells": cells,
        "cell_start": np.concatenate([[0], np.cumsum(pitch * rows)[:-1]]).astype(np.int64)[:n_stamps],
        "cell_pitch": pitch,
        "cell_rows": rows,
        "left": rng.integers(-60, width[:n_stamps] + 20).astype(np.int32),
        "top": rng.integers(-50, height[:n_stamps] + 20).astype(np.int32),
        "item_page": item_page,
    }
    rects = {
        "rect_px": rect_px.astype(np.int32),
        "rect_index": rng.integers(0, lowest, n_rects, endpoint=True).astype(np.uint8),
    }
    return build(sizes, grounds, tones, stamps, rects, capacity=capacity)


class CatchingRasterizer(Rasterizer):
    """The real rasteriser, which also keeps what it gives to the compositor."""

    def _pages(self, batch):
        self.caught = batch.stamps, batch.grounds
        return super()._pages(batch)


def caught_sample(resources, display, dpi):
    """Return the batch that the rasteriser draws for a display list, and the pages that it draws on the CPU."""
    rasterizer = CatchingRasterizer(resources, dpi)
    drawn = list(rasterizer.rasterize(display))
    stamps, grounds = rasterizer.caught
    pages = np.arange(len(grounds), dtype=np.int32)
    columns = dict(zip(("cell_start", "cell_pitch", "cell_rows", "left", "top"), stamps.columns, strict=True))
    item_page = [np.repeat(pages, np.diff(offsets)) for offsets in (stamps.off, stamps.rect_off)]
    columns |= {"cells": stamps.cells, "item_page": np.concatenate(item_page)}
    columns["cell_start"] = columns["cell_start"].astype(np.int64)
    rects = {"rect_px": stamps.rect_px.astype(np.int32), "rect_index": stamps.rect_index}
    tones = [(ground.palette.tones[0], _depth(len(ground.palette.rgb))) for ground in grounds]
    sizes = [ground.index.shape[::-1] for ground in grounds]
    return build(sizes, [ground.index for ground in grounds], tones, columns, rects), drawn


def _depth(n_colours):
    return next(depth for depth in (1, 2, 4, 8) if n_colours <= 1 << depth)
