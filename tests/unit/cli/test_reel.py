"""`kaipiao reel`: pictures and invoices in, a reel out, and the same pages back."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from render.errors import InputError
from tests.unit.reel import reel_samples
from workers.cli.reel import parse_pages

INVOICES = Path(__file__).parents[2] / "data" / "invoices"


@pytest.fixture(autouse=True)
def _ffmpeg(need):
    need("ffmpeg")


@pytest.fixture
def pictures(tmp_path):
    files = []
    for place in range(4):
        page = reel_samples.indexed(place)
        image = Image.new("P", reel_samples.SIZE)
        image.putdata(page.index.ravel().tolist())
        image.putpalette(page.palette.tobytes())
        files.append(tmp_path / f"picture {place}.png")
        image.save(files[-1], dpi=(200, 200))
    return files


def made(kaipiao, tmp_path, files, *more, name="reel.mkv"):
    ended = kaipiao("reel", "make", *files, "--out", tmp_path / name, "--device", "cpu", "--json", *more)
    return ended, json.loads(ended.out)


def test_pictures_go_in_and_the_same_indices_come_out(kaipiao, tmp_path, pictures):
    ended, document = made(kaipiao, tmp_path, pictures)
    assert ended.code == 0
    assert document["refused"] == []
    reel = document["reel"]
    assert (reel["pages"], reel["encoder"], reel["device"], reel["fallback"]) == (4, "libx264", "cpu", "")
    assert reel["bytes"] == (tmp_path / "reel.mkv").stat().st_size
    out = tmp_path / "taken"
    assert kaipiao("reel", "extract", tmp_path / "reel.mkv", "--pages", "2,4", "--out", out).code == 0
    assert sorted(path.name for path in out.iterdir()) == ["picture 1.png", "picture 3.png"]
    with Image.open(out / "picture 3.png") as image, Image.open(pictures[3]) as before:
        assert image.mode == "P"
        assert np.array_equal(np.asarray(image), np.asarray(before))
        assert image.getpalette()[: 3 * 6] == before.getpalette()[: 3 * 6]
        assert round(image.info["dpi"][0]) == 200


@pytest.mark.fonts
def test_invoices_are_drawn_and_found_by_their_number(kaipiao, tmp_path, renderer):
    ended, document = made(kaipiao, tmp_path, [INVOICES / "ordinary.json", INVOICES / "red.json"], "--dpi", "96")
    assert (ended.code, document["reel"]["pages"]) == (0, 2)
    listed = json.loads(kaipiao("reel", "list", tmp_path / "reel.mkv", "--json").out)
    numbers = [page["number"] for page in listed["pages"]]
    assert numbers == [json.loads((INVOICES / f"{name}.json").read_bytes())["number"] for name in ("ordinary", "red")]
    out = tmp_path / "taken"
    ended = kaipiao("reel", "extract", tmp_path / "reel.mkv", "--number", numbers[1], "--out", out)
    assert [path.name for path in out.iterdir()] == [f"{numbers[1]}.png"]
    rendered = kaipiao("render", INVOICES / "red.json", "--png", "--dpi", "96", "--out", tmp_path / "png")
    assert rendered.code == 0
    assert (out / f"{numbers[1]}.png").read_bytes() == (tmp_path / "png" / f"{numbers[1]}.png").read_bytes()


def test_the_list_names_every_page_for_people(kaipiao, tmp_path, pictures):
    made(kaipiao, tmp_path, pictures, "--mode", "near", "--colours", "grey", "--codec", "hevc", name="reel.mp4")
    shown = kaipiao("reel", "list", tmp_path / "reel.mp4")
    assert shown.code == 0
    for part in ("hevc near, grey, by libx265", "frames of 212 × 172", "picture 0", "212 × 171", "max error", "0.9"):
        assert part in shown.words


def test_a_near_reel_reports_its_errors(kaipiao, tmp_path, pictures):
    _, document = made(kaipiao, tmp_path, pictures, "--mode", "near", "--quantizer", "20")
    assert 0 < document["reel"]["max_error"] < 200
    assert 0.5 < document["reel"]["least_ssim"] < 1
    out = tmp_path / "taken"
    assert kaipiao("reel", "extract", tmp_path / "reel.mkv", "--out", out).code == 0
    with Image.open(out / "picture 0.png") as image:
        assert (image.mode, image.size) == ("RGB", reel_samples.SIZE)


def test_a_bad_file_is_named_and_the_others_go_on(kaipiao, tmp_path, pictures):
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"\x89PNG\r\n\x1a\nnonsense")
    ended, document = made(kaipiao, tmp_path, [pictures[0], bad, tmp_path / "none.json", pictures[1]])
    assert ended.code == 2
    assert [Path(row["file"]).name for row in document["refused"]] == ["bad.png", "none.json"]
    assert document["reel"]["pages"] == 2


def test_nothing_is_written_where_every_file_is_bad(kaipiao, tmp_path):
    bad = tmp_path / "bad.json"
    bad.write_bytes(b"{")
    ended = kaipiao("reel", "make", bad, "--out", tmp_path / "reel.mkv")
    assert ended.code == 2
    assert "input_malformed" in ended.words
    assert not (tmp_path / "reel.mkv").exists()


def test_same_names_are_told_apart(kaipiao, tmp_path, pictures):
    _, document = made(kaipiao, tmp_path, [pictures[0], pictures[0], pictures[0]])
    assert document["reel"]["pages"] == 3
    listed = json.loads(kaipiao("reel", "list", tmp_path / "reel.mkv", "--json").out)
    assert [page["name"] for page in listed["pages"]] == ["picture 0", "picture 0~2", "picture 0~3"]


def test_what_is_there_is_replaced_by_force_alone(kaipiao, tmp_path, pictures):
    made(kaipiao, tmp_path, pictures)
    ended, document = made(kaipiao, tmp_path, pictures[:1])
    assert (ended.code, document["error"]["code"]) == (1, "store_conflict")
    assert made(kaipiao, tmp_path, pictures[:1], "--force")[0].code == 0
    out = tmp_path / "taken"
    out.mkdir()
    (out / "picture 0.png").write_bytes(b"mine")
    ended = kaipiao("reel", "extract", tmp_path / "reel.mkv", "--out", out)
    assert (ended.code, (out / "picture 0.png").read_bytes()) == (1, b"mine")
    assert kaipiao("reel", "extract", tmp_path / "reel.mkv", "--out", out, "--force").code == 0
    assert (out / "picture 0.png").read_bytes().startswith(b"\x89PNG")


def test_a_fallback_is_told(kaipiao, tmp_path, pictures, monkeypatch):
    from render.reel import encoders
    from render.reel.program import failure

    gone = failure(1, "[h264_nvenc @ 0x5] Cannot load libcuda.so.1")
    monkeypatch.setattr(encoders, "_session", lambda *_: gone)
    ended = kaipiao("reel", "make", pictures[0], "--out", tmp_path / "reel.mkv")
    assert ended.code == 0
    assert "libx264 on cpu" in ended.words
    assert "not by NVENC: there is no NVIDIA driver" in ended.words
    ended = kaipiao("reel", "make", pictures[0], "--out", tmp_path / "cuda.mkv", "--device", "cuda")
    assert (ended.code, "backend_unavailable" in ended.words) == (1, True)
    assert not (tmp_path / "cuda.mkv").exists()


def test_a_number_or_place_that_is_not_there_is_refused(kaipiao, tmp_path, pictures):
    made(kaipiao, tmp_path, pictures[:2])
    reel = tmp_path / "reel.mkv"
    for options in (("--pages", "3"), ("--pages", "x"), ("--number", "25"), ("--pages", "2-1")):
        ended = kaipiao("reel", "extract", reel, *options, "--out", tmp_path / "taken")
        assert (ended.code, "input_invalid" in ended.words) == (2, True)
    ended = kaipiao("reel", "list", pictures[0])
    assert (ended.code, "neither Matroska nor MP4" in ended.words) == (2, True)


@pytest.mark.parametrize(("text", "pages"), [("3", {3}), ("3,7-9", {3, 7, 8, 9}), (" 1 , 2-2 ", {1, 2}), ("5,5", {5})])
def test_pages_are_told(text, pages):
    assert parse_pages(text) == pages


@pytest.mark.parametrize("text", ["a", "1,,2", "-3", "3-", "9-7", "1-999999999", "1.5", "٣-"])
def test_other_texts_are_no_pages(text):
    with pytest.raises(InputError, match=r"reel\.pages_form"):
        parse_pages(text)


def test_every_subcommand_has_help(kaipiao):
    for name in ("make", "list", "extract"):
        shown = kaipiao("reel", name, "--help")
        assert shown.code == 0
        assert f"Usage: kaipiao reel {name}" in shown.out
