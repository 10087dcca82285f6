"""The names of the tax platform's ``EInvoice`` XML, said once for its reader and its writer.

Two traps: the totals are ``TotalTax-includedAmount`` with a hyphen, the same sum of a line ``TotaltaxIncludedAmount``.
"""

from __future__ import annotations

from typing import Final

from render.model.invoice import InvoiceKind, Treatment

ROOT: Final = "EInvoice"

SELLER: Final = {
    "SellerIdNum": "tax_id",
    "SellerName": "name",
    "SellerAddr": "address",
    "SellerTelNum": "phone",
    "SellerBankName": "bank",
    "SellerBankAccNum": "account",
}
BUYER: Final = {f"Buyer{name.removeprefix('Seller')}": field for name, field in SELLER.items()}

TOTALS: Final = {
    "TotalAmWithoutTax": "total_amount",
    "TotalTaxAm": "total_tax",
    "TotalTax-includedAmount": "total",
    "TotalTax-includedAmountInChinese": "total_words",
    "Drawer": "clerk",
    "RequestTime": "request_time",
}

LINE: Final = {
    "ItemName": "name",
    "SpecMod": "spec",
    "MeaUnits": "unit",
    "Quantity": "quantity",
    "UnPrice": "unit_price",
    "Amount": "amount",
    "TaxRate": "rate",
    "ComTaxAm": "tax",
    "TotaltaxIncludedAmount": "with_tax",
    "TaxClassificationCode": "tax_code",
}

SUPERVISION: Final = {"InvoiceNumber": "number", "IssueTime": "issue_time"}

KIND_CODES: Final = {"01": InvoiceKind.VAT_SPECIAL, "02": InvoiceKind.VAT_ORDINARY}
"""Codes of ``GeneralOrSpecialVAT``."""
KIND_NAMES: Final = {InvoiceKind.VAT_SPECIAL: "增值税专用发票", InvoiceKind.VAT_ORDINARY: "普通发票"}

BLUE_CODE: Final = "Y"
RED_CODE: Final = "N"
"""Codes of ``InIssuType``, which asks whether the invoice is a blue one (是否蓝字发票标志)."""

UNTAXED_RATES: Final = {"免税": Treatment.EXEMPT, "不征税": Treatment.NOT_TAXED}
"""What ``TaxRate`` holds where a line has no rate: the words that the face prints."""
