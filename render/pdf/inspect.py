"""Reads a finished PDF back with pikepdf and names whatever must never be in one of ours."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pikepdf

from render.errors import MalformedInput

_ACTIONS = frozenset(
    f"/{action}"
    for action in (
        *("GoTo3DView", "GoToDp", "GoToE", "GoToR", "Hide", "ImportData", "JavaScript", "Launch", "Movie", "Named"),
        *("Rendition", "ResetForm", "RichMediaExecute", "SetOCGState", "SetState", "Sound", "SubmitForm", "Thread"),
        *("Trans", "URI"),
    )
)
_KEYS = frozenset(["/AA", "/A", "/OpenAction", "/JS", "/JavaScript", "/URI", "/Launch", "/XFA", "/OPI", "/Ref"])
_FONT_FILES = ("/FontFile", "/FontFile2", "/FontFile3")
_WITH_CHILDREN = "/Type0"
_DRAWN_BY_CONTENT = "/Type3"


def forbidden_in(data: bytes) -> tuple[str, ...]:
    """Return one line for each forbidden thing in a file, empty where there is none.

    Forbidden are actions of any kind (JavaScript, launch, URI, open actions, triggers), references to anything outside
    the file, forms in XML, encryption, and fonts that are not embedded. Every object is walked, also unreachable ones.

    Raises:
        MalformedInput: not a PDF that can be read.
    """
    try:
        with pikepdf.open(io.BytesIO(data)) as pdf:
            found = ["the file is encrypted"] if pdf.is_encrypted else []
            for place, item in _dictionaries(pdf):
                found.extend(f"{place}: {fault}" for fault in _faults(item))
            return tuple(found)
    except pikepdf.PdfError as error:
        raise MalformedInput(f"the file is no readable PDF: {error}.", hint="Render it again.") from error


def remove_forbidden(pdf: pikepdf.Pdf) -> list[str]:
    """Take actions, scripts and references to anything outside from an open file; return one line for each.

    Fonts that are not embedded stay: nothing here could stand in for them.
    """
    removed = []
    for place, item in _dictionaries(pdf):
        for key in sorted(set(item.keys()) & _KEYS):
            del item[key]
            removed.append(f"{place}: key {key}")
        if str(item.get("/S", "")) in _ACTIONS:
            removed.append(f"{place}: action {item['/S']}")
            for key in list(item.keys()):
                del item[key]
    return removed


def _dictionaries(pdf: pikepdf.Pdf) -> Iterator[tuple[str, pikepdf.Object]]:
    """Yield every dictionary and stream of a file with the object that it stands in, nested ones included."""
    roots = [("trailer", pdf.trailer)]
    roots.extend((f"object {item.objgen[0]}", item) for item in pdf.objects)
    for place, root in roots:
        waiting = [root]
        while waiting:
            item = waiting.pop()
            if isinstance(item, (pikepdf.Dictionary, pikepdf.Stream)):
                yield place, item
                children = [item[key] for key in item.keys()]  # noqa: SIM118 iterating a stream is no mapping
            elif isinstance(item, pikepdf.Array):
                children = list(item)
            else:
                continue
            waiting.extend(child for child in children if _is_direct(child))


def _is_direct(child: object) -> bool:
    return isinstance(child, pikepdf.Object) and not child.is_indirect


def _faults(item: pikepdf.Object) -> Iterator[str]:
    keys = set(item.keys())
    yield from (f"key {key}" for key in sorted(keys & _KEYS))
    if str(item.get("/S", "")) in _ACTIONS:
        yield f"action {item['/S']}"
    kind = str(item.get("/Type", ""))
    if isinstance(item, pikepdf.Stream) and "/F" in keys:
        yield "stream outside the file"
    if kind in {"/Filespec", "/F"} and "/EF" not in keys:
        yield "reference to a file outside"
    if str(item.get("/FS", "")) == "/URL":
        yield "reference to an address"
    if kind == "/Font" and not is_embedded(item):
        yield f"font {item.get('/BaseFont', '')} is not embedded"


def is_embedded(font: pikepdf.Object) -> bool:
    """Tell whether a file holds the glyphs of a font that it uses."""
    subtype = str(font.get("/Subtype", ""))
    if subtype == _DRAWN_BY_CONTENT:
        return True
    if subtype == _WITH_CHILDREN:
        descendants = font.get("/DescendantFonts", pikepdf.Array())
        return len(descendants) > 0 and all(is_embedded(child) for child in descendants)
    descriptor = font.get("/FontDescriptor", pikepdf.Dictionary())
    return any(key in descriptor for key in _FONT_FILES)
