"""Writes a display list as PDF 1.7 with the structure of PDF/A-3b (ISO 32000-1; ISO 19005-3).

The file is put together front to back, never parsed or serialised again: the shared objects of
:mod:`render.pdf.background`, then the document's own, then cross-references. The same arguments give the same bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from render.display.list import NO_BASE, DisplayList
from render.display.resources import Resources
from render.errors import OutputInvalid
from render.fonts.book import FontBook
from render.fonts.subset import keep_outlines
from render.pdf.assembly import Assembler, PageShape, Parts, Shape, form_name
from render.pdf.background import ID_BYTES, Background, compile_background
from render.pdf.body import end_of_file
from render.pdf.content import SCALE, Content, Painter
from render.pdf.deflate import deflate_text
from render.pdf.description import Description, describe
from render.pdf.field import SignatureRoom, signature_room
from render.pdf.font import FontBlock, FontCache, glyphs_of, stated_widths
from render.pdf.info import Attachment, PdfFile, PdfInfo
from render.pdf.picture import PictureBlock
from render.pdf.structure import END_ELEMENT, PARAGRAPH, begin_element, mark_elements, no_marks
from render.pdf.syntax import stream
from render.pdf.text import TextObjects, font_name, seed_keys

__all__ = ["Attachment", "Description", "PdfFile", "PdfInfo", "PdfWriter", "describe"]

_VALUE_PREFIX = "F"
# The face of tax ids holds all that can stand in one (GB 32100: no I, O, S, V, Z), and the ¥ sign, in every document:
# two thousand bytes more, but the same font each time, which is made once.
_CODE_ROLE = "mono"
_CODE_CHARACTERS = "0123456789ABCDEFGHJKLMNPQRTUWXY¥"


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
        self._assembler = Assembler(self._pictures)
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
        draft = _Draft(self._resources.fonts, self._prepare(display), doc)
        background = self._background(draft.bases_used)
        room = signature_room(reserve_signature_bytes, description.info) if reserve_signature_bytes else None
        return draft.finish(background, self._assembler, description, room)

    def _prepare(self, display: DisplayList) -> _Batch:
        """Return what is made once for all documents of a list."""
        if self._last is None or self._last.display is not display:
            offsets = display.doc_page_off.astype(np.int64)
            document = np.arange(display.n_docs).repeat(offsets[1:] - offsets[:-1])
            marks = mark_elements(display) if self._is_tagged else no_marks(display)
            texts = TextObjects(display, self._widths, _VALUE_PREFIX, document, self._seeds, marks)
            self._keep_outlines(texts)
            self._last = _Batch(display, texts, Painter(display, texts, marks), self._make_fonts(texts))
        return self._last

    def _make_fonts(self, texts: TextObjects) -> list[list[FontBlock]]:
        """Return the fonts of each document: all in a row, as code that stays in the processor's cache runs faster."""
        faces = self._resources.fonts.faces
        return [[self._fonts.font(faces[face], pairs) for face, pairs in of_face.items()] for of_face in texts.pairs]

    def _keep_outlines(self, texts: TextObjects) -> None:
        """Cut the glyphs of all documents out of the fonts at once."""
        of_face: dict[int, list[NDArray[np.int64]]] = {}
        for pairs_by_face in texts.pairs:
            for face, pairs in pairs_by_face.items():
                of_face.setdefault(face, []).append(pairs)
        for face, all_pairs in of_face.items():
            keep_outlines(self._resources.fonts.faces[face], glyphs_of(np.concatenate(all_pairs)))

    def _background(self, digests: tuple[str, ...]) -> Background:
        if digests not in self._backgrounds:
            missing = [digest for digest in digests if digest not in self._resources.bases]
            if missing:
                raise OutputInvalid(f"no background {missing[0]}.", hint="Please report this defect.")
            self._backgrounds[digests] = compile_background(self._resources, digests, self._widths, self._pictures)
        return self._backgrounds[digests]


class _Batch:
    """A display list of one or more documents, prepared for writing each of them."""

    def __init__(
        self, display: DisplayList, texts: TextObjects, painter: Painter, fonts: Sequence[Sequence[FontBlock]]
    ) -> None:
        self.display = display
        self.texts = texts
        self.painter = painter
        self.fonts = fonts
        self.first_pages: list[int] = display.doc_page_off.tolist()
        self.sizes_um: list[tuple[int, int]] = list(map(tuple, display.page_size_um.tolist()))
        bases = display.page_base.tolist()
        self.bases = [display.bases[base] if base != NO_BASE else None for base in bases]


class _Draft:
    """One document on its way to a file."""

    def __init__(self, book: FontBook, batch: _Batch, doc: int) -> None:
        self._book = book
        self._batch = batch
        self._pairs: Mapping[int, NDArray[np.int64]] = batch.texts.pairs[doc]
        self._fonts = batch.fonts[doc]
        self._first_page, self._end_page = batch.first_pages[doc : doc + 2]
        self._bases = batch.bases[self._first_page : self._end_page]
        self.bases_used = tuple(sorted({base for base in self._bases if base is not None}))

    def finish(
        self,
        background: Background,
        assembler: Assembler,
        description: Description,
        room: SignatureRoom | None,
    ) -> PdfFile:
        """Return the file."""
        info, batch = description.info, self._batch
        content = batch.painter.pages(self._first_page, self._end_page)
        blocks = self._fonts
        names = map(_font_resource, self._pairs)
        shape = Shape(
            bases=self.bases_used,
            fonts=tuple([(name, font.descriptor, font.is_cff) for name, font in zip(names, blocks, strict=True)]),
            pages=tuple([self._page_shape(background, content, place) for place in range(len(self._bases))]),
            states=tuple(content.states),
            images=tuple([(index, batch.display.images[index]) for index in content.images]),
            files=description.file_places,
            language=info.language,
            is_signed=room is not None,
        )
        parts = Parts(
            fonts=blocks,
            pages=[self._page_stream(background, content, place) for place in range(len(self._bases))],
            files=description.files,
            metadata=description.metadata,
            dictionary=description.dictionary,
            signature=room.content if room else b"",
        )
        assembled = assembler.assemble(background, shape, parts)
        objects = assembled.objects
        trailer = assembled.trailer + self._identifiers(background, objects.chunks[assembled.own_chunks :], info)
        end = end_of_file(background.table + objects.table, objects.offsets[-1], trailer, deflate_text)
        data = b"".join((background.data, *objects.chunks, end))
        return room.place_in(data, assembled.signature_at) if room else PdfFile(data, None)

    def _page_shape(self, background: Background, content: Content, place: int) -> PageShape:
        base = self._bases[place]
        is_transparent = content.is_transparent[place] or (base is not None and background.forms[base].is_transparent)
        return PageShape(self._batch.sizes_um[self._first_page + place], is_transparent, content.marks[place])

    def _page_stream(self, background: Background, content: Content, place: int) -> bytes:
        operators = [SCALE]
        base = self._bases[place]
        if base is not None:
            form, height = background.forms[base], self._batch.sizes_um[self._first_page + place][1]
            name = form_name(self.bases_used.index(base)).encode("ascii")
            shown = b"%b Do\n" % name
            if form.height_um != height:
                shown = b"q 1 0 0 1 0 %d cm %b Do Q\n" % (height - form.height_um, name)
            operators.extend((begin_element(PARAGRAPH, 0), shown, END_ELEMENT) if content.marks[place] else (shown,))
        operators.append(content.pages[place])
        return stream("/Filter/FlateDecode", deflate_text(b"".join(operators)))

    def _identifiers(self, background: Background, chunks: Sequence[bytes], info: PdfInfo) -> str:
        """Return the trailer's /ID, made from all that the file holds (ISO 32000-1, 14.4)."""
        state = background.digest.copy()
        # The fonts' own bytes follow from their faces and pairs.
        for face, pairs in self._pairs.items():
            state.update(self._book.faces[face].digest.encode() + pairs.tobytes())
        state.update(b"".join(chunks))
        version = permanent = state.hexdigest()
        if info.document_id:
            permanent = hashlib.blake2b(info.document_id.encode(), digest_size=ID_BYTES).hexdigest()
        return f"/ID[<{permanent}><{version}>]"


def _font_resource(face: int) -> str:
    return font_name(_VALUE_PREFIX, face)
