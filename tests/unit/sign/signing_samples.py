"""A small PDF with an empty signature, written by hand, and a test key: what the signing tests share."""

from __future__ import annotations

import hashlib
import re
import zlib
from datetime import UTC, datetime, timedelta
from functools import cache

from render.sign import der, oids
from render.sign.certificate import public_key_info, read_certificate, self_signed_certificate
from render.sign.cms import ContentTypes
from render.sign.keys import KeyFileSigner
from render.sign.options import SignatureOptions
from render.sign.pdf import reserve_bytes, sign_pdf
from render.sign.sm2 import PrivateKey

NOW = datetime(2026, 11, 23, 8, 30, tzinfo=UTC)
ATTACHMENT = b"<EInvoice/>"
SECRET = bytes.fromhex("3945208f7b2144b13f36e38ac6d39f95889393692860b51a42fb81ef4df7c5b8")


@cache
def make_signer(private: bytes = SECRET, name: str = "KAIPIAO TEST ONLY") -> KeyFileSigner:
    """Return a signer whose key never was in a file."""
    key = PrivateKey(private)
    issued = self_signed_certificate(
        key, name, serial=0x5EED, not_before=NOW - timedelta(days=1), not_after=NOW + timedelta(days=30)
    )
    return KeyFileSigner(key, read_certificate(issued))


def empty_pdf(
    reserve: int, *, sub_filter: str = "adbe.pkcs7.detached", text: str = "100.00"
) -> tuple[bytes, tuple[int, int]]:
    """Return a one-page PDF with an attachment and room for a signature, and the span of /Contents."""
    page = f"BT /F 9 Tf 20 20 Td ({text}) Tj ET".encode()
    packed = zlib.compress(ATTACHMENT)
    checksum = hashlib.md5(ATTACHMENT).hexdigest()
    signature = (
        b"<</Type/Sig/Filter/Adobe.PPKLite/SubFilter/"
        + sub_filter.encode()
        + b"/ByteRange[0 ########## ########## ##########]"
        b"/Contents<" + b"0" * (2 * reserve) + b">>>"
    )
    objects = [
        b"<</Type/Catalog/Pages 2 0 R/AcroForm<</SigFlags 3/Fields[5 0 R]>>/Names<</EmbeddedFiles 9 0 R>>>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 100]/Resources<<>>/Contents 4 0 R/Annots[5 0 R]>>",
        b"<</Length %d>>stream\n%s\nendstream" % (len(page), page),
        b"<</Type/Annot/Subtype/Widget/FT/Sig/T(Signature1)/Rect[0 0 0 0]/F 132/P 3 0 R/V 6 0 R>>",
        signature,
        b"<</Type/EmbeddedFile/Filter/FlateDecode/Params<</CheckSum<%s>>>/Length %d>>stream\n%s\nendstream"
        % (checksum.encode(), len(packed), packed),
        b"<</Type/Filespec/F(a.xml)/UF(a.xml)/EF<</F 7 0 R>>>>",
        b"<</Names[(a.xml)8 0 R]>>",
    ]
    file = bytearray(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
    offsets = []
    for number, body in enumerate(objects, 1):
        offsets.append(len(file))
        file += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    xref = len(file)
    file += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    file += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    file += b"trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, xref)
    start = file.index(b"/Contents<") + len(b"/Contents")
    span = (start, start + 2 * reserve + 2)
    numbers = b"%-10d %-10d %-10d" % (span[0], span[1], len(file) - span[1])
    return bytes(file.replace(b" ".join([b"#" * 10] * 3), numbers)), span


@cache
def signed_pdf(content_types: ContentTypes = ContentTypes.PKCS7) -> bytes:
    """Return that PDF, signed."""
    signer, options = make_signer(), SignatureOptions(content_types)
    pdf, span = empty_pdf(reserve_bytes(signer, options))
    return sign_pdf(pdf, span, signer, NOW, options)


def contents_span(pdf: bytes) -> tuple[int, int]:
    """Return the span of the first /Contents that is a hex string."""
    start = pdf.index(b"/Contents<") + len(b"/Contents")
    return start, pdf.index(b">", start) + 1


SIGN_ONLY, SIGN_CERTIFICATES, KEY_AGREEMENT = b"\x06\xc0", b"\x02\x04", b"\x03\x08"


def issue_certificate(
    subject: str,
    key: PrivateKey,
    *,
    issuer: str | None = None,
    issuer_key: PrivateKey | None = None,
    usage: bytes = SIGN_ONLY,
    is_authority: bool = False,
) -> bytes:
    """Write a certificate as an authority does; without issuer, the subject issues to itself."""
    algorithm = der.sequence(der.oid(oids.SM2_WITH_SM3))
    names = [
        der.sequence(der.set_of([der.sequence(der.oid(oids.COMMON_NAME), der.tlv(der.UTF8_STRING, text.encode()))]))
        for text in (issuer or subject, subject)
    ]
    constraints = der.sequence(der.tlv(der.BOOLEAN, b"\xff")) if is_authority else der.sequence()
    extensions = [
        der.sequence(der.oid(oid), der.tlv(der.BOOLEAN, b"\xff"), der.octet_string(value))
        for oid, value in (
            (oids.BASIC_CONSTRAINTS, constraints),
            (oids.KEY_USAGE, der.tlv(der.BIT_STRING, usage)),
        )
    ]
    tbs = der.sequence(
        der.explicit(0, der.integer(2)),
        der.integer(77),
        algorithm,
        names[0],
        der.sequence(der.time(NOW - timedelta(days=1)), der.time(NOW + timedelta(days=1))),
        names[1],
        public_key_info(key.public),
        der.explicit(3, der.sequence(*extensions)),
    )
    return der.sequence(tbs, algorithm, der.bit_string((issuer_key or key).sign(tbs)))


def signed_with(certificate: bytes, private: bytes = SECRET) -> bytes:
    """Return the PDF, signed under any certificate of the key."""
    signer = KeyFileSigner(PrivateKey(private), read_certificate(certificate))
    pdf, span = empty_pdf(1000)
    return sign_pdf(pdf, span, signer, NOW)


def incremental_update(pdf: bytes, *bodies: tuple[int, bytes], root: int = 1, size: int = 0) -> bytes:
    """Append objects in the way that an incremental update does."""
    old = int(pdf[pdf.rindex(b"startxref") + 9 : pdf.rindex(b"%%EOF")])
    file, table = bytearray(pdf), b""
    size = max(int(re.findall(rb"/Size (\d+)", pdf)[-1]), size, *(number + 1 for number, _ in bodies))
    for number, body in bodies:
        table += b"%d 1\n%010d 00000 n \n" % (number, len(file))
        file += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    info = b"".join(re.findall(rb"/Info \d+ 0 R", pdf)[-1:])
    trailer = b"trailer\n<</Size %d/Root %d 0 R/Prev %d%b>>\n" % (size, root, old, info)
    trailer += b"startxref\n%d\n%%%%EOF\n" % len(file)
    return bytes(file) + b"xref\n" + table + trailer


def with_second_signature(pdf: bytes, signer: KeyFileSigner) -> bytes:
    """Add a second signature in an incremental update."""
    reserve = reserve_bytes(signer)
    room = b"/ByteRange[0 ########## ########## ##########]/Contents<" + b"0" * (2 * reserve) + b">"
    updated = incremental_update(
        pdf,
        (
            1,
            b"<</Type/Catalog/Pages 2 0 R/AcroForm<</SigFlags 3/Fields[5 0 R 10 0 R]>>/Names<</EmbeddedFiles 9 0 R>>>>",
        ),
        (10, b"<</FT/Sig/T(Signature2)/V 11 0 R>>"),
        (11, b"<</Type/Sig/Filter/Adobe.PPKLite/SubFilter/adbe.pkcs7.detached" + room + b">>"),
    )
    start = updated.rindex(b"/Contents<") + len(b"/Contents")
    span = (start, start + 2 * reserve + 2)
    numbers = b"%-10d %-10d %-10d" % (span[0], span[1], len(updated) - span[1])
    return sign_pdf(updated.replace(b" ".join([b"#" * 10] * 3), numbers), span, signer, NOW)
