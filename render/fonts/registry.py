"""Finds the font files behind the roles 楷 (kai), 宋 (song) and mono, and loads them with their fallbacks."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from render.errors import ConfigError
from render.fonts.book import FontBook
from render.fonts.face import Face

ROLES = ("kai", "song", "mono")

FONT_FOLDERS = (
    Path("~/.local/share/fonts"),
    Path("~/.fonts"),
    Path("/usr/local/share/fonts"),
    Path("/usr/share/fonts"),
)
"""Where Debian and its users keep fonts, the user's own first."""

_ROLE_NAMES = {"kai": "楷", "song": "宋", "mono": "mono"}

_LATER_IN_CHAIN = {"kai": ("song",), "song": ("kai",), "mono": ("song", "kai")}

# 宋 prints figures in columns, so its ASCII is exactly half an em wide.
_HALF_WIDTH_ROLES = frozenset({"song"})


@dataclass(frozen=True, slots=True)
class FontFile:
    """A face in a file: ``index`` is its place in a collection (.ttc), 0 for a single font."""

    path: Path
    index: int = 0

    @classmethod
    def parse(cls, text: str) -> FontFile:
        """Read ``path`` or ``path#index``."""
        path, mark, index = text.rpartition("#")
        if mark and index.isascii() and index.isdigit():
            return cls(Path(path).expanduser(), int(index))
        return cls(Path(text).expanduser())


# Open fonts by file name, the preferred one first; mono must be 0.6 em wide, as the form is drawn for Courier.
_KNOWN_FILES = {
    "kai": (FontFile(Path("LXGWWenKai-Regular.ttf")), FontFile(Path("LXGWWenKaiGB-Regular.ttf"))),
    "song": (
        FontFile(Path("NotoSerifCJK-Regular.ttc"), 2),
        FontFile(Path("NotoSerifCJKsc-Regular.otf")),
        FontFile(Path("NotoSerifSC-Regular.otf")),
        FontFile(Path("SourceHanSerifSC-Regular.otf")),
    ),
    "mono": (FontFile(Path("LiberationMono-Regular.ttf")), FontFile(Path("Cousine-Regular.ttf"))),
}


@dataclass(frozen=True, slots=True)
class FontSettings:
    """Which file serves each role; None = an open font that is looked up by name in FONT_FOLDERS.

    Attributes:
        kai, song, mono: files of the roles.
        fallback: faces that are tried, in order, for characters that the roles' own faces lack.
    """

    kai: FontFile | None = None
    song: FontFile | None = None
    mono: FontFile | None = None
    fallback: tuple[FontFile, ...] = ()

    @classmethod
    def from_mapping(cls, values: Mapping[str, str]) -> FontSettings:
        """Read KAIPIAO_FONT_KAI, _SONG and _MONO (``path`` or ``path#index``) and _FALLBACK (several, by ``:``)."""
        roles = {role: values.get(f"KAIPIAO_FONT_{role.upper()}", "").strip() for role in ROLES}
        fallback = (part.strip() for part in values.get("KAIPIAO_FONT_FALLBACK", "").split(os.pathsep))
        return cls(
            **{role: FontFile.parse(text) for role, text in roles.items() if text},
            fallback=tuple(FontFile.parse(part) for part in fallback if part),
        )

    def file(self, role: str) -> FontFile | None:
        """Return the file set for a role, None where none is set."""
        files = {"kai": self.kai, "song": self.song, "mono": self.mono}
        return files[role]


@dataclass(frozen=True, slots=True)
class FontStatus:
    """What was found for a role: ``file`` is None where nothing serves it, ``is_set`` tells a setting from a find."""

    role: str
    file: FontFile | None
    is_set: bool


def find_fonts(settings: FontSettings, folders: Iterable[Path] = FONT_FOLDERS) -> tuple[FontStatus, ...]:
    """Return for each role, and each fallback, the file that would serve it, without opening it."""
    searched = [role for role in ROLES if settings.file(role) is None]
    installed = _installed_files(folders, searched) if searched else {}
    found = []
    for role in ROLES:
        chosen = settings.file(role)
        if chosen is None:
            found.append(FontStatus(role, _first_installed(role, installed), is_set=False))
        else:
            found.append(FontStatus(role, chosen if chosen.path.is_file() else None, is_set=True))
    found.extend(
        FontStatus("fallback", file if file.path.is_file() else None, is_set=True) for file in settings.fallback
    )
    return tuple(found)


def load_fonts(settings: FontSettings, folders: Iterable[Path] = FONT_FOLDERS) -> FontBook:
    """Load the faces of all roles; each role falls back to the others', so that no character prints as a box.

    Raises:
        ConfigError: a role has no file, or a file is not a usable font; the message names every such role.
    """
    status = find_fonts(settings, folders)
    missing = [_describe_missing(entry, settings) for entry in status if entry.file is None]
    if missing:
        raise ConfigError(
            f"fonts are missing: {'; '.join(missing)}.",
            hint="Run `kaipiao setup`, or point KAIPIAO_FONT_KAI, _SONG, _MONO and _FALLBACK at font files.",
        )
    own: dict[str, Face] = {}
    fallback: list[Face] = []
    for entry in status:
        if entry.file is None:
            continue
        face = Face.load(entry.file.path, entry.file.index, half_width=entry.role in _HALF_WIDTH_ROLES)
        if entry.role == "fallback":
            fallback.append(face)
        else:
            own[entry.role] = face
    return FontBook.from_roles(
        {role: (own[role], *(own[later] for later in _LATER_IN_CHAIN[role]), *fallback) for role in ROLES}
    )


def _installed_files(folders: Iterable[Path], roles: Iterable[str]) -> dict[str, Path]:
    """Return known file name → path, where the earlier folder, then the alphabetically first path, wins."""
    wanted = {file.path.name for role in roles for file in _KNOWN_FILES[role]}
    installed: dict[str, Path] = {}
    for folder in folders:
        for root, subfolders, names in os.walk(folder.expanduser()):
            subfolders.sort()
            for name in wanted.intersection(names):
                installed.setdefault(name, Path(root, name))
    return installed


def _first_installed(role: str, installed: Mapping[str, Path]) -> FontFile | None:
    for known in _KNOWN_FILES[role]:
        if known.path.name in installed:
            return FontFile(installed[known.path.name], known.index)
    return None


def _describe_missing(entry: FontStatus, settings: FontSettings) -> str:
    if entry.role == "fallback":
        lost = ", ".join(file.path.name for file in settings.fallback if not file.path.is_file())
        return f"fallback {lost}"
    chosen = settings.file(entry.role)
    wanted = chosen.path.name if chosen else " or ".join(file.path.name for file in _KNOWN_FILES[entry.role])
    return f"{_ROLE_NAMES[entry.role]} ({entry.role}) needs {wanted}"
