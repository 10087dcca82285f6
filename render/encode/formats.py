"""The picture formats: their names, modes and levels, and which encoders stand for them. Loads no encoder."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

from render.errors import Fault, InputError

AUTO = "auto"
MODES = (AUTO, "indexed", "grey", "rgb", "bilevel")
LEVELS = ("fast", "small")

_KEPT_CHOICES = 64

DOCUMENT = "pdf"
DEFAULT_OUTPUTS = (DOCUMENT, "png")


@dataclass(frozen=True, slots=True)
class PictureFormat:
    """One kind of picture file.

    Attributes:
        encoders: mode to the name of its encoder (:func:`render.encode.api.encoder`), the default first.
        library: what encodes; stands in receipts.
        levels: of LEVELS, those that differ in this format.
        name_end: of file names, between the invoice number and the suffix.
    """

    encoders: Mapping[str, str]
    library: str
    levels: tuple[str, ...] = LEVELS
    name_end: str = ""


def _format(library: str, encoders: Mapping[str, str]) -> PictureFormat:
    return PictureFormat(MappingProxyType(encoders), library)


FORMATS: Mapping[str, PictureFormat] = MappingProxyType(
    {
        "png": _format("deflate", {"indexed": "png", "grey": "png-grey"}),
        "jpeg": _format("libjpeg-turbo", {"rgb": "jpeg", "grey": "jpeg-grey"}),
        "webp": _format("libwebp", {"rgb": "webp", "grey": "webp-grey"}),
        "tiff": _format("deflate", {"indexed": "tiff", "grey": "tiff-grey", "rgb": "tiff-rgb"}),
        # The suffix is that of TIFF, so the name must tell the two apart.
        "g4": PictureFormat(MappingProxyType({"bilevel": "tiff-g4"}), "libtiff", levels=LEVELS[:1], name_end="-g4"),
        "heif": _format("x265", {"rgb": "heif", "grey": "heif-grey"}),
        "avif": _format("libavif", {"rgb": "avif", "grey": "avif-grey"}),
    }
)
"""Outputs that are pictures."""

OUTPUT_KINDS = (DOCUMENT, *FORMATS)


@dataclass(frozen=True, slots=True)
class PictureChoice:
    """One picture output with everything decided.

    Attributes:
        kind: a name of FORMATS; ``mode``: one of its modes; ``level``: one of its levels.
    """

    kind: str
    mode: str
    level: str

    @property
    def format(self) -> PictureFormat:
        """Return what is known of the format."""
        return FORMATS[self.kind]

    @property
    def encoder_name(self) -> str:
        """Return the name of the encoder."""
        return self.format.encoders[self.mode]

    @property
    def is_default(self) -> bool:
        """Tell whether mode and level are those of a request that names neither."""
        return (self.mode, self.level) == (next(iter(self.format.encoders)), self.format.levels[0])


def choose_pictures(outputs: Iterable[str], mode: str = AUTO, level: str = LEVELS[0]) -> tuple[PictureChoice, ...]:
    """Return the pictures among the outputs that are asked for, each once, in that order.

    Args:
        outputs: of OUTPUT_KINDS.
        mode: of MODES; ``auto`` is each format's own.
        level: of LEVELS; a format that has one level only is always written at it.

    Raises:
        InputError: an unknown name, or a mode that one of the formats does not have; lists all faults.
    """
    return _chosen(tuple(dict.fromkeys(outputs)), mode, level)


# The requests of a service ask for the same again and again.
@lru_cache(maxsize=_KEPT_CHOICES)
def _chosen(kinds: tuple[str, ...], mode: str, level: str) -> tuple[PictureChoice, ...]:
    faults = [fault for kind in kinds for fault in _name_faults("outputs", "output_unknown", kind, OUTPUT_KINDS)]
    faults += _name_faults("mode", "mode_unknown", mode, MODES)
    faults += _name_faults("level", "level_unknown", level, LEVELS)
    if mode in MODES:
        faults += [fault for kind in kinds if kind in FORMATS for fault in _mode_faults(kind, mode)]
    if faults:
        raise InputError("the outputs cannot be made.", faults=tuple(faults))
    return tuple(_choice(kind, mode, level) for kind in kinds if kind in FORMATS)


def _choice(kind: str, mode: str, level: str) -> PictureChoice:
    one = FORMATS[kind]
    own_mode = next(iter(one.encoders)) if mode == AUTO else mode
    return PictureChoice(kind, own_mode, level if level in one.levels else one.levels[0])


def _name_faults(field: str, rule: str, name: str, known: Sequence[str]) -> list[Fault]:
    if name in known:
        return []
    near = difflib.get_close_matches(name.lower(), known, n=1)
    hint = f"Choose from {', '.join(known)}." if not near else f"Did you mean {near[0]!r}? Known: {', '.join(known)}."
    return [Fault(field, f"request.{rule}", f"no {field.removesuffix('s')} {name!r}.", hint)]


def _mode_faults(kind: str, mode: str) -> list[Fault]:
    own = FORMATS[kind].encoders
    if mode == AUTO or mode in own:
        return []
    having = [other for other, one in FORMATS.items() if mode in one.encoders]
    hint = f"{kind} has {', '.join(own)}; {mode} is a mode of {', '.join(having)}. Leave {kind} out, or use mode auto."
    return [Fault("mode", "request.mode_of_format", f"{kind} has no mode {mode!r}.", hint)]
