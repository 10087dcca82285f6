"""The tax platform's ``EInvoice`` XML, read by a parser that can neither reach out nor be blown up.

Documents with a DOCTYPE are refused before they are parsed, so there are no entities to expand. An element is read only
where we know it; every other is reported, unless it is known to have no place on the face.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Final

from lxml import etree

from render.model import elements
from render.model.faults import Findings, malformed
from render.model.fields import MAX_LINES, MONEY
from render.model.invoice import InvoiceKind, LineRole, Treatment
from render.model.raw import RawInvoice
from render.model.red import find_blue_number, find_confirmation
from render.model.text import quote

MAX_DEPTH: Final = 8
MAX_TAGS: Final = 60_000
"""An opening and a closing tag for each value of the longest permitted invoice, and room for what vendors add."""

_DOCTYPE = re.compile(r"(?:\s++|<\?.*?\?>|<!--.*?-->)*+<!(?!--)", re.DOTALL)
_DECLARED_ENCODING = re.compile(r"""<\?xml\s[^>]*?encoding\s*=\s*["']([^"']*)["']""")
_TIME = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[ T][0-9]{2}:[0-9]{2}:[0-9]{2})?")
_LOOSE_MONEY = re.compile(r"(-?)(0|[1-9][0-9]{0,15})(?:\.([0-9]{0,2})0*)?")
_IS_TOO_DEEP = etree.XPath("boolean(" + "/*" * (MAX_DEPTH + 1) + ")")
_VERSIONS = frozenset({"0.2", "0.32", "0.35"})
_SPACE = " \t\n\r"
_NOT_XML = "Send the EInvoice XML as the tax platform issued it, in UTF-8 and without a DOCTYPE."

# Known elements that say nothing about the face of the invoice.
_HEADER_PARTS = frozenset({"EIid", "EInvoiceTag", "Version", "InherentLabel", "UndefinedLabel"})
_LABELS = frozenset({"InIssuType", "EInvoiceType", "GeneralOrSpecialVAT", "TaxpayerType"})
_ROOT_PARTS = frozenset({"Header", "EInvoiceData", "TaxSupervisionInfo", "TaxBureauSignature", "ptbh"})
_BESIDE_PARTY = frozenset({"BuyerHandlingName"})
_BESIDE_SUPERVISION = frozenset({"TaxBureauCode", "TaxBureauName"})
_BESIDE_REMARK = frozenset({"Transaction"})
_DATA_PARTS = frozenset(
    {
        "SellerInformation",
        "BuyerInformation",
        "BasicInformation",
        "IssuItemInformation",
        "SpecificInformation",
        "AdditionalInformation",
    }
)
_MONEY_FIELDS = ("total_amount", "total_tax", "total")
_LINE_MONEY_FIELDS = ("amount", "tax", "with_tax")


def read_xml(data: bytes, text: str, findings: Findings) -> RawInvoice:
    """Read the values of an ``EInvoice`` document.

    Args:
        data: the document.
        text: the same, decoded from UTF-8.
        findings: takes a fault for each element that contradicts another, and a warning for each that we do not know.

    Raises:
        MalformedInput: not XML, not an ``EInvoice``, or an attack on the parser.
    """
    root = _parse(data, text)
    return _Reading(findings).invoice(root)


def _parse(data: bytes, text: str) -> etree._Element:
    if _DOCTYPE.match(text):
        raise malformed("xml.doctype", "The XML document has a DOCTYPE.", _NOT_XML)
    declared = _DECLARED_ENCODING.match(text)
    if declared and declared[1].upper() not in {"UTF-8", "UTF8"}:
        raise malformed("xml.encoding", f"The XML document declares {quote(declared[1])}.", _NOT_XML)
    if data.count(b"<") > MAX_TAGS:
        raise malformed("xml.too_many_elements", f"The XML document has more than {MAX_TAGS} tags.", _NOT_XML)
    parser = etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        line, column = error.position
        message = f"The XML document is broken at line {line}, column {column}."
        raise malformed("xml.syntax", message, _NOT_XML) from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise malformed("xml.doctype", "The XML document has a DOCTYPE.", _NOT_XML)
    if _IS_TOO_DEEP(root):
        raise malformed("xml.depth", f"The XML document is nested deeper than {MAX_DEPTH} elements.", _NOT_XML)
    if root.tag != elements.ROOT:
        raise malformed("xml.root", f"The root element is {quote(str(root.tag))}, not EInvoice.", _NOT_XML)
    return root


class _Reading:
    """One pass over one document."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._unknown: set[str] = set()

    def invoice(self, root: etree._Element) -> RawInvoice:
        parts = self._parts(root, _ROOT_PARTS)
        data_parts = self._parts(parts.get("EInvoiceData"), _DATA_PARTS, repeated="IssuItemInformation")
        self._refuse_special_business(data_parts.get("SpecificInformation"))
        head = self._leaves(data_parts.get("BasicInformation"), elements.TOTALS)
        additional = self._leaves(data_parts.get("AdditionalInformation"), {"Remark": "remark"}, _BESIDE_REMARK)
        head |= additional
        kind, is_red = self._header(parts.get("Header"), head)
        self._supervision(parts.get("TaxSupervisionInfo"), head)
        _set_money(head, _MONEY_FIELDS)
        if kind is not None:
            head["kind"] = kind.value
        remark = head.get("remark", "")
        red = {"blue_number": find_blue_number(remark), "confirmation": find_confirmation(remark)}
        return RawInvoice(
            head=head,
            seller=self._leaves(data_parts.get("SellerInformation"), elements.SELLER),
            buyer=self._leaves(data_parts.get("BuyerInformation"), elements.BUYER, _BESIDE_PARTY),
            lines=self._lines(parts.get("EInvoiceData"), is_red=is_red),
            red=red if is_red else None,
            is_red=is_red,
        )

    def _header(self, header: etree._Element | None, head: dict[str, str]) -> tuple[InvoiceKind | None, bool]:
        parts = self._parts(header, _HEADER_PARTS)
        if (version := _text(parts.get("Version"))) not in _VERSIONS:
            self._findings.warning(
                "document",
                "xml.version",
                f"EInvoice version {quote(version)} is not one that we know.",
                f"Known are {', '.join(sorted(_VERSIONS))}; check that the face is complete.",
            )
        if identifier := _text(parts.get("EIid")):
            head["identifier"] = identifier
        labels = self._parts(parts.get("InherentLabel"), _LABELS)
        code = self._label(labels.get("GeneralOrSpecialVAT"))
        kind = elements.KIND_CODES.get(code)
        if kind is None:
            self._findings.error(
                "kind",
                "kind.unknown",
                f"GeneralOrSpecialVAT has the code {quote(code)}.",
                "Known are 01 (增值税专用发票) and 02 (普通发票).",
            )
        colour = self._label(labels.get("InIssuType"))
        if colour not in {elements.BLUE_CODE, elements.RED_CODE}:
            self._findings.error(
                "red", "red.flag", f"InIssuType has the code {quote(colour)}.", "Known are Y (blue) and N (red)."
            )
        return kind, colour == elements.RED_CODE

    def _supervision(self, supervision: etree._Element | None, head: dict[str, str]) -> None:
        head |= self._leaves(supervision, elements.SUPERVISION, _BESIDE_SUPERVISION)
        identifier, number = head.pop("identifier", ""), head.get("number", "")
        if identifier != number:
            self._findings.error(
                "number",
                "number.mismatch",
                f"EIid is {quote(identifier)}, InvoiceNumber is {quote(number)}.",
                "Both must hold the number of the invoice.",
            )
        issued, requested = _date(head.pop("issue_time", "")), _date(head.pop("request_time", ""))
        if issued and requested and issued != requested:
            self._findings.warning(
                "issued",
                "issued.request_date",
                f"IssueTime is {quote(issued)}, RequestTime {quote(requested)}.",
                "The face shows IssueTime.",
            )
        if issued or requested:
            head["issued"] = issued or requested

    def _refuse_special_business(self, special: etree._Element | None) -> None:
        if special is None or not (len(special) or _text(special)):
            return
        names = ", ".join(sorted({quote(str(child.tag)) for child in special}))
        self._findings.error(
            "document",
            "xml.special_business",
            f"SpecificInformation holds {names or 'text'}, which the forms for ordinary business cannot show.",
            "Invoices of special businesses (特定业务) need a template of their own.",
        )

    def _lines(self, data: etree._Element | None, *, is_red: bool) -> list[dict[str, str]]:
        lines: list[dict[str, str]] = []
        for element in () if data is None else self._line_elements(data):
            if len(lines) > MAX_LINES:
                break
            lines.append(self._line(element, len(lines)))
        _infer_discounts(lines, is_red=is_red)
        return lines

    def _line_elements(self, data: etree._Element) -> Iterator[etree._Element]:
        """Yield what holds one line: ``IssuItemInformation``, or each ``ItemDetail`` that some vendors put inside."""
        for element in data.iterchildren("IssuItemInformation"):
            details = element.findall("ItemDetail")
            if not details:
                yield element
                continue
            if len(details) != len(element):
                message = "An IssuItemInformation holds ItemDetail and other elements."
                self._findings.error("lines", "xml.mixed_line", message, "State a line in one of the two forms.")
            yield from details

    def _line(self, element: etree._Element, place: int) -> dict[str, str]:
        line = self._leaves(element, elements.LINE)
        _set_money(line, _LINE_MONEY_FIELDS)
        treatment = elements.UNTAXED_RATES.get(line.get("rate", ""))
        if treatment is not None:
            line |= {"rate": "0", "treatment": treatment.value}
        else:
            line["treatment"] = Treatment.TAXED.value
        with_tax = line.pop("with_tax", "")
        expected = _sum(line.get("amount", ""), line.get("tax", ""))
        if with_tax and expected and with_tax != expected:
            self._findings.warning(
                f"lines[{place}].amount",
                "line.with_tax",
                f"TotaltaxIncludedAmount is {quote(with_tax)}, Amount and ComTaxAm make {expected}.",
                "It is not printed; check which of the three is wrong.",
            )
        return line

    def _label(self, label: etree._Element | None) -> str:
        return self._leaves(label, {"LabelCode": "code", "LabelName": "name"}).get("code", "")

    def _parts(
        self, parent: etree._Element | None, known: frozenset[str], repeated: str = ""
    ) -> dict[str, etree._Element]:
        parts: dict[str, etree._Element] = {}
        for child in () if parent is None else parent:
            name = str(child.tag)
            if name not in known:
                self._warn_of_unknown(child)
            elif name in parts and name != repeated:
                self._refuse_repetition(name)
            else:
                parts[name] = child
        return parts

    def _leaves(
        self, parent: etree._Element | None, fields: Mapping[str, str], beside: frozenset[str] = frozenset()
    ) -> dict[str, str]:
        """Return the texts of known children by field name; an empty element is one that is not there."""
        values: dict[str, str] = {}
        seen: set[str] = set()
        for child in () if parent is None else parent:
            name = child.tag
            field = fields.get(name)
            if field is None:
                if name not in beside:
                    self._warn_of_unknown(child)
                continue
            if name in seen:
                self._refuse_repetition(name)
                continue
            seen.add(name)
            if len(child):
                message = f"{name} holds further elements."
                self._findings.error("document", "xml.nested_value", message, "State its text alone.")
            elif value := _text(child):
                values[field] = value
        return values

    def _warn_of_unknown(self, element: etree._Element) -> None:
        """Warn once of each name: what a vendor adds to one line, it adds to all."""
        if (name := str(element.tag)) in self._unknown:
            return
        self._unknown.add(name)
        self._findings.warning(
            "document",
            "xml.unknown_element",
            f"The element {quote(name)} is not one that we know.",
            "Nothing of it is printed; check that the face is complete.",
        )

    def _refuse_repetition(self, name: str) -> None:
        message = f"The element {name} is there twice."
        self._findings.error("document", "xml.repeated_element", message, "State it once.")


def _infer_discounts(lines: list[dict[str, str]], *, is_red: bool) -> None:
    """Name the lines' roles: the XML has no field for them, a discount is the one line of a blue invoice below zero."""
    for place, line in enumerate(lines):
        amount = line.get("amount", "")
        if is_red or line.get("quantity") or not (amount.startswith("-") and amount.strip("-0.")):
            continue
        line["role"] = LineRole.DISCOUNT.value
        if place and "role" not in lines[place - 1]:
            lines[place - 1]["role"] = LineRole.DISCOUNTED.value


def _text(element: etree._Element | None) -> str:
    return "" if element is None else (element.text or "").strip(_SPACE)


def _date(time: str) -> str:
    """Return the day of a time; what has another form is left for the checks to name."""
    found = _TIME.fullmatch(time)
    return found[1] if found else time


def _set_money(values: dict[str, str], names: tuple[str, ...]) -> None:
    """Write sums with two decimals, where that changes no value: vendors write 100, 100.0 and 100.000000."""
    for name in names:
        text = values.get(name)
        if text is None or MONEY.fullmatch(text):
            continue
        if found := _LOOSE_MONEY.fullmatch(text):
            values[name] = f"{found[1]}{found[2]}.{(found[3] or '').ljust(2, '0')}"


def _sum(amount: str, tax: str) -> str:
    if MONEY.fullmatch(amount) and MONEY.fullmatch(tax):
        return f"{Decimal(amount) + Decimal(tax):.2f}"
    return ""
