"""Every case runs once with two invoices; what it measures is not asserted, only that it measures something right."""

import json
import math
from importlib import import_module
from pathlib import Path

import pytest

from bench import cases
from bench.__main__ import main

pytestmark = pytest.mark.fonts


@pytest.mark.parametrize("name", cases.NAMES)
def test_case_checks_its_outputs_and_reports_figures(name: str, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    assert main(["run", name, "--count", "2", "--json", str(path)]) == 0
    document = json.loads(path.read_text(encoding="utf-8"))
    assert document["version"]
    assert document["machine"]["python"]
    assert document["results"]
    for row in document["results"]:
        assert row["case"].startswith(f"{name}.")
        assert 0 < row["median_ms"] <= row["p95_ms"]
        assert len(row["samples_ms"]) == row["n"]
        if row["peer"]:
            assert math.isclose(row["ratio"], row["peer_median_ms"] / row["median_ms"], rel_tol=0.05)
            assert row["peer_median_ms"] > 0


def test_stages_are_those_of_the_pipeline() -> None:
    rows = import_module("bench.cases.stages").run(2)
    stages = [row.case.removeprefix("stages.") for row in rows]
    assert stages == ["read", "layout", "pdf", "layout+pdf", "sign", "raster", "encode", "store", "all"]
    beside = {row.case for row in rows if row.peer}
    assert beside == {f"stages.{name}" for name in ("layout+pdf", "sign", "raster", "encode", "store", "all")}
