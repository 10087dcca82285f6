import os
import shutil

import pytest

from render.reel.encoders import _session
from render.reel.program import version_of


@pytest.fixture(autouse=True)
def _forget():
    """What a process remembers of FFmpeg is not carried from test to test."""
    yield
    _session.cache_clear()
    version_of.cache_clear()


@pytest.fixture
def folder(tmp_path):
    """Where reels go; apart from what else a test writes."""
    made = tmp_path / "reels"
    made.mkdir()
    return made


@pytest.fixture
def ffmpeg_that(tmp_path, monkeypatch):
    """Return a function that puts a shell script in FFmpeg's place; ``$REAL`` is the real one."""

    def put(script):
        real = shutil.which("ffmpeg")
        place = tmp_path / "bin"
        place.mkdir()
        (place / "ffmpeg").write_text(f"#!/bin/sh\nREAL={real}\n{script}\n")
        (place / "ffmpeg").chmod(0o755)
        monkeypatch.setenv("PATH", f"{place}{os.pathsep}{os.environ['PATH']}")
        return place

    return put
