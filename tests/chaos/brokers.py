"""Brokers and disks that fail: Redis killed with and without its append-only file, a disk that fills up."""

import shutil
import subprocess
import time

from tests.chaos.processes import Stage
from tests.chaos.run import PoolRun


def redis_kills(context):
    """SIGKILL Redis while jobs flow, then start it again: with its append-only file, and without one beside SQL."""
    for append_only in (True, False):
        with Stage() as stage:
            folder = context.folder / f"aof-{append_only}"
            server = stage.redis(folder / "redis", append_only=append_only)
            settings = context.settings | ({} if append_only else {"ledger": f"sqlite:///{folder}/ledger.db"})
            run = PoolRun(folder / "pool", server.url, tell=context.tell, broker_timeout_s=3, **settings)
            for place in range(context.scale(2, 2, 1)):
                stage.worker(run.pool, f"worker-{place}")
            kills, jobs = context.scale(3, 1), context.scale(900, 300)
            for kill in range(kills):
                before = run.n_ended()
                for start in range(kill * jobs // kills, (kill + 1) * jobs // kills, 50):
                    run.submit(range(start, start + 50))
                # Before any work was done since, it would be but a late start.
                run.await_more(before)
                run.count("jobs.open_at_kill", len(run.submitted) - run.n_ended())
                run.note_kill("kill.redis", [server.pid])
                server.kill()
                time.sleep(0.5)
                server.start()
                context.tell(f"{kill + 1} of {kills} kills of Redis, {run.n_ended():,} jobs ended")
            run.await_all(context.patience_s)
            yield run.figures(f"Redis killed, {'AOF' if append_only else 'no AOF, SQLite ledger'}")


def full_disk(context):
    """Fill the store's disk, a tmpfs of 8 MiB, while jobs flow; then make room."""
    with Stage() as stage:
        server = stage.redis(context.folder / "redis")
        folder = context.folder / "pool"
        (folder / "store").mkdir(parents=True)
        mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder / "store")]
        if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
            context.skip("disk full", "a tmpfs cannot be mounted here")
            return
        stage.callback(subprocess.run, ["umount", "-l", str(folder / "store")], check=False)
        run = PoolRun(folder, server.url, tell=context.tell, retry_ladder_s="0.2,0.5,1,2,4,8,8,8,8")
        stage.worker(run.pool, "worker-0")
        run.submit(range(50))
        run.await_all(30)
        ballast = folder / "store" / "ballast"
        _fill(ballast)
        run.count("disk.full")
        run.submit(range(50, 100))
        time.sleep(4)
        ballast.unlink()
        run.await_all(context.patience_s)
        yield run.figures("disk full")


def _fill(path):
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return
