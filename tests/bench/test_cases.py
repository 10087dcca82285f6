"""Cases run once with two invoices; what they measure is not asserted, only that they measure something right.

Those of PDF, reels, formats, pictures and devices have tests of their own.
"""

import json
import math
from pathlib import Path

import pytest

from bench import cases
from bench.__main__ import main
from bench.cases import lanes, pipeline, publish, stages

pytestmark = [pytest.mark.fonts, pytest.mark.slow]

ROWS = {
    "lanes": ["own_workers"],
    "pipeline": ["batch_2"],
    "publish": ["batch", "ledger", "ledger+envelope"],
    "stages": ["read", "layout", "pdf", "layout+pdf", "sign", "raster", "encode", "store", "all"],
}
WITHOUT_PEER = {"stages.read", "stages.layout", "stages.pdf"}


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for case in (pipeline, publish, stages):
        monkeypatch.setattr(case, "_REPEATS", 1)
    monkeypatch.setattr(lanes, "CREWS", {"own_workers": lanes.CREWS["own_workers"]})
    monkeypatch.setattr(lanes, "ROUNDS", 1)
    monkeypatch.setattr(lanes, "SETTLE_S", 0.2)
    monkeypatch.setattr(lanes, "ISSUE_PER_S", 60.0)


def test_every_case_is_tested() -> None:
    assert set(cases.NAMES) == {
        *ROWS,
        "formats",
        "gpu",
        "images",
        "images-fidelity",
        "images-memory",
        "images-ocr",
        "pdf",
        "pdf-memory",
        "pdf-start",
        "reel",
    }


@pytest.mark.parametrize("name", ROWS)
def test_case_checks_its_outputs_and_reports_figures(name: str, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    assert main(["run", name, "--count", "2", "--json", str(path)]) == 0
    document = json.loads(path.read_text(encoding="utf-8"))
    assert [row["case"].removeprefix(f"{name}.") for row in document["results"]] == ROWS[name]
    assert document["version"]
    assert document["machine"]["python"]
    for row in document["results"]:
        assert 0 < row["median_ms"] <= row["p95_ms"]
        assert len(row["samples_ms"]) == row["n"]
        assert bool(row["peer"]) == (row["case"] not in WITHOUT_PEER)
        if row["peer"]:
            assert math.isclose(row["ratio"], row["peer_median_ms"] / row["median_ms"], rel_tol=0.05)
            assert row["peer_median_ms"] > 0
