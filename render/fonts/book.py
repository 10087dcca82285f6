"""The fonts of one renderer: faces by role, with fallbacks, stacked into arrays for vectorised lookup."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from render.fonts.face import CMAP_SIZE, Face


@dataclass(frozen=True, eq=False)
class FontBook:
    """Faces in a fixed order and, for each role, the chain of faces that is tried for a character.

    A role (``kai`` 楷体, ``song`` 宋体, ``mono``) is what a template names; which file serves it is a setting.

    Attributes:
        faces: each face once.
        chains: role name to indices into ``faces``, the preferred one first.
        cmap: uint16[n_faces, CMAP_SIZE], the stacked character maps.
        advance: int32[n_faces, max_glyphs], the stacked advances in 1/ADVANCE_PER_EM em.
        digests: content hashes of the faces, in order.
    """

    faces: tuple[Face, ...]
    chains: Mapping[str, tuple[int, ...]]
    cmap: NDArray[np.uint16] = field(init=False, repr=False)
    advance: NDArray[np.int32] = field(init=False, repr=False)
    digests: tuple[str, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        advance = np.zeros((len(self.faces), max(face.advance.size for face in self.faces)), np.int32)
        cmap = np.zeros((len(self.faces), CMAP_SIZE), np.uint16)
        for row, face in enumerate(self.faces):
            advance[row, : face.advance.size] = face.advance
            cmap[row] = face.cmap
        for array in (cmap, advance):
            array.flags.writeable = False
        object.__setattr__(self, "cmap", cmap)
        object.__setattr__(self, "advance", advance)
        object.__setattr__(self, "digests", tuple(face.digest for face in self.faces))

    @classmethod
    def from_roles(cls, roles: Mapping[str, Sequence[Face]]) -> FontBook:
        """Build a book from faces by role; a face that serves several roles is stored once."""
        faces: dict[str, Face] = {}
        for chain in roles.values():
            for face in chain:
                faces.setdefault(face.digest, face)
        order = {digest: position for position, digest in enumerate(faces)}
        chains = {role: tuple(order[face.digest] for face in chain) for role, chain in roles.items()}
        return cls(faces=tuple(faces.values()), chains=chains)

    def face(self, role: str) -> Face:
        """Return the preferred face of a role."""
        return self.faces[self.chains[role][0]]

    def covers(self, role: str, char: str) -> bool:
        """Tell whether any face in the role's chain has a glyph for the character."""
        return any(self.faces[index].has(char) for index in self.chains[role])
