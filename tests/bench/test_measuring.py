import json
from pathlib import Path

import pytest
from rich.console import Console

from bench.__main__ import main
from bench.measurement import Report, Row, percentile
from bench.report import load, median_ratio, print_comparison
from bench.runner import CheckFailed, StageMs, interleave, require

FIELDS = {"case", "backend", "n", "median_ms", "p95_ms", "bytes", "peer", "peer_median_ms", "ratio"}


def report_of(samples: tuple[float, ...]) -> Report:
    row = Row("stages.sign", "cpu", samples, 10, "gmssl", tuple(10 * s for s in samples), 20)
    return Report((row,), {"cpu": "test"}, "0")


def test_percentile_is_a_sample_and_never_beyond_the_last() -> None:
    samples = [float(value) for value in range(1, 101)]
    assert percentile(samples, 0.95) == 95
    assert percentile(samples, 1) == 100
    assert percentile([3.0], 0.95) == 3.0
    with pytest.raises(ValueError, match="no samples"):
        percentile([], 0.5)


def test_sides_take_turns_and_warm_up_does_not_count() -> None:
    calls: list[tuple[str, int]] = []

    def side(name: str):
        def work(item: int) -> StageMs:
            calls.append((name, item))
            return {"one": 1.0, "two": 2.0}

        return work

    samples = interleave({"a": side("a"), "b": side("b")}, [1, 2], repeats=2)
    assert calls == [
        ("a", 1),
        ("b", 1),
        *[("a", 1), ("b", 1), ("a", 2), ("b", 2)],
        *[("b", 1), ("a", 1), ("b", 2), ("a", 2)],
    ]
    assert len(samples["a"].pop("cpu")) == 4
    assert samples["a"] == {"one": [1.0] * 4, "two": [2.0] * 4, "all": [3.0] * 4}


def test_a_wrong_output_stops_the_case() -> None:
    require("fine", [])
    with pytest.raises(CheckFailed, match=r"a\.pdf: no picture"):
        require("a.pdf", ["no picture"])


def test_report_is_json_of_the_agreed_shape(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    report_of((1.0, 2.0, 4.0)).write(path)
    document = json.loads(path.read_text(encoding="utf-8"))
    assert document["machine"] == {"cpu": "test"}
    row = document["results"][0]
    assert row.keys() >= FIELDS
    assert (row["median_ms"], row["p95_ms"], row["peer_median_ms"], row["ratio"]) == (2.0, 4.0, 20.0, 10.0)


def test_equal_samples_compare_as_noise_and_halved_ones_as_faster(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    samples = tuple(1 + place / 100 for place in range(30))
    for name, scale in (("before", 1.0), ("same", 1.0), ("half", 0.5)):
        report_of(tuple(scale * sample for sample in samples)).write(tmp_path / f"{name}.json")
    console = Console(width=160)
    print_comparison(load(tmp_path / "before.json"), load(tmp_path / "same.json"), console)
    print_comparison(load(tmp_path / "before.json"), load(tmp_path / "half.json"), console)
    verdicts = [row for row in capsys.readouterr().out.splitlines() if "stages.sign" in row]
    assert "noise" in verdicts[0]
    assert "faster" in verdicts[1]
    ratio, low, high = median_ratio(samples, [2 * sample for sample in samples])
    assert low <= ratio <= high
    assert low > 1


def test_wrong_files_and_cases_are_usage_errors(tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text("[]", encoding="utf-8")
    assert main(["compare", str(other), str(other)]) == 2
    with pytest.raises(SystemExit) as stopped:
        main(["run", "nothing"])
    assert stopped.value.code == 2


def test_list_names_every_case(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    assert {row.split()[0] for row in capsys.readouterr().out.splitlines() if row[:1].isalpha()} >= {
        "pipeline",
        "stages",
    }
