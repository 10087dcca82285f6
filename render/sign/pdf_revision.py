"""What changed in a PDF after a signature (ISO 32000-1, 7.5.6 and 12.8.2.2): another signature, or anything else.

Every object of the signed revision is compared with the object of the same number in the whole file, so it does not
matter how an update is written. Allowed is what an invisible signature needs: a field at the end of the form, its
widget at the end of a page's annotations, its value; or the value of a field that was there and empty.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import pikepdf

from render.sign.findings import Code, Finding
from render.sign.pdf_fields import READER_ERRORS, open_pdf

MAX_OBJECTS = 200_000

_Number: TypeAlias = tuple[int, int]

_TEXTS = {
    Code.PAGE_CHANGED_LATER: "what pages show was changed after signing, by an update.",
    Code.ATTACHMENT_CHANGED_LATER: "attachments were changed, added or removed after signing, by an update.",
    Code.DESCRIPTION_CHANGED_LATER: "the description of the document was changed after signing, by an update.",
    Code.FORM_CHANGED_LATER: "the form was changed after signing, and not just by an invisible signature.",
    Code.OBJECT_CHANGED_LATER: "objects of the document were changed after signing, by an update.",
    Code.REVISION_UNREADABLE: "what was signed is no complete file, so it cannot be told what was changed later.",
}
_CATALOG_CODES = {
    "/Pages": Code.PAGE_CHANGED_LATER,
    "/OCProperties": Code.PAGE_CHANGED_LATER,
    "/Names": Code.ATTACHMENT_CHANGED_LATER,
    "/AF": Code.ATTACHMENT_CHANGED_LATER,
    "/Metadata": Code.DESCRIPTION_CHANGED_LATER,
    "/AcroForm": Code.FORM_CHANGED_LATER,
}
_TYPE_CODES = {
    "/EmbeddedFile": Code.ATTACHMENT_CHANGED_LATER,
    "/Filespec": Code.ATTACHMENT_CHANGED_LATER,
    "/Metadata": Code.DESCRIPTION_CHANGED_LATER,
    "/Annot": Code.FORM_CHANGED_LATER,
    "/Sig": Code.FORM_CHANGED_LATER,
    "/Page": Code.PAGE_CHANGED_LATER,
    "/Pages": Code.PAGE_CHANGED_LATER,
    "/XObject": Code.PAGE_CHANGED_LATER,
    "/Font": Code.PAGE_CHANGED_LATER,
    "/FontDescriptor": Code.PAGE_CHANGED_LATER,
    "/StructElem": Code.PAGE_CHANGED_LATER,
    "/StructTreeRoot": Code.PAGE_CHANGED_LATER,
}
_CONTAINERS = ("/ObjStm", "/XRef")
"""How objects are stored, not what they say; their content is compared object by object."""
_WIDGET_KEYS = frozenset(("/Type", "/Subtype", "/FT", "/T", "/TU", "/F", "/Ff", "/Rect", "/P", "/V", "/Parent"))
_SIGNATURE_FLAGS = "/SigFlags"


def later_changes(data: bytes, end: int) -> tuple[Finding, ...]:
    """Return what changed in a file after its first ``end`` bytes, beyond invisible signatures.

    Args:
        data: the whole file.
        end: where a signed revision ends.

    Returns:
        Nothing where only signatures were added; else one finding for each kind of change.
    """
    try:
        with open_pdf(data[:end], attempt_recovery=False) as old, open_pdf(data, attempt_recovery=False) as new:
            if max(len(old.objects), len(new.objects)) > MAX_OBJECTS:
                codes = {Code.REVISION_UNREADABLE}
            else:
                codes = set(_Comparison(old, new).codes())
            if old.get_warnings() or new.get_warnings():
                codes.add(Code.REVISION_UNREADABLE)
    except READER_ERRORS:
        codes = {Code.REVISION_UNREADABLE}
    return tuple(Finding(code, _TEXTS[code]) for code in sorted(codes, key=list(_TEXTS).index))


class _Comparison:
    """Two revisions of one document, object by object."""

    def __init__(self, old: pikepdf.Pdf, new: pikepdf.Pdf) -> None:
        self._old_pdf, self._new_pdf = old, new
        self._old = {item.objgen: item for item in old.objects}
        self._new = {item.objgen: item for item in new.objects}
        form = old.Root.get("/AcroForm")
        fields = form.get("/Fields") if isinstance(form, pikepdf.Dictionary) else None
        self._form: _Number = form.objgen if isinstance(form, pikepdf.Dictionary) else (0, 0)
        self._fields: _Number = fields.objgen if isinstance(fields, pikepdf.Array) else (0, 0)
        self._annotations = {
            page["/Annots"].objgen for page in (page.obj for page in old.pages) if "/Annots" in page
        } - {(0, 0)}

    def codes(self) -> Iterator[Code]:
        """Yield the kind of every change that a signature does not need."""
        if self._old_pdf.Root.objgen != self._new_pdf.Root.objgen:
            yield Code.OBJECT_CHANGED_LATER
        if _number(self._old_pdf.trailer.get("/Info")) != _number(self._new_pdf.trailer.get("/Info")):
            yield Code.DESCRIPTION_CHANGED_LATER
        for number, before in self._old.items():
            # A reference to nothing is null to qpdf, so whoever supplies the object later changes what refers to it.
            after = self._new.get(number)
            if after is None:
                yield self._kind(number, before)
            elif not _is_same(before, after):
                yield from self._compare(number, before, after)

    def _compare(self, number: _Number, before: Any, after: Any) -> Iterator[Code]:  # noqa: ANN401 any PDF object
        if number == self._old_pdf.Root.objgen:
            yield from self._compare_catalog(before, after)
        elif number == self._form:
            if not self._is_grown_form(before, after):
                yield Code.FORM_CHANGED_LATER
        elif number == self._fields or number in self._annotations:
            if not self._is_grown_array(before, after):
                yield Code.FORM_CHANGED_LATER
        elif _type(before) == "/Page" and _differing(before, after) == {"/Annots"}:
            if not self._is_grown_array(before.get("/Annots", pikepdf.Array()), after.get("/Annots")):
                yield Code.FORM_CHANGED_LATER
        elif not _is_filled_field(before, after, self._old):
            yield self._kind(number, before)

    def _compare_catalog(self, before: Any, after: Any) -> Iterator[Code]:  # noqa: ANN401
        if not isinstance(after, pikepdf.Dictionary):
            yield Code.OBJECT_CHANGED_LATER
            return
        for key in _differing(before, after):
            code = _CATALOG_CODES.get(key, Code.OBJECT_CHANGED_LATER)
            if key == "/AcroForm" and self._is_grown_form(before.get(key, pikepdf.Dictionary()), after.get(key)):
                continue
            yield code

    def _is_grown_form(self, before: Any, after: Any) -> bool:  # noqa: ANN401
        """Tell whether a form only got more signature fields."""
        if not isinstance(before, pikepdf.Dictionary) or not isinstance(after, pikepdf.Dictionary):
            return False
        differing = _differing(before, after) - {_SIGNATURE_FLAGS}
        return differing <= {"/Fields"} and (
            not differing or self._is_grown_array(before.get("/Fields", pikepdf.Array()), after.get("/Fields"))
        )

    def _is_grown_array(self, before: Any, after: Any) -> bool:  # noqa: ANN401
        """Tell whether an array holds what it held, and behind it nothing but new invisible signature fields."""
        if not isinstance(before, pikepdf.Array) or not isinstance(after, pikepdf.Array):
            return False
        kept, added = len(before), list(after)[len(before) :]
        return [_spelling(item) for item in before] == [_spelling(item) for item in list(after)[:kept]] and all(
            self._is_new_signature(item) for item in added
        )

    def _is_new_signature(self, item: Any) -> bool:  # noqa: ANN401
        """Tell whether a field is new, holds a signature, shows nothing and does nothing."""
        if not isinstance(item, pikepdf.Dictionary) or not item.is_indirect or item.objgen in self._old:
            return False
        value, box = item.get("/V"), item.get("/Rect")
        shows_nothing = box is None or _is_empty(box)
        return (
            str(item.get("/FT")) == "/Sig"
            and set(item.keys()) <= _WIDGET_KEYS
            and isinstance(value, pikepdf.Dictionary)
            and value.objgen not in self._old
            and item.get("/Parent") is None
            and shows_nothing
        )

    def _kind(self, number: _Number, item: Any) -> Code:  # noqa: ANN401
        if number == self._old_pdf.trailer.get("/Info", pikepdf.Dictionary()).objgen:
            return Code.DESCRIPTION_CHANGED_LATER
        if isinstance(item, pikepdf.Dictionary) and "/FT" in item:
            return Code.FORM_CHANGED_LATER
        names = self._old_pdf.Root.get("/Names")
        tree = names.get("/EmbeddedFiles") if isinstance(names, pikepdf.Dictionary) else None
        if number in {_number(names), _number(tree)} - {(0, 0)}:
            return Code.ATTACHMENT_CHANGED_LATER
        # Content streams and font programs have no type, and are what pages show.
        default = Code.PAGE_CHANGED_LATER if isinstance(item, pikepdf.Stream) else Code.OBJECT_CHANGED_LATER
        return _TYPE_CODES.get(_type(item), default)


def _number(item: Any) -> _Number:  # noqa: ANN401
    found: _Number = item.objgen if isinstance(item, pikepdf.Object) else (0, 0)
    return found


def _is_same(before: Any, after: Any) -> bool:  # noqa: ANN401
    if isinstance(before, pikepdf.Stream) != isinstance(after, pikepdf.Stream):
        return False
    if not isinstance(before, pikepdf.Stream):
        return bool(before.unparse(resolved=True) == after.unparse(resolved=True))
    if _type(before) in _CONTAINERS:
        return True
    same_entries = before.stream_dict.unparse(resolved=True) == after.stream_dict.unparse(resolved=True)
    return bool(same_entries and before.read_raw_bytes() == after.read_raw_bytes())


def _spelling(item: Any) -> bytes:  # noqa: ANN401
    """Return how an item stands in its container: a reference, or the value itself."""
    return bytes(item.unparse()) if isinstance(item, pikepdf.Object) else repr(item).encode()


def _differing(before: Any, after: Any) -> set[str]:  # noqa: ANN401
    """Return the keys whose entries are not spelt alike."""
    if not isinstance(before, pikepdf.Dictionary) or not isinstance(after, pikepdf.Dictionary):
        return {""}
    keys = set(before.keys()) | set(after.keys())
    return {key for key in keys if _spelling(before.get(key)) != _spelling(after.get(key))}


def _type(item: Any) -> str:  # noqa: ANN401
    return str(item.get("/Type", "")) if isinstance(item, pikepdf.Dictionary | pikepdf.Stream) else ""


def _is_filled_field(before: Any, after: Any, old: dict[_Number, Any]) -> bool:  # noqa: ANN401
    """Tell whether an empty signature field that was there got its value, and nothing else."""
    is_empty_field = isinstance(before, pikepdf.Dictionary) and str(before.get("/FT")) == "/Sig" and "/V" not in before
    if not is_empty_field or _differing(before, after) != {"/V"}:
        return False
    value = after["/V"]
    return isinstance(value, pikepdf.Dictionary) and value.objgen not in old


def _is_empty(box: Any) -> bool:  # noqa: ANN401
    if not isinstance(box, pikepdf.Array) or len(box) != 4:
        return False
    left, bottom, right, top = (float(value) for value in box)
    return left == right or bottom == top
