"""The demo with a few invoices: real broker, real workers, everything checked, nothing left, nothing done twice."""

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bench import corpus
from bench.demo import DemoSettings, chunk_jobs, job_id, pool_environment, steady_rate


def demo(folder: Path, count: int) -> list[str]:
    return [sys.executable, "-m", "bench", "demo", "--count", str(count), "--out", str(folder), "--workers", "1"]


def processes_with(mark: str) -> list[int]:
    wanted = mark.encode()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                environment = (entry / "environ").read_bytes()
            except OSError:
                continue
            if wanted in environment:
                found.append(int(entry.name))
    return found


@pytest.mark.slow
@pytest.mark.fonts
@pytest.mark.timeout(300)
def test_demo_renders_checks_and_does_no_work_twice(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    environment = os.environ | {"DEMO_TEST": str(tmp_path)}
    first = subprocess.run(demo(folder, 6), capture_output=True, text=True, env=environment, check=False)
    assert first.returncode == 0, first.stdout + first.stderr
    assert processes_with(f"DEMO_TEST={tmp_path}") == []
    assert len(list((folder / "files").glob("*.pdf"))) == 6
    page = (folder / "index.html").read_text(encoding="utf-8")
    assert page.count("<article") == 6
    assert 'class="failed"' not in page

    second = subprocess.run(demo(folder, 6), capture_output=True, text=True, env=environment, check=False)
    assert second.returncode == 0, second.stdout + second.stderr
    assert "6 of 6 have receipts from an earlier run" in second.stdout
    assert "Starting a broker" not in second.stdout


@pytest.mark.slow
@pytest.mark.fonts
@pytest.mark.timeout(300)
def test_an_interrupted_demo_leaves_no_process(tmp_path: Path) -> None:
    environment = os.environ | {"DEMO_TEST": str(tmp_path)}
    process = subprocess.Popen(
        demo(tmp_path / "out", 60), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    )
    deadline = time.monotonic() + 60
    # The demo itself, the broker, a worker.
    while len(processes_with(f"DEMO_TEST={tmp_path}")) < 3 and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 130, said
    assert "Stopped; nothing is left running" in said
    assert processes_with(f"DEMO_TEST={tmp_path}") == []


def test_settings_of_another_pool_do_not_reach_the_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAIPIAO_BROKER_URL", "redis://elsewhere")
    monkeypatch.setenv("KAIPIAO_STORE", "s3://elsewhere")
    monkeypatch.setenv("KAIPIAO_FONT_KAI", "/fonts/kai.ttf")
    environment = pool_environment(tmp_path, DemoSettings(200, tmp_path, 2))
    ours = {name: value for name, value in environment.items() if name.startswith("KAIPIAO_")}
    assert ours == {
        "KAIPIAO_FONT_KAI": "/fonts/kai.ttf",
        "KAIPIAO_HOME": str(tmp_path),
        "KAIPIAO_CHUNK_JOBS": "25",
    }


def test_every_worker_gets_several_messages(tmp_path: Path) -> None:
    sizes = [chunk_jobs(DemoSettings(count, tmp_path, workers)) for count, workers in ((1, 2), (200, 2), (10_000, 2))]
    assert sizes == [1, 25, 64]


def test_job_ids_are_those_of_the_next_run_and_follow_the_content() -> None:
    first, again = (corpus.varied(20, 5) for _ in range(2))
    assert [job_id(document) for document in first] == [job_id(document) for document in again]
    assert len({job_id(document) for document in first}) == 20


def test_rate_leaves_out_the_first_messages() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    slow_start = [start + timedelta(seconds=second) for second in (0, 10)]
    steady = [slow_start[-1] + timedelta(seconds=0.5 * place) for place in range(1, 11)]
    assert steady_rate([*slow_start, *steady], 2) == pytest.approx(2.0)
    assert steady_rate(slow_start, 2) is None
    assert steady_rate([start] * 5, 2) is None
