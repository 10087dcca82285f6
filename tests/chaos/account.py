"""What became of every invoice of a run: read from the store and the engine's log, never from the pool's word."""

import json
import re
import statistics
import time
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass, field

from render.sign.sm3 import sm3_hex
from render.store.api import blob_key
from tests.chaos.processes import lines_of
from workers.receipts import ErrorRecord

_KNOWN = re.compile(
    r"(sm3/[0-9a-f]{2}/[0-9a-f]{2}/[0-9a-f]{60,64}|(receipts|jobs|errors|numbers|audit/[a-z_]+)/[\w./-]+\.json)"
)


@dataclass
class Figures:
    """One scenario's row.

    ``lost``: invoices without receipt and without a record of failure. ``doubled``: commitments beyond the first of an
    invoice. ``redelivered``: renderings beyond one an invoice. ``suppressed``: those of them that ended without a
    second commitment. ``recover_s``: for each fault, how long until the first invoice that it hit was settled;
    ``drained_s``: until the last was, behind whatever else waited. ``jobs_per_s``: from the first submission to the
    last outcome, faults and all. ``rss_kib_per_1000_jobs``: how the memory of the worst surviving process grew; None =
    none lived long enough to tell.
    """

    scenario: str
    subject: str
    submitted: int = 0
    committed: int = 0
    lost: int = 0
    doubled: int = 0
    failed: int = 0
    executions: int = 0
    redelivered: int = 0
    suppressed: int = 0
    sha_mismatch: int = 0
    temp_files_left: int = 0
    faults: dict = field(default_factory=dict)
    recover_s: dict = field(default_factory=dict)
    drained_s: dict = field(default_factory=dict)
    oldest_age_s: float = 0.0
    seconds: float = 0.0
    jobs_per_s: float = 0.0
    rss_kib_per_1000_jobs: float | None = None
    notes: str = ""

    @property
    def is_clean(self):
        return not (self.lost or self.doubled or self.sha_mismatch or self.temp_files_left)

    def as_row(self):
        return asdict(self)


def spread(values):
    """Return p50, p95 and maximum of seconds."""
    if not values:
        return {}
    ordered = sorted(values)
    p95 = ordered[min(len(ordered) - 1, round(0.95 * (len(ordered) - 1)))]
    return {"p50": round(statistics.median(ordered), 2), "p95": round(p95, 2), "max": round(ordered[-1], 2)}


@dataclass
class Kill:
    """A moment of the machine's monotonic clock, the processes that died, and invoices that were lost on the way."""

    at: float
    pids: frozenset
    numbers: frozenset = frozenset()


_TAIL_BYTES = 4096


def tail_of(path):
    """Return moment and process of the last beginnings in an engine's log."""
    if not path.exists():
        return []
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
        # The first line may begin in its middle.
        lines = file.read().decode(errors="replace").splitlines()[1:]
    parts = [line.split() for line in lines if line.startswith("begin ")]
    return [(float(each[1]), int(each[2])) for each in parts if len(each) == 4]


class EngineLog:
    """Beginnings and ends of renderings by number: moments and processes."""

    def __init__(self, path):
        self.begun, self.ended = defaultdict(list), defaultdict(list)
        for line in lines_of(path):
            parts = line.split()
            # A process that was killed while it wrote leaves half a line.
            if len(parts) == 4 and parts[0] in {"begin", "end"}:
                (self.begun if parts[0] == "begin" else self.ended)[parts[3]].append((float(parts[1]), int(parts[2])))

    @property
    def executions(self):
        return sum(map(len, self.begun.values()))

    @property
    def first_ends(self):
        return {number: min(ended)[0] for number, ended in self.ended.items() if ended}


def recoveries(log, kills, settled):
    """Return for each kill the seconds until the first and until the last invoice that it hit was settled.

    Args:
        log: of the engine.
        kills: each hits what its processes had begun and not settled.
        settled: number → moment.
    """
    first, last = [], []
    for kill in kills:
        hit = set(kill.numbers) | {
            number
            for number, begun in log.begun.items()
            if any(pid in kill.pids and at <= kill.at for at, pid in begun)
        }
        waits = [settled[number] - kill.at for number in hit if settled.get(number, 0.0) > kill.at]
        if waits:
            first.append(min(waits))
            last.append(max(waits))
    return first, last


def moments_of_outcomes(pool, submitted):
    """Return number → when its first outcome was written, by the times of the files."""
    offset = time.time() - time.monotonic()
    moments = {}
    for number, (_, job_ids) in submitted.items():
        files = [pool.home / "store" / kind / f"{job_id}.json" for job_id in job_ids for kind in ("jobs", "errors")]
        times = [file.stat().st_mtime for file in files if file.exists()]
        if times:
            moments[number] = min(times) - offset
    return moments


def settle(figures, pool, submitted, log, kills=()):
    """Fill in what became of the invoices.

    Args:
        figures: the row in the making.
        pool: whose store is read.
        submitted: number → (moment, every job id under which it was submitted).
        log: of the engine.
        kills: what died when.
    """
    store = pool.client.records.store
    receipts = Counter()
    for key in store.list("receipts"):
        receipt = json.loads(store.get(key))
        receipts[receipt["number"]] += 1
        for output in receipt["outputs"]:
            figures.sha_mismatch += f"sm3:{sm3_hex(store.get(blob_key(output['digest'])))}" != output["digest"]
    for number, (_, job_ids) in submitted.items():
        if receipts[number]:
            continue
        outcomes = [pool.client.records.outcome(job_id) for job_id in job_ids]
        if any(isinstance(outcome, ErrorRecord) for outcome in outcomes):
            figures.failed += 1
        else:
            figures.lost += 1
    figures.submitted = len(submitted)
    figures.committed = len(receipts)
    figures.doubled = sum(receipts.values()) - len(receipts)
    figures.executions = log.executions
    figures.redelivered = sum(len(begun) - 1 for begun in log.begun.values())
    figures.suppressed = sum(max(0, len(ended) - 1) for ended in log.ended.values())
    figures.temp_files_left = len(strange_files(pool))
    settled = moments_of_outcomes(pool, submitted)
    figures.recover_s, figures.drained_s = map(spread, recoveries(log, kills, settled))
    figures.oldest_age_s = oldest(submitted, settled)
    figures.jobs_per_s = rate(submitted, settled)
    return figures


def settle_bare(figures, submitted, log, kills=()):
    """The same for bare Celery, which keeps no records: not ended in the log is lost, ended twice is doubled."""
    figures.submitted = len(submitted)
    figures.committed = sum(bool(log.ended[number]) for number in submitted)
    figures.lost = figures.submitted - figures.committed
    figures.executions = log.executions
    figures.doubled = sum(max(0, len(log.ended[number]) - 1) for number in submitted)
    figures.redelivered = sum(max(0, len(log.begun[number]) - 1) for number in submitted)
    settled = log.first_ends
    figures.recover_s, figures.drained_s = map(spread, recoveries(log, kills, settled))
    figures.oldest_age_s = oldest(submitted, settled)
    figures.jobs_per_s = rate(submitted, settled)
    return figures


def rate(submitted, settled):
    """Return invoices a second from the first submission to the last outcome."""
    if not settled:
        return 0.0
    begun = min(at for at, _ in submitted.values())
    return round(len(settled) / max(0.001, max(settled.values()) - begun), 1)


def oldest(submitted, settled):
    """Return the longest time from submission to outcome in seconds."""
    ages = [settled[number] - at for number, (at, _) in submitted.items() if number in settled]
    return round(max(ages, default=0.0), 2)


def strange_files(pool):
    """Return files in the store and in the workers' temporary folder that no finished work leaves."""
    root = pool.home / "store"
    found = [path for path in root.rglob("*") if path.is_file() and not _is_known(path.relative_to(root), path)]
    return found + [path for path in (pool.home / "tmp").rglob("*") if path.is_file()]


def _is_known(name, path):
    return bool(_KNOWN.fullmatch(name.as_posix())) and path.stat().st_size > 0
