"""Workers that are killed, frozen and restarted while jobs flow: the pool's row, and bare Celery's beside it."""

import random
import subprocess
import time
from itertools import islice
from pathlib import Path

from tests.chaos.processes import Stage, bare_environment
from tests.chaos.run import BareRun, PoolRun
from tests.workers.pool_processes import need

_BATCH = 100
_MOST_WAITING, _MORE = 60, 20
_AT_WORK_S = 0.3
_PATIENCE_S = 30.0
_POISON = {
    10_000: ("kill", {"worker_lost", "job_timeout"}),
    10_001: ("kill-worker", {"worker_lost"}),
    10_002: ("hang", {"job_timeout"}),
    10_003: ("memory", {"internal", "worker_lost"}),
}
"""Number → what the invoice does when it is rendered, and how it may end: a child that dies before the worker has read
that it took the job is noticed by the time limit alone."""


def calm(context):
    """Let jobs flow without a fault: the throughput and the growth of memory that the other rows are read against."""
    jobs = context.scale(12_000, 6_000)
    with Stage() as stage:
        server = stage.redis(context.folder / "redis")
        run = PoolRun(context.folder / "pool", server.url, work_s=0, tell=context.tell, **context.settings)
        stage.worker(run.pool, "worker")
        supply = iter(range(jobs))
        while rest := list(islice(supply, _BATCH)):
            run.submit(rest)
            while len(run.submitted) - run.n_ended() > 3 * _BATCH:
                time.sleep(0.05)
            context.tell(f"{run.n_ended():,} of {jobs:,} jobs ended")
        run.await_all(context.patience_s)
        yield run.figures("calm")


def worker_kills(context):
    """SIGKILL the whole worker, its children only, or a worker frozen while it fetches, as jobs flow."""
    kills, jobs = context.scale(52, 6, 3), context.scale(10_400, 600, 300)
    with Stage() as stage:
        server = stage.redis(context.folder / "redis")
        # Small messages and slow work: kills find invoices in hand, and few of them.
        settings = {"work_s": 0.01, "chunk_jobs": 10} | context.settings
        run = PoolRun(context.folder / "pool", server.url, tell=context.tell, **settings)
        workers = [stage.worker(run.pool, f"worker-{place}") for place in range(2)]
        _kill_while_jobs_flow(context, run, workers, kills, jobs)
        run.await_all(context.patience_s)
        yield run.figures("worker kills")


def bare_worker_kills(context):
    """The same kinds of kills on bare Celery, with its defaults and with every safe setting."""
    kills, jobs = context.scale(12, 4), context.scale(2_500, 400)
    for is_careful in (False, True):
        with Stage() as stage:
            folder = context.folder / f"bare-{is_careful}"
            server = stage.redis(folder / "redis")
            run = BareRun(bare_environment(folder, server.url, is_careful=is_careful), is_careful=is_careful)
            workers = [stage.bare_worker(run.environment, folder, f"worker-{place}") for place in range(2)]
            _kill_while_jobs_flow(context, run, workers, kills, jobs)
            run.await_all()
            yield run.figures("worker kills")


def _kill_while_jobs_flow(context, run, workers, kills, jobs):
    """Hurt one worker after the other, each while it has an invoice in hand, evenly over ``jobs``."""
    chance, supply = random.Random(context.seed), iter(range(jobs))
    for kill in range(kills):
        victim = workers[kill % len(workers)]
        due, until = jobs * kill // kills, time.monotonic() + _PATIENCE_S
        while (len(run.submitted) < due or not _has_work_in_hand(run, victim)) and time.monotonic() < until:
            _feed(run, supply)
        _pause(chance.uniform(0.0, 0.3), run, supply)
        _hurt(run, victim, ("tree", "children", "frozen")[kill % 3])
        context.tell(f"{kill + 1} of {kills} kills, {run.n_ended():,} of {jobs:,} jobs ended")
    while rest := list(islice(supply, _BATCH)):
        run.submit(rest)


def _feed(run, supply):
    """Keep a short queue: behind a long one nobody could tell how soon hit invoices come back."""
    if len(run.submitted) - run.n_ended() < _MOST_WAITING and (more := list(islice(supply, _MORE))):
        run.submit(more)
    time.sleep(0.02)


def _pause(seconds, run, supply):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        _feed(run, supply)


def _has_work_in_hand(run, worker):
    """Tell whether a process of the worker began an invoice within the last moments."""
    pids, since = set(worker.children()), time.monotonic() - _AT_WORK_S
    return any(pid in pids and at > since for at, pid in run.log_tail())


def _await_progress(run, more_s, timeout_s=_PATIENCE_S):
    before, deadline = run.n_ended(), time.monotonic() + timeout_s
    while run.n_ended() == before and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(more_s)


def _hurt(run, worker, way):
    family = [worker.pid, *worker.children()]
    if way == "children":
        run.note_kill("kill.children", worker.kill_children())
        return
    numbers = range(1_000_000 + len(run.submitted), 1_000_000 + len(run.submitted) + (3 if way == "frozen" else 0))
    if way == "frozen":
        worker.freeze()
        run.submit(numbers)
        # Redis hands the messages to the frozen reader, whose kernel takes them in.
        time.sleep(0.3)
    worker.kill()
    run.note_kill(f"kill.{way}", family, numbers)
    worker.start()


def fetch_gap(context):
    """Freeze an idle worker inside its blocking fetch, submit one job at a time, kill it: the job is in no queue."""
    times = context.scale(5, 2)
    with Stage() as stage:
        server = stage.redis(context.folder / "redis")
        run = PoolRun(context.folder / "pool", server.url, tell=context.tell)
        worker = stage.worker(run.pool, "worker")
        _kill_in_the_gap(run, worker, times)
        run.await_all(context.patience_s)
        yield run.figures("fetch gap")
    for is_careful in (False, True):
        with Stage() as stage:
            folder = context.folder / f"bare-{is_careful}"
            server = stage.redis(folder / "redis")
            bare = BareRun(bare_environment(folder, server.url, is_careful=is_careful), is_careful=is_careful)
            worker = stage.bare_worker(bare.environment, folder, "worker")
            _kill_in_the_gap(bare, worker, times)
            bare.await_all()
            yield bare.figures("fetch gap")


def _kill_in_the_gap(run, worker, times):
    # One job through the worker first: it then waits in its fetch.
    for attempt in range(times):
        run.submit([2 * attempt])
        _await_progress(run, 1.5)
        worker.freeze()
        run.submit([2 * attempt + 1])
        time.sleep(0.5)
        family = [worker.pid, *worker.children()]
        worker.kill()
        run.note_kill("kill.in_fetch", family, [2 * attempt + 1])
        worker.start()


def rolling_restarts(context):
    """SIGTERM one of two workers after the other, twenty times, while jobs flow."""
    restarts, jobs = context.scale(20, 3), context.scale(2_000, 300)
    with Stage() as stage:
        server = stage.redis(context.folder / "redis")
        run = PoolRun(context.folder / "pool", server.url, tell=context.tell)
        workers = [stage.worker(run.pool, f"worker-{place}") for place in range(2)]
        for restart in range(restarts):
            run.submit(range(restart * jobs // restarts, (restart + 1) * jobs // restarts))
            _await_progress(run, 0.05)
            worker = workers[restart % 2]
            run.count("sigterm.warm" if worker.terminate() else "sigterm.cold")
            worker.start()
            context.tell(f"{restart + 1} of {restarts} restarts, {run.n_ended():,} of {jobs:,} jobs ended")
        run.await_all(context.patience_s)
        yield run.figures("rolling restarts")


def poison(context):
    """Invoices that kill their process, their whole worker, hang, or exhaust memory, among a thousand good ones."""
    good = context.scale(1_000, 60, 20)
    with Stage() as stage:
        server = stage.redis(context.folder / "redis")
        run = PoolRun(context.folder / "pool", server.url, tell=context.tell, time_limit_s=2, **context.settings)
        workers = [stage.worker(run.pool, f"worker-{place}") for place in range(2)]
        for place, (number, (act, _)) in enumerate(_POISON.items()):
            # In a message with innocent ones, before it and behind it.
            neighbours = [*range(5 * place, 5 * place + 5)]
            run.submit([*neighbours[:2], number, *neighbours[2:]], acts={number: act})
        for start in range(5 * len(_POISON), good, _BATCH):
            run.submit(range(start, min(start + _BATCH, good)))
        deadline = time.monotonic() + context.patience_s
        while run.n_ended() < good + 4 and time.monotonic() < deadline:
            # A worker whose invoice killed it is started again, as a service manager would.
            for worker in workers:
                if not worker.is_alive:
                    run.count("worker.died")
                    worker.start()
            time.sleep(0.2)
        row = run.figures("poison jobs", notes="4 poison jobs")
        wrong = [] if row.committed == good else [f"{row.committed} of {good} good ones committed"]
        wrong += _judge_poison(run)
        if wrong:
            row.notes += "; " + "; ".join(wrong)
            row.lost = max(row.lost, 1)
        yield row


def _judge_poison(run):
    """Tell of poison that did not end on the desk under one of its codes, or that was tried too often."""
    most = 1 + run.pool.settings.lost_retries
    wrong = []
    for number, (act, codes) in _POISON.items():
        name = f"{number:020d}"
        (job_id,) = run.submitted[name][1]
        outcome = run.pool.client.records.outcome(job_id)
        code = getattr(outcome, "code", "no error")
        wrong += [] if code in codes else [f"{act}: {code}"]
        begun = len(run.log.begun[name])
        # Out of memory is an error like others, which climbs the ladder.
        wrong += [] if act == "memory" or 1 <= begun <= most else [f"{act}: begun {begun} times"]
    return wrong


def skewed_clocks(context):
    """One worker's clock ten minutes ahead, the other's ten behind with kills."""
    kills = context.scale(6, 2)
    with Stage() as stage:
        server = stage.redis(context.folder / "redis")
        run = PoolRun(context.folder / "pool", server.url, tell=context.tell)
        workers = [
            stage.worker(run.pool, f"worker-{shift}", prefix=_with_shifted_clock(context.folder, shift))
            for shift in (600, -600)
        ]
        _kill_while_jobs_flow(context, run, workers, kills, kills * 40)
        run.await_all(context.patience_s)
        yield run.figures("clock skew ±10 min")


def _with_shifted_clock(folder, shift_s):
    """Return what begins a command whose wall clock is wrong; its monotonic clocks stay right, as on such a machine.

    Under libfaketime 0.9.10 a thread that waits for a lock with a time limit never wakes up: no sweeper would sweep.
    """
    library = folder / "wall_clock.so"
    if not library.exists():
        source = Path(__file__).with_name("wall_clock.c")
        subprocess.run([need("cc"), "-O2", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    return "env", f"LD_PRELOAD={library}", f"WALL_CLOCK_SHIFT_S={shift_s}"
