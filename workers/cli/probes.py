"""What a machine has of what Kaipiao needs, found out by trying it: each probe looks at one thing and never fails."""

from __future__ import annotations

import platform
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path

from render.errors import KaipiaoError

NVENC_ENCODERS = ("h264_nvenc", "hevc_nvenc")
_COMMAND_TIMEOUT_S = 30
_CONNECT_TIMEOUT_S = 3
_LITTLE_SPACE_BYTES = 1 << 30
_BYTES_PER_GIB = 1 << 30
_RUN_SETUP = "Run `kaipiao setup`."


class State(StrEnum):
    """How it stands with one thing."""

    OK = "ok"
    LIMITED = "limited"
    """It works, but slower or in another way than it could."""
    ABSENT = "absent"
    """Not there, and nothing that runs here needs it."""
    MISSING = "missing"
    """Not there, and needed."""
    UNSAFE = "unsafe"
    """It works, and can lose jobs without a word."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a probe found: ``remedy`` says what to do, empty where there is nothing to do."""

    name: str
    state: State
    detail: str
    remedy: str = ""


Probe = Callable[[Mapping[str, str]], Iterator[Finding]]


def examine(values: Mapping[str, str]) -> Iterator[Finding]:
    """Yield every finding, in the order in which a document is made.

    Args:
        values: the environment, with the ``KAIPIAO_*`` settings.
    """
    yield Finding("Python", State.OK, f"{platform.python_implementation()} {platform.python_version()}")
    for probe in PROBES:
        yield from probe(values)


def probe_fonts(values: Mapping[str, str]) -> Iterator[Finding]:
    """Look for the fonts of all roles, and open them."""
    from render.fonts.registry import FontSettings, find_fonts, load_fonts

    settings = FontSettings.from_mapping(values)
    try:
        load_fonts(settings)
    except KaipiaoError as error:
        yield Finding("fonts", State.MISSING, error.message, error.hint)
    for entry in find_fonts(settings):
        if entry.file is not None:
            place = f"{entry.file.path}#{entry.file.index}" if entry.file.index else str(entry.file.path)
            yield Finding(f"font {entry.role}", State.OK, f"{place}{' (set)' if entry.is_set else ''}")


def probe_templates(values: Mapping[str, str]) -> Iterator[Finding]:
    """Compile the template of each kind of invoice."""
    from render.config import RenderSettings
    from render.fonts.registry import load_fonts
    from render.model.invoice import InvoiceKind
    from render.templates.registry import TemplateRegistry

    try:
        settings = RenderSettings.from_mapping(values)
        fonts, registry = load_fonts(settings.fonts), TemplateRegistry(settings.templates)
        for kind in InvoiceKind:
            template = registry.load(kind.value, fonts=fonts)
            yield Finding(f"template {template.id}", State.OK, f"version {template.version}, {template.digest[:19]}…")
    except KaipiaoError as error:
        yield Finding("templates", State.MISSING, error.message, error.hint)


def probe_pictures(_: Mapping[str, str]) -> Iterator[Finding]:
    """Encode a few pixels in every picture format."""
    import numpy as np

    from render.encode.document import PictureEncoders
    from render.encode.formats import FORMATS, choose_pictures
    from render.pixels import PagePixels

    pixels = PagePixels(np.zeros((16, 16), np.uint8), np.zeros((1, 3), np.uint8), 300)
    for kind, one in FORMATS.items():
        try:
            pictures = PictureEncoders(choose_pictures([kind])).begin()
            pictures.add(pixels)
            pictures.finish()
        except KaipiaoError as error:
            yield Finding(f"picture {kind}", State.ABSENT, error.message, error.hint)
        else:
            yield Finding(f"picture {kind}", State.OK, f"by {one.library}: encoded 16 × 16 pixels")


def probe_signing(values: Mapping[str, str]) -> Iterator[Finding]:
    """Let each library prove that it knows SM2 and SM3, and open the signing identity."""
    from render.config import RenderSettings
    from render.sign.backend import probe_backends
    from render.sign.keys import TEST_COMMON_NAME, load_identity

    backends = {status.choice: status for status in probe_backends()}
    fallback_works = not backends["gmssl"].problem
    for choice, status in backends.items():
        if not status.problem:
            yield Finding(f"SM2 by {choice}", State.OK, f"{status.name}: reproduces the examples of the standards")
        elif choice == "openssl" and fallback_works:
            yield Finding("SM2 by openssl", State.LIMITED, status.problem, "Install OpenSSL 3 with SM2; gmssl is slow.")
        else:
            yield Finding(f"SM2 by {choice}", State.MISSING, status.problem, "Reinstall gmssl, or install OpenSSL 3.")
    try:
        identity = RenderSettings.from_mapping(values).identity
        if identity is None:
            yield Finding("signing identity", State.LIMITED, "KAIPIAO_SIGNING is off", "Set it to on to sign.")
            return
        signer = load_identity(identity)
    except KaipiaoError as error:
        yield Finding("signing identity", State.MISSING, error.message, error.hint or _RUN_SETUP)
    else:
        if TEST_COMMON_NAME in signer.subject:
            remedy = "For real invoices set KAIPIAO_KEY, KAIPIAO_CERTIFICATE and KAIPIAO_PASSPHRASE_FILE."
            yield Finding("signing identity", State.LIMITED, f"for TESTS only: {signer.serial}", remedy)
        else:
            yield Finding("signing identity", State.OK, f"{signer.subject}, certificate {signer.serial}")


def probe_broker(values: Mapping[str, str]) -> Iterator[Finding]:
    """Connect to the broker that is set, or start and end an embedded one in a folder of its own."""
    from workers.config import WorkerSettings

    try:
        settings = WorkerSettings.from_mapping(values)
        if settings.broker_url:
            yield _connect(settings.broker_url)
            return
        from workers.broker import EmbeddedBroker

        with tempfile.TemporaryDirectory(prefix="kaipiao-") as home:
            with EmbeddedBroker(WorkerSettings(home=Path(home))):
                pass
            yield Finding("broker", State.OK, "embedded: started and ended here once")
    except KaipiaoError as error:
        yield Finding("broker", State.MISSING, error.message, error.hint)


def probe_ledger(values: Mapping[str, str]) -> Iterator[Finding]:
    """Ask the ledger what a worker asks it first; where the embedded broker would keep it, one of a moment's length."""
    from workers.cli.ledger_probes import examine_ledger
    from workers.config import WorkerSettings

    try:
        settings = WorkerSettings.from_mapping(values)
        if settings.broker_url or settings.ledger:
            yield examine_ledger(settings.effective_ledger)
            return
        from workers.broker import EmbeddedBroker

        with tempfile.TemporaryDirectory(prefix="kaipiao-") as home:
            own = WorkerSettings(home=Path(home))
            with EmbeddedBroker(own):
                yield examine_ledger(own.effective_ledger)
    except KaipiaoError as error:
        yield Finding("ledger", State.MISSING, error.message, error.hint)


def _connect(url: str) -> Finding:
    from kombu.connection import Connection

    connection = Connection(url, connect_timeout=_CONNECT_TIMEOUT_S)
    # as_uri() leaves the password out.
    shown = connection.as_uri()
    try:
        connection.connect()
    except Exception as error:  # noqa: BLE001 each transport has errors of its own
        return Finding("broker", State.MISSING, f"{shown}: {error}", "Start it, or correct KAIPIAO_BROKER_URL.")
    finally:
        connection.release()
    return Finding("broker", State.OK, f"{shown} answers")


def probe_disk(values: Mapping[str, str]) -> Iterator[Finding]:
    """Measure the space where keys, the embedded broker and the default store lie."""
    from render.config import home_folder

    home = home_folder(values)
    existing = next(folder for folder in (home, *home.parents) if folder.is_dir())
    free = shutil.disk_usage(existing).free
    detail = f"{free / _BYTES_PER_GIB:.1f} GiB free at {home}"
    if free < _LITTLE_SPACE_BYTES:
        yield Finding("disk", State.LIMITED, detail, "Make room, or set KAIPIAO_HOME and KAIPIAO_STORE elsewhere.")
    else:
        yield Finding("disk", State.OK, detail)


def probe_gpu(_: Mapping[str, str]) -> Iterator[Finding]:
    """Ask the NVIDIA driver for devices, and CuPy whether it can use them."""
    driver = _run(["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"])
    devices = driver.stdout.strip().splitlines() if driver and driver.returncode == 0 else []
    for number, device in enumerate(devices):
        yield Finding(f"GPU {number}", State.OK, device)
    if not devices:
        yield Finding("GPU", State.ABSENT, "no NVIDIA driver answers; the CPU renders")
    if find_spec("cupy") is None:
        remedy = "Install the extra: pip install 'kaipiao[gpu]'." if devices else ""
        yield Finding("CuPy", State.LIMITED if devices else State.ABSENT, "not installed", remedy)
        return
    try:
        import cupy

        count = cupy.cuda.runtime.getDeviceCount()
    except Exception as error:  # noqa: BLE001 CuPy raises what the driver, the loader or the runtime says
        remedy = "Install the CuPy that fits the driver." if devices else ""
        yield Finding("CuPy", State.LIMITED if devices else State.ABSENT, f"installed, but: {error}", remedy)
    else:
        yield Finding("CuPy", State.OK, f"{cupy.__version__}, {count} device(s)")


def probe_ffmpeg(_: Mapping[str, str]) -> Iterator[Finding]:
    """Encode one frame by each NVENC encoder: that FFmpeg lists one proves nothing."""
    version = _run(["ffmpeg", "-hide_banner", "-version"])
    if version is None or version.returncode != 0:
        yield Finding("FFmpeg", State.ABSENT, "not found; documents do not need it, page reels do", _RUN_SETUP)
        return
    yield Finding("FFmpeg", State.OK, version.stdout.splitlines()[0])
    for encoder in NVENC_ENCODERS:
        source = ["-f", "lavfi", "-i", "color=black:size=256x256:rate=1", "-frames:v", "1"]
        tried = _run(["ffmpeg", "-hide_banner", "-loglevel", "error", *source, "-c:v", encoder, "-f", "null", "-"])
        if tried is not None and tried.returncode == 0:
            yield Finding(f"NVENC {encoder}", State.OK, "encoded a frame of 256 × 256")
        else:
            said = tried.stderr.strip().splitlines() if tried else []
            # FFmpeg begins with the encoder's name and address in memory: "[h264_nvenc @ 0x55…] ".
            reason = said[0].partition("] ")[2] or said[0] if said else "gave no answer in time"
            yield Finding(f"NVENC {encoder}", State.ABSENT, reason)


def probe_tools(_: Mapping[str, str]) -> Iterator[Finding]:
    """Look for programs that only tests use."""
    redis = _run(["redis-server", "--version"])
    if redis and redis.returncode == 0:
        yield Finding("redis-server", State.OK, redis.stdout.strip())
    else:
        yield Finding("redis-server", State.ABSENT, "tests against a real broker are skipped", "kaipiao setup --dev")
    for program, purpose in (("pdftotext", "PDF text by poppler"), ("qpdf", "PDF structure"), ("pngcheck", "PNG")):
        path = shutil.which(program)
        if path:
            yield Finding(program, State.OK, path)
        else:
            yield Finding(program, State.ABSENT, f"tests of {purpose} are skipped", "kaipiao setup --dev")
    java = [program for program in ("java", "mvn") if shutil.which(program)]
    if len(java) == len(("java", "mvn")):
        yield Finding("Java, Maven", State.OK, "`make contract` can run")
    else:
        yield Finding("Java, Maven", State.ABSENT, "`make contract` is skipped", "apt-get install default-jdk maven")


def _run(command: list[str]) -> subprocess.CompletedProcess[str] | None:
    """Run a program and return what it said; None where it is not there or does not end."""
    if shutil.which(command[0]) is None:
        return None
    try:
        return subprocess.run(  # noqa: S603 fixed commands of ours
            command,
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            timeout=_COMMAND_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None


PROBES: tuple[Probe, ...] = (
    probe_fonts,
    probe_templates,
    probe_pictures,
    probe_signing,
    probe_broker,
    probe_ledger,
    probe_disk,
    probe_gpu,
    probe_ffmpeg,
    probe_tools,
)
