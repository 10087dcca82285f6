"""The Celery application: every setting that decides whether a job can be lost stands in this file."""

from __future__ import annotations

import os
import random
import threading
import traceback
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from celery import Celery, signals
from kombu.entity import Queue
from kombu.exceptions import ChannelError, KombuError

from render.errors import BrokerError, KaipiaoError, StoreError
from workers.config import WorkerSettings
from workers.devices import devices_of, take_device
from workers.engine import Engine, load_engine
from workers.envelope.audit import file_refusal
from workers.errors import EngineUnavailable, EntryUnreadable
from workers.lanes import order_strategy
from workers.ledger.opening import open_ledger
from workers.ledger.protocol import Ledger
from workers.logging import configure_logging, pool_logger
from workers.messages import LANES, Chunk, Lane
from workers.records import Records
from workers.recovery import Recovery
from workers.redis_address import SentinelAddress, is_sentinel
from workers.safeguards import Safeguards
from workers.sweeper import Sweeper
from workers.transport import REFUSE_OPTION, use_guarded_transport

RENDER_CHUNK = "kaipiao.render_chunk"
RENDER_JOB = "kaipiao.render_job"
QUEUE_PREFIX = "kaipiao."
UNROUTABLE_QUEUE = "kaipiao.unroutable"
LOST_WAIT_S = 1.0


def queue_of(lane: Lane) -> str:
    """Return the queue that carries a lane's messages."""
    return QUEUE_PREFIX + lane


class PoolApp(Celery):  # type: ignore[misc]  # Celery is untyped
    """The application with what its tasks need: settings, records, and one engine a process, built on first use."""

    def __init__(self, settings: WorkerSettings, **options: Any) -> None:  # noqa: ANN401 passed through to Celery
        super().__init__("kaipiao", **options)
        self.settings = settings
        self._engine: Engine | None = None
        self._engine_lock = threading.Lock()
        self._sweeper: Sweeper | None = None
        self.safeguards = Safeguards(settings, lambda: self.ledger)
        # Only a worker's main process counts them; its children are told.
        self.devices: tuple[str, ...] = ()
        self._is_sized = False

    def __reduce__(self) -> tuple[Callable[..., PoolApp], tuple[WorkerSettings, tuple[str, ...]]]:
        """Travel to spawned children as settings and devices alone."""
        return create_app, (self.settings, self.devices)

    @property
    def gathers(self) -> bool:
        """Tell whether this worker's main process hands messages out together."""
        return self.settings.gather == "on" or (self.settings.gather == "auto" and bool(self.devices))

    @cached_property
    def records(self) -> Records:
        """Open the store, once a process."""
        return Records(self.safeguards.store(), lambda: datetime.now(UTC))

    @cached_property
    def ledger(self) -> Ledger:
        """Open the ledger, once a process.

        Raises:
            LedgerUnavailable: its tables cannot be made.
        """
        return open_ledger(self.settings.effective_ledger, timeout_s=self.settings.broker_timeout_s)

    @cached_property
    def recovery(self) -> Recovery:
        """Return what is done about lost jobs.

        Raises:
            LedgerUnavailable: the ledger cannot be opened.
        """
        chunk_jobs = self.settings.chunk_jobs
        return Recovery(self.ledger, self.records, pool_logger(), publish=self.publish_chunks, chunk_jobs=chunk_jobs)

    def engine(self) -> Engine:
        """Return the process's engine.

        Raises:
            EngineUnavailable: this machine cannot render; the message says what is missing.
        """
        with self._engine_lock:
            if self._engine is None:
                try:
                    self._engine = self.safeguards.engine(load_engine(self.settings))
                except KaipiaoError as error:
                    raise EngineUnavailable(error.message, hint=error.hint) from error
            return self._engine

    def publish_chunks(self, chunks: Iterable[Chunk], *, countdown_s: float = 0.0) -> None:
        """Publish chunks, many in one exchange with the broker, in envelopes where the pool has keys.

        Raises:
            ConfigError: the keys cannot be read.
            BrokerError: the broker did not take them; some may have arrived nevertheless.
        """
        with self._speaking(), self.producer_pool.acquire(block=True) as producer, producer.batch():
            for chunk in chunks:
                message_id = uuid.uuid4().hex
                self.send_task(
                    RENDER_CHUNK,
                    args=(self.safeguards.wrapped(chunk, task=RENDER_CHUNK, message_id=message_id),),
                    task_id=message_id,
                    queue=queue_of(chunk.lane),
                    countdown=countdown_s or None,
                    producer=producer,
                    # Celery would otherwise write the beginning of the invoice into the header, and from there to logs.
                    argsrepr=chunk.chunk_id,
                    kwargsrepr="",
                )

    def refuse_entry(self, text: str, error: EntryUnreadable) -> None:
        """Write down an entry of a queue that is no message."""
        pool_logger().error("entry.refused", code=error.code)
        try:
            file_refusal(self.records.store, text, error, redelivered=False, now=self.records.clock())
        except StoreError as failure:
            pool_logger().error("entry.unrecorded", code=failure.code)

    def idle_lanes(self) -> tuple[Lane, ...]:
        """Return the lanes in whose queues no message waits.

        Raises:
            BrokerError: it does not answer.
        """
        with self._speaking(), self.pool.acquire(block=True) as connection:
            return tuple(lane for lane in LANES if _length(connection.default_channel, queue_of(lane)) == 0)

    def check_broker(self) -> None:
        """Make sure that the broker answers.

        Raises:
            BrokerError: it does not.
        """
        with self._speaking(), self.connection_for_write() as connection:
            connection.ensure_connection(max_retries=1, timeout=self.settings.broker_timeout_s)

    @contextmanager
    def _speaking(self) -> Iterator[None]:
        """Turn whatever the broker's client library raises into an error of ours."""
        try:
            yield
        except self._broker_errors as error:
            raise _out_of_reach(error) from error
        except AttributeError as error:
            # kombu trips over the connection that a channel no longer has when it was cut in the midst of a batch.
            if not _is_raised_in("kombu", error):
                raise
            raise _out_of_reach(error) from error

    @cached_property
    def _broker_errors(self) -> tuple[type[Exception], ...]:
        connection = self.connection_for_write()
        return KombuError, OSError, *connection.connection_errors, *connection.channel_errors

    def start_sweeper(self, **_: object) -> None:
        """Look after lost jobs from this worker's main process (signal ``worker_ready``)."""
        settings = self.settings
        self._sweeper = Sweeper(
            lambda: self.recovery,
            pool_logger(),
            idle_lanes=self.idle_lanes,
            rules=settings.sweep_rules,
            interval_s=settings.sweep_interval_s,
            keep_s=settings.ledger_keep_s,
            random=random.random,
        )
        self._sweeper.start()

    def stop_sweeper(self, **_: object) -> None:
        """Stop looking after lost jobs (signal ``worker_shutdown``)."""
        if self._sweeper is not None:
            self._sweeper.stop()

    def count_devices(self, instance: Any, conf: Any, options: Mapping[str, Any], **_: object) -> None:  # noqa: ANN401 Celery is untyped
        """Find out what this worker's children share out, and whether their number is given (``celeryd_init``)."""
        if instance.app is self:
            self.devices = devices_of(self.settings, os.environ)
            self._is_sized = bool(options.get("concurrency") or conf.worker_concurrency)

    def shape_worker(self, sender: Any, **_: object) -> None:  # noqa: ANN401 Celery is untyped
        """Fit a worker to its devices before its pool is made (signal ``worker_init``).

        In the worker itself: Celery's command line has copied the settings into it by now.
        """
        if sender.app is not self:
            return
        if self.devices:
            if not self._is_sized:
                sender.concurrency = len(self.devices)
            if "KAIPIAO_CHUNKS_PER_CHILD" not in dict(self.settings.values):
                sender.max_tasks_per_child = None
        if self.gathers:
            # As many messages as there may be of one job each: for the batches under way, and for the next.
            sender.prefetch_multiplier = 2 * self.settings.gather_jobs
            # Until then a dead child's place stays taken, and there may be no other. Should its result come after all,
            # the ledger has the jobs down as done.
            sender.worker_lost_wait = LOST_WAIT_S

    def start_child(self, **_: object) -> None:
        """Make a fresh pool process ready for its first job (signal ``worker_process_init``)."""
        configure_logging()
        # Before the engine: CUDA reads once what it may see.
        self.safeguards.device = take_device(self.devices, os.environ)
        try:
            self.engine()
        except EngineUnavailable as error:
            # Jobs that come here go back and say so as well; the child lives on, since fonts may be installed later.
            pool_logger().error("engine.unavailable", code=error.code, error_type=type(error.__cause__).__name__)


def _out_of_reach(error: Exception) -> BrokerError:
    return BrokerError(
        f"the broker is out of reach: {type(error).__name__}.",
        hint="Check KAIPIAO_BROKER_URL and that the broker runs, then submit again; nothing is rendered twice.",
    )


def _is_raised_in(package: str, error: Exception) -> bool:
    """Tell whether the code that raised an error is a package's."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return str(frame.f_globals.get("__name__")).partition(".")[0] == package


def create_app(settings: WorkerSettings, devices: tuple[str, ...] = ()) -> PoolApp:
    """Return the pool's application; opens nothing until a worker starts or a message is published.

    Args:
        settings: of the pool.
        devices: what the children of this worker share out, where this is one of them.
    """
    from workers.tasks import register_tasks

    app = PoolApp(settings, set_as_current=True)
    app.devices = devices
    app.conf.update(_celery_settings(settings))
    use_guarded_transport()
    options = _transport_options(settings) | {
        "queue_order_strategy": order_strategy(queue_of, app.safeguards.limits),
        REFUSE_OPTION: app.refuse_entry,
    }
    app.conf.update(broker_transport_options=options)
    register_tasks(app)
    signals.setup_logging.connect(_keep_our_logging)
    app.steps["worker"].add("workers.intake:IntakeStep")
    app.steps["consumer"].add("workers.intake:FetchStep")
    signals.celeryd_init.connect(app.count_devices)
    signals.worker_init.connect(app.shape_worker)
    signals.worker_process_init.connect(app.start_child)
    signals.worker_ready.connect(app.start_sweeper)
    signals.worker_shutdown.connect(app.stop_sweeper)
    return app


def _keep_our_logging(**_: object) -> None:
    """Being connected is enough: Celery then leaves the logging as it is."""
    configure_logging()


def _celery_settings(settings: WorkerSettings) -> dict[str, Any]:
    return {
        "broker_url": _kombu_url(settings.effective_broker_url),
        "broker_connection_retry": True,
        "broker_connection_retry_on_startup": True,
        # None = for ever. The default ends the worker after 100 attempts.
        "broker_connection_max_retries": None,
        "broker_connection_timeout": settings.broker_timeout_s,
        # A message is acknowledged when its jobs are written down, not when it is delivered. What becomes of the jobs
        # of a dead child, the ledger decides (workers.request); Celery itself would repeat its message for ever.
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "task_time_limit": settings.time_limit_s,
        "worker_prefetch_multiplier": 1,
        "worker_eta_task_limit": 1000,
        # What is being rendered when the broker goes away is finished: the ledger knows who has it.
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        # A fresh interpreter for each child: a forked one could not use a GPU that its parent touched.
        "worker_pool_start_method": "spawn",
        "worker_proc_alive_timeout": 60.0,
        "worker_max_tasks_per_child": settings.chunks_per_child,
        "worker_soft_shutdown_timeout": settings.soft_shutdown_s,
        "worker_enable_soft_shutdown_on_idle": True,
        # Receipts in the store are the results.
        "task_ignore_result": True,
        "accept_content": ["json"],
        "task_serializer": "json",
        "result_serializer": "json",
        # Events and remote control cost more than the jobs in a large pool, and open a way in.
        "worker_enable_remote_control": False,
        "worker_send_task_events": False,
        "task_send_sent_event": False,
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
        "task_queues": [_queue(lane) for lane in LANES],
        "task_default_queue": queue_of("issue"),
        "task_publish_retry_policy": {"max_retries": 3, "interval_start": 0.2, "interval_step": 0.4},
        "enable_utc": True,
        "timezone": "UTC",
    }


def _length(channel: Any, queue: str) -> int:  # noqa: ANN401 kombu is untyped
    try:
        return int(channel.queue_declare(queue, passive=True).message_count)
    except ChannelError:
        # Redis has no empty lists.
        return 0


def _queue(lane: Lane) -> object:
    make: Callable[..., object] = Queue
    return make(queue_of(lane), routing_key=queue_of(lane))


def _kombu_url(url: str) -> str:
    """Return an address as kombu reads it: the name of a master goes into the options."""
    return SentinelAddress.read(url).plain if is_sentinel(url) else url


def _sentinel_options(settings: WorkerSettings) -> dict[str, Any]:
    url, timeout_s = settings.effective_broker_url, settings.broker_timeout_s
    if not is_sentinel(url):
        return {}
    return {
        "master_name": SentinelAddress.read(url).master,
        "sentinel_kwargs": {"socket_timeout": timeout_s, "socket_connect_timeout": timeout_s},
    }


def _transport_options(settings: WorkerSettings) -> dict[str, Any]:
    return {
        **_sentinel_options(settings),
        "visibility_timeout": settings.visibility_timeout_s,
        "unacked_restore_interval": settings.restore_interval_s,
        "unacked_restore_throttle": 1,
        "socket_timeout": settings.broker_timeout_s,
        "socket_connect_timeout": settings.broker_timeout_s,
        "socket_keepalive": True,
        "health_check_interval": 10,
        # Without it, kombu drops messages silently if a queue's binding was deleted.
        "deadletter_queue": UNROUTABLE_QUEUE,
    }
