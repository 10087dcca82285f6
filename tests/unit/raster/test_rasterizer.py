import threading

import numpy as np
import pytest
import raster_samples

from render.display.batch import concat
from render.display.builder import DisplayListBuilder
from render.display.list import Blend
from render.errors import GlyphMissing, InputError, OutputInvalid
from render.raster.api import MAX_PAGE_PIXELS, Rasterizer

BLACK, WHITE = [0, 0, 0], [255, 255, 255]


def test_page_is_as_large_as_its_millimetres_at_300_dpi(draw):
    pixels = draw(lambda _: None, dpi=300, width_um=210_000, height_um=140_000)
    assert pixels.index.shape == (1654, 2480)
    assert not pixels.index.any()
    assert pixels.palette[0].tolist() == WHITE


def test_glyph_lands_on_its_baseline(draw):
    pixels = draw(lambda b: b.text("shapes", 1_000, 1_000, 2_000, "s", paint=b.paint(0, 0, 0), tag="t"))
    rgb = pixels.rgb()
    assert (rgb[15:20, 10:15] == 0).all()
    rgb = rgb.copy()
    rgb[15:20, 10:15] = 255
    assert (rgb == 255).all()


def test_colours_of_a_page_with_a_form_are_those_blending_would_give(draw, form):
    pixels = draw(raster_samples.values, base=form)
    rgb = pixels.rgb()
    assert rgb[28, 10].tolist() == [128, 0, 0]
    # On the seal's ring alone, and where the seal is multiplied over the brown title.
    assert rgb[2, 32].tolist() == [230, 20, 30]
    assert [115, 0, 0] in rgb.reshape(-1, 3).tolist()


@pytest.mark.parametrize("dpi", [72, 101, 150, 300, 600])
def test_backends_draw_the_same_bytes(draw, form, dpi):
    compiled = draw(raster_samples.values, base=form, dpi=dpi, backend="numba")
    plain = draw(raster_samples.values, base=form, dpi=dpi, backend="numpy")
    assert np.array_equal(compiled.index, plain.index)
    assert np.array_equal(compiled.palette, plain.palette)


def test_black_wins_over_rule_watermark_and_seal(draw, form):
    bare = draw(lambda _: None, base=form).rgb()
    covered = draw(lambda b: b.rects([0, 0, 6_400, 3_200], paint=b.paint(0, 0, 0), tag="t"), base=form).rgb()
    assert len(np.unique(bare.reshape(-1, 3), axis=0)) > 10
    assert not covered.any()


def test_lighter_value_does_not_hide_what_is_darker(draw):
    def items(builder):
        builder.rects([0, 0, 1_000, 1_000], paint=builder.paint(0, 0, 0), tag="dark")
        builder.rects([500, 0, 1_500, 1_000], paint=builder.paint(128, 0, 0), tag="light")

    rgb = draw(items).rgb()
    assert rgb[5, 7].tolist() == BLACK
    assert rgb[5, 12].tolist() == [128, 0, 0]


def test_overlapping_runs_of_one_ink_leave_no_seam(draw):
    def twice(builder):
        for _ in range(2):
            builder.text("shapes", 777, 1_033, 2_000, "t/", paint=builder.paint(0, 0, 0), tag="t")

    def once(builder):
        builder.text("shapes", 777, 1_033, 2_000, "t/", paint=builder.paint(0, 0, 0), tag="t")

    assert np.array_equal(draw(twice).rgb(), draw(once).rgb())


def test_white_on_black_and_translucent_ink_are_painted_in_order(draw):
    def items(builder):
        builder.rects([0, 0, 2_000, 2_000], paint=builder.paint(0, 0, 0), tag="a")
        builder.rects([500, 500, 1_000, 1_000], paint=builder.paint(255, 255, 255), tag="b")
        builder.rects([1_000, 1_000, 3_000, 3_000], paint=builder.paint(255, 0, 0, 128), tag="c")

    rgb = draw(items).rgb()
    assert rgb[7, 7].tolist() == WHITE
    assert rgb[15, 15].tolist() == [128, 0, 0]
    assert rgb[25, 25].tolist() == [255, 127, 127]


def test_picture_keeps_its_colours_and_multiplies_over_text(draw):
    disc = raster_samples.disc()

    def items(builder):
        builder.rects([1_500, 0, 2_000, 3_000], paint=builder.paint(0, 0, 0), tag="t")
        multiply = builder.paint(0, 0, 0, 255, Blend.MULTIPLY)
        builder.image(disc.digest, (500, 500, 3_500, 2_500), paint=multiply, tag="seal")

    rgb = draw(items, pictures=[disc]).rgb()
    assert rgb[15, 17].tolist() == BLACK
    expected = np.array([220, 14.5, 0]) * (230 / 255) + 255 * (1 - 230 / 255)
    assert np.abs(rgb[15, 12].astype(int) - expected).max() <= 4
    assert rgb[2, 2].tolist() == WHITE


def test_background_picture_is_reduced_but_stays_near(draw, shapes):
    rng = np.random.default_rng(5)
    from render.display.resources import Picture

    photo = Picture(np.dstack([rng.integers(0, 256, (20, 30, 3)), np.full((20, 30), 255)]).astype(np.uint8))

    def image(builder):
        builder.image(photo.digest, (1_000, 500, 4_000, 2_500), paint=builder.paint(0, 0, 0), tag="seal")

    base = raster_samples.page(shapes, image)
    pixels = draw(raster_samples.values, base=base, pictures=[photo])
    shown = pixels.rgb()[5:25, 10:40].astype(int)
    error = np.abs(shown - photo.rgba[..., :3])[:8]
    assert len(pixels.palette) == 256
    assert error.mean() < 16


def test_pages_of_a_batch_do_not_depend_on_their_neighbours(shapes, form):
    red_form = raster_samples.page(shapes, lambda b: b.rects([0, 0, 900, 900], paint=b.paint(200, 0, 0), tag="x"))
    known = raster_samples.resources(shapes, [form, red_form])

    def colour(builder):
        builder.text("shapes", 900, 1_500, 1_000, "to", paint=builder.paint(0, 0, 160), tag="t")

    documents = [
        raster_samples.page(shapes, raster_samples.values, base=form.digest),
        raster_samples.page(shapes, colour, base=red_form.digest),
        raster_samples.page(shapes, lambda b: raster_samples.values(b, 37), base=form.digest),
        raster_samples.page(shapes, raster_samples.values, width_um=5_000),
        raster_samples.page(shapes, colour, base=form.digest),
    ]
    alone = [next(Rasterizer(known, 300).rasterize(document)) for document in documents]
    together = list(Rasterizer(known, 300).rasterize(concat(documents)))
    assert len(together) == len(alone)
    for one, other in zip(alone, together, strict=True):
        assert np.array_equal(one.index, other.index)
        assert np.array_equal(one.palette, other.palette)


def test_several_pages_of_a_document_come_in_order(shapes):
    builder = DisplayListBuilder(shapes)
    black = builder.paint(0, 0, 0)
    for page in range(3):
        builder.page(3_000, 3_000)
        builder.rects([0, 0, 100 * (page + 1), 100], paint=black, tag="t")
    pages = Rasterizer(raster_samples.resources(shapes), 254).rasterize(builder.freeze())
    assert [int((page.index != 0).sum()) for page in pages] == [1, 2, 3]


def test_pages_kept_by_the_caller_are_not_overwritten(shapes, form):
    known = raster_samples.resources(shapes, [form])
    documents = [
        raster_samples.page(shapes, lambda b, s=s: raster_samples.values(b, s), base=form.digest)
        for s in range(0, 900, 100)
    ]
    kept = list(Rasterizer(known, 254).rasterize(concat(documents)))
    copies = [page.index.copy() for page in Rasterizer(known, 254).rasterize(concat(documents))]
    assert all(np.array_equal(page.index, copy) for page, copy in zip(kept, copies, strict=True))
    with pytest.raises(ValueError, match="read-only"):
        kept[0].index[0, 0] = 1


def test_buffers_used_again_leave_no_trace_of_earlier_pages(shapes, form):
    other = raster_samples.page(shapes, lambda b: b.rects([0, 0, 900, 900], paint=b.paint(200, 0, 0), tag="x"))
    known, rng = raster_samples.resources(shapes, [form, other]), np.random.default_rng(5)

    def document(base, shift):
        return raster_samples.page(shapes, lambda b: raster_samples.values(b, shift), base=base)

    kinds = [(base, shift) for base in (form.digest, other.digest, None) for shift in (-900, 0, 37, 1_500, 9_000)]
    expected = {kind: next(Rasterizer(known, 254, backend="numpy").rasterize(document(*kind))) for kind in kinds}
    shared, kept = Rasterizer(known, 254), []
    for _ in range(60):
        batch = [kinds[number] for number in rng.integers(0, len(kinds), rng.integers(1, 6))]
        for kind, page in zip(batch, shared.rasterize(concat([document(*kind) for kind in batch])), strict=True):
            assert np.array_equal(page.index, expected[kind].index)
            assert page.on_ground.index is page.index
            as_ground = page.on_ground.touched == 0
            assert np.array_equal(page.index[as_ground], page.on_ground.ground.index[as_ground])
            assert 0 < as_ground.sum() < len(as_ground)
            if rng.random() < 0.3:
                kept.append((kind, page))
        kept = [pair for pair in kept if rng.random() < 0.7]
        assert all(np.array_equal(page.index, expected[kind].index) for kind, page in kept)


def test_pages_vouch_for_their_indices_and_are_right(draw, form):
    for pixels in (draw(raster_samples.values, base=form), draw(raster_samples.form)):
        assert pixels.is_checked
        assert int(pixels.index.max()) < len(pixels.palette)


def test_threads_share_a_rasterizer(shapes, form):
    known = raster_samples.resources(shapes, [form])
    documents = [
        raster_samples.page(shapes, lambda b, s=s: raster_samples.values(b, s), base=form.digest)
        for s in range(0, 1_000, 13)
    ]
    expected = [next(Rasterizer(known, 200).rasterize(document)).index.tobytes() for document in documents]
    shared, drawn = Rasterizer(known, 200), {}

    def work(start):
        for number in range(start, len(documents), 4):
            drawn[number] = next(shared.rasterize(documents[number])).index.tobytes()

    threads = [threading.Thread(target=work, args=(start,)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [drawn[number] for number in range(len(documents))] == expected


@pytest.mark.parametrize("dpi", [71, 601, 0, -300])
def test_resolution_out_of_range_is_refused(shapes, dpi):
    with pytest.raises(InputError) as caught:
        Rasterizer(raster_samples.resources(shapes), dpi)
    assert caught.value.faults[0].path == "dpi"


def test_page_beyond_the_budget_is_refused_before_anything_is_drawn(shapes):
    display = raster_samples.page(shapes, lambda _: None, width_um=420_000, height_um=594_000)
    with pytest.raises(InputError, match=f"{MAX_PAGE_PIXELS:,}"):
        Rasterizer(raster_samples.resources(shapes), 600).rasterize(display)


def test_unknown_background_and_picture_are_refused(shapes):
    rasterizer = Rasterizer(raster_samples.resources(shapes), 100)
    with pytest.raises(OutputInvalid, match="background"):
        rasterizer.rasterize(raster_samples.page(shapes, lambda _: None, base="blake2b:none"))
    missing = raster_samples.page(
        shapes, lambda b: b.image("sha256:none", (0, 0, 9, 9), paint=b.paint(0, 0, 0), tag="seal")
    )
    with pytest.raises(OutputInvalid, match="sha256:none"):
        rasterizer.rasterize(missing)


def test_damaged_glyph_is_named_by_its_field(shapes):
    import dataclasses

    display = raster_samples.page(shapes, raster_samples.values)
    glyph_id = display.glyph_id.copy()
    glyph_id[display.run_glyph_off[1] + 1] = 60_000
    broken = dataclasses.replace(display, glyph_id=glyph_id)
    with pytest.raises(GlyphMissing) as caught:
        Rasterizer(raster_samples.resources(shapes), 100).rasterize(broken)
    assert [fault.path for fault in caught.value.faults] == ["name"]
    assert caught.value.faults[0].rule == "raster.glyph_damaged"


def test_too_many_inks_are_refused_with_what_to_do(shapes):
    def items(builder):
        for shade in range(180):
            for paint in (builder.paint(shade, 0, 0), builder.paint(0, shade, 1)):
                builder.rects([0, 0, 500, 500], paint=paint, tag="t")

    with pytest.raises(OutputInvalid, match="Use fewer colours"):
        Rasterizer(raster_samples.resources(shapes), 100).rasterize(raster_samples.page(shapes, items))


def test_content_that_reaches_over_the_edges_is_clipped(draw):
    def items(builder):
        black = builder.paint(0, 0, 0)
        builder.text("shapes", 2_000, -700, 300, "os", paint=black, tag="t")
        builder.text("shapes", 2_000, 5_900, 4_000, "oo", paint=black, tag="t")
        builder.line(-500, -500, 9_000, 9_000, 300, paint=black, tag="t")

    pixels = draw(items)
    assert pixels.index.shape == (32, 64)
    assert pixels.rgb()[20, 20].tolist() == BLACK


def test_old_backgrounds_are_let_go(shapes, monkeypatch):
    from render.raster import api

    monkeypatch.setattr(api, "MAX_GROUND_BYTES", 10_000)
    rasterizer = Rasterizer(raster_samples.resources(shapes), 254)
    for shade in range(12):

        def items(builder, shade=shade):
            builder.rects([0, 0, 500, 500], paint=builder.paint(shade * 9, 0, 90), tag="t")

        (page,) = rasterizer.rasterize(raster_samples.page(shapes, items))
        assert page.rgb()[0, 0].tolist() == [shade * 9, 0, 90]
    assert len(rasterizer._grounds) <= 5
