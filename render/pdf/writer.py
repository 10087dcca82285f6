"""Writes a display list as PDF 1.7 with the structure of PDF/A-3b (ISO 32000-1; ISO 19005-3).

The file is put together front to back, never parsed or serialised again: the shared objects of
:mod:`render.pdf.background`, then the document's own, then cross-references. The same arguments give the same bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from render.display.list import NO_BASE, DisplayList
from render.display.resources import Resources
from render.errors import OutputInvalid
from render.fonts.book import FontBook
from render.fonts.subset import keep_outlines
from render.pdf.attachment import add_attachments
from render.pdf.background import ID_BYTES, Background, compile_background, resource_dictionary
from render.pdf.body import Body
from render.pdf.content import SCALE, Content, Painter
from render.pdf.deflate import deflate_fast
from render.pdf.description import Description, describe
from render.pdf.field import add_signature_field
from render.pdf.font import FontCache, glyphs_of, stated_widths
from render.pdf.info import Attachment, PdfFile, PdfInfo
from render.pdf.picture import PictureBlock
from render.pdf.structure import END_ELEMENT, PARAGRAPH, add_structure, begin_element, mark_elements, no_marks
from render.pdf.syntax import number, stream
from render.pdf.text import TextObjects, font_name, seed_keys
from render.units import um_to_pt

__all__ = ["Attachment", "Description", "PdfFile", "PdfInfo", "PdfWriter", "describe"]

_VALUE_PREFIX = "F"
# The face of tax ids holds all that can stand in one (GB 32100: no I, O, S, V, Z), and the ¥ sign, in every document:
# two thousand bytes more, but the same font each time, which is made once.
_CODE_ROLE = "mono"
_CODE_CHARACTERS = "0123456789ABCDEFGHJKLMNPQRTUWXY¥"
_BOX_DECIMALS = 5
_KEPT_BOXES = 64
_GROUP = "/Group<</S/Transparency/CS/DeviceRGB>>"


class PdfWriter:
    """Writes documents of one template; build it once, since backgrounds and fonts are compiled and kept.

    Args:
        resources: backgrounds, fonts and pictures.
        is_tagged: give documents a structure tree, which costs about a kilobyte.
    """

    def __init__(self, resources: Resources, *, is_tagged: bool = True) -> None:
        self._is_tagged = is_tagged
        self._resources = resources
        self._pictures = {digest: PictureBlock(picture) for digest, picture in resources.pictures.items()}
        self._backgrounds: dict[tuple[str, ...], Background] = {}
        self._fonts = FontCache()
        self._widths = stated_widths(resources.fonts.advance)
        book = resources.fonts
        face, *_ = book.chains.get(_CODE_ROLE, (0,))
        self._seeds = seed_keys(face, book.faces[face].cmap, _CODE_CHARACTERS if _CODE_ROLE in book.chains else "")
        self._last: _Batch | None = None
        for digest in resources.bases:
            self._background((digest,))

    def write(
        self,
        display: DisplayList,
        doc: int,
        info: PdfInfo,
        attachments: Sequence[Attachment] = (),
        reserve_signature_bytes: int = 0,
    ) -> PdfFile:
        """Return one document of a display list as a PDF file.

        Args:
            display: one or more laid-out documents.
            doc: which document of the list.
            info: its description.
            attachments: files to carry inside it.
            reserve_signature_bytes: room for a signature, 0 = no signature field.

        Raises:
            OutputInvalid: the list was laid out with other fonts or names a background or picture that is not there.
            InputError: two attachments of one name.
        """
        return self.write_described(display, doc, describe(info, attachments), reserve_signature_bytes)

    def write_described(
        self, display: DisplayList, doc: int, description: Description, reserve_signature_bytes: int = 0
    ) -> PdfFile:
        """Return one document of a display list as a PDF file, like :meth:`write`.

        Args:
            display: one or more laid-out documents.
            doc: which document of the list.
            description: from :func:`render.pdf.description.describe`.
            reserve_signature_bytes: room for a signature, 0 = no signature field.

        Raises:
            OutputInvalid: the list was laid out with other fonts or names a background or picture that is not there.
            InputError: two attachments of one name.
        """
        if display.fonts != self._resources.fonts.digests:
            raise OutputInvalid("the document was laid out with other fonts.", hint="Please report this defect.")
        draft = _Draft(self._resources.fonts, self._pictures, self._fonts, self._prepare(display), doc)
        background = self._background(draft.bases_used)
        return draft.finish(background, description, reserve_signature_bytes)

    def _prepare(self, display: DisplayList) -> _Batch:
        """Return what is made once for all documents of a list."""
        if self._last is None or self._last.display is not display:
            offsets = display.doc_page_off.astype(np.int64)
            document = np.arange(display.n_docs).repeat(offsets[1:] - offsets[:-1])
            marks = mark_elements(display) if self._is_tagged else no_marks(display)
            texts = TextObjects(display, self._widths, _VALUE_PREFIX, document, self._seeds, marks)
            self._keep_outlines(texts)
            self._last = _Batch(display, texts, Painter(display, texts, marks))
        return self._last

    def _keep_outlines(self, texts: TextObjects) -> None:
        """Cut the glyphs of all documents out of the fonts at once."""
        glyphs: dict[int, list[NDArray[np.int64]]] = {}
        for pairs_by_face in texts.pairs:
            for face, pairs in pairs_by_face.items():
                glyphs.setdefault(face, []).append(glyphs_of(pairs))
        for face, ids in glyphs.items():
            keep_outlines(self._resources.fonts.faces[face], np.concatenate(ids))

    def _background(self, digests: tuple[str, ...]) -> Background:
        if digests not in self._backgrounds:
            missing = [digest for digest in digests if digest not in self._resources.bases]
            if missing:
                raise OutputInvalid(f"no background {missing[0]}.", hint="Please report this defect.")
            self._backgrounds[digests] = compile_background(self._resources, digests, self._widths, self._pictures)
        return self._backgrounds[digests]


class _Batch:
    """A display list of one or more documents, prepared for writing each of them."""

    def __init__(self, display: DisplayList, texts: TextObjects, painter: Painter) -> None:
        self.display = display
        self.texts = texts
        self.painter = painter
        self.first_pages: list[int] = display.doc_page_off.tolist()
        self.sizes_um: list[tuple[int, int]] = list(map(tuple, display.page_size_um.tolist()))
        bases = display.page_base.tolist()
        self.bases = [display.bases[base] if base != NO_BASE else None for base in bases]


class _Draft:
    """One document on its way to a file."""

    def __init__(
        self,
        book: FontBook,
        pictures: Mapping[str, PictureBlock],
        fonts: FontCache,
        batch: _Batch,
        doc: int,
    ) -> None:
        self._book = book
        self._pairs: Mapping[int, NDArray[np.int64]] = batch.texts.pairs[doc]
        self._batch = batch
        self._pictures = pictures
        self._fonts = fonts
        self._n_font_chunks = 0
        self._pages = range(batch.first_pages[doc], batch.first_pages[doc + 1])
        self._bases = batch.bases[self._pages.start : self._pages.stop]
        self.bases_used = tuple(sorted({base for base in self._bases if base is not None}))

    def finish(self, background: Background, description: Description, reserve_bytes: int) -> PdfFile:
        """Return the file."""
        info = description.info
        body = Body(background.next_number, len(background.data))
        widget = body.reserve() if reserve_bytes else None
        pages, tree, entries = self._add_pages(body, background, widget)
        entries += add_attachments(body, description.attachments, description.embedded)
        metadata = body.place(description.metadata)
        info_number = body.add(description.dictionary)
        field = None
        if widget is not None:
            field = add_signature_field(body, widget, pages[0], reserve_bytes, info)
            entries += field.catalog_entries
        catalog = body.add(
            f"<</Type/Catalog/Pages {tree} 0 R/Metadata {metadata} 0 R"
            f"/OutputIntents[{background.output_intent} 0 R]/Lang({info.language})"
            f"/ViewerPreferences<</DisplayDocTitle true>>{entries}>>"
        )
        data = self._assemble(background, body, catalog, info_number, info)
        if field is None:
            return PdfFile(data, None)
        return PdfFile(field.fill_range(data), field.contents_span)

    def _add_pages(self, body: Body, background: Background, widget: int | None) -> tuple[list[int], int, str]:
        """Append pages with all that they need.

        Returns:
            The numbers of the pages and of the page tree, and the catalog's entries for the structure.
        """
        pages = self._pages
        content = self._batch.painter.pages(pages.start, pages.stop)
        resources = body.add(self._resources(body, background, content))
        tree = body.reserve()
        numbers = []
        for place, page in enumerate(pages):
            entries = f"/Resources {resources} 0 R"
            if widget is not None and place == 0:
                entries += f"/Annots[{widget} 0 R]"
            if content.marks[place]:
                entries += f"/StructParents {place}/Tabs/S"
            numbers.append(self._add_page(body, background, content, page, tree, entries))
        kids = " ".join(f"{page} 0 R" for page in numbers)
        body.add(f"<</Type/Pages/Count {len(numbers)}/Kids[{kids}]>>", tree)
        structure = add_structure(body, numbers, content.marks) if any(content.marks) else ""
        return numbers, tree, structure

    def _resources(self, body: Body, background: Background, content: Content) -> str:
        fonts = {}
        for face, pairs in self._pairs.items():
            fonts[font_name(_VALUE_PREFIX, face)] = self._fonts.font(self._book.faces[face], pairs).write(body)
        self._n_font_chunks = len(body.chunks())
        images = {}
        for index in content.images:
            digest = self._batch.display.images[index]
            if digest not in self._pictures:
                raise OutputInvalid(f"no picture {digest}.", hint="Please report this defect.")
            images[index] = background.images.get(digest) or self._pictures[digest].write(body)
        forms = {_form_name(place): background.forms[base].number for place, base in enumerate(self.bases_used)}
        return resource_dictionary(fonts, content, images, forms)

    def _add_page(self, body: Body, background: Background, content: Content, page: int, tree: int, rest: str) -> int:
        place = page - self._pages.start
        width, height = self._batch.sizes_um[page]
        operators = [SCALE]
        is_transparent = content.is_transparent[place]
        base = self._bases[place]
        if base is not None:
            form = background.forms[base]
            is_transparent = is_transparent or form.is_transparent
            name = _form_name(self.bases_used.index(base)).encode("ascii")
            shown = b"%b Do\n" % name
            if form.height_um != height:
                shown = b"q 1 0 0 1 0 %d cm %b Do Q\n" % (height - form.height_um, name)
            operators.extend((begin_element(PARAGRAPH, 0), shown, END_ELEMENT) if content.marks[place] else (shown,))
        operators.append(content.pages[place])
        contents = body.place(stream("/Filter/FlateDecode", deflate_fast(b"".join(operators))))
        group = _GROUP if is_transparent else ""
        return body.add(
            f"<</Type/Page/Parent {tree} 0 R/MediaBox{_box(width, height)}/Contents {contents} 0 R{group}{rest}>>"
        )

    def _assemble(self, background: Background, body: Body, catalog: int, info_number: int, info: PdfInfo) -> bytes:
        """Return the file, with an identifier made from all that it holds (ISO 32000-1, 14.4)."""
        body.pack(deflate_fast)
        state = background.digest.copy()
        # The fonts' own bytes follow from their faces and pairs.
        for face, pairs in self._pairs.items():
            state.update(self._book.faces[face].digest.encode() + pairs.tobytes())
        state.update(b"".join(body.chunks()[self._n_font_chunks :]))
        version = permanent = state.hexdigest()
        if info.document_id:
            permanent = hashlib.blake2b(info.document_id.encode(), digest_size=ID_BYTES).hexdigest()
        trailer = f"/Root {catalog} 0 R/Info {info_number} 0 R/ID[<{permanent}><{version}>]"
        end = body.finish(background.table, trailer, deflate_fast)
        return b"".join((background.data, *body.chunks(), end))


@lru_cache(maxsize=_KEPT_BOXES)
def _box(width_um: int, height_um: int) -> str:
    """Return a rectangle of this size in points, from the origin on."""
    return f"[0 0 {number(um_to_pt(width_um), _BOX_DECIMALS)} {number(um_to_pt(height_um), _BOX_DECIMALS)}]"


def _form_name(place: int) -> str:
    return f"/B{place}"
