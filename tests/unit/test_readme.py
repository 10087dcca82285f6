"""The README names what there is: every error code, every setting, commands and files that exist."""

import importlib
import re
from pathlib import Path

import pytest

from render.config import SETTING_NAMES
from render.errors import KaipiaoError
from workers.cli.commands import COMMANDS
from workers.config import WorkerSettings

ROOT = Path(__file__).parents[2]
DEFINES_AN_ERROR = re.compile(r"^class \w+\(\w*(Error|Invalid|Unavailable)\w*\)", re.MULTILINE)


@pytest.fixture(scope="module")
def readme():
    return (ROOT / "README.md").read_text(encoding="utf-8")


def error_classes():
    """Every class of the tree; whoever defines one is imported first."""
    for path in sorted((ROOT / "render").rglob("*.py")) + sorted((ROOT / "workers").rglob("*.py")):
        if re.search(
            r"^class \w+\(\w*(Error|Invalid|Unavailable)\w*\)", path.read_text(encoding="utf-8"), re.MULTILINE
        ):
            importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    waiting, found = [KaipiaoError], set()
    while waiting:
        found.add(waiting.pop())
        waiting = [sub for known in found for sub in known.__subclasses__() if sub not in found]
    return {known for known in found if known.__module__.split(".")[0] in ("render", "workers")}


def test_every_error_code_is_explained_with_its_retry(readme):
    rows = re.findall(r"^\| (`[a-z_`, ]+`) \| .* \| (never|later|elsewhere) \| .* \|$", readme, re.MULTILINE)
    explained = {code: retry for codes, retry in rows for code in re.findall(r"[a-z_]+", codes)}
    actual = {known.code: known.retry.value for known in error_classes()}
    assert explained == actual


def test_every_setting_is_in_the_table(readme):
    table = readme.partition("### Settings")[2].partition("\n## ")[0]
    cells = re.findall(r"^\| (`[^|]*`) \|", table, re.MULTILINE)
    named = set()
    for cell in cells:
        first, *others = re.findall(r"`([A-Z_]+)`", cell)
        named.add(first)
        # `KAIPIAO_FONT_KAI`, `_SONG`: the tail takes the place of as much of the first name as makes a setting.
        stems = [first[:at] for at in range(len(first)) if first[at] == "_"]
        named |= {stem + tail for tail in others for stem in stems}
    known = set(SETTING_NAMES) | {
        f"KAIPIAO_{name.upper()}" for name in WorkerSettings.__dataclass_fields__ if name not in ("home", "values")
    }
    assert known - named == set()
    assert {re.findall(r"`([A-Z_]+)`", cell)[0] for cell in cells} <= known


def test_every_command_that_the_readme_names_exists(readme):
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"(?:^|`)make ([a-z]+)", readme, re.MULTILINE)) <= targets
    assert set(re.findall(r"(?:^|`)kaipiao ([a-z]+)", readme, re.MULTILINE)) <= set(COMMANDS)


def test_the_two_commands_come_first(readme):
    commands = re.findall(r"^(?:make|kaipiao|pip|python) \w+", readme, re.MULTILINE)
    assert commands[:2] == ["make demo", "make test"]


def test_every_path_that_the_readme_names_exists(readme):
    paths = re.findall(r"`((?:render|workers|templates|bench|tests|docker)/[\w./]*)`", readme)
    assert paths
    assert [path for path in paths if not (ROOT / path).exists()] == []
