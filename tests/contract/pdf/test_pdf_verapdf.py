"""veraPDF, the reference validator, breaks no rule of PDF/A-3b on any of our files."""

import os
import subprocess
from pathlib import Path

import pytest

from bench import corpus

_JAVA = Path(__file__).parents[1] / "java"

pytestmark = [pytest.mark.java, pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="session")
def libraries(tmp_path_factory):
    """Fetch the validator from Maven Central, or skip where that cannot be reached."""
    folder = tmp_path_factory.mktemp("verapdf")
    pom = folder / "pom.xml"
    pom.write_text((_JAVA / "pom.xml").read_text())
    command = ["mvn", "-q", "-B", "-f", str(pom), "dependency:copy-dependencies", "-DoutputDirectory=lib"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    if done.returncode:
        if "java" in os.environ.get("CI_REQUIRES", "").split(","):
            pytest.fail(f"Maven could not fetch veraPDF: {done.stdout[-500:]}")
        pytest.skip("Maven could not fetch veraPDF; is there a network?")
    return folder / "lib"


def _validate(libraries, paths):
    """Return the broken rules of each file, by name."""
    command = ["java", "-cp", f"{libraries}/*", str(_JAVA / "Validate.java"), *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600)
    found = {}
    for row in done.stdout.splitlines():
        kind, file, *rest = row.split("\t")
        name = Path(file).stem
        if kind == "FILE":
            assert int(rest[1]) > 1_000, f"veraPDF made only {rest[1]} checks on {name}"
            found[name] = [] if rest[0] == "true" else ["not compliant"]
        else:
            found[name].append(" ".join(rest))
    return found


def test_every_file_is_pdf_a_3b(libraries, files):
    assert _validate(libraries, files.values()) == {name: [] for name in files}


def test_every_template_with_every_kind_of_invoice_is_pdf_a_3b(libraries, invoices):
    assert _validate(libraries, [path for path, _ in invoices.values()]) == {name: [] for name in invoices}


def test_every_template_from_one_line_to_two_thousand_signed_or_not_is_pdf_a_3b(libraries, write_invoice):
    paths = []
    for lines in (1, 8, 40, 2_000):
        (document,) = corpus.with_lines(lines, 1, 7)
        for kind in write_invoice.kinds:
            for is_signed in (True, False):
                name = f"{kind}-{lines}-{'signed' if is_signed else 'unsigned'}"
                path, display = write_invoice(document, name, kind=kind, is_signed=is_signed)
                paths.append(path)
        assert display.n_pages > lines // 25
    untagged = [
        write_invoice(document, f"{kind}-untagged", kind=kind, is_tagged=False)[0] for kind in write_invoice.kinds
    ]
    assert len(paths) == 4 * 2 * len(write_invoice.kinds)
    assert _validate(libraries, [*paths, *untagged]) == {path.stem: [] for path in (*paths, *untagged)}


def test_the_validator_does_find_a_broken_file(libraries, files, tmp_path):
    broken = tmp_path / "broken.pdf"
    broken.write_bytes(files["plain"].read_bytes().replace(b"<pdfaid:part>3", b"<pdfaid:part>1"))
    assert _validate(libraries, [broken])["broken"] != []
