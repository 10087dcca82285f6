"""Which objects a document has and how they refer to each other; all that follows from its shape is put together once.

A shape says of what kinds a document's parts are, and how many; its parts are what differs between invoices of one
shape. Of a shape the objects are laid out with slots in place of the parts, and for each document these are filled.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from typing import NamedTuple

from render.errors import OutputInvalid
from render.pdf.attachment import AttachedFile, add_attachments
from render.pdf.background import Background, resource_dictionary
from render.pdf.body import Body, BodyForm, Filled, slot
from render.pdf.content import PaintState
from render.pdf.deflate import deflate_text
from render.pdf.field import add_signature_field, field_entries
from render.pdf.font import FontBlock
from render.pdf.picture import PictureBlock
from render.pdf.structure import add_structure
from render.pdf.syntax import number
from render.units import um_to_pt

_BOX_DECIMALS = 5
_KEPT_BOXES = 64
_KEPT_FORMS = 256
_GROUP = "/Group<</S/Transparency/CS/DeviceRGB>>"


class PageShape(NamedTuple):
    """A page but for what stands on it.

    Attributes:
        size_um: width and height.
        is_transparent: whether anything on it is blended or translucent.
        marks: the structure type of each of its marked contents, by their number.
    """

    size_um: tuple[int, int]
    is_transparent: bool
    marks: tuple[str, ...]


class Shape(NamedTuple):
    """All of a document that decides which objects it has.

    Attributes:
        bases: digests of its backgrounds.
        fonts: resource name and constant entries of each font, and whether it is CFF.
        pages: in order.
        states: graphics states that are set.
        images: index and digest of each picture.
        files: of each attached file, in the order of the caller, its place in the order of their keys.
        language: of the text.
        is_signed: whether there is room for a signature.
    """

    bases: tuple[str, ...]
    fonts: tuple[tuple[str, str, bool], ...]
    pages: tuple[PageShape, ...]
    states: tuple[PaintState, ...]
    images: tuple[tuple[int, str], ...]
    files: tuple[int, ...]
    language: str
    is_signed: bool


@dataclass(frozen=True, slots=True)
class Parts:
    """What differs between documents of one shape.

    Attributes:
        fonts: in the order of the shape.
        pages: the stream of each page.
        files: those attached, in the order of their keys.
        metadata: the stream of the XMP packet.
        dictionary: the Info dictionary.
        signature: the signature dictionary with its room, or nothing.
    """

    fonts: Sequence[FontBlock]
    pages: Sequence[bytes]
    files: Sequence[AttachedFile]
    metadata: bytes
    dictionary: str
    signature: bytes

    def texts(self) -> list[str]:
        """Return the values of the slots of texts, in the order in which :func:`_blank_parts` numbers them."""
        texts: list[str] = []
        for font in self.fonts:
            texts += (font.base_font, font.widths)
        for file in self.files:
            texts += (file.key, file.entries)
        texts.append(self.dictionary)
        return texts

    def contents(self) -> list[bytes]:
        """Return the values of the slots of contents, likewise."""
        contents: list[bytes] = []
        for font in self.fonts:
            contents += (font.file, font.to_unicode)
        contents += self.pages
        contents += [file.embedded for file in self.files]
        contents += (self.metadata, self.signature)
        return contents


class Assembled(NamedTuple):
    """A document's objects and what its file says of them.

    Attributes:
        objects: with all values.
        own_chunks: the first of the chunks that are not of fonts.
        trailer: the trailer's entries for catalog and Info dictionary.
        signature_at: where the signature dictionary begins in the file; nothing where there is none.
    """

    objects: Filled
    own_chunks: int
    trailer: str
    signature_at: int


class Assembler:
    """Puts documents of a writer together; keeps the forms of the last shapes.

    Args:
        pictures: by digest.
    """

    def __init__(self, pictures: Mapping[str, PictureBlock]) -> None:
        self._pictures = pictures
        self._forms: OrderedDict[Shape, _Form] = OrderedDict()

    def assemble(self, background: Background, shape: Shape, parts: Parts) -> Assembled:
        """Return the objects of a document over its background.

        Args:
            background: that of ``shape.bases``.
            shape: of the document.
            parts: the rest of it.
        """
        form = self._forms.get(shape)
        if form is None:
            form = self._forms[shape] = _Form(background, self._pictures, shape)
            if len(self._forms) > _KEPT_FORMS:
                self._forms.popitem(last=False)
        else:
            self._forms.move_to_end(shape)
        objects = form.body.fill(len(background.data), parts.texts(), parts.contents(), deflate_text)
        signature_at = 0
        if shape.is_signed:
            signature_at = objects.offsets[form.signature_place] + form.signature_head
        return Assembled(objects, form.own_chunks, form.trailer, signature_at)


class _Form:
    """The objects of all documents of a shape."""

    def __init__(self, background: Background, pictures: Mapping[str, PictureBlock], shape: Shape) -> None:
        parts = _blank_parts(shape)
        body = Body(background.next_number)
        widget = body.reserve() if shape.is_signed else None
        resources = _add_resources(body, background, pictures, shape, parts)
        n_font_items = 2 * len(shape.fonts)
        pages, tree = _add_pages(body, shape, parts, resources, widget)
        marks = [page.marks for page in shape.pages]
        entries = add_structure(body, pages, marks) if any(marks) else ""
        entries += add_attachments(body, parts.files, shape.files)
        metadata = body.place(parts.metadata)
        info = body.add(parts.dictionary)
        self.signature_place = len(body.placed)
        self.signature_head = 0
        if widget is not None:
            signature = add_signature_field(body, widget, pages[0], parts.signature)
            self.signature_head = len(b"%d 0 obj\n" % signature)
            entries += field_entries(widget)
        catalog = body.add(
            f"<</Type/Catalog/Pages {tree} 0 R/Metadata {metadata} 0 R"
            f"/OutputIntents[{background.output_intent} 0 R]/Lang({shape.language})"
            f"/ViewerPreferences<</DisplayDocTitle true>>{entries}>>"
        )
        body.pack()
        self.body = BodyForm(body)
        self.own_chunks = self.body.n_chunks(n_font_items)
        self.trailer = f"/Root {catalog} 0 R/Info {info} 0 R"


def _blank_parts(shape: Shape) -> Parts:
    """Return slots for all parts of a shape."""
    texts, contents = map(slot, count()), map(slot, count())

    def content() -> bytes:
        return next(contents).encode("ascii")

    fonts = [FontBlock(next(texts), is_cff, b"", b"", entries, next(texts)) for _, entries, is_cff in shape.fonts]
    files = [AttachedFile(next(texts), next(texts), b"") for _ in shape.files]
    return Parts(
        fonts=[font._replace(file=content(), to_unicode=content()) for font in fonts],
        pages=[content() for _ in shape.pages],
        files=[file._replace(embedded=content()) for file in files],
        metadata=content(),
        dictionary=next(texts),
        signature=content(),
    )


def _add_resources(
    body: Body, background: Background, pictures: Mapping[str, PictureBlock], shape: Shape, parts: Parts
) -> int:
    fonts = {name: font.write(body) for (name, _, _), font in zip(shape.fonts, parts.fonts, strict=True)}
    images = {}
    for index, digest in shape.images:
        if digest not in pictures:
            raise OutputInvalid(f"no picture {digest}.", hint="Please report this defect.")
        images[index] = background.images.get(digest) or pictures[digest].write(body)
    forms = {form_name(place): background.forms[base].number for place, base in enumerate(shape.bases)}
    return body.add(resource_dictionary(fonts, shape.states, images, forms))


def form_name(place: int) -> str:
    """Return the resource name of a document's background, by its place in ``Shape.bases``."""
    return f"/B{place}"


def _add_pages(body: Body, shape: Shape, parts: Parts, resources: int, widget: int | None) -> tuple[list[int], int]:
    """Append the pages and return their numbers, and that of the page tree."""
    tree = body.reserve()
    numbers = []
    for place, (page, stream) in enumerate(zip(shape.pages, parts.pages, strict=True)):
        contents = body.place(stream)
        group = _GROUP if page.is_transparent else ""
        field = f"/Annots[{widget} 0 R]" if widget is not None and place == 0 else ""
        structure = f"/StructParents {place}/Tabs/S" if page.marks else ""
        numbers.append(
            body.add(
                f"<</Type/Page/Parent {tree} 0 R/MediaBox{_box(*page.size_um)}/Contents {contents} 0 R{group}"
                f"/Resources {resources} 0 R{field}{structure}>>"
            )
        )
    kids = " ".join(f"{page} 0 R" for page in numbers)
    body.add(f"<</Type/Pages/Count {len(numbers)}/Kids[{kids}]>>", tree)
    return numbers, tree


@lru_cache(maxsize=_KEPT_BOXES)
def _box(width_um: int, height_um: int) -> str:
    """Return a rectangle of this size in points, from the origin on."""
    return f"[0 0 {number(um_to_pt(width_um), _BOX_DECIMALS)} {number(um_to_pt(height_um), _BOX_DECIMALS)}]"
