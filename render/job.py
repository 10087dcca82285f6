"""One invoice on its way through a batch: what is asked for, what was made, and what went wrong."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime

from render.budget import BatchRoom
from render.encode.document import PictureEncoders
from render.encode.formats import AUTO, DEFAULT_OUTPUTS, LEVELS, choose_pictures
from render.errors import DeviceLost, Fault, InputError, KaipiaoError
from render.model.invoice import Media
from render.model.read import ReadInvoice
from render.timing import StageTimes

MIN_DPI, MAX_DPI = 72, 600


@dataclass(frozen=True, slots=True)
class RenderRequest:
    """One invoice to render.

    Attributes:
        data: the document, JSON or ``EInvoice`` XML; ``media``: which, None = told from the bytes.
        signing_time: written into the signature; must have a time zone.
        outputs: any of :data:`render.encode.formats.OUTPUT_KINDS`.
        dpi: resolution of pictures, 72 to 600.
        level: of pictures, ``fast`` or ``small``.
        mode: colour mode of pictures, ``auto`` or one that each format asked for has.
        job_id: returned with the result.
        read: what ``data`` was found to say, where it was read before; None = it is read.
    """

    data: bytes = field(repr=False)
    signing_time: datetime
    media: Media | None = None
    outputs: tuple[str, ...] = DEFAULT_OUTPUTS
    dpi: int = 300
    level: str = LEVELS[0]
    mode: str = AUTO
    job_id: str = ""
    read: ReadInvoice | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Output:
    """One finished file.

    Attributes:
        name: file name, from the invoice number, format and page alone.
        kind: the output that was asked for; ``digest``: ``sm3:<hex>`` of ``data``.
        backend: what made it; for pictures what drew and what encoded, such as ``numba+libjpeg-turbo``.
        signer: serial of the signing certificate, empty where unsigned.
    """

    name: str
    kind: str
    media_type: str
    data: bytes = field(repr=False)
    digest: str
    backend: str
    signer: str = ""

    def with_digest(self, digest: str) -> Output:
        """Return the file with its digest."""
        return Output(self.name, self.kind, self.media_type, self.data, digest, self.backend, self.signer)


@dataclass(slots=True)
class RenderResult:
    """What became of one request: outputs, or the error that stopped it."""

    job_id: str
    number: str = ""
    template_id: str = ""
    template_version: str = ""
    template_digest: str = ""
    seller_tax_id: str = field(default="", repr=False)
    outputs: tuple[Output, ...] = ()
    warnings: tuple[Fault, ...] = ()
    error: KaipiaoError | None = None
    stage_ms: dict[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class Job:
    """A request, its result in the making, its clock, and its share of the batch's budget."""

    request: RenderRequest
    result: RenderResult
    room: BatchRoom
    times: StageTimes = field(default_factory=StageTimes)
    made: list[Output] = field(default_factory=list)
    n_bytes: int = 0
    encoders: PictureEncoders | None = None

    def boundary(self) -> AbstractContextManager[None]:
        """Keep whatever goes wrong with this invoice to this invoice."""
        return _Boundary(self)

    def fail(self, error: Exception) -> None:
        """Note what went wrong."""
        if not isinstance(error, KaipiaoError):
            failure = KaipiaoError(f"unexpected {type(error).__name__}: {error}.", hint="Please report this defect.")
            failure.__cause__ = error
            error = failure
        self.result.error = error

    def drop_files(self) -> None:
        """Let go what was made so far."""
        self.room.release_bytes(self.n_bytes)
        self.n_bytes = 0
        self.made.clear()

    @property
    def is_well(self) -> bool:
        """Tell whether nothing has gone wrong so far."""
        return self.result.error is None

    @property
    def pictures(self) -> PictureEncoders | None:
        """Return the encoders of the pictures that are still wanted; None = no picture is."""
        return self.encoders if self.is_well and self.encoders else None

    def keep(self, output: Output) -> None:
        """Hold a finished file.

        Raises:
            InputError, BatchFull: the batch's budget has no room for it.
        """
        self.hold_beside(len(output.data))
        self.made.append(output)

    def hold_beside(self, n_bytes: int) -> None:
        """Count bytes in memory beside the files that are finished.

        Raises:
            InputError, BatchFull: the batch's budget has no room for them.
        """
        held = n_bytes
        for output in self.made:
            held += len(output.data)
        self.room.hold_bytes(self.n_bytes, held)
        self.n_bytes = held


class _Boundary:
    """The boundary about what is done for one job: a class, for the same reason as a stage's clock."""

    __slots__ = ("_job",)

    def __init__(self, job: Job) -> None:
        self._job = job

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if error is not None:
            # A lost device is not this invoice's fault: whoever owns the process must end it.
            if isinstance(error, DeviceLost) or not isinstance(error, Exception):
                return False
            # A defect must not take the batch along.
            self._job.fail(error)
        if self._job.result.error is not None:
            self._job.drop_files()
        return True


def check_request(request: RenderRequest) -> PictureEncoders | None:
    """Return the encoders of the pictures that are asked for, None where there are none.

    Raises:
        InputError: with all faults of the request.
        BackendUnavailable: an encoder's library is missing.
    """
    faults: list[Fault] = []
    try:
        choices = choose_pictures(request.outputs, request.mode, request.level)
    except InputError as error:
        faults += error.faults
    if not MIN_DPI <= request.dpi <= MAX_DPI:
        limits = f"Choose {MIN_DPI} to {MAX_DPI}."
        faults.append(Fault("dpi", "request.dpi_range", f"{request.dpi} dpi is out of range.", limits))
    if request.signing_time.tzinfo is None:
        remedy = "Pass a datetime with a time zone."
        faults.append(Fault("signing_time", "request.time_zone", "the signing time has no time zone.", remedy))
    if faults:
        raise InputError("the request cannot be carried out.", faults=tuple(faults))
    return PictureEncoders(choices) if choices else None
