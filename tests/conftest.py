"""What all tests share: a clean home, fonts and renderer built once, goldens, and what a test may need."""

import os
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import hypothesis
import pytest

PROGRAMS_BY_MARKER = {"java": ("java", "mvn")}
DEVICES = Path("/dev")
ISSUED = datetime(2026, 1, 1, tzinfo=UTC)
KEY_ITERATIONS = 1_000

# A shared machine may be slow at any moment, which is no fault of the code under test.
# A change is judged by the same examples each time; elsewhere every run looks for new ones.
hypothesis.settings.register_profile("kaipiao", deadline=None, print_blob=True, derandomize=bool(os.environ.get("CI")))
hypothesis.settings.load_profile("kaipiao")


def pytest_addoption(parser):
    parser.addoption("--update-goldens", action="store_true", help="write golden files anew and say which changed")


def pytest_configure(config):
    if config.getoption("--update-goldens") and os.environ.get("CI"):
        raise pytest.UsageError("--update-goldens is refused where CI is set: goldens are written and read by people.")


def required():
    """Return what CI_REQUIRES names: there a missing thing is a failure, elsewhere a skip."""
    return {name.strip() for name in os.environ.get("CI_REQUIRES", "").split(",") if name.strip()}


def miss(name, reason):
    """Skip the running test, or fail it where CI_REQUIRES names what is missing."""
    if name in required():
        pytest.fail(f"CI_REQUIRES names {name}, but {reason}", pytrace=False)
    pytest.skip(reason)


def pytest_runtest_setup(item):
    for marker, programs in PROGRAMS_BY_MARKER.items():
        if item.get_closest_marker(marker):
            missing = [program for program in programs if shutil.which(program) is None]
            if missing:
                miss(marker, f"{', '.join(missing)} is not installed")
    if item.get_closest_marker("gpu") and not list(DEVICES.glob("nvidia[0-9]*")):
        miss("gpu", "no NVIDIA device is here")
    if item.get_closest_marker("fonts"):
        check_fonts()


def check_fonts():
    from render.fonts.registry import FontSettings, find_fonts

    roles = [entry.role for entry in find_fonts(FontSettings.from_mapping(os.environ)) if entry.file is None]
    if roles:
        miss("fonts", f"no font for {', '.join(roles)} is here: run `kaipiao setup`")


@pytest.fixture(scope="session", autouse=True)
def kaipiao_home():
    """Keep tests away from the developer's keys, broker and settings; only their fonts are used."""
    # Short, since a socket's address below it has room for 107 bytes.
    home = Path(tempfile.mkdtemp(prefix="kaipiao-"))
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("KAIPIAO_")]:
            if not name.startswith("KAIPIAO_FONT_"):
                patch.delenv(name)
        patch.setenv("KAIPIAO_HOME", str(home))
        yield home
    shutil.rmtree(home)


@pytest.fixture(scope="session")
def fonts():
    """The FontBook of this machine."""
    from render.fonts.registry import FontSettings, load_fonts

    check_fonts()
    return load_fonts(FontSettings.from_mapping(os.environ))


@pytest.fixture(scope="session")
def identity(kaipiao_home):
    """The test identity that the renderer signs with: its three paths."""
    from render.sign.keys import set_up_test_identity

    return set_up_test_identity(kaipiao_home, now=ISSUED, iterations=KEY_ITERATIONS)


@pytest.fixture(scope="session")
def renderer(identity):
    """A renderer that signs, with the fonts of this machine and the templates of the project."""
    from render.config import RenderSettings
    from render.pipeline import Renderer

    check_fonts()
    return Renderer(RenderSettings.from_mapping(os.environ))


@pytest.fixture
def need():
    """Return a function that skips the test where a program is missing, or fails it where CI_REQUIRES names it."""

    def need(*programs):
        for program in programs:
            if shutil.which(program) is None:
                miss(program, f"{program} is not installed")

    return need


@pytest.fixture
def golden(request):
    """Return a function that compares a text with a golden file, given by its path below tests/golden."""

    def golden(name, actual):
        path = Path(__file__).parent / "golden" / name
        expected = path.read_text(encoding="utf-8") if path.exists() else None
        if request.config.getoption("--update-goldens"):
            if expected != actual:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(actual, encoding="utf-8")
                request.config.get_terminal_writer().line(f"golden {name} {'changed' if expected else 'is new'}")
            return
        if expected is None:
            pytest.fail(f"there is no golden {name}; look at the result and write it with --update-goldens")
        assert actual.splitlines() == expected.splitlines(), f"{name}: if this is right, write it with --update-goldens"

    return golden
