"""Redis under three Sentinels (real processes) whose master is killed or frozen while jobs flow."""

import time
from contextlib import suppress

import redis
from redis.sentinel import Sentinel

from tests.chaos.processes import Process, RedisServer, Stage, free_port
from tests.chaos.run import PoolRun
from tests.workers.pool_processes import need

_MASTER = "kaipiao"
_DOWN_AFTER_MS = 2_000


class SentinelGroup:
    """A master, a replica, and three Sentinels that watch them."""

    def __init__(self, stage, folder):
        replicate = ("--min-replicas-to-write", "0", "--repl-diskless-sync-delay", "0")
        self.master = stage.redis(folder / "one", append_only=True, options=replicate)
        of_master = ("--replicaof", "127.0.0.1", str(self.master.port))
        self.replica = stage.redis(folder / "two", append_only=True, options=(*replicate, *of_master))
        self.ports = [free_port() for _ in range(3)]
        for port in self.ports:
            self._start(stage, folder, port)
        self._sentinel = Sentinel([("127.0.0.1", port) for port in self.ports], socket_timeout=2)
        self._await(lambda: self._sentinel.discover_slaves(_MASTER), "the Sentinels do not see the replica")

    @property
    def url(self):
        return ";".join(f"sentinel://127.0.0.1:{port}" for port in self.ports) + f"/0?master={_MASTER}"

    def master_port(self):
        return self._sentinel.discover_master(_MASTER)[1]

    def await_failover(self, old_port, timeout_s=60):
        """Wait until another master is agreed on."""
        self._await(lambda: self.master_port() != old_port, "no failover", timeout_s)

    def _start(self, stage, folder, port):
        # A Sentinel rewrites its file.
        own = folder / f"sentinel-{port}"
        own.mkdir(parents=True)
        config = own / "sentinel.conf"
        config.write_text(
            f"port {port}\nbind 127.0.0.1\ndir {own}\n"
            f"sentinel monitor {_MASTER} 127.0.0.1 {self.master.port} 2\n"
            f"sentinel down-after-milliseconds {_MASTER} {_DOWN_AFTER_MS}\n"
            f"sentinel failover-timeout {_MASTER} 6000\nsentinel parallel-syncs {_MASTER} 1\n"
        )
        process = Process([need("redis-server"), str(config), "--sentinel"], None, own, "sentinel")
        stage.callback(process.kill)

    def _await(self, claim, complaint, timeout_s=20):
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            with suppress(redis.RedisError):
                if claim():
                    return
            time.sleep(0.1)
        raise TimeoutError(complaint)


def sentinel_failover(context):
    """Kill, and in a second run freeze, the master while jobs flow; Sentinel promotes the replica."""
    for way in ("kill", "freeze"):
        with Stage() as stage:
            folder = context.folder / way
            group = SentinelGroup(stage, folder)
            run = PoolRun(folder / "pool", group.url, tell=context.tell, broker_timeout_s=3)
            stage.worker(run.pool, "worker-0")
            stage.worker(run.pool, "worker-1")
            jobs = context.scale(600, 120)
            _submit_slowly(run, range(jobs // 2))
            old = group.master if group.master_port() == group.master.port else group.replica
            _stop(old, way, stage)
            begun = time.monotonic()
            run.count(f"master.{way}")
            _submit_slowly(run, range(jobs // 2, jobs), patience_s=90)
            group.await_failover(old.port)
            run.await_all(context.patience_s)
            stall = _longest_gap(run, begun)
            yield run.figures(f"Sentinel failover by {way}", notes=f"longest stall {stall:.1f} s")


def _submit_slowly(run, numbers, patience_s=60.0):
    for start in range(numbers.start, numbers.stop, 20):
        run.submit(range(start, min(start + 20, numbers.stop)), patience_s=patience_s)
        time.sleep(0.05)


def _stop(server: RedisServer, way, stage):
    if way == "kill":
        server.kill()
    else:
        server.freeze()
        stage.callback(server.thaw)


def _longest_gap(run, begun):
    """Return the longest time without any end of a rendering since a moment."""
    ends = sorted(end for ended in run.log.ended.values() for end, _ in ended if end >= begun)
    return max((later - earlier for earlier, later in zip([begun, *ends], ends, strict=False)), default=0.0)
