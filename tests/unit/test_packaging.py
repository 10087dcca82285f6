"""The wheel holds what an installation outside the checkout needs, and the lock files name no place."""

import ast
import os
import re
import subprocess
import sys
import tomllib
import venv
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OWN = {"render", "workers", "bench", "tests"}
ABSENT_HERE = {"cupy"}
"""Libraries of the extra for devices, which tests do without."""
DATA_SUFFIXES = (".toml", ".md", ".json", ".cu", ".html", ".icc", ".lua", ".png", ".ttf")


def metadata():
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def tracked(*folders):
    listed = subprocess.run(["git", "ls-files", "-z", *folders], capture_output=True, check=True, cwd=ROOT).stdout
    return [name.decode() for name in listed.split(b"\0") if name]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (file,) = folder.glob("*.whl")
    return file


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The wheel in an environment of its own, with this environment's libraries behind it but not the checkout."""
    folder = tmp_path_factory.mktemp("venv")
    venv.create(folder, with_pip=False, symlinks=True)
    (site,) = folder.glob("lib/python*/site-packages")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    libraries = next(path for path in sys.path if path.endswith("site-packages"))
    # A .pth file would run the editable installation's; a plain path at the end does not.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment["PYTHONPATH"] = os.pathsep.join((str(site), libraries))

    def run(*arguments, **extra):
        command = [str(folder / "bin" / "python"), "-c", "from workers.cli import main; main()", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, env=environment | extra)

    return run


@pytest.mark.slow
def test_the_wheel_holds_every_module_and_every_file_of_data(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    code = {name for name in tracked("render", "workers", "bench") if not name.endswith("__init__.py")}
    assert code <= names
    templates = {name.replace("templates/", "render/templates/data/", 1) for name in tracked("templates")}
    assert templates
    assert templates <= names
    assert {"render/py.typed", "workers/py.typed"} <= names
    assert {Path(name).suffix for name in names if ".dist-info/" not in name} <= {".py", ".typed", *DATA_SUFFIXES}
    assert not [name for name in names if name.startswith(("tests/", "docker/", "templates/"))]


@pytest.mark.slow
def test_the_wheel_says_what_it_is_and_what_it_needs(wheel):
    archive = zipfile.ZipFile(wheel)
    (name,) = [name for name in archive.namelist() if name.endswith("METADATA")]
    text = archive.read(name).decode()
    assert "\nName: kaipiao\n" in text
    assert "\nLicense-Expression: Apache-2.0\n" in text
    assert "\nRequires-Python: >=3.11\n" in text
    (scripts,) = [name for name in archive.namelist() if name.endswith("entry_points.txt")]
    assert "kaipiao = workers.cli:main" in archive.read(scripts).decode()


@pytest.mark.slow
def test_an_installed_wheel_speaks_without_the_checkout(installed):
    shown = installed("schema", "invoice")
    assert shown.returncode == 0, shown.stderr
    assert '"kaipiao.invoice/1"' in shown.stdout
    assert installed("version").stdout.startswith(f"kaipiao {metadata()['project']['version']}")


@pytest.mark.slow
@pytest.mark.fonts
def test_an_installed_wheel_renders_without_the_checkout(installed, tmp_path):
    from bench import corpus

    (document,) = corpus.typical(1, seed=3)
    (tmp_path / "invoice.json").write_bytes(document.data)
    arguments = ("render", tmp_path / "invoice.json", "--out", tmp_path / "out", "--unsigned")
    done = installed(*arguments, KAIPIAO_HOME=str(tmp_path / "home"))
    assert done.returncode == 0, done.stdout + done.stderr
    number = document.invoice.number
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [f"{number}.pdf", f"{number}.png"]


def test_the_version_stands_in_one_place_only_as_one_value():
    import render

    assert metadata()["project"]["version"] == render.__version__
    assert f"[{render.__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "name", ["requirements.lock", "requirements-gpu.lock", "requirements-bench.lock", "requirements-ocr.lock"]
)
def test_lock_files_pin_by_hash_and_name_no_place(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    assert not re.search(r"https?:|--(extra-)?index-url|--find-links|--trusted-host|file:", text)
    pins = re.findall(r"^([a-z0-9][a-z0-9._-]*)==\S+", text, re.MULTILINE)
    assert len(pins) > len(metadata()["project"]["dependencies"])
    blocks = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)
    assert [block.split()[0] for block in blocks if block.strip() and "--hash=sha256:" not in block] == []


def test_the_lock_file_covers_everything_that_the_project_names():
    project = metadata()["project"]
    extras = project["optional-dependencies"]
    pins = {
        name: set(re.findall(r"^([a-z0-9][a-z0-9._-]*)==", (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE))
        for name in ("requirements.lock", "requirements-gpu.lock", "requirements-bench.lock", "requirements-ocr.lock")
    }

    def named(requirements):
        return {re.match(r"[A-Za-z0-9._-]+", text).group().lower() for text in requirements}

    locked = named(extras["dev"]) | named(extras["heif"]) | named(extras["postgres"]) | named(extras["s3"])
    assert named(project["dependencies"]) | locked <= pins["requirements.lock"]
    assert named(project["dependencies"]) | named(extras["gpu"]) <= pins["requirements-gpu.lock"]
    assert named(project["dependencies"]) | named(extras["bench"]) <= pins["requirements-bench.lock"]
    assert named(project["dependencies"]) | named(extras["ocr"]) <= pins["requirements-ocr.lock"]


def test_the_top_level_holds_what_it_should_and_nothing_else():
    top = {name.split("/")[0] for name in tracked() if "/" in name}
    assert top == {".ci", "render", "workers", "templates", "bench", "tests", "docker"}


def test_make_help_names_every_target():
    shown = subprocess.run(["make"], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    listed = set(re.findall(r"^  make ([a-z]+) ", shown, re.MULTILINE))
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert listed == set(phony.group(1).split())


@pytest.mark.parametrize(("package", "extras"), [("render", ["heif"]), ("workers", ["postgres"]), ("bench", ["dev"])])
def test_every_library_that_a_package_imports_is_named_as_a_dependency(package, extras):
    project = metadata()["project"]
    named = [*project["dependencies"], *project["optional-dependencies"]["gpu"]]
    for extra in extras:
        named += project["optional-dependencies"][extra]
    allowed = {canonical(re.match(r"[A-Za-z0-9._-]+", text).group()) for text in named}
    # What celery[redis] is made of comes with it.
    allowed |= {"billiard", "kombu", "redis"}
    homes = packages_distributions()
    wrong = []
    for path in (ROOT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) else []
            for top in {name.split(".")[0] for name in names} - sys.stdlib_module_names - OWN:
                owners = {canonical(owner) for owner in homes.get(top, [f"?{top}"])}
                if not owners & allowed and top not in ABSENT_HERE:
                    wrong.append(f"{path.relative_to(ROOT)} imports {top} of {', '.join(sorted(owners))}")
    assert wrong == []


def canonical(name):
    return re.sub(r"[-_.]+", "-", name).lower()
