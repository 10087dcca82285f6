"""The case of reels, run once with two pages: its figures are of the right kind, and its checks can fail."""

import json

import pytest

from bench.__main__ import main
from bench.cases import reel
from bench.runner import CheckFailed

pytestmark = [pytest.mark.fonts, pytest.mark.slow]


@pytest.fixture(autouse=True)
def _quick(monkeypatch, need):
    need("ffmpeg")
    monkeypatch.setattr(reel, "_REPEATS", 1)
    few = ("h264_lossless_palette", "h264_near_grey")
    monkeypatch.setattr(reel, "WAYS", {name: reel.WAYS[name] for name in few})


def test_case_reports_bytes_times_and_errors(tmp_path, capsys):
    path = tmp_path / "report.json"
    assert main(["run", "reel", "--count", "2", "--json", str(path)]) == 0
    rows = {row["case"]: row for row in json.loads(path.read_text(encoding="utf-8"))["results"]}
    assert set(rows) == {"reel.h264_lossless_palette", "reel.h264_near_grey", "reel.png"}
    for row in rows.values():
        assert row["peer"] == "WebP"
        assert min(row["median_ms"], row["cpu_ms"], row["bytes"], row["peer_bytes"], row["peer_median_ms"]) > 0
    lossless, near = rows["reel.h264_lossless_palette"], rows["reel.h264_near_grey"]
    assert (lossless["max_error"], lossless["ssim"]) == (0, 1)
    assert near["max_error"] > 0
    assert 0.9 < near["ssim"] < 1
    assert near["bytes"] < lossless["bytes"]
    shown = capsys.readouterr().out
    assert "h264 lossless palette" in shown
    assert "WebP lossless, by Pillow" in shown


def test_a_qr_code_that_cannot_be_read_stops_the_case(monkeypatch):
    monkeypatch.setattr(reel.checks, "qr_problems", lambda *_: ["0 QR codes were read"])
    with pytest.raises(CheckFailed, match="0 QR codes"):
        reel.run(1)
