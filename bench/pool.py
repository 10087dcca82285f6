"""The demo's private pool: embedded broker and workers, started here and ended here, whatever happens."""

from __future__ import annotations

import sys
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Self

from bench.processes import ProcessGroup, marked
from render.errors import BackendUnavailable
from workers.broker import EmbeddedBroker
from workers.client import PoolClient
from workers.config import WorkerSettings

PATIENCE_S = 180.0
"""Nothing finished for so long means that nothing will."""

_LOOK_S = 1.0
_WORKER = "from workers.cli import main; main()"


class DemoPool:
    """Broker and workers of one run; use it in a ``with`` statement.

    Args:
        environment: of the workers; names their home.
        workers: how many, of one process that renders each.
        logs: where workers write what they say.
    """

    def __init__(self, environment: Mapping[str, str], workers: int, logs: Path) -> None:
        self._environment = environment
        self._names = [f"worker-{number}" for number in range(1, workers + 1)]
        self._settings = WorkerSettings.from_mapping(environment)
        self._broker = EmbeddedBroker(self._settings)
        self._processes = ProcessGroup(logs)
        self.left_over: Sequence[int] = ()

    def __enter__(self) -> Self:
        try:
            # The broker becomes a child of this process; the mark finds it again should it outlive its orders.
            with marked(self._processes.mark):
                self._broker.start()
            for name in self._names:
                command = [sys.executable, "-c", _WORKER, "worker", "--concurrency", "1"]
                self._processes.start(name, command, self._environment)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def _stop(self) -> None:
        try:
            self._processes.stop_started()
            self._broker.stop()
        finally:
            self.left_over = self._processes.stop()

    def render(self, documents: Mapping[str, bytes], advance: Callable[[int], None]) -> None:
        """Submit documents under these job ids and wait until each has ended.

        Raises:
            KaipiaoError: the broker or the store does not work, or the workers do not.
        """
        fresh = (f"demo-chunk-{uuid.uuid4().hex}" for _ in iter(int, 1))
        names = chain(documents, fresh)
        client = PoolClient(self._settings, new_id=lambda: next(names))
        pending = client.submit(documents.values())
        last_news = time.monotonic()
        while pending:
            ended = {status.job_id for status in client.follow(pending, _LOOK_S) if status.state != "queued"}
            pending = [name for name in pending if name not in ended]
            if ended:
                advance(len(ended))
                last_news = time.monotonic()
            elif self._processes.ended():
                raise BackendUnavailable("a worker has ended by itself.", hint=self._what_was_said())
            elif time.monotonic() - last_news > PATIENCE_S:
                silence = f"no invoice was finished for {PATIENCE_S:.0f} s."
                raise BackendUnavailable(silence, hint=self._what_was_said())

    def _what_was_said(self) -> str:
        return "\n".join(f"{name}: {self._processes.log(name)}" for name in self._names)
