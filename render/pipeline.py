"""Puts the stages together: read → layout → {pdf → sign, raster → encode}, a batch at a time.

One invoice's fault never fails its batch: each request gets a result, which holds outputs or an error.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta, timezone

from render.config import RenderSettings
from render.display.batch import concat
from render.display.list import DisplayList
from render.display.resources import Picture
from render.encode.api import encoder
from render.errors import Fault, InputError, KaipiaoError
from render.fonts.registry import load_fonts
from render.layout.engine import layout_batch, layout_invoice
from render.model.einvoice import write_einvoice
from render.model.invoice import Invoice, Media
from render.model.read import ReadInvoice, read_invoice
from render.pdf.writer import Attachment, PdfInfo, PdfWriter
from render.pixels import PagePixels
from render.raster.api import Rasterizer
from render.sign import pdf as pdf_signature
from render.sign.api import RawSigner
from render.sign.keys import load_identity
from render.sign.options import SignatureOptions
from render.sign.sm3 import sm3_hex
from render.templates.registry import Template, TemplateRegistry
from render.timing import StageTimes

CHINA_TIME = timezone(timedelta(hours=8))
OUTPUT_KINDS = ("pdf", "png")
MIN_DPI, MAX_DPI = 72, 600


@dataclass(frozen=True, slots=True)
class RenderRequest:
    """One invoice to render.

    Attributes:
        data: the document, JSON or ``EInvoice`` XML; ``media``: which, None = told from the bytes.
        signing_time: written into the signature; must have a time zone.
        outputs: any of ``pdf``, ``png``.
        dpi: resolution of pictures, 72 to 600.
        job_id: returned with the result.
        read: what ``data`` was found to say, where it was read before; None = it is read.
    """

    data: bytes = field(repr=False)
    signing_time: datetime
    media: Media | None = None
    outputs: tuple[str, ...] = OUTPUT_KINDS
    dpi: int = 300
    job_id: str = ""
    read: ReadInvoice | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Output:
    """One finished file.

    Attributes:
        name: file name, from the invoice number alone.
        kind: ``pdf`` or ``png``; ``digest``: ``sm3:<hex>`` of ``data``.
        backend: what made it; ``signer``: serial of the signing certificate, empty where unsigned.
    """

    name: str
    kind: str
    media_type: str
    data: bytes = field(repr=False)
    digest: str
    backend: str
    signer: str = ""


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
class _Job:
    """A request, its result in the making, and its clock."""

    request: RenderRequest
    result: RenderResult
    times: StageTimes = field(default_factory=StageTimes)
    made: list[Output] = field(default_factory=list)

    @contextmanager
    def boundary(self) -> Iterator[None]:
        """Keep whatever goes wrong with this invoice to this invoice."""
        try:
            yield
        except KaipiaoError as error:
            self.result.error = error
        except Exception as error:  # noqa: BLE001 the per-job boundary: a defect must not take the batch along
            failure = KaipiaoError(f"unexpected {type(error).__name__}: {error}.", hint="Please report this defect.")
            failure.__cause__ = error
            self.result.error = failure

    def wants(self, kind: str) -> bool:
        """Tell whether this output is asked for and nothing has gone wrong so far."""
        return self.result.error is None and kind in self.request.outputs


@dataclass(frozen=True, slots=True)
class _Work:
    """A job whose invoice was read."""

    job: _Job
    invoice: Invoice
    template: Template

    def alone(self) -> DisplayList:
        """Return the invoice laid out by itself."""
        return layout_invoice(self.invoice, self.template)


class Renderer:
    """Renders invoices; build it once a process, since fonts, templates and atlases are kept.

    Raises:
        ConfigError: fonts or templates are missing.
        KeyUnavailable, KeyRejected: the signing identity cannot be used.
    """

    def __init__(self, settings: RenderSettings) -> None:
        self.settings = settings
        self.fonts = load_fonts(settings.fonts)
        self._registry = TemplateRegistry(settings.templates)
        self._seal = Picture.open(settings.seal) if settings.seal else None
        self._templates: dict[str, Template] = {}
        self._writers: dict[str, PdfWriter] = {}
        self._rasterizers: dict[tuple[str, int], Rasterizer] = {}
        self._signature = (
            _Signature(load_identity(settings.identity), settings.signature) if settings.identity else None
        )

    def template(self, kind: str) -> Template:
        """Return the compiled template of an invoice kind.

        Raises:
            TemplateUnknown: there is none.
        """
        if kind not in self._templates:
            self._templates[kind] = self._registry.load(kind, fonts=self.fonts, seal=self._seal)
        return self._templates[kind]

    def render_batch(self, requests: Sequence[RenderRequest]) -> list[RenderResult]:
        """Render many invoices; the results stand in the order of the requests."""
        jobs = [_Job(request, RenderResult(request.job_id)) for request in requests]
        groups: dict[str, list[_Work]] = defaultdict(list)
        for job in jobs:
            with job.boundary():
                work = self._read(job)
                groups[work.template.digest].append(work)
        for group in groups.values():
            batch, laid_out = self._lay_out(group)
            if batch is not None:
                self._export(laid_out, batch)
        for job in jobs:
            job.result.stage_ms = {name: round(ms, 3) for name, ms in job.times.ms.items()}
            if job.result.error is None:
                job.result.outputs = tuple(job.made)
        return [job.result for job in jobs]

    def _read(self, job: _Job) -> _Work:
        _check_request(job.request)
        with job.times.stage("read"):
            read = job.request.read or read_invoice(job.request.data, job.request.media)
        result, invoice = job.result, read.invoice
        result.number, result.warnings, result.seller_tax_id = invoice.number, read.warnings, invoice.seller.tax_id
        template = self.template(invoice.kind.value)
        result.template_id = template.id
        result.template_version, result.template_digest = template.version, template.digest
        return _Work(job, invoice, template)

    def _lay_out(self, group: Sequence[_Work]) -> tuple[DisplayList | None, list[_Work]]:
        """Lay out the invoices of one template in one list; return it and the jobs whose documents it holds."""
        clock = StageTimes()
        try:
            with clock.stage("layout"):
                batch, errors = layout_batch([work.invoice for work in group], group[0].template)
        except Exception:  # noqa: BLE001 whichever invoice is to blame shows when each is laid out alone
            errors = []
            for work in group:
                with work.job.boundary():
                    work.alone()
                errors.append(work.job.result.error)
            good = [work.invoice for work, error in zip(group, errors, strict=True) if error is None]
            batch = layout_batch(good, group[0].template)[0] if good else None
        laid_out = []
        for work, error in zip(group, errors, strict=True):
            # Layout is done for all at once, so each invoice is told its share.
            work.job.times.add("layout", clock.ms.get("layout", 0.0) / len(group))
            if error is None:
                laid_out.append(work)
            else:
                work.job.result.error = error
        return batch, laid_out

    def _export(self, group: Sequence[_Work], batch: DisplayList) -> None:
        """Write and draw the documents of one template from one display list."""
        for doc, work in enumerate(group):
            if work.job.wants("pdf"):
                self._write(work, batch, doc)
        by_dpi: dict[int, list[_Work]] = defaultdict(list)
        for work in group:
            if work.job.wants("png"):
                by_dpi[work.job.request.dpi].append(work)
        for drawn in by_dpi.values():
            self._draw(drawn, batch if len(drawn) == len(group) else concat([work.alone() for work in drawn]))

    def _write(self, work: _Work, batch: DisplayList, doc: int) -> None:
        """Write one document out of its batch or, if that fails, alone: another document may be to blame."""
        try:
            work.job.made.append(self._write_pdf(work, batch, doc))
        except Exception:  # noqa: BLE001 what stands in the way of this document itself shows when it is written alone
            with work.job.boundary():
                work.job.made.append(self._write_pdf(work, work.alone(), 0))

    def _write_pdf(self, work: _Work, batch: DisplayList, doc: int) -> Output:
        digest = work.template.digest
        if digest not in self._writers:
            self._writers[digest] = PdfWriter(work.template.resources, is_tagged=self.settings.pdf_tags)
        reserve = self._signature.reserve if self._signature else 0
        with work.job.times.stage("pdf"):
            info, attachments = _pdf_info(work.invoice, work.template), [_xml_attachment(work.invoice)]
            file = self._writers[digest].write(batch, doc, info, attachments, reserve)
        data, signer = file.data, ""
        if self._signature and file.signature_span:
            with work.job.times.stage("sign"):
                key, when, options = self._signature.signer, work.job.request.signing_time, self._signature.options
                data = pdf_signature.sign_pdf(data, file.signature_span, key, when, options)
                signer = key.serial
        name = f"{work.invoice.number}.pdf"
        return Output(name, "pdf", "application/pdf", data, f"sm3:{sm3_hex(data)}", "cpu", signer)

    def _draw(self, group: Sequence[_Work], batch: DisplayList) -> None:
        """Draw invoices that share a template and a resolution, together or, if that fails, one by one."""
        try:
            pages = self._rasterizer(group[0]).rasterize(batch)
            for doc, work in enumerate(group):
                work.job.made.extend(_encode_pages(work, pages, batch, doc))
        except Exception:  # noqa: BLE001 whichever invoice is to blame shows when each is drawn alone
            for work in group:
                work.job.made = [output for output in work.job.made if output.kind != "png"]
                with work.job.boundary():
                    alone = work.alone()
                    pages = self._rasterizer(work).rasterize(alone)
                    work.job.made.extend(_encode_pages(work, pages, alone, 0))

    def _rasterizer(self, work: _Work) -> Rasterizer:
        key = (work.template.digest, work.job.request.dpi)
        if key not in self._rasterizers:
            self._rasterizers[key] = Rasterizer(work.template.resources, work.job.request.dpi)
        return self._rasterizers[key]


class _Signature:
    """The signer, the form of its signatures and how many bytes they need."""

    def __init__(self, signer: RawSigner, options: SignatureOptions) -> None:
        self.signer = signer
        self.options = options
        self.reserve = pdf_signature.reserve_bytes(signer, options)


def _encode_pages(work: _Work, pages: Iterator[PagePixels], display: DisplayList, doc: int) -> list[Output]:
    """Take the pages of this document of a display list from the rasteriser and encode them."""
    png = encoder("png")
    outputs = []
    for page in range(int(display.doc_page_off[doc + 1] - display.doc_page_off[doc])):
        with work.job.times.stage("raster"):
            pixels = next(pages)
        with work.job.times.stage("encode"):
            data = png.encode(pixels)
        name = f"{work.invoice.number}{'' if page == 0 else f'-p{page + 1}'}{png.suffix}"
        outputs.append(Output(name, "png", png.media_type, data, f"sm3:{sm3_hex(data)}", "cpu"))
    return outputs


def _check_request(request: RenderRequest) -> None:
    faults = []
    for kind in request.outputs:
        if kind not in OUTPUT_KINDS:
            known = ", ".join(OUTPUT_KINDS)
            faults.append(Fault("outputs", "request.output_unknown", f"no output {kind!r}.", f"Choose from {known}."))
    if not MIN_DPI <= request.dpi <= MAX_DPI:
        limits = f"Choose {MIN_DPI} to {MAX_DPI}."
        faults.append(Fault("dpi", "request.dpi_range", f"{request.dpi} dpi is out of range.", limits))
    if request.signing_time.tzinfo is None:
        remedy = "Pass a datetime with a time zone."
        faults.append(Fault("signing_time", "request.time_zone", "the signing time has no time zone.", remedy))
    if faults:
        raise InputError("the request cannot be carried out.", faults=tuple(faults))


def _pdf_info(invoice: Invoice, template: Template) -> PdfInfo:
    return PdfInfo(
        title=f"{template.title} {invoice.number}",
        author=invoice.seller.name,
        subject=template.title,
        keywords=invoice.number,
        # From the invoice, not from the clock: a re-rendered document keeps its bytes.
        created=datetime.combine(invoice.issued, time(), CHINA_TIME),
    )


def _xml_attachment(invoice: Invoice) -> Attachment:
    """Attach the XML as it came in, byte for byte, or the same data written as XML where JSON came in."""
    given = invoice.source is not None and invoice.source.media is Media.EINVOICE_XML
    data = invoice.source.data if invoice.source is not None and given else write_einvoice(invoice)
    return Attachment(
        name=f"{invoice.number}.xml",
        data=data,
        media_type="text/xml",
        relationship="Source" if given else "Data",
        description="EInvoice",
        modified=datetime.combine(invoice.issued, time(), CHINA_TIME),
    )
