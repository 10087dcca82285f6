"""Puts the stages together: read → layout → {pdf → sign, raster → encode}, a batch at a time.

One invoice's fault never fails its batch: each request gets a result, which holds outputs or an error.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta, timezone
from functools import lru_cache

from render.budget import BatchRoom
from render.collection import paused_collection
from render.config import RenderSettings
from render.display.batch import concat
from render.display.list import DisplayList
from render.display.resources import Picture
from render.drawing import Drawing, DrawnPage
from render.errors import ConfigError, DeviceLost, KeyRejected, MalformedInput
from render.fonts.registry import load_fonts
from render.job import Job, Output, RenderRequest, RenderResult, check_request
from render.layout.engine import layout_batch, layout_invoice
from render.model.einvoice import write_einvoice
from render.model.invoice import Invoice, Media
from render.model.read import read_invoice
from render.pdf.writer import Attachment, Description, PdfInfo, PdfWriter, describe
from render.sign import pdf as pdf_signature
from render.sign.api import RawSigner
from render.sign.keys import load_identity
from render.sign.options import SignatureOptions
from render.sign.seal_reader import read_seal
from render.sign.sm3_many import sm3_many
from render.templates.registry import Template, TemplateRegistry
from render.timing import StageTimes
from render.units import um_to_px

__all__ = ["CHINA_TIME", "Output", "RenderRequest", "RenderResult", "Renderer"]

CHINA_TIME = timezone(timedelta(hours=8))
UNDIGESTED = ""
_KEPT_DAYS = 64


@dataclass(frozen=True, slots=True)
class _Work:
    """A job whose invoice was read."""

    job: Job
    invoice: Invoice
    template: Template

    def alone(self) -> DisplayList:
        """Return the invoice laid out by itself."""
        return layout_invoice(self.invoice, self.template)


class Renderer:
    """Renders invoices; build it once a process, since fonts, templates and atlases are kept.

    Raises:
        ConfigError: fonts or templates are missing, or the seal of signatures cannot be read.
        KeyUnavailable, KeyRejected: the signing identity cannot be used.
        BackendUnavailable: a device was asked for that cannot be used here.
    """

    def __init__(self, settings: RenderSettings) -> None:
        self.settings = settings
        self.fonts = load_fonts(settings.fonts)
        self._registry = TemplateRegistry(settings.templates)
        self._seal = Picture.open(settings.seal) if settings.seal else None
        self._templates: dict[str, Template] = {}
        self._writers: dict[str, PdfWriter] = {}
        self._drawing = Drawing(settings.device)
        self._signature = (
            _Signature(load_identity(settings.identity), _signature_options(settings)) if settings.identity else None
        )

    def template(self, kind: str) -> Template:
        """Return the compiled template of an invoice kind.

        Raises:
            TemplateUnknown: there is none.
        """
        if kind not in self._templates:
            self._templates[kind] = self._registry.load(kind, fonts=self.fonts, seal=self._seal)
        return self._templates[kind]

    @paused_collection()
    def render_batch(self, requests: Sequence[RenderRequest]) -> list[RenderResult]:
        """Render many invoices; the results stand in the order of the requests.

        Raises:
            DeviceLost: the GPU broke; this process must end, and the invoices be rendered by another.
        """
        room = BatchRoom(self.settings.budget)
        jobs = [Job(request, RenderResult(request.job_id), room) for request in requests]
        groups: dict[str, list[_Work]] = defaultdict(list)
        for job in jobs:
            with job.boundary():
                work = self._read(job)
                groups[work.template.digest].append(work)
        for group in groups.values():
            batch, laid_out = self._lay_out(group)
            if batch is not None:
                self._export(laid_out, batch)
        _digest([job for job in jobs if job.is_well])
        for job in jobs:
            job.result.stage_ms = job.times.rounded()
            if job.result.error is None:
                job.result.outputs = tuple(job.made)
        return [job.result for job in jobs]

    def _read(self, job: Job) -> _Work:
        job.encoders = check_request(job.request)
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
            if work.job.encoders:
                with work.job.boundary():
                    work.job.room.take_pixels(_page_sizes(work, batch, doc), len(work.job.encoders))
        descriptions: dict[int, Description] = {}
        # One step for all documents, then the next: code that stays in the processor's cache runs faster.
        for doc, work in enumerate(group):
            if work.job.is_well and "pdf" in work.job.request.outputs:
                with work.job.boundary(), work.job.times.stage("pdf"):
                    descriptions[doc] = self._describe(work)
        for doc, description in descriptions.items():
            self._write(group[doc], batch, doc, description)
        by_dpi: dict[int, list[_Work]] = defaultdict(list)
        for work in group:
            if work.job.pictures:
                by_dpi[work.job.request.dpi].append(work)
        for drawn in by_dpi.values():
            self._draw(drawn, batch if len(drawn) == len(group) else concat([work.alone() for work in drawn]))

    def _describe(self, work: _Work) -> Description:
        options = self._signature.options if self._signature else self.settings.signature
        return describe(_pdf_info(work.invoice, work.template, options), [_xml_attachment(work.invoice)])

    def _write(self, work: _Work, batch: DisplayList, doc: int, description: Description) -> None:
        """Write one document out of its batch or, if that fails, alone: another document may be to blame."""
        try:
            output = self._write_pdf(work, batch, doc, description)
        except Exception:  # noqa: BLE001 what stands in the way of this document itself shows when it is written alone
            with work.job.boundary():
                work.job.keep(self._write_pdf(work, work.alone(), 0, description))
        else:
            with work.job.boundary():
                work.job.keep(output)

    def _write_pdf(self, work: _Work, batch: DisplayList, doc: int, description: Description) -> Output:
        digest = work.template.digest
        if digest not in self._writers:
            self._writers[digest] = PdfWriter(work.template.resources, is_tagged=self.settings.pdf_tags)
        reserve = self._signature.reserve if self._signature else 0
        with work.job.times.stage("pdf"):
            file = self._writers[digest].write_described(batch, doc, description, reserve)
        data, signer = file.data, ""
        if self._signature and file.signature_span:
            with work.job.times.stage("sign"):
                key, when = self._signature.signer, work.job.request.signing_time
                data = pdf_signature.sign_pdf(data, file.signature_span, key, when, self._signature.options)
                signer = key.serial
        name = f"{work.invoice.number}.pdf"
        return Output(name, "pdf", "application/pdf", data, UNDIGESTED, "cpu", signer)

    def _draw(self, group: Sequence[_Work], batch: DisplayList) -> None:
        """Draw invoices that share a template and a resolution, together or, after a fault, one by one."""
        n_done = 0
        as_png = all(work.job.encoders is not None and work.job.encoders.is_png_alone for work in group)
        template, dpi = group[0].template, group[0].job.request.dpi
        try:
            pages = self._drawing.pages(template, dpi, batch, as_png=as_png)
            for doc, work in enumerate(group):
                _take_pages(work, pages, _n_pages(batch, doc))
                n_done += 1
        except DeviceLost:
            raise
        except Exception:  # noqa: BLE001 whichever invoice is to blame shows when each is drawn alone
            for work in group[n_done:]:
                with work.job.boundary():
                    alone = work.alone()
                    pages = self._drawing.pages(template, dpi, alone, as_png=as_png)
                    _take_pages(work, pages, _n_pages(alone, 0))


class _Signature:
    """The signer, the form of its signatures and how many bytes they need."""

    def __init__(self, signer: RawSigner, options: SignatureOptions) -> None:
        if options.seal is not None and not options.seal.is_of(signer.certificate_der):
            hint = "Set KAIPIAO_SIGNATURE_SEAL to a seal of this signer."
            raise KeyRejected("the seal does not list the signer's certificate.", hint=hint)
        self.signer = signer
        self.options = options
        self.reserve = pdf_signature.reserve_bytes(signer, options)


def _digest(jobs: Sequence[Job]) -> None:
    """Fill in the digests of what was made, all at once, and charge each job by its share of the bytes."""
    clock = StageTimes()
    with clock.stage("digest"):
        digests = iter(sm3_many([output.data for job in jobs for output in job.made]))
    sizes = [sum([len(output.data) for output in job.made]) for job in jobs]
    ms_a_byte = clock.ms["digest"] / (sum(sizes) or 1)
    for job, size in zip(jobs, sizes, strict=True):
        job.times.add("digest", size * ms_a_byte)
        job.made = [output.with_digest(f"sm3:{next(digests).hex()}") for output in job.made]


def _take_pages(work: _Work, pages: Iterator[DrawnPage], n_pages: int) -> None:
    """Take the pages of this document and encode those that are not yet; a page that cannot be fails its job alone.

    Raises:
        Exception: whatever stands in the way of drawing.
    """
    job, backends = work.job, dict[str, None]()
    pictures = job.encoders.begin() if job.encoders else None
    for _ in range(n_pages):
        with job.times.stage("raster"):
            page, backend = next(pages)
        backends[backend] = None
        # Further pages of a job that failed are taken all the same: those of the next document come after them.
        if pictures is not None and job.is_well:
            with job.boundary(), job.times.stage("encode"):
                if isinstance(page, bytes):
                    pictures.adopt(page, backend)
                else:
                    pictures.add(page)
                job.hold_beside(pictures.n_bytes)
    if pictures is not None and job.is_well:
        with job.boundary():
            with job.times.stage("encode"):
                files = pictures.finish()
            for file in files:
                name = f"{work.invoice.number}{file.name_end}"
                ran = file.library if file.library in backends else f"{'+'.join(backends)}+{file.library}"
                job.keep(Output(name, file.kind, file.media_type, file.data, UNDIGESTED, ran))


def _n_pages(display: DisplayList, doc: int) -> int:
    return int(display.doc_page_off[doc + 1] - display.doc_page_off[doc])


def _page_sizes(work: _Work, display: DisplayList, doc: int) -> Iterator[tuple[int, int]]:
    """Return width and height in pixels of the pages of a document."""
    dpi, first = work.job.request.dpi, int(display.doc_page_off[doc])
    for width_um, height_um in display.page_size_um[first : first + _n_pages(display, doc)].tolist():
        yield um_to_px(width_um, dpi), um_to_px(height_um, dpi)


def _signature_options(settings: RenderSettings) -> SignatureOptions:
    """Return the form of signatures, with the seal read if there is one."""
    if settings.signature_seal is None:
        return settings.signature
    name = settings.signature_seal.name
    try:
        seal = read_seal(settings.signature_seal.read_bytes())
    except OSError as error:
        hint = "Point KAIPIAO_SIGNATURE_SEAL at a file that can be read."
        raise ConfigError(f"the seal {name} cannot be read: {error.strerror}.", hint=hint) from error
    except MalformedInput as error:
        hint = "KAIPIAO_SIGNATURE_SEAL takes an SESeal of GB/T 38540 in DER, not a picture."
        raise ConfigError(f"{name} is no seal: {error}", hint=hint) from error
    return replace(settings.signature, seal=seal)


def _pdf_info(invoice: Invoice, template: Template, options: SignatureOptions) -> PdfInfo:
    return PdfInfo(
        title=f"{template.title} {invoice.number}",
        author=invoice.seller.name,
        subject=template.title,
        keywords=invoice.number,
        # From the invoice, not from the clock: a re-rendered document keeps its bytes.
        created=_midnight(invoice.issued),
        claims_pdf_a=options.allows_pdf_a,
        signature_format=options.sub_filter,
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
        modified=_midnight(invoice.issued),
    )


# Most invoices of a batch were issued on the same day.
@lru_cache(maxsize=_KEPT_DAYS)
def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), CHINA_TIME)
