"""What every document of a template shares, compiled once: header, output intent, captions' fonts, backgrounds.

These objects stand first in the file, so their numbers and offsets never change and their bytes are copied whole.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from render.display.batch import concat
from render.display.resources import Resources
from render.errors import OutputInvalid
from render.pdf.body import FREE_ENTRY, Body, BodyForm
from render.pdf.content import Painter, PaintState, image_name, state_dictionary, state_name
from render.pdf.deflate import deflate_once
from render.pdf.font import make_font
from render.pdf.icc import srgb_profile
from render.pdf.picture import PictureBlock
from render.pdf.structure import no_marks
from render.pdf.syntax import stream
from render.pdf.text import TextObjects, font_name

# Four bytes above 127 tell transfer programs that the file is binary (ISO 19005-3, 6.1.2).
HEADER = b"%PDF-1.7\n%\xe5\xbc\x80\xe7\xa5\xa8\n"

ID_BYTES = 16
"""Length of a file identifier."""

_CAPTION_PREFIX = "C"


@dataclass(frozen=True, slots=True)
class Form:
    """One background in the file: its Form XObject, its height, and whether it blends with what is below."""

    number: int
    height_um: int
    is_transparent: bool


@dataclass(frozen=True)
class Background:
    """The first objects of a file, for documents over the same backgrounds.

    Attributes:
        data: the file up to where a document's own objects begin; ``table``: the cross-reference entries of it.
        next_number: the first free object number.
        output_intent: object number; ``forms``: by digest of the background; ``images``: by digest of the picture.
        digest: BLAKE2b state over ``data``, to be copied.
    """

    data: bytes
    table: bytes
    next_number: int
    output_intent: int
    forms: Mapping[str, Form]
    images: Mapping[str, int]
    digest: hashlib.blake2b


def compile_background(
    resources: Resources,
    digests: Sequence[str],
    widths: NDArray[np.int32],
    pictures: Mapping[str, PictureBlock],
) -> Background:
    """Return the shared objects of documents that lie over these backgrounds.

    Args:
        resources: hold the backgrounds and the fonts.
        digests: of the backgrounds.
        widths: int32[n_faces, max_glyphs], the widths that fonts state.
        pictures: every picture, by digest.

    Raises:
        OutputInvalid: a background is not a single page, or was laid out with other fonts.
    """
    body = Body(first=1)
    output_intent = _add_output_intent(body)
    images: dict[str, int] = {}
    forms = _add_forms(body, resources, digests, widths, pictures, images) if digests else {}
    body.pack()
    objects = BodyForm(body).fill(len(HEADER), (), (), deflate_once)
    data = HEADER + b"".join(objects.chunks)
    digest = hashlib.blake2b(data, digest_size=ID_BYTES)
    return Background(data, FREE_ENTRY + objects.table, body.next_number, output_intent, forms, images, digest)


def resource_dictionary(
    fonts: Mapping[str, int], states: Sequence[PaintState], images: Mapping[int, int], forms: Mapping[str, int]
) -> str:
    """Return a resource dictionary: fonts and forms by resource name, pictures by index."""
    objects = dict(forms) | {image_name(index): number for index, number in images.items()}
    dictionaries = "".join(f"{state_name(state)}{state_dictionary(state)}" for state in states)
    parts = [
        f"/Font<<{_references(fonts)}>>" if fonts else "",
        f"/XObject<<{_references(objects)}>>" if objects else "",
        f"/ExtGState<<{dictionaries}>>" if dictionaries else "",
    ]
    return f"<<{''.join(parts)}>>"


def _references(numbers: Mapping[str, int]) -> str:
    return "".join(f"{name} {number} 0 R" for name, number in numbers.items())


def _add_output_intent(body: Body) -> int:
    profile = body.place(stream("/N 3/Filter/FlateDecode", deflate_once(srgb_profile())))
    return body.add(
        "<</Type/OutputIntent/S/GTS_PDFA1/OutputConditionIdentifier(sRGB IEC61966-2.1)"
        f"/Info(sRGB IEC61966-2.1)/DestOutputProfile {profile} 0 R>>"
    )


def _add_forms(
    body: Body,
    resources: Resources,
    digests: Sequence[str],
    widths: NDArray[np.int32],
    pictures: Mapping[str, PictureBlock],
    images: dict[str, int],
) -> dict[str, Form]:
    bases = [resources.bases[digest] for digest in digests]
    if any(base.n_pages != 1 for base in bases):
        raise OutputInvalid("a background must be one page.", hint="Please report this defect.")
    # As one list, so that backgrounds of one document share a font.
    joined = concat(bases)
    marks, document = no_marks(joined), np.zeros(len(bases), np.int64)
    texts = TextObjects(joined, widths, _CAPTION_PREFIX, document, np.zeros(0, np.int64), marks)
    content = Painter(joined, texts, marks).pages(0, len(bases))
    fonts = {}
    for face, pairs in texts.pairs[0].items():
        block = make_font(resources.fonts.faces[face], pairs)
        fonts[font_name(_CAPTION_PREFIX, face)] = block.write(body)
    numbers = {}
    for index in content.images:
        digest = joined.images[index]
        numbers[index] = images[digest] = pictures[digest].write(body)
    shared = body.add(resource_dictionary(fonts, content.states, numbers, {}))
    forms = {}
    for place, digest in enumerate(digests):
        width, height = joined.page_size_um[place].tolist()
        entries = f"/Type/XObject/Subtype/Form/BBox[0 0 {width} {height}]/Resources {shared} 0 R/Filter/FlateDecode"
        number = body.place(stream(entries, deflate_once(content.pages[place])))
        drawn = (joined.images[index] for index in content.images)
        is_transparent = content.is_transparent[place] or any(pictures[image].is_transparent for image in drawn)
        forms[digest] = Form(number, height, is_transparent)
    return forms
