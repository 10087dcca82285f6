import os
import sys
import time
from pathlib import Path

from bench.processes import ProcessGroup

STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
CHILD = "import time; time.sleep(60)"
PARENT = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {CHILD!r}], start_new_session=True)"


def wait_for(group: ProcessGroup, condition) -> None:
    deadline = time.monotonic() + 20
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert condition()


def test_a_child_that_left_its_parent_is_found_and_ended(tmp_path: Path) -> None:
    group = ProcessGroup(tmp_path)
    parent = group.start("parent", [sys.executable, "-c", PARENT], os.environ)
    wait_for(group, lambda: group.ended() == [0])
    assert [pid for pid in group.alive() if pid != parent.pid]
    assert group.stop() == []
    assert group.alive() == []


def test_a_process_that_ignores_the_request_is_killed(tmp_path: Path) -> None:
    group = ProcessGroup(tmp_path)
    process = group.start("stubborn", [sys.executable, "-c", STUBBORN], os.environ)
    wait_for(group, lambda: group.log("stubborn") == "up")
    assert group.stop(patience_s=0.4) == []
    assert process.poll() == -9


def test_processes_of_others_are_left_alone(tmp_path: Path) -> None:
    mine, other = ProcessGroup(tmp_path / "mine"), ProcessGroup(tmp_path / "other")
    process = other.start("other", [sys.executable, "-c", CHILD], os.environ)
    assert mine.stop(patience_s=0.1) == []
    assert process.poll() is None
    assert other.stop() == []
