"""The form of a signature, chosen once for all documents."""

from __future__ import annotations

from dataclasses import dataclass

from render.sign.cms import ContentTypes

PKCS7_DETACHED = "adbe.pkcs7.detached"


@dataclass(frozen=True, slots=True)
class SignatureOptions:
    """What a signature looks like.

    Attributes:
        content_types: identifiers inside the CMS. PKCS#7 is the default: PDF/A-3 asks for a PKCS#7 object
            (ISO 19005-3, annex B), and ``adbe.pkcs7.detached`` promises one (ISO 32000-1, 12.8.3.3), so readers that
            know nothing of GB/T 35275 still find certificate, time and attributes. ``GBT35275`` is for receivers that
            accept only the national identifiers 1.2.156.10197.6.1.4.2.x.
    """

    content_types: ContentTypes = ContentTypes.PKCS7

    @property
    def sub_filter(self) -> str:
        """Name of the format in the signature dictionary."""
        return PKCS7_DETACHED


DEFAULT_OPTIONS = SignatureOptions()
