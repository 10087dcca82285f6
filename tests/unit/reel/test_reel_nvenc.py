"""NVENC, as far as a machine without a card reaches: argv that FFmpeg accepts, the exact failure, nothing left."""

import logging
import subprocess

import pytest

from render.errors import BackendUnavailable
from render.reel.encoders import PROBE_SIDE, choose_encoder, cpu_encoder, nvenc_encoder
from render.reel.frames import FrameFormat
from render.reel.nvenc_failure import recognise
from render.reel.program import find_ffmpeg
from render.reel.settings import Codec, Colours, Device, Effort, Mode
from render.reel.writer import write_reel
from tests.unit.reel import reel_samples
from tests.unit.reel.reel_samples import settings

WAYS = [
    (codec, mode, colours, effort)
    for codec in Codec
    for mode, colours in (
        (Mode.LOSSLESS, Colours.PALETTE),
        (Mode.LOSSLESS, Colours.RGB),
        (Mode.NEAR, Colours.GREY),
        (Mode.NEAR, Colours.RGB),
    )
    for effort in Effort
]
NO_DRIVER = "Cannot load libcuda.so.1"


def asked(codec=Codec.H264, mode=Mode.LOSSLESS, colours=None, effort=Effort.FAST, device=Device.CUDA):
    return settings(codec=codec, mode=mode, colours=colours, effort=effort, device=device).complete()


@pytest.fixture
def ffmpeg(need):
    need("ffmpeg")
    return find_ffmpeg()


@pytest.fixture
def without_driver(ffmpeg):
    """Skip where a driver is: there, the tests marked gpu say more."""
    try:
        choose_encoder(asked(), (PROBE_SIDE, PROBE_SIDE), ffmpeg)
    except BackendUnavailable:
        return ffmpeg
    return pytest.skip("NVENC opens a session here")


@pytest.mark.parametrize(("codec", "mode", "colours", "effort"), WAYS)
def test_the_real_ffmpeg_takes_every_option_up_to_the_driver(without_driver, tmp_path, codec, mode, colours, effort):
    encoder = nvenc_encoder(asked(codec, mode, colours, effort))
    argv = encoder.argv(without_driver, (PROBE_SIDE, PROBE_SIDE), str(tmp_path / "out.mkv"), "matroska")
    size = PROBE_SIDE * PROBE_SIDE * 3
    done = subprocess.run(argv, input=bytes(size), capture_output=True, check=False)
    said = done.stderr.decode()
    assert done.returncode != 0
    # An unknown option, preset or pixel format would have ended it before it looked for the driver.
    assert NO_DRIVER in said, said
    assert "Unrecognized option" not in said
    assert "Incompatible pixel format" not in said


def test_the_exact_failure_is_recognised(without_driver):
    with pytest.raises(BackendUnavailable, match="no NVIDIA driver") as caught:
        choose_encoder(asked(), (640, 480), without_driver)
    assert "device cpu" in caught.value.hint


@pytest.mark.parametrize("codec", Codec)
def test_cuda_that_is_impossible_leaves_no_file(without_driver, folder, codec):
    with pytest.raises(BackendUnavailable):
        write_reel(folder / "reel.mkv", reel_samples.pages(2), reel_samples.SIZE, asked(codec))
    assert list(folder.iterdir()) == []


def test_auto_falls_back_with_the_reason_and_names_what_ran(without_driver, folder, caplog):
    with caplog.at_level(logging.INFO):
        written = write_reel(folder / "reel.mkv", reel_samples.pages(2), reel_samples.SIZE, asked(device=Device.AUTO))
    assert (written.encoder, written.device) == ("libx264", "cpu")
    assert (written.index.encoder, written.index.device) == ("libx264", "cpu")
    assert "no NVIDIA driver" in written.fallback
    assert "backend.fallback encoder=h264_nvenc to=cpu reason=there is no NVIDIA driver" in caplog.text
    on_cpu = write_reel(folder / "cpu.mkv", reel_samples.pages(2), reel_samples.SIZE, asked(device=Device.CPU))
    assert on_cpu.fallback == ""
    assert on_cpu.path.read_bytes() == written.path.read_bytes()


def counting(ffmpeg_that, tmp_path, answer):
    """A fake FFmpeg, since no card is here: it counts how often a session is opened, and answers."""
    ffmpeg_that(
        f'case "$*" in *nvenc*) echo x >> {tmp_path}/count; cat >/dev/null; {answer};; *) exec $REAL "$@";; esac'
    )
    return lambda: len((tmp_path / "count").read_text().split()) if (tmp_path / "count").exists() else 0


def test_a_session_is_opened_once_a_process_and_remembered(ffmpeg_that, tmp_path, need):
    need("ffmpeg")
    count = counting(ffmpeg_that, tmp_path, "exit 0")
    for _ in range(3):
        assert choose_encoder(asked(), (640, 480), find_ffmpeg()).name == "h264_nvenc"
    assert count() == 1
    # Other options are another session: a card may do one and not the other.
    assert choose_encoder(asked(colours=Colours.RGB), (640, 480), find_ffmpeg()).form is FrameFormat.GBRP
    assert count() == 2


def test_cpu_never_asks_for_the_card(ffmpeg_that, tmp_path, need):
    need("ffmpeg")
    count = counting(ffmpeg_that, tmp_path, "exit 0")
    assert choose_encoder(asked(device=Device.CPU), (640, 480), find_ffmpeg()).device is Device.CPU
    assert count() == 0


def test_frames_too_large_for_the_card_are_told_without_asking_it(ffmpeg_that, tmp_path, need):
    need("ffmpeg")
    count = counting(ffmpeg_that, tmp_path, "exit 0")
    with pytest.raises(BackendUnavailable, match="up to 4096 pixels a side, not 4960 × 3308"):
        choose_encoder(asked(), (4960, 3308), find_ffmpeg())
    assert count() == 0
    chosen = choose_encoder(asked(device=Device.AUTO), (4960, 3308), find_ffmpeg())
    assert (chosen.name, chosen.fallback != "") == ("libx264", True)
    assert choose_encoder(asked(codec=Codec.HEVC), (4960, 3308), find_ffmpeg()).name == "hevc_nvenc"


def test_an_ffmpeg_built_without_nvenc_says_so(ffmpeg_that, tmp_path, need):
    need("ffmpeg")
    counting(ffmpeg_that, tmp_path, "echo \"Unknown encoder 'h264_nvenc'\" >&2; exit 1")
    with pytest.raises(BackendUnavailable, match="no encoder h264_nvenc"):
        choose_encoder(asked(), (640, 480), find_ffmpeg())


@pytest.mark.parametrize(
    ("log", "said"),
    [
        ("[h264_nvenc] Cannot load libcuda.so.1", "no NVIDIA driver"),
        ("[hevc_nvenc] Cannot load libnvidia-encode.so.1", "without its encoder library"),
        ("[h264_nvenc] Driver does not support the required nvenc API version. Required: 12.1 Found: 11.0", "older"),
        ("[h264_nvenc] dl_fn->cuda_dl->cuInit(0) failed -> CUDA_ERROR_NO_DEVICE: no CUDA-capable device", "no device"),
        ("[h264_nvenc] OpenEncodeSessionEx failed: out of memory (10): (no details)", "no further encoder session"),
        ("[hevc_nvenc] No capable devices found", "no device here encodes"),
        ("[h264_nvenc] OpenEncodeSessionEx failed: unsupported device (2): (no details)", "refused the session"),
    ],
)
def test_each_way_of_refusing_has_its_remedy(log, said):
    found = recognise(log)
    assert said in found.message
    assert "device cpu" in found.hint


@pytest.mark.parametrize("log", ["", "Cannot load libcuda.so.1", "[libx264] broken", "[h264_nvenc] something new"])
def test_what_is_not_known_to_be_nvenc_is_not_blamed_on_it(log):
    assert recognise(log) is None


@pytest.mark.gpu
@pytest.mark.parametrize(("codec", "mode", "colours", "effort"), WAYS)
def test_the_card_makes_reels_that_hold(ffmpeg, folder, codec, mode, colours, effort):
    written = write_reel(
        folder / "reel.mkv", reel_samples.pages(9), reel_samples.SIZE, asked(codec, mode, colours, effort)
    )
    assert written.encoder == f"{codec.value}_nvenc"


@pytest.mark.parametrize("codec", Codec)
def test_frames_for_the_card_are_exact_on_the_cpu_too(need, folder, monkeypatch, codec):
    """NVENC takes no grey: the 4:2:0 frames that it is given instead go through a CPU encoder here."""
    need("ffmpeg")
    from render.reel import encoders, writer

    def as_for_the_card(complete, frame_px, path):
        on_cpu = cpu_encoder(complete)
        form = nvenc_encoder(complete).form
        return encoders.Encoder(on_cpu.name, on_cpu.device, form, on_cpu.options)

    monkeypatch.setattr(writer, "choose_encoder", as_for_the_card)
    colours = [Colours.PALETTE, Colours.GREY] + ([Colours.RGB] if codec is Codec.HEVC else [])
    for colour in colours:
        written = write_reel(
            folder / f"{colour}.mkv", reel_samples.pages(3), reel_samples.SIZE, asked(codec, colours=colour)
        )
        assert written.index.is_lossless
