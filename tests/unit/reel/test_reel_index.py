"""An index from outside is believed only where ours could have written it."""

import json

import pytest

from render.errors import InputError, MalformedInput
from render.reel import index as reel_index
from render.reel.container import add_index
from render.reel.index import from_json, to_json
from render.reel.program import find_ffmpeg
from render.reel.reader import open_reel
from render.reel.writer import write_reel
from tests.unit.reel import reel_samples
from tests.unit.reel.reel_samples import settings


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    target = tmp_path_factory.mktemp("reel") / "reel.mp4"
    return write_reel(target, reel_samples.pages(6), reel_samples.SIZE, settings())


def test_an_index_is_read_as_it_was_written(written):
    assert from_json(to_json(written.index)) == written.index


CHANGES = {
    "format": {"format": "other"},
    "version": {"version": 2},
    "no pages": {"pages": []},
    "odd frame": {"frame_px": [211, 171]},
    "huge frame": {"frame_px": [90000, 90000]},
    "negative frame": {"frame_px": [-2, 172]},
    "key frames": {"keyframe_every": 0},
    "codec": {"codec": "vp9"},
    "palette of five bytes": {"palettes": [{"rgb": "0011223344", "levels": "0001"}]},
    "levels twice": {"palettes": [{"rgb": "000000111111", "levels": "0505"}]},
    "no hexadecimal": {"palettes": [{"rgb": "zz", "levels": "00"}]},
    "colours without palette": {"colours": "rgb"},
}


@pytest.mark.parametrize("changes", CHANGES.values(), ids=CHANGES)
def test_an_index_that_was_tampered_with_is_refused(written, changes):
    with pytest.raises(MalformedInput):
        from_json(json.dumps(json.loads(to_json(written.index)) | changes).encode())


ENTRIES = {
    "folder": {"name": "../up"},
    "absolute": {"name": "/etc/passwd"},
    "hidden": {"name": ".bashrc"},
    "escape": {"name": "a\x1b[31m"},
    "empty": {"name": ""},
    "twice": {"name": "page 1"},
    "too wide": {"size_px": [5000, 10]},
    "nothing": {"size_px": [0, 10]},
    "frame": {"frame": 5},
    "keyframe": {"keyframe": 1},
    "palette": {"palette": 9},
    "negative palette": {"palette": -1},
    "digest": {"digest": "md5:00"},
    "dpi": {"dpi": -1},
    "text for number": {"dpi": "300"},
}


@pytest.mark.parametrize("changes", ENTRIES.values(), ids=ENTRIES)
def test_an_entry_that_was_tampered_with_is_refused(written, changes):
    document = json.loads(to_json(written.index))
    document["pages"][3] |= changes
    with pytest.raises(MalformedInput):
        from_json(json.dumps(document).encode())


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff\xfe", b"null", b"[" * 5000])
def test_what_is_no_json_object_is_refused(data):
    with pytest.raises(MalformedInput):
        from_json(data)


def test_an_index_beyond_the_limit_is_neither_written_nor_read(written, monkeypatch, tmp_path):
    monkeypatch.setattr(reel_index, "MAX_INDEX_BYTES", 100)
    with pytest.raises(InputError, match="bytes"):
        to_json(written.index)
    monkeypatch.setattr("render.reel.container.MAX_INDEX_BYTES", 100)
    with pytest.raises(MalformedInput, match="more than 100 bytes"):
        open_reel(written.path)


def test_files_that_are_no_reels_are_named_for_what_they_are(tmp_path, need):
    need("ffmpeg")
    for name, data, said in (
        ("none", None, "is no file"),
        ("text", b"hello, world", "neither Matroska nor MP4"),
        ("empty", b"", "neither Matroska nor MP4"),
        ("cut.mkv", b"\x1a\x45\xdf\xa3" + bytes(50), "is damaged"),
        ("bare.mp4", b"\0\0\0\x10ftypisom\0\0\0\0", "no index of a reel"),
        ("loop.mp4", b"\0\0\0\x00ftypisom\0\0\0\0", "no index of a reel"),
        ("long.mp4", b"\0\0\0\x01ftyp\xff\xff\xff\xff\xff\xff\xff\xff", "no index of a reel"),
    ):
        if data is not None:
            (tmp_path / name).write_bytes(data)
        with pytest.raises(MalformedInput, match=said):
            open_reel(tmp_path / name)
    with pytest.raises(MalformedInput, match="is no file"):
        open_reel(tmp_path)


def test_a_matroska_file_without_attachment_is_no_reel(tmp_path, need):
    need("ffmpeg")
    from tests.unit.reel.bare_matroska import write_bare

    with pytest.raises(MalformedInput, match="no index of a reel"):
        open_reel(write_bare(tmp_path / "bare.mkv"))


@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
def test_damage_in_the_frames_is_noticed(tmp_path, suffix):
    target = tmp_path / f"reel.{suffix}"
    write_reel(target, reel_samples.pages(6), reel_samples.SIZE, settings())
    data = bytearray(target.read_bytes())
    middle = len(data) // 3
    for place in range(middle, middle + 40):
        data[place] ^= 0x55
    target.write_bytes(bytes(data))
    with pytest.raises(MalformedInput, match=r"damaged|ends before|index"):
        list(open_reel(target).take(range(1, 7)))


def test_frames_of_another_reel_are_not_taken_for_its_own(tmp_path):
    """A valid file whose index belongs to other pages."""
    mine = write_reel(tmp_path / "a.mp4", reel_samples.pages(4), reel_samples.SIZE, settings())
    pages = list(reel_samples.pages(5))[1:]
    other = write_reel(tmp_path / "b.mp4", pages, reel_samples.SIZE, settings())
    data = other.path.read_bytes()
    body = tmp_path / "body.mp4"
    body.write_bytes(data[: data.rindex(b"uuid") - 4])
    whole = add_index(find_ffmpeg(), body, to_json(mine.index), "mp4")
    with pytest.raises(MalformedInput, match=r"page 1 of .* is not what the index states"):
        next(open_reel(whole).take([1]))
