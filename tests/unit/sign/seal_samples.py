"""A sample seal, files signed with it, and GB/T 38540 declared a second time, apart from the code under test."""

from __future__ import annotations

import struct
import zlib
from datetime import timedelta
from functools import cache

from asn1crypto import core
from signing_samples import NOW, SECRET, empty_pdf, make_signer

from render.sign.options import SignatureOptions
from render.sign.pdf import reserve_bytes, sign_pdf
from render.sign.sample_seal import make_sample_seal
from render.sign.seal_reader import read_seal

MAKER = make_signer(b"\x11" * 32, "KAIPIAO TEST SEAL MAKER")
SIGNER, STRANGER = make_signer(), make_signer(SECRET[::-1], "STRANGER")
TRUSTED = [SIGNER.certificate_der, MAKER.certificate_der]


def picture() -> bytes:
    """Return a PNG of one red pixel."""
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"\x00\xff\x00\x00")),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


@cache
def sample_seal(*holders: bytes, days: int = 9) -> bytes:
    return make_sample_seal(
        MAKER,
        holders or (SIGNER.certificate_der,),
        picture(),
        size_mm=(30, 20),
        validity=(NOW - timedelta(days=9), NOW + timedelta(days=days)),
    )


def sealed_with(seal: bytes, signer=SIGNER, text: str = "100.00") -> bytes:
    """Return the PDF, signed with a seal."""
    options = SignatureOptions(seal=read_seal(seal))
    pdf, span = empty_pdf(reserve_bytes(signer, options), sub_filter="GM.sm2seal", text=text)
    return sign_pdf(pdf, span, signer, NOW, options)


class Header(core.Sequence):
    _fields = [("id", core.IA5String), ("version", core.Integer), ("vid", core.IA5String)]  # noqa: RUF012


class HolderList(core.SequenceOf):
    _child_spec = core.OctetString


class Properties(core.Sequence):
    _fields = [  # noqa: RUF012
        ("type", core.Integer),
        ("name", core.UTF8String),
        ("cert_list_type", core.Integer),
        ("cert_list", HolderList),
        ("create_date", core.GeneralizedTime),
        ("valid_start", core.GeneralizedTime),
        ("valid_end", core.GeneralizedTime),
    ]


class Picture(core.Sequence):
    _fields = [  # noqa: RUF012
        ("type", core.IA5String),
        ("data", core.OctetString),
        ("width", core.Integer),
        ("height", core.Integer),
    ]


class Extension(core.Sequence):
    _fields = [  # noqa: RUF012
        ("id", core.ObjectIdentifier),
        ("critical", core.Boolean, {"default": False}),
        ("value", core.OctetString),
    ]


class Extensions(core.SequenceOf):
    _child_spec = Extension


class SealInfo(core.Sequence):
    _fields = [  # noqa: RUF012
        ("header", Header),
        ("es_id", core.IA5String),
        ("property", Properties),
        ("picture", Picture),
        ("ext_datas", Extensions, {"explicit": 0, "optional": True}),
    ]


class SealStructure(core.Sequence):
    _fields = [  # noqa: RUF012
        ("seal_info", SealInfo),
        ("cert", core.OctetString),
        ("sign_alg_id", core.ObjectIdentifier),
        ("signed_value", core.OctetBitString),
    ]


class ToSign(core.Sequence):
    _fields = [  # noqa: RUF012
        ("version", core.Integer),
        ("eseal", SealStructure),
        ("time_info", core.GeneralizedTime),
        ("data_hash", core.OctetBitString),
        ("property_info", core.IA5String),
        ("ext_datas", Extensions, {"explicit": 0, "optional": True}),
    ]


class SealSignatureStructure(core.Sequence):
    _fields = [  # noqa: RUF012
        ("to_sign", ToSign),
        ("cert", core.OctetString),
        ("signature_alg_id", core.ObjectIdentifier),
        ("signature", core.OctetBitString),
        ("time_stamp", core.BitString, {"explicit": 0, "optional": True}),
    ]
