"""Whatever fails, the error says what and nothing is left: no file of 0 bytes, no part of one, no hidden folder."""

import os
import signal
import subprocess
import sys
import textwrap
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from render.errors import BackendUnavailable, EncoderFailed, InputError, OutputInvalid, StoreConflict, StoreError
from render.reel import program, writer
from render.reel.page import ReelPage
from render.reel.program import failure
from render.reel.reader import open_reel
from render.reel.settings import Colours, Mode, ReelSettings
from render.reel.writer import write_reel
from tests.unit.reel import reel_samples
from tests.unit.reel.reel_samples import settings

LARGE = (1600, 1200)


@pytest.fixture(autouse=True)
def _ffmpeg(need):
    need("ffmpeg")


def children():
    """Process ids of FFmpegs that this process started."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")
                name, parent = fields[0].partition("(")[2], int(fields[2].split()[1])
            except (FileNotFoundError, ProcessLookupError):
                continue
            if parent == os.getpid() and name == "ffmpeg":
                found.append(int(entry.name))
    return found


@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
@pytest.mark.parametrize("mode", Mode)
def test_a_real_ffmpeg_that_is_killed_leaves_nothing(folder, mode, suffix):
    def pages():
        for place, page in enumerate(reel_samples.pages(60, size=LARGE)):
            if place == 8:
                (victim,) = children()
                os.kill(victim, signal.SIGKILL)
            yield page

    with pytest.raises(EncoderFailed, match="SIGKILL"):
        write_reel(folder / f"reel.{suffix}", pages(), LARGE, settings(mode=mode))
    assert list(folder.iterdir()) == []
    assert children() == []


def test_a_missing_ffmpeg_is_said_before_anything_is_made(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BackendUnavailable, match=r"FFmpeg is not on this machine.*kaipiao setup"):
        write_reel(folder / "reel.mkv", reel_samples.pages(2), reel_samples.SIZE, settings())
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("script", "error", "said"),
    [
        ("echo 'av_interleaved_write_frame(): No space left on device' >&2; exit 1", StoreError, "disk is full"),
        ("cat >/dev/null; echo 'Error writing trailer: No space left on device' >&2", StoreError, "disk is full"),
        ("echo \"Unknown encoder 'libx264'\" >&2; exit 1", BackendUnavailable, "no encoder libx264"),
        ("echo '[libx264 @ 0x55ff52] broken' >&2; exit 234", EncoderFailed, r"status 234: \[libx264\] broken"),
        ("exit 3", EncoderFailed, "status 3: nothing was said"),
        ("kill -TERM $$", EncoderFailed, "SIGTERM"),
        ("cat >/dev/null", EncoderFailed, "wrote 0 of 30 pages"),
    ],
)
def test_an_ffmpeg_that_fails_is_named_for_how(folder, ffmpeg_that, script, error, said):
    ffmpeg_that(f'case "$*" in *-version*) exec $REAL "$@";; esac\n{script}')
    with pytest.raises(error, match=said):
        write_reel(folder / "reel.mp4", reel_samples.pages(30), reel_samples.SIZE, settings(is_checked=False))
    assert list(folder.iterdir()) == []


def test_an_ffmpeg_that_cannot_run_is_unavailable(folder, ffmpeg_that):
    place = ffmpeg_that("exit 0")
    (place / "ffmpeg").write_text("#!/nonexistent/shell\n")
    with pytest.raises(BackendUnavailable, match="cannot be started"):
        write_reel(folder / "reel.mp4", reel_samples.pages(3), reel_samples.SIZE, settings())
    assert list(folder.iterdir()) == []


def test_an_ffmpeg_that_stalls_is_ended(folder, ffmpeg_that):
    ffmpeg_that('case "$*" in *-version*) exec $REAL "$@";; esac\nexec sleep 60')
    with pytest.raises(EncoderFailed, match=r"no progress for 0\.3 s"):
        write_reel(folder / "reel.mp4", reel_samples.pages(200), reel_samples.SIZE, settings(), stall_s=0.3)
    assert list(folder.iterdir()) == []


def test_an_encoder_that_changes_pixels_is_found_out(folder, monkeypatch):
    """A quantiser in a lossless reel: every page is a little wrong."""
    real = writer.choose_encoder

    def coarse(*arguments):
        chosen = real(*arguments)
        chosen.options["qp"] = "20"
        return chosen

    monkeypatch.setattr(writer, "choose_encoder", coarse)
    with pytest.raises(OutputInvalid, match=r"page 1 .* not what the index states"):
        write_reel(folder / "reel.mkv", reel_samples.pages(3), reel_samples.SIZE, settings())
    assert list(folder.iterdir()) == []


def test_frames_that_get_lost_are_found_out(folder, ffmpeg_that):
    ffmpeg_that('case "$*" in *pipe:0*) exec $REAL -t 2 "$@";; *) exec $REAL "$@";; esac')
    with pytest.raises(EncoderFailed, match="wrote 2 of 5 pages"):
        write_reel(folder / "reel.mkv", reel_samples.pages(5), reel_samples.SIZE, settings())
    assert list(folder.iterdir()) == []


def test_a_source_of_pages_that_breaks_leaves_nothing(folder):
    def pages():
        yield from reel_samples.pages(3)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_reel(folder / "reel.mkv", pages(), reel_samples.SIZE, settings())
    assert list(folder.iterdir()) == []
    assert children() == []


def refused(folder, pages, largest=reel_samples.SIZE, name="reel.mkv", **changes):
    with pytest.raises(InputError) as caught:
        write_reel(folder / name, pages, largest, settings(**changes))
    assert list(folder.iterdir()) == []
    return str(caught.value)


def test_what_cannot_be_a_reel_is_refused(folder):
    page = reel_samples.indexed()
    assert "at least one page" in refused(folder, [])
    assert "reel.name_twice" in refused(folder, [ReelPage("a", page)] * 2)
    assert "reel.frame_too_small" in refused(folder, [ReelPage("a", page)], (100, 171))
    assert "reel.frame_pixels" in refused(folder, [ReelPage("a", page)], (90_000, 90_000))
    assert ".mkv or .mp4" in refused(folder, [ReelPage("a", page)], name="reel.avi")
    assert "more than 256 colours" in refused(folder, [ReelPage("a", reel_samples.photo())])
    for name in ("", "../up", "/x", ".hidden", "a/b", "a\0", "a\n", "é" * 121):
        assert "reel.name" in refused(folder, [ReelPage(name, page)])


def test_settings_that_contradict_one_another_are_all_named():
    with pytest.raises(InputError) as caught:
        ReelSettings(quantizer=99, keyframe_every=0, threads=0).complete()
    rules = {fault.rule for fault in caught.value.faults}
    assert rules == {
        "reel.quantizer_lossless",
        "reel.quantizer_range",
        "reel.keyframe_every_range",
        "reel.threads_range",
    }
    with pytest.raises(InputError, match=r"reel\.palette_near"):
        ReelSettings(mode=Mode.NEAR, colours=Colours.PALETTE).complete()


def test_a_name_that_is_taken_is_kept_unless_replacing_was_asked_for(folder):
    target = folder / "reel.mkv"
    target.write_bytes(b"precious")
    with pytest.raises(StoreConflict, match="already there"):
        write_reel(target, reel_samples.pages(2), reel_samples.SIZE, settings())
    assert target.read_bytes() == b"precious"
    write_reel(target, reel_samples.pages(2), reel_samples.SIZE, settings(), is_replacing=True)
    assert len(open_reel(target).index.pages) == 2
    assert [path.name for path in folder.iterdir()] == ["reel.mkv"]


def test_a_name_that_is_taken_meanwhile_is_kept_too(folder):
    target = folder / "reel.mkv"

    def pages():
        yield from reel_samples.pages(2)
        target.write_bytes(b"precious")

    with pytest.raises(StoreConflict):
        write_reel(target, pages(), reel_samples.SIZE, settings())
    assert target.read_bytes() == b"precious"
    assert [path.name for path in folder.iterdir()] == ["reel.mkv"]


def test_a_folder_that_is_not_there_is_named(folder):
    with pytest.raises(StoreError, match="No such file or directory"):
        write_reel(folder / "none" / "reel.mkv", reel_samples.pages(2), reel_samples.SIZE, settings())


def test_what_a_killed_process_left_behind_is_removed_by_the_next_and_no_other_folder(folder):
    program_text = textwrap.dedent(f"""
        import os, signal
        from pathlib import Path
        from tests.unit.reel import reel_samples
        from render.reel.writer import write_reel
        def pages():
            yield from reel_samples.pages(3)
            os.kill(os.getpid(), signal.SIGKILL)
        write_reel(Path({str(folder)!r}) / "reel.mkv", pages(), reel_samples.SIZE, reel_samples.settings())
    """)
    done = subprocess.run([sys.executable, "-c", program_text], cwd=Path(__file__).parents[3], check=False)
    assert done.returncode == -signal.SIGKILL
    (orphan,) = folder.iterdir()
    assert orphan.name.startswith(".kaipiao-reel-")
    seen = []

    def pages():
        yield from reel_samples.pages(2)
        seen.extend(path.name for path in folder.iterdir())
        # A second reel beside this one must leave this one's folder alone.
        write_reel(folder / "other.mkv", reel_samples.pages(1), reel_samples.SIZE, settings())

    write_reel(folder / "reel.mkv", pages(), reel_samples.SIZE, settings())
    assert orphan.name not in seen
    assert sorted(path.name for path in folder.iterdir()) == ["other.mkv", "reel.mkv"]


def test_memory_does_not_grow_with_the_pages(folder):
    page = reel_samples.indexed(1, (160, 160))

    def peak(count):
        pages = (ReelPage(f"{place}", page) for place in range(count))
        tracemalloc.start()
        write_reel(folder / f"{count}.mp4", pages, (160, 160), settings(is_checked=False))
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    peak(10)
    few, many = peak(50), peak(1050)
    # An index entry and its JSON, nothing of 25,600 pixels.
    assert many - few < 1000 * 2500


def test_an_exit_status_beyond_all_signals_is_still_told():
    assert "ended by 200" in str(failure(-200, ""))


def test_the_environment_of_the_child_writes_no_reports(monkeypatch):
    monkeypatch.setenv("FFREPORT", "file=/report.log")
    assert "FFREPORT" not in program._environment()
    assert program._environment()["LC_ALL"] == "C"


def test_an_index_outside_its_palette_is_refused(folder):
    page = reel_samples.indexed()
    broken = np.full_like(page.index, 9)
    with pytest.raises(InputError, match=r"encode\.index_range"):
        write_reel(
            folder / "reel.mkv",
            [ReelPage("a", type(page)(broken, page.palette, 300))],
            reel_samples.SIZE,
            settings(),
        )
    assert list(folder.iterdir()) == []
