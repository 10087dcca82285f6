"""Which encoder makes a reel, with which options; and whether NVENC can, found out by opening a session."""

from __future__ import annotations

import functools
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

from render.errors import BackendUnavailable, EncoderFailed, KaipiaoError
from render.reel.frames import FrameFormat
from render.reel.program import Child, compile_argv
from render.reel.settings import Codec, Colours, Device, Effort, ReelSettings

PROBE_SIDE = 256
FRAME_RATE = 1
"""Pages a second: a page's number is its time, and a player shows each for a second."""

# NVIDIA Video Codec SDK, NVENC application note: the largest frame since Maxwell's second generation.
_NVENC_MOST_PX: Mapping[Codec, int] = {Codec.H264: 4096, Codec.HEVC: 8192}

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Encoder:
    """An encoder of FFmpeg with its options.

    Attributes:
        name: as FFmpeg calls it; ``device``: ``cpu`` or ``cuda``.
        form: layout of the frames that it takes.
        options: output options of FFmpeg.
        fallback: why it is not the one that ``auto`` tried first, or empty.
    """

    name: str
    device: Device
    form: FrameFormat
    options: Mapping[str, str] = field(repr=False)
    fallback: str = ""

    def argv(self, path: str, frame_px: tuple[int, int], target: str, container: str) -> list[str]:
        """Return the command that encodes raw frames from standard input to a file, and then tells their number.

        Args:
            path: of FFmpeg.
            frame_px: width and height.
            target: file, or ``-``.
            container: FFmpeg's name of a muxer.
        """
        width, height = frame_px
        source = {
            "format": "rawvideo",
            "pix_fmt": self.form.value,
            "s": f"{width}x{height}",
            "framerate": str(FRAME_RATE),
            "color_range": "pc",
        }
        argv = compile_argv(path, "pipe:0", source, target, {"format": container, **self.options})
        # Once, at the end: how many frames were written.
        return [argv[0], "-progress", "pipe:1", "-stats_period", "86400", *argv[1:]]


def choose_encoder(settings: ReelSettings, frame_px: tuple[int, int], path: str) -> Encoder:
    """Return the encoder that can and may make the reel.

    Args:
        settings: complete.
        frame_px: width and height.
        path: of FFmpeg.

    Raises:
        BackendUnavailable: device ``cuda`` was asked for, and NVENC opens no session here.
    """
    if settings.device is Device.CPU:
        return cpu_encoder(settings)
    wanted = nvenc_encoder(settings)
    reason = _too_large(settings.codec, frame_px) or _session(
        path, wanted.name, wanted.form, tuple(wanted.options.items())
    )
    if reason is None:
        return wanted
    if settings.device is Device.CUDA:
        raise BackendUnavailable(reason.message, hint=reason.hint)
    _log.info("backend.fallback encoder=%s to=cpu reason=%s", wanted.name, reason.message)
    on_cpu = cpu_encoder(settings)
    return Encoder(on_cpu.name, on_cpu.device, on_cpu.form, on_cpu.options, reason.message)


def cpu_encoder(settings: ReelSettings) -> Encoder:
    """Return the encoder on the CPU: libx264 or libx265.

    Measured on pages: text repeats exactly, so a lossless reel is small where motion search is not even tried, and
    the deblocking filter triples the largest error of a near-lossless one.
    """
    make = {Codec.H264: _x264, Codec.HEVC: _x265}[settings.codec]
    name, form, options = make(settings)
    return Encoder(name, Device.CPU, form, {"c:v": name, **options, **_shared(form)})


def _x264(settings: ReelSettings) -> tuple[str, FrameFormat, dict[str, str]]:
    is_fast = settings.effort is Effort.FAST
    every = str(settings.keyframe_every)
    options = {
        "preset": "superfast" if is_fast else "medium",
        "qp": str(settings.quantizer or 0),
        "g": every,
        "keyint_min": every,
        "sc_threshold": "0",
        "bf": "0",
        "threads": str(settings.threads),
    }
    parameters = ["ref=1:me=dia:subme=0"] if is_fast else []
    if not settings.is_lossless:
        parameters.append("no-deblock=1:aq-mode=0:no-psy=1:no-dct-decimate=1:no-fast-pskip=1")
    if parameters:
        options["x264-params"] = ":".join(parameters)
    form = _plane_form(settings, FrameFormat.RGB24)
    return "libx264rgb" if form is FrameFormat.RGB24 else "libx264", form, options


def _x265(settings: ReelSettings) -> tuple[str, FrameFormat, dict[str, str]]:
    every = settings.keyframe_every
    parameters = [
        f"keyint={every}:min-keyint={every}:scenecut=0:bframes=0:open-gop=0",
        f"frame-threads={settings.threads}:pools={'none' if settings.threads == 1 else settings.threads}",
        "log-level=error",
        "lossless=1" if settings.is_lossless else f"qp={settings.quantizer}:no-deblock=1:no-sao=1:aq-mode=0",
    ]
    preset = "superfast" if settings.effort is Effort.FAST else "medium"
    return "libx265", _plane_form(settings, FrameFormat.GBRP), {"preset": preset, "x265-params": ":".join(parameters)}


def _plane_form(settings: ReelSettings, rgb: FrameFormat) -> FrameFormat:
    """Return the frame format on the CPU: one plane where no player but a library's reads the stream anyway."""
    if settings.colours is Colours.RGB:
        return rgb if settings.is_lossless else FrameFormat.YUV444
    return FrameFormat.GRAY if settings.is_lossless else FrameFormat.YUV420


def nvenc_encoder(settings: ReelSettings) -> Encoder:
    """Return the encoder on the card.

    NVENC takes no grey: a plane goes in as 4:2:0 with neutral chroma, colours of a lossless reel as planar RGB.
    Presets p1 (fastest) to p7 (smallest) and tunings are those of NVIDIA Video Codec SDK 10 and later.
    """
    if settings.colours is Colours.RGB:
        form = FrameFormat.GBRP if settings.is_lossless else FrameFormat.YUV444
    else:
        form = FrameFormat.YUV420
    name = f"{settings.codec.value}_nvenc"
    options = {
        "c:v": name,
        "preset": "p4" if settings.effort is Effort.FAST else "p7",
        "tune": "lossless" if settings.is_lossless else "hq",
        "g": str(settings.keyframe_every),
        "bf": "0",
        "forced-idr": "1",
        "no-scenecut": "1",
    }
    if not settings.is_lossless:
        options |= {"rc": "constqp", "qp": str(settings.quantizer)}
    return Encoder(name, Device.CUDA, form, options | _shared(form))


def _shared(form: FrameFormat) -> dict[str, str]:
    """Return what every encoder is told: full range, and nothing in the file that changes from run to run."""
    shared = {"color_range": "pc", "fflags": "+bitexact", "flags:v": "+bitexact", "map_metadata": "-1"}
    # JFIF's conversion between RGB and luma with chroma is BT.601's.
    return shared | ({"colorspace": "smpte170m"} if form is FrameFormat.YUV444 else {})


def _too_large(codec: Codec, frame_px: tuple[int, int]) -> KaipiaoError | None:
    most = _NVENC_MOST_PX[codec]
    if max(frame_px) <= most:
        return None
    message = f"{codec.value}_nvenc takes frames of up to {most} pixels a side, not {frame_px[0]} × {frame_px[1]}."
    return BackendUnavailable(message, hint="Choose codec hevc, a lower resolution, or device cpu.")


@functools.cache
def _session(path: str, name: str, form: FrameFormat, options: tuple[tuple[str, str], ...]) -> KaipiaoError | None:
    """Open a session with exactly these options, once a process; return why it cannot be opened, or None.

    That FFmpeg lists an encoder proves nothing: it lists those of cards that are not there.
    """
    probed = Encoder(name, Device.CUDA, form, dict(options))
    bytes_per_pixel_halves: Mapping[FrameFormat, int] = {FrameFormat.YUV420: 3}
    size = PROBE_SIDE * PROBE_SIDE * bytes_per_pixel_halves.get(form, 6) // 2
    try:
        with Child(probed.argv(path, (PROBE_SIDE, PROBE_SIDE), "-", "null")) as child:
            child.write(memoryview(bytes(size)))
            child.finish()
    except (BackendUnavailable, EncoderFailed) as error:
        return error
    return None
