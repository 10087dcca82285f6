import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from render.model.einvoice import write_einvoice
from render.model.read import read_invoice

INVOICES = Path(__file__).parents[2] / "data" / "invoices"

Document = dict[str, Any]


@pytest.mark.parametrize("path", sorted(INVOICES.iterdir()), ids=lambda path: path.name)
def test_what_is_written_reads_back_equal(path: Path) -> None:
    invoice = read_invoice(path.read_bytes()).invoice
    written = write_einvoice(invoice)
    again = read_invoice(written)
    assert replace(again.invoice, source=None) == replace(invoice, source=None)
    assert again.warnings == ()
    assert write_einvoice(again.invoice) == written


def test_elements_have_the_names_and_places_of_the_platform(document: Document) -> None:
    root = etree.fromstring(write_einvoice(read_invoice(json.dumps(document).encode()).invoice))
    text = {root.getroottree().getpath(leaf): leaf.text for leaf in root.iter() if not len(leaf)}
    assert text["/EInvoice/Header/EIid"] == text["/EInvoice/TaxSupervisionInfo/InvoiceNumber"] == document["number"]
    assert text["/EInvoice/Header/InherentLabel/GeneralOrSpecialVAT/LabelCode"] == "02"
    assert text["/EInvoice/Header/InherentLabel/InIssuType/LabelCode"] == "Y"
    assert text["/EInvoice/EInvoiceData/BasicInformation/TotalTax-includedAmount"] == "1264.78"
    assert text["/EInvoice/EInvoiceData/BasicInformation/RequestTime"] == "2026-11-23 00:00:00"
    assert text["/EInvoice/EInvoiceData/IssuItemInformation[2]/TotaltaxIncludedAmount"] == "21.78"
    assert text["/EInvoice/EInvoiceData/IssuItemInformation[1]/TaxRate"] == "0.13"
    assert text["/EInvoice/TaxSupervisionInfo/IssueTime"] == "2026-11-23"


def test_nothing_of_a_tax_authority_is_made_up(document: Document) -> None:
    written = write_einvoice(read_invoice(json.dumps(document).encode()).invoice)
    for name in (b"TaxBureau", b"EInvoiceTag", b"Signature"):
        assert name not in written


def test_markup_in_values_is_escaped(document: Document, changed: Callable[..., Document]) -> None:
    name = "</ItemName><Amount>1</Amount>&amp;]]><!--'\""
    broken = changed(document, {"lines.0.name": name, "remark": "a<b>&c"})
    invoice = read_invoice(json.dumps(broken).encode()).invoice
    again = read_invoice(write_einvoice(invoice)).invoice
    assert (again.lines[0].name, again.remark) == (name, "a<b>&c")


def test_untaxed_lines_state_the_words_of_the_face() -> None:
    for name, words in (("exempt", "免税"), ("not_taxed", "不征税")):
        written = write_einvoice(read_invoice((INVOICES / f"{name}.json").read_bytes()).invoice)
        assert f"<TaxRate>{words}</TaxRate>" in written.decode()
