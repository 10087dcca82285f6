"""Finds templates by kind and version and compiles them: backgrounds as display lists, everything named by hash."""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from render.display.resources import Picture, Resources
from render.errors import ConfigError, TemplateUnknown
from render.fonts.book import FontBook
from render.templates.background import compile_background
from render.templates.reader import merge, read_spec, read_toml
from render.templates.spec import PageKind, TemplateSpec

TEMPLATE_FILE = "template.toml"
MAX_EXTENDS = 4

_FOLDER_IN_WHEEL = Path(__file__).parent / "data"
_FOLDER_IN_CHECKOUT = Path(__file__).parents[2] / "templates"
_VERSION = re.compile(r"[0-9]{1,9}")
_NAME = re.compile(r"[a-z0-9_]{1,64}")


@dataclass(frozen=True, eq=False)
class Template:
    """A compiled template.

    Attributes:
        id: the invoice kind that it prints; ``version``: the folder's name.
        title: what the form calls itself.
        digest: ``sha256:<hex>`` over the data files, the fonts, the seal and the compiled backgrounds.
        spec: the data.
        resources: fonts, backgrounds and pictures that exporters need.
        bases: digest of the background for each kind of page.
    """

    id: str
    version: str
    title: str
    digest: str
    spec: TemplateSpec
    resources: Resources
    bases: Mapping[PageKind, str]


@dataclass(frozen=True, slots=True)
class _Data:
    """A template's merged tables, and the bytes of every file that they came from."""

    values: dict[str, Any]
    files: dict[str, bytes]


class TemplateRegistry:
    """A folder of templates, ``<kind>/<version>/template.toml``.

    Args:
        folder: None = the templates that came with the package.
    """

    def __init__(self, folder: Path | None = None) -> None:
        if folder is None:
            folder = _FOLDER_IN_WHEEL if _FOLDER_IN_WHEEL.is_dir() else _FOLDER_IN_CHECKOUT
        self._folder = folder

    def kinds(self) -> dict[str, tuple[str, ...]]:
        """Return the versions of each kind that can be printed, oldest first."""
        return {
            kind: versions
            for kind, versions in self._all().items()
            if not read_toml(self._path(kind, versions[-1])).get("abstract", False)
        }

    def load(self, kind: str, version: str | None = None, *, fonts: FontBook, seal: Picture | None = None) -> Template:
        """Compile a template.

        Args:
            kind: value of an :class:`~render.model.invoice.InvoiceKind`.
            version: None = the newest.
            fonts: faces for the roles that the template names.
            seal: the operator's seal; None = the 样张 seal and watermark.

        Raises:
            TemplateUnknown: there is no such kind or version.
            ConfigError: the template's files cannot be read or contradict themselves.
        """
        version = self._choose(kind, version)
        data = self._read(kind, version)
        values = dict(data.values)
        values.pop("abstract", None)
        place = f"{kind}/{version}"
        spec = read_spec(values, place)
        titles = [caption.text for caption in spec.captions if caption.name == "title"]
        if not titles:
            raise ConfigError(f"{place}.captions.title is missing.", hint="Mend the template file.")
        backgrounds = {kind_: compile_background(spec, kind_, fonts, seal) for kind_ in PageKind}
        bases = {kind_: background.digest for kind_, background in backgrounds.items()}
        return Template(
            id=kind,
            version=version,
            title=titles[0],
            digest=_digest(data.files, fonts, seal, bases),
            spec=spec,
            resources=Resources(
                fonts=fonts,
                bases={background.digest: background for background in backgrounds.values()},
                pictures={} if seal is None else {seal.digest: seal},
            ),
            bases=bases,
        )

    def _all(self) -> dict[str, tuple[str, ...]]:
        """Return all versions of all kinds, abstract ones included."""
        if not self._folder.is_dir():
            raise ConfigError(
                f"there is no template folder {self._folder}.",
                hint="Set KAIPIAO_TEMPLATES, or install the package anew.",
            )
        found: dict[str, list[str]] = {}
        for path in self._folder.glob(f"*/*/{TEMPLATE_FILE}"):
            kind, version = path.parent.parent.name, path.parent.name
            if _NAME.fullmatch(kind) and _VERSION.fullmatch(version):
                found.setdefault(kind, []).append(version)
        return {kind: tuple(sorted(found[kind], key=int)) for kind in sorted(found)}

    def _choose(self, kind: str, version: str | None) -> str:
        kinds = self.kinds()
        # Names are compared with what is there, never joined to a path: they come from outside.
        if kind not in kinds:
            close = difflib.get_close_matches(kind, kinds, n=1)
            hint = f"Did you mean {close[0]}?" if close else f"There are: {', '.join(kinds) or 'none'}."
            raise TemplateUnknown(f"no template prints invoices of kind {kind[:40]!r}.", hint=hint)
        if version is None:
            return kinds[kind][-1]
        if version not in kinds[kind]:
            raise TemplateUnknown(
                f"template {kind} has no version {version[:20]!r}.", hint=f"There are: {', '.join(kinds[kind])}."
            )
        return version

    def _read(self, kind: str, version: str) -> _Data:
        """Return a template laid over what it extends."""
        known = self._all()
        values: dict[str, Any] = {}
        files: dict[str, bytes] = {}
        place: str | None = f"{kind}/{version}"
        while place is not None:
            kind, _, version = place.partition("/")
            if version not in known.get(kind, ()) or place in files or len(files) == MAX_EXTENDS:
                raise ConfigError(f"extends = {place!r} leads nowhere.", hint="Name another template as kind/version.")
            path = self._path(kind, version)
            files[place] = path.read_bytes()
            below = read_toml(path)
            values = merge(below, {key: value for key, value in values.items() if key != "extends"})
            extends = below.get("extends")
            place = str(extends) if extends is not None else None
        values.pop("extends", None)
        return _Data(values, files)

    def _path(self, kind: str, version: str) -> Path:
        return self._folder / kind / version / TEMPLATE_FILE


def _digest(files: Mapping[str, bytes], fonts: FontBook, seal: Picture | None, bases: Mapping[PageKind, str]) -> str:
    """Hash whatever decides how a document looks; code that draws backgrounds counts by what it drew."""
    content = {
        "files": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
        "fonts": fonts.digests,
        "chains": {role: list(chain) for role, chain in fonts.chains.items()},
        "seal": seal.digest if seal else None,
        "bases": {kind.value: digest for kind, digest in bases.items()},
    }
    return f"sha256:{hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()}"
