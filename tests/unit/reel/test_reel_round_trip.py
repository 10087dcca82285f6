"""What goes in comes out: lossless to the last bit, near-lossless as near as the index says."""

import itertools
import json
import subprocess

import numpy as np
import pytest

from render.errors import InputError
from render.pixels import PagePixels
from render.reel.frames import FrameBuffer, FrameFormat
from render.reel.page import ReelPage, RgbPixels
from render.reel.reader import Stretch, open_reel, stretches
from render.reel.settings import Codec, Colours, Effort, Mode
from render.reel.similarity import max_error
from render.reel.writer import write_reel
from tests.unit.reel import reel_samples
from tests.unit.reel.reel_samples import settings


@pytest.fixture(autouse=True)
def _ffmpeg(need):
    need("ffmpeg")


def write(folder, pages, name="reel.mkv", largest=reel_samples.SIZE, **changes):
    return write_reel(folder / name, pages, largest, settings(**changes))


LOSSLESS = [
    (codec, colours, suffix)
    for (codec, colours), suffix in zip(
        itertools.product(Codec, Colours), itertools.cycle(["mkv", "mp4"]), strict=False
    )
]


@pytest.mark.parametrize(("codec", "colours", "suffix"), LOSSLESS)
def test_a_lossless_reel_returns_every_pixel(folder, codec, colours, suffix):
    pages = list(reel_samples.pages(6))
    if colours is not Colours.PALETTE:
        pages.append(ReelPage("photo", reel_samples.photo()))
    written = write(folder, pages, f"reel.{suffix}", codec=codec, colours=colours)
    opened = open_reel(written.path)
    assert opened.index == written.index
    for page, (entry, pixels) in zip(pages, opened.take(range(1, len(pages) + 1)), strict=True):
        assert (entry.name, entry.number, entry.page, entry.size_px) == (
            page.name,
            page.number,
            page.page,
            page.size_px,
        )
        assert pixels.dpi == page.pixels.dpi
        before = page.pixels
        if colours is Colours.PALETTE:
            assert np.array_equal(pixels.index, before.index)
            assert np.array_equal(pixels.palette, before.palette)
        elif colours is Colours.GREY and isinstance(before, PagePixels):
            assert np.array_equal(pixels.grey(), before.grey())
        elif colours is Colours.RGB:
            assert np.array_equal(pixels.rgb, before.rgb() if isinstance(before, PagePixels) else before.rgb)


@pytest.mark.parametrize(("codec", "colours"), list(itertools.product(Codec, (Colours.GREY, Colours.RGB))))
def test_a_near_lossless_reel_says_how_near(folder, codec, colours):
    pages = list(reel_samples.pages(5))
    written = write(folder, pages, "reel.mp4", codec=codec, colours=colours, mode=Mode.NEAR, quantizer=12)
    for page, (entry, pixels) in zip(pages, open_reel(written.path).take(range(1, 6)), strict=True):
        before, after = page.pixels.grey(), pixels.grey() if isinstance(pixels, PagePixels) else pixels.rgb
        if colours is Colours.RGB:
            before = page.pixels.rgb()
        assert max_error(before, after) == entry.max_error
        assert 0 < entry.max_error < 120
        assert 0.9 < entry.ssim < 1


@pytest.mark.parametrize("colours", [Colours.GREY, Colours.RGB])
def test_paper_stays_white_and_ink_black(folder, colours):
    """A range that is narrowed on the way in or out would show here."""
    index = np.zeros((170, 212), np.uint8)
    index[40:120, 60:150] = 1
    page = ReelPage("square", PagePixels(index, reel_samples.PALETTE, 300))
    written = write(folder, [page], mode=Mode.NEAR, colours=colours)
    ((_, pixels),) = open_reel(written.path).take([1])
    seen = pixels.grey() if isinstance(pixels, PagePixels) else pixels.rgb
    assert seen[8:32, 8:50].min() >= 253
    assert seen[60:100, 80:130].max() <= 2


@pytest.mark.parametrize("form", list(FrameFormat))
def test_what_is_beside_a_smaller_page_is_paper_not_the_page_before(form):
    has_colours = form not in (FrameFormat.GRAY, FrameFormat.YUV420)
    frame = FrameBuffer((200, 160), form)
    shape = (3,) if has_colours else ()
    frame.fill(np.zeros((160, 200, *shape), np.uint8))
    small = np.full((10, 20, *shape), 255, np.uint8)
    used = b"".join(bytes(view) for view in frame.fill(small))
    fresh = b"".join(bytes(view) for view in FrameBuffer((200, 160), form).fill(small))
    assert used == fresh
    if form is FrameFormat.YUV444:
        # Paper has no colour: its chroma is in the middle.
        assert set(used[: 200 * 160]) == {255}
        assert set(used[200 * 160 :]) == {128}
    else:
        assert set(used) == ({255, 128} if form is FrameFormat.YUV420 else {255})


def test_a_coarser_quantiser_takes_fewer_bytes_and_errs_more(folder):
    fine, coarse = (
        write(folder, reel_samples.pages(4), f"{quantizer}.mkv", mode=Mode.NEAR, quantizer=quantizer)
        for quantizer in (8, 40)
    )
    assert coarse.size < fine.size
    assert max(e.max_error for e in coarse.index.pages) > max(e.max_error for e in fine.index.pages)


def test_pages_of_several_sizes_and_palettes_keep_theirs(folder):
    sizes = [(212, 171), (33, 171), (212, 9), (1, 1), (211, 170)]
    palettes = [reel_samples.PALETTE[:n] for n in (6, 2, 3, 1, 5)]
    pages = [
        ReelPage(str(place), reel_samples.indexed(place, size, palette))
        for place, (size, palette) in enumerate(zip(sizes, palettes, strict=True))
    ]
    for colours in Colours:
        opened = open_reel(write(folder, pages, f"{colours}.mkv", colours=colours, is_checked=False).path)
        for page, (entry, pixels) in zip(pages, opened.take(range(1, 6)), strict=True):
            assert entry.size_px == page.size_px
            seen = pixels.rgb if isinstance(pixels, RgbPixels) else pixels.rgb()
            grey = np.repeat(page.pixels.grey()[:, :, None], 3, axis=2)
            assert np.array_equal(seen, grey if colours is Colours.GREY else page.pixels.rgb())


@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
@pytest.mark.parametrize("codec", Codec)
def test_any_page_is_found_alone(folder, codec, suffix):
    pages = list(reel_samples.pages(10))
    opened = open_reel(write(folder, pages, f"reel.{suffix}", codec=codec, is_checked=False).path)
    for place in (4, 5, 10):
        ((entry, pixels),) = opened.take([place])
        assert entry.frame == place - 1
        assert np.array_equal(pixels.index, pages[place - 1].pixels.index)


def test_pages_are_taken_once_in_order_and_unknown_ones_refused_first(folder):
    opened = open_reel(write(folder, reel_samples.pages(9)).path)
    assert [entry.frame for entry, _ in opened.take([9, 2, 2, 3])] == [1, 2, 8]
    with pytest.raises(InputError, match="no page 0, 10"):
        opened.take([1, 10, 0])


def test_page_900_of_1000_decodes_what_follows_its_key_frame_alone(folder):
    small = reel_samples.indexed(3, (40, 30))
    pages = (ReelPage(str(place), small) for place in range(1000))
    opened = open_reel(write(folder, pages, largest=(40, 30), keyframe_every=16, is_checked=False).path)
    argv = opened.decode_argv(Stretch(899, 1))
    argv[argv.index("-loglevel") + 1] = "verbose"
    done = subprocess.run(argv, capture_output=True, check=True)
    said = done.stderr.decode()
    assert len(done.stdout) == 160 * 160
    decoded = int(said.partition(" frames decoded")[0].rpartition(" ")[2])
    # The key frame is 896; FFmpeg reads a little ahead.
    assert 4 <= decoded <= 16
    ((entry, pixels),) = opened.take([900])
    assert entry.name == "899"
    assert np.array_equal(pixels.index, small.index)


def test_stretches_join_what_is_cheaper_decoded_at_a_go():
    assert stretches([0, 1, 2], 16) == [Stretch(0, 3)]
    assert stretches([0, 15], 16) == [Stretch(0, 16)]
    assert stretches([0, 31], 16) == [Stretch(0, 1), Stretch(31, 1)]
    assert stretches([15, 17], 16) == [Stretch(15, 3)]
    assert stretches([], 16) == []


@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
def test_the_same_pages_make_the_same_bytes(folder, suffix):
    for mode in Mode:
        first, second = (
            write(folder, reel_samples.pages(5), f"{mode}{n}.{suffix}", mode=mode, is_checked=False).path
            for n in (1, 2)
        )
        assert first.read_bytes() == second.read_bytes()


def test_the_index_is_inside_where_other_programs_find_it_and_renaming_does_no_harm(folder):
    written = write(folder, reel_samples.pages(3), "reel.mp4")
    moved = written.path.rename(folder / "moved.bin")
    assert open_reel(moved).index == written.index
    written = write(folder, reel_samples.pages(3), "reel.mkv")
    command = ["ffmpeg", "-v", "error", "-dump_attachment:t:0", folder / "i.json", "-i", written.path]
    subprocess.run([*command, "-t", "0", "-c", "copy", "-f", "null", "-"], check=True)
    assert json.loads((folder / "i.json").read_bytes())["pages"][2]["name"] == "page 3"


@pytest.mark.parametrize("name", ["reel.mkv", "reel.mp4"])
def test_players_are_told_full_range(folder, need, name):
    need("ffprobe")
    for mode, colours in ((Mode.LOSSLESS, Colours.PALETTE), (Mode.NEAR, Colours.GREY), (Mode.NEAR, Colours.RGB)):
        path = write(folder, reel_samples.pages(2), f"{mode}-{colours}-{name}", mode=mode, colours=colours).path
        said = subprocess.run(
            ["ffprobe", "-v", "error", "-show_streams", path], capture_output=True, text=True, check=True
        )
        assert "color_range=pc" in said.stdout


def test_more_effort_never_takes_more_bytes(folder):
    fast, small = (
        write(folder, reel_samples.pages(8), f"{e}.mkv", effort=e, is_checked=False)
        for e in (Effort.FAST, Effort.SMALL)
    )
    assert small.size <= fast.size
