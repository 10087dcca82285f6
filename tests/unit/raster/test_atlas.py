import numpy as np
import raster_samples

from render.raster.atlas import Atlas
from render.raster.keys import CELL_ALIGN
from render.raster.placement import place

LINEAR = np.arange(256, dtype=np.uint8)
HALF = (LINEAR // 2).astype(np.uint8)


def text(string, size_um=700, x_um=500):
    def items(builder):
        builder.text("shapes", size_um, x_um, 2_000, string, paint=builder.paint(0, 0, 0), tag="t")

    return items


def find(atlas, display, tones=()):
    placed = place(display, 254)
    return atlas.find(placed.glyphs, placed.shapes, tones)


def cells_of(found):
    return [found.cells.cell(slot).tobytes() for slot in found.glyph_slot]


def test_equal_glyphs_share_a_slot_and_others_do_not(shapes):
    found = find(Atlas(raster_samples.resources(shapes)), raster_samples.page(shapes, text("sos t")))
    slots = found.glyph_slot.tolist()
    assert slots[0] == slots[2]
    assert len(set(slots)) == 4


def test_cells_are_padded_to_whole_vectors(shapes):
    found = find(Atlas(raster_samples.resources(shapes)), raster_samples.page(shapes, text("so/t")))
    assert not (found.cells.pitch % CELL_ALIGN).any()
    slot = found.glyph_slot[0]
    assert found.cells.cell(slot)[:, :4].all()
    assert not found.cells.cell(slot)[:, 4:].any()


def test_tones_are_the_coverage_looked_up_also_for_cells_drawn_later(shapes):
    atlas = Atlas(raster_samples.resources(shapes))
    find(atlas, raster_samples.page(shapes, text("s")), [HALF])
    found = find(atlas, raster_samples.page(shapes, text("so/t", 900)), [LINEAR, HALF])
    linear, half = (found.cells.toned[row] for row in found.tone_row)
    assert linear.max() == 255
    assert np.array_equal(linear, found.cells.coverage)
    assert np.array_equal(half, found.cells.coverage // 2)


def test_growth_moves_cells_without_changing_them(shapes):
    atlas = Atlas(raster_samples.resources(shapes))
    display = raster_samples.page(shapes, text("so/t"))
    before = find(atlas, display, [LINEAR])
    for size in range(2_000, 60_000, 4_000):
        find(atlas, raster_samples.page(shapes, text("o/", size)), [LINEAR])
    after = find(atlas, display, [LINEAR])
    assert len(after.cells.coverage) > len(before.cells.coverage)
    assert cells_of(before) == cells_of(after)


def test_full_atlas_starts_again_with_the_same_cells(shapes):
    small = Atlas(raster_samples.resources(shapes), max_bytes=50_000)
    roomy = Atlas(raster_samples.resources(shapes))
    peak = 0
    for size in range(1_000, 8_000, 250):
        display = raster_samples.page(shapes, text("so/t", size))
        assert cells_of(find(small, display, [LINEAR])) == cells_of(find(roomy, display, [LINEAR]))
        peak = max(peak, small.used_bytes)
    assert peak < roomy.used_bytes / 2


def test_equal_paths_at_other_pixels_share_a_cell(shapes):
    def items(builder):
        black = builder.paint(0, 0, 0)
        for x in (1_000, 2_000, 2_050):
            builder.line(x, 500, x + 700, 900, 100, paint=black, tag="t")

    found = find(Atlas(raster_samples.resources(shapes)), raster_samples.page(shapes, items))
    slots = found.shape_slot.tolist()
    assert slots[0] == slots[1] != slots[2]
