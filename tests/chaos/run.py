"""One run of the pool, or of bare Celery, under faults: submitting, waiting, accounting."""

import time
from pathlib import Path

from render.errors import KaipiaoError
from tests.chaos.account import EngineLog, Figures, Kill, settle, settle_bare, tail_of
from tests.chaos.memory import MemoryWatch
from tests.workers.fake_engine import document
from tests.workers.pool_processes import make_pool


class PoolRun:
    """The pool in a folder of its own.

    Args:
        broker_url: empty = the embedded broker, which the scenario starts.
    """

    def __init__(self, folder, broker_url, *, work_s=0.002, tell=print, **settings):
        folder.mkdir(parents=True, exist_ok=True)
        quick = {"retry_ladder_s": "0.2,0.4,0.8,1.6,3.2", "visibility_slack_s": 3, "restore_interval_s": 0.5}
        self.pool = make_pool(folder, broker_url=broker_url, **quick | {"time_limit_s": 5} | settings)
        (folder / "tmp").mkdir(exist_ok=True)
        self.pool.environment |= {
            "KAIPIAO_ENGINE": "tests.chaos.engine:build",
            "CHAOS_LOG": str(folder / "engine.log"),
            "CHAOS_WORK_S": str(work_s),
            "TMPDIR": str(folder / "tmp"),
        }
        self.submitted = {}
        self.kills = []
        self.faults = {}
        self._tell = tell
        self._client = None
        self._begun = time.monotonic()
        self._memory = MemoryWatch(folder, self.n_ended)

    @property
    def log(self):
        return EngineLog(self.pool.environment["CHAOS_LOG"])

    def log_tail(self):
        return tail_of(Path(self.pool.environment["CHAOS_LOG"]))

    def submit(self, numbers, acts=None, lane=None, patience_s=60.0):
        """Submit invoices; where the outcome is unknown, submit them again, as the pool's documentation says.

        Args:
            numbers: of the invoices.
            acts: number → what one does when it is rendered.
            lane: none = the usual one.
            patience_s: for how long to submit again.
        """
        from workers.client import JobOptions

        if self._client is None:
            self._client = self.pool.client
        numbers = [f"{number:020d}" for number in numbers]
        options = JobOptions() if lane is None else JobOptions(lane=lane)
        documents = [document(int(number), act=(acts or {}).get(int(number), "")) for number in numbers]
        deadline = time.monotonic() + patience_s
        for number in numbers:
            self.submitted.setdefault(number, (time.monotonic(), []))
        while True:
            try:
                job_ids = self._client.submit(documents, options)
            except KaipiaoError:
                self.count("submit.unknown")
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.5)
            else:
                break
        for number, job_id in zip(numbers, job_ids, strict=True):
            self.submitted[number][1].append(job_id)

    def count(self, fault, times=1):
        self.faults[fault] = self.faults.get(fault, 0) + times

    def note_kill(self, fault, pids, numbers=()):
        self.kills.append(Kill(time.monotonic(), frozenset(pids), frozenset(f"{number:020d}" for number in numbers)))
        self.count(fault)

    def n_ended(self):
        """Return how many jobs have a record, without reading one."""
        store = self.pool.home / "store"
        return sum(1 for name in ("jobs", "errors") if (store / name).is_dir() for _ in (store / name).iterdir())

    def await_more(self, before, timeout_s=30.0):
        """Wait until more jobs have ended than before."""
        deadline = time.monotonic() + timeout_s
        while self.n_ended() == before and time.monotonic() < deadline:
            time.sleep(0.01)

    def await_all(self, timeout_s=120.0, patience_s=45.0):
        """Wait until every invoice has ended, or nothing has for a while."""
        deadline, last, moved = time.monotonic() + timeout_s, -1, time.monotonic()
        wanted = len(self.submitted)
        while time.monotonic() < deadline:
            ended = self.n_ended()
            if ended >= wanted and not self._open_numbers():
                return
            if ended != last:
                last, moved = ended, time.monotonic()
            elif time.monotonic() - moved > patience_s:
                return
            time.sleep(0.2)

    def _open_numbers(self):
        records = self.pool.client.records
        return [n for n, (_, ids) in self.submitted.items() if not any(records.outcome(job_id) for job_id in ids)]

    def figures(self, scenario, notes=""):
        row = Figures(scenario, "kaipiao", faults=dict(self.faults), notes=notes)
        row.seconds = round(time.monotonic() - self._begun, 1)
        row.rss_kib_per_1000_jobs = self._memory.stop()
        return settle(row, self.pool, self.submitted, self.log, self.kills)


class BareRun:
    """Bare Celery with the same work."""

    def __init__(self, environment, *, is_careful, work_s=0.002):
        self.environment = environment | {"CHAOS_WORK_S": str(work_s)}
        self.subject = "bare celery, careful" if is_careful else "bare celery"
        self.submitted = {}
        self.kills = []
        self.faults = {}
        self._begun = time.monotonic()

    @property
    def log(self):
        return EngineLog(self.environment["CHAOS_LOG"])

    def log_tail(self):
        return tail_of(Path(self.environment["CHAOS_LOG"]))

    def submit(self, numbers):
        from celery import Celery

        app = Celery("producer", broker=self.environment["CHAOS_BROKER"], set_as_current=False)
        with app.connection_for_write() as connection:
            producer = app.amqp.Producer(connection)
            for number in numbers:
                name = f"{number:020d}"
                self.submitted[name] = (time.monotonic(), [])
                app.send_task("bare.render", args=(name,), producer=producer)
        app.close()

    def count(self, fault, times=1):
        self.faults[fault] = self.faults.get(fault, 0) + times

    def note_kill(self, fault, pids, numbers=()):
        self.kills.append(Kill(time.monotonic(), frozenset(pids), frozenset(f"{number:020d}" for number in numbers)))
        self.count(fault)

    def n_ended(self):
        return len(self.log.ended)

    def await_all(self, timeout_s=90.0, patience_s=25.0):
        deadline, last, moved = time.monotonic() + timeout_s, -1, time.monotonic()
        while time.monotonic() < deadline:
            ended = self.n_ended()
            if ended >= len(self.submitted):
                return
            if ended != last:
                last, moved = ended, time.monotonic()
            elif time.monotonic() - moved > patience_s:
                return
            time.sleep(0.5)

    def figures(self, scenario, notes=""):
        row = Figures(scenario, self.subject, faults=dict(self.faults), notes=notes)
        row.seconds = round(time.monotonic() - self._begun, 1)
        return settle_bare(row, self.submitted, self.log, self.kills)
