"""A folder of results, in which another content is never overwritten unless that was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from render.encode.formats import FORMATS
from render.errors import ConfigError, ContentConflict, StoreError
from render.store.api import Store

if TYPE_CHECKING:
    from render.pipeline import Output, RenderResult


class State(StrEnum):
    """What became of one output."""

    WRITTEN = "written"
    UNCHANGED = "unchanged"
    REPLACED = "replaced"


@dataclass(frozen=True, slots=True)
class Saved:
    """One output in the folder; ``path``: where, ``size``: in bytes of the file that now stands there."""

    output: Output
    path: Path
    state: State
    size: int


class ResultFolder:
    """Where results go, by the names that their invoice numbers give them.

    Args:
        path: made where missing.
        force: replace files that hold something else.

    Raises:
        ConfigError: it cannot be made or is no folder.
    """

    def __init__(self, path: Path, *, force: bool = False) -> None:
        self.path = path
        self.force = force
        try:
            self._store = Store(path.absolute().as_uri())
        except ConfigError as error:
            raise ConfigError(f"{path} cannot be a folder of results.", hint="Choose another --out.") from error

    def save(self, result: RenderResult) -> tuple[Saved, ...]:
        """Write the outputs of one invoice: all of them, or none where one would overwrite something else.

        Raises:
            ContentConflict: a file of this name holds something else.
            StoreError: the disk did not take it.
        """
        try:
            states = {output.name: self._state(output) for output in result.outputs}
            taken = [name for name, state in states.items() if state is State.REPLACED]
            if taken and not self.force:
                raise ContentConflict(
                    f"{', '.join(taken)} in {self.path} already holds something else.",
                    hint="Nothing was written. Choose another --out, or replace the files with --force.",
                )
            saved = tuple(self._write(output, states[output.name]) for output in result.outputs)
            self._remove_stale_pages(result)
        except OSError as error:
            reason = f"{self.path} did not take the result: {error.strerror or error}."
            raise StoreError(reason, hint="Check space and rights.") from error
        return saved

    def _state(self, output: Output) -> State:
        path = self.path / output.name
        if not path.exists():
            return State.WRITTEN
        return State.UNCHANGED if is_same(path.read_bytes(), output) else State.REPLACED

    def _write(self, output: Output, state: State) -> Saved:
        path = self.path / output.name
        if state is State.REPLACED:
            path.unlink()
        if state is not State.UNCHANGED:
            self._store.put_if_absent(output.name, output.data)
        return Saved(output, path, state, path.stat().st_size)

    def _remove_stale_pages(self, result: RenderResult) -> None:
        """Remove further pages of what --force replaced: they belong to a document that is gone."""
        names = {output.name for output in result.outputs}
        suffixes = {Path(output.name).suffix for output in result.outputs if output.kind in FORMATS}
        if self.force:
            for path in self.path.glob(f"{result.number}-p*"):
                if path.suffix in suffixes and path.name not in names:
                    path.unlink()


def is_same(existing: bytes, output: Output) -> bool:
    """Tell whether a file holds this output already.

    Two signatures of one document differ, so a signed file is the same where what is signed is, and by whom.

    Args:
        existing: the file's bytes.
        output: what was rendered now.
    """
    if existing == output.data:
        return True
    if not output.signer or len(existing) != len(output.data):
        return False
    from render.sign.verify import verify_pdf

    before, now = verify_pdf(existing), verify_pdf(output.data)
    both_sound = before.is_intact and now.is_intact
    one_signer = (before.signer, before.serial) == (now.signer, now.serial)
    return both_sound and one_signer and _signed_parts(existing) == _signed_parts(output.data)


def _signed_parts(pdf: bytes) -> Sequence[bytes]:
    from render.sign.pdf_fields import find_signatures

    numbers = find_signatures(pdf).fields[-1].byte_range or ()
    return [pdf[start : start + length] for start, length in zip(numbers[::2], numbers[1::2], strict=True)]
