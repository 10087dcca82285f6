"""Compiled code is kept from process to process, and no longer than the sources that it was made of."""

import os
import subprocess
import sys
from pathlib import Path

OUTER = """
from render.compiled import compiled
from loops.inner import step

def total(n):
    return step(n) + 1

print(compiled(total, "int64(int64)")(20))
"""
INNER = """
from render.compiled import jitable

@jitable
def step(n):
    return n * {factor}
"""


def test_a_change_in_what_a_loop_calls_compiles_it_anew(tmp_path):
    folder = tmp_path / "loops"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "outer.py").write_text(OUTER)
    cache = tmp_path / "cache"
    settings = {**os.environ, "NUMBA_CACHE_DIR": str(cache), "PYTHONDONTWRITEBYTECODE": "1"}
    settings["PYTHONPATH"] = os.pathsep.join([str(tmp_path), str(Path.cwd())])

    def run(factor):
        (folder / "inner.py").write_text(INNER.format(factor=factor))
        command = [sys.executable, "-W", "error", "-c", "import loops.outer"]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=settings, cwd=tmp_path)
        return int(done.stdout), len(list(cache.rglob("*.nbc")))

    assert run(3) == (61, 1)
    assert run(3) == (61, 1)
    assert run(4) == (81, 2)
