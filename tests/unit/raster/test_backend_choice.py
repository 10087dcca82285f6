"""What runs the compositor where Numba is missing or switched off, each in a process of its own."""

import os
import subprocess
import sys

import pytest

SHOW = "from render.raster.cpu import load_compositor; print(load_compositor({argument})[1])"


def run_python(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", code], env=os.environ | environment, capture_output=True, text=True, check=False
    )


def test_numba_switched_off_falls_back_to_numpy_and_says_so():
    done = run_python(SHOW.format(argument=""), NUMBA_DISABLE_JIT="1")
    assert done.stdout.strip() == "numpy", done.stderr
    assert "kernel.fallback" in done.stderr


def test_missing_numba_falls_back_to_numpy():
    done = run_python("import sys; sys.modules['numba'] = None; " + SHOW.format(argument=""))
    assert done.stdout.strip() == "numpy", done.stderr


def test_numba_asked_for_by_name_is_an_error_where_it_cannot_run():
    done = run_python(SHOW.format(argument="'numba'"), NUMBA_DISABLE_JIT="1")
    assert "BackendUnavailable" in done.stderr
    assert done.returncode != 0


@pytest.mark.parametrize("module", ["render.raster.api", "render.encode.api"])
def test_importing_does_not_load_the_compiler(module):
    done = run_python(f"import sys, {module}; print([m for m in ('numba', 'llvmlite', 'cupy') if m in sys.modules])")
    assert done.stdout.strip() == "[]", done.stderr


def test_compiled_kernel_works_where_no_cache_can_be_written(tmp_path):
    """The package and the home may both be read-only, as in a container."""
    nowhere = tmp_path / "file"
    nowhere.write_text("")
    code = (
        "import numba.core.caching as c; c.CacheImpl._locator_classes = [];"
        "from render.raster.cpu import load_compositor; print(load_compositor('numba')[1])"
    )
    done = run_python(code, HOME=str(nowhere))
    assert done.stdout.strip() == "numba", done.stderr
