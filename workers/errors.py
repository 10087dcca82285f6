"""The pool's own branch of the error tree in :mod:`render.errors`: what can only go wrong between processes."""

from __future__ import annotations

from render.errors import BackendUnavailable, InputError, KaipiaoError, Retry


class EntryUnreadable(InputError):  # noqa: N818 named like the rest of the error tree
    """An entry of a queue is no message at all: cut off, or made by no producer."""

    code = "entry_unreadable"


class MessageInvalid(InputError):  # noqa: N818 named like the rest of the error tree
    """A message does not follow its schema."""

    code = "message_invalid"


class JobExpired(InputError):  # noqa: N818 named like the rest of the error tree
    """The job's own deadline passed before a worker came to it."""

    code = "job_expired"


class WorkerLost(KaipiaoError):  # noqa: N818 named like the rest of the error tree
    """The process that rendered this job died each time."""

    code = "worker_lost"
    retry = Retry.NEVER


class JobTimeout(KaipiaoError):  # noqa: N818 named like the rest of the error tree
    """Rendering took longer than the hard limit and was stopped."""

    code = "job_timeout"
    retry = Retry.NEVER


class EngineUnavailable(BackendUnavailable):
    """This worker cannot render at all: fonts, templates or keys are missing on it. Another worker may."""

    code = "engine_unavailable"


class LedgerUnavailable(KaipiaoError):  # noqa: N818 named like the rest of the error tree
    """The ledger of jobs does not answer, or refuses to be written."""

    code = "ledger_unavailable"
    retry = Retry.LATER
