"""``kaipiao worker``: render what the queue holds."""

from __future__ import annotations

import logging
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from typing import Annotated

import typer

from render.errors import ConfigError
from workers.app import create_app, queue_of
from workers.broker import EmbeddedBroker
from workers.cli.output import error_console
from workers.config import WorkerSettings
from workers.devices import devices_of
from workers.engine import load_engine
from workers.logging import configure_logging
from workers.messages import LANES, Lane

Concurrency = Annotated[
    int | None,
    typer.Option(
        "--concurrency", "-c", min=1, max=512, help="Processes that render.", show_default="one a device, or 2"
    ),
]
Queues = Annotated[str, typer.Option("--lanes", help=f"Lanes to serve, of {', '.join(LANES)}.")]
Verbose = Annotated[bool, typer.Option("--verbose", help="Also log what Celery does.")]

ALL_LANES = ",".join(LANES)
PROCESSES_WITHOUT_DEVICE = 2


def worker(
    concurrency: Concurrency = None,
    lanes: Queues = ALL_LANES,
    verbose: Verbose = False,  # noqa: FBT002 typer's form of a flag
) -> None:
    """Render what the queue holds, until told to stop (Ctrl-C or SIGTERM: running jobs are finished first).

    Without KAIPIAO_BROKER_URL, a broker is started for this machine and ends with this command.
    """
    wanted = _known(lanes)
    settings = WorkerSettings.from_mapping(os.environ)
    check_engine(settings)
    with ExitStack() as running:
        if not settings.broker_url:
            running.enter_context(EmbeddedBroker(settings))
        where = "the broker of KAIPIAO_BROKER_URL" if settings.broker_url else f"the broker in {settings.broker_folder}"
        processes = concurrency or len(devices_of(settings, os.environ)) or PROCESSES_WITHOUT_DEVICE
        error_console().print(f"{processes} processes serve {', '.join(wanted)} from {where}. Ctrl-C stops them.")
        configure_logging(logging.INFO)
        status = _serve(settings, processes, [queue_of(lane) for lane in wanted], "INFO" if verbose else "WARNING")
    raise typer.Exit(status)


def check_engine(settings: WorkerSettings) -> None:
    """Build the engine once in a process of its own, so that what is missing is said now and not job by job.

    Raises:
        KaipiaoError: what load_engine raises.
    """
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as apart:
        try:
            apart.submit(_build, settings).result()
        except BrokenProcessPool as error:
            raise ConfigError("the renderer's process died while it started.", hint="Run `kaipiao doctor`.") from error


def _build(settings: WorkerSettings) -> None:
    load_engine(settings)


def _known(lanes: str) -> list[Lane]:
    wanted = {lane.strip() for lane in lanes.split(",") if lane.strip()}
    if not wanted or wanted - set(LANES):
        raise ConfigError(f"--lanes is {lanes!r}.", hint=f"Choose from {', '.join(LANES)}, with commas between.")
    return [lane for lane in LANES if lane in wanted]


def _serve(settings: WorkerSettings, concurrency: int, queues: list[str], level: str) -> int:
    """Run Celery's worker in this process until it is stopped, and return its exit status."""
    app = create_app(settings)
    celery_worker = app.Worker(
        hostname=f"kaipiao-{os.getpid()}@%h",
        pool="prefork",
        concurrency=concurrency,
        queues=queues,
        loglevel=level,
        # Gossip, mingling and heartbeats are talk between workers, which ours do not need.
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
        quiet=True,
    )
    celery_worker.start()
    return int(celery_worker.exitcode or 0)
