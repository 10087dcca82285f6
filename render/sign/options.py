"""The form of a signature, chosen once for all documents."""

from __future__ import annotations

from dataclasses import dataclass

from render.sign.cms import ContentTypes
from render.sign.seal import Seal

PKCS7_DETACHED = "adbe.pkcs7.detached"
SM2_SEAL = "GM.sm2seal"

_MAX_PDFA_STRING_BYTES = 32_767
_MAX_SEAL_SIGNATURE_BYTES = 1_048_576


@dataclass(frozen=True, slots=True)
class SignatureOptions:
    """What a signature looks like.

    Attributes:
        content_types: identifiers inside the CMS. PKCS#7 is the default: PDF/A-3 asks for a PKCS#7 object
            (ISO 19005-3, annex B), and ``adbe.pkcs7.detached`` promises one (ISO 32000-1, 12.8.3.3), so readers that
            know nothing of GB/T 35275 still find certificate, time and attributes. ``GBT35275`` is for receivers that
            accept only the national identifiers 1.2.156.10197.6.1.4.2.x.
        seal: sign with this seal (电子印章): /Contents is then an SES_Signature of GB/T 38540 in the format
            ``GM.sm2seal``, as seal systems write it, and no CMS. PDF/A-3 forbids that, so such a file must not claim
            to be PDF/A: write it with ``PdfInfo(claims_pdf_a=False, signature_format="GM.sm2seal")``.
    """

    content_types: ContentTypes = ContentTypes.PKCS7
    seal: Seal | None = None

    @property
    def sub_filter(self) -> str:
        """Name of the format in the signature dictionary (/SubFilter)."""
        return SM2_SEAL if self.seal else PKCS7_DETACHED

    @property
    def handler(self) -> str:
        """Name of the preferred handler in the signature dictionary (/Filter); seal readers look for theirs."""
        return "Gomain.GMPkiLite" if self.seal else "Adobe.PPKLite"

    @property
    def allows_pdf_a(self) -> bool:
        """Whether a file with such a signature can be PDF/A."""
        return self.seal is None

    @property
    def max_bytes(self) -> int:
        """Most bytes that /Contents may hold: a string of PDF/A is bounded (ISO 19005-3, 6.1.13)."""
        return _MAX_PDFA_STRING_BYTES if self.allows_pdf_a else _MAX_SEAL_SIGNATURE_BYTES


DEFAULT_OPTIONS = SignatureOptions()
