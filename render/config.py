"""Settings of the renderer: frozen, with sane defaults, read from a mapping and never from the environment itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from render.budget import MAX_PAGE_PIXELS, Budget
from render.errors import ConfigError
from render.fonts.registry import FontSettings
from render.sign.cms import ContentTypes
from render.sign.keys import IdentityPaths
from render.sign.options import DEFAULT_OPTIONS, SignatureOptions

_CONTENT_TYPES = {"pkcs7": ContentTypes.PKCS7, "gbt35275": ContentTypes.GBT35275}
DEFAULT_BUDGET = Budget()
DEVICES = ("auto", "cpu", "cuda")
DEFAULT_HOME = Path("~/.local/share/kaipiao")
_BUDGET_RANGES = {
    "KAIPIAO_PAGE_PIXELS": (10_000, MAX_PAGE_PIXELS),
    "KAIPIAO_BATCH_PIXELS": (10_000, 10**12),
    "KAIPIAO_BATCH_BYTES": (1 << 20, 1 << 40),
}
_MOST_DIGITS = 16
SETTING_NAMES = (
    "KAIPIAO_BATCH_BYTES",
    "KAIPIAO_BATCH_PIXELS",
    "KAIPIAO_CERTIFICATE",
    "KAIPIAO_DEVICE",
    "KAIPIAO_FONT_FALLBACK",
    "KAIPIAO_FONT_KAI",
    "KAIPIAO_FONT_MONO",
    "KAIPIAO_FONT_SONG",
    "KAIPIAO_HOME",
    "KAIPIAO_KEY",
    "KAIPIAO_PAGE_PIXELS",
    "KAIPIAO_PASSPHRASE_FILE",
    "KAIPIAO_PDF_TAGS",
    "KAIPIAO_SEAL",
    "KAIPIAO_SIGNATURE_OIDS",
    "KAIPIAO_SIGNATURE_SEAL",
    "KAIPIAO_SIGNING",
    "KAIPIAO_TEMPLATES",
)


@dataclass(frozen=True, slots=True)
class RenderSettings:
    """What a renderer needs to know.

    Attributes:
        fonts: which files serve the roles 楷, 宋 and mono.
        templates: folder of templates; None = those that came with the package.
        seal: PNG of the seal (发票监制章) that the operator may use; None = the 样张 sample seal and watermark.
        identity: key and certificate that sign PDFs; None = documents stay unsigned.
        signature: the form of signatures.
        signature_seal: a seal (电子印章, SESeal of GB/T 38540, DER) that signatures carry; None = they are CMS. Files
            with such signatures are no PDF/A, and do not claim to be.
        pdf_tags: give PDFs a structure tree (tagged PDF), which costs about a kilobyte.
        budget: the most pixels and bytes that a batch may have.
        device: what draws pages: ``auto``, ``cpu`` or ``cuda``.
    """

    fonts: FontSettings = field(default_factory=FontSettings)
    templates: Path | None = None
    seal: Path | None = None
    identity: IdentityPaths | None = None
    signature: SignatureOptions = DEFAULT_OPTIONS
    signature_seal: Path | None = None
    pdf_tags: bool = True
    budget: Budget = DEFAULT_BUDGET
    device: str = "auto"

    @classmethod
    def from_mapping(cls, values: Mapping[str, str]) -> RenderSettings:
        """Read ``KAIPIAO_*`` names; see the table in the README.

        ``KAIPIAO_SIGNING`` is ``on`` (default: the identity in KAIPIAO_KEY, KAIPIAO_CERTIFICATE and
        KAIPIAO_PASSPHRASE_FILE, or the test identity in KAIPIAO_HOME) or ``off``; ``KAIPIAO_PDF_TAGS`` is ``on``
        (default) or ``off``; ``KAIPIAO_SIGNATURE_OIDS`` is ``pkcs7`` (default) or ``gbt35275``;
        ``KAIPIAO_SIGNATURE_SEAL`` is the file of a seal that names the signer's certificate as one of its holders.

        Raises:
            ConfigError: an unknown value, a number out of range, or a key without its certificate and passphrase file.
        """
        return cls(
            fonts=FontSettings.from_mapping(values),
            templates=_path(values, "KAIPIAO_TEMPLATES"),
            seal=_path(values, "KAIPIAO_SEAL"),
            identity=_identity(values),
            signature=_signature(values),
            signature_seal=_path(values, "KAIPIAO_SIGNATURE_SEAL"),
            pdf_tags=_is_on(values, "KAIPIAO_PDF_TAGS"),
            budget=_budget(values),
            device=_device(values),
        )


def home_folder(values: Mapping[str, str]) -> Path:
    """Return the folder of keys and state: KAIPIAO_HOME, or its default."""
    return Path(values.get("KAIPIAO_HOME") or DEFAULT_HOME).expanduser()


def _path(values: Mapping[str, str], name: str) -> Path | None:
    return Path(values[name]).expanduser() if values.get(name) else None


def _is_on(values: Mapping[str, str], name: str) -> bool:
    """Return a switch that is on unless it is set to off."""
    value = values.get(name) or "on"
    if value not in {"on", "off"}:
        raise ConfigError(f"{name} is {value!r}.", hint="Set it to on or off.")
    return value == "on"


def _device(values: Mapping[str, str]) -> str:
    device = values.get("KAIPIAO_DEVICE") or DEVICES[0]
    if device not in DEVICES:
        raise ConfigError(f"KAIPIAO_DEVICE is {device!r}.", hint=f"Set it to one of {', '.join(DEVICES)}.")
    return device


def _budget(values: Mapping[str, str]) -> Budget:
    given = {}
    for name, (low, high) in _BUDGET_RANGES.items():
        text = values.get(name)
        if text:
            number = int(text) if len(text) < _MOST_DIGITS and text.isascii() and text.isdigit() else 0
            if not low <= number <= high:
                raise ConfigError(f"{name} is {text!r}.", hint=f"Set a whole number from {low:,} to {high:,}.")
            given[name.removeprefix("KAIPIAO_").lower()] = number
    return Budget(**given)


def _signature(values: Mapping[str, str]) -> SignatureOptions:
    name = values.get("KAIPIAO_SIGNATURE_OIDS") or "pkcs7"
    if name not in _CONTENT_TYPES:
        hint = f"Set it to {' or '.join(_CONTENT_TYPES)}."
        raise ConfigError(f"KAIPIAO_SIGNATURE_OIDS is {name!r}.", hint=hint)
    return SignatureOptions(_CONTENT_TYPES[name])


def _identity(values: Mapping[str, str]) -> IdentityPaths | None:
    if not _is_on(values, "KAIPIAO_SIGNING"):
        return None
    names = ("KAIPIAO_KEY", "KAIPIAO_CERTIFICATE", "KAIPIAO_PASSPHRASE_FILE")
    given = [_path(values, name) for name in names]
    if not any(given):
        return IdentityPaths.test_identity(home_folder(values))
    key, certificate, passphrase = given
    if key is None or certificate is None or passphrase is None:
        missing = ", ".join(name for name, path in zip(names, given, strict=True) if path is None)
        raise ConfigError(f"{missing} is not set.", hint="Key, certificate and passphrase file go together.")
    return IdentityPaths(key=key, certificate=certificate, passphrase=passphrase)
