"""Pages for a reel from picture files and invoices, one at a time; what is wrong with one file stops no other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from render.config import RenderSettings
from render.errors import KaipiaoError
from render.reel.page import MAX_NAME_CHARS, ReelPage, is_name
from render.reel.picture import is_picture, picture_sizes, read_picture
from render.units import um_to_px
from workers.cli.render import read_file

if TYPE_CHECKING:
    from render.pipeline import Renderer
    from render.raster.api import Rasterizer

_HEAD_BYTES = 16


@dataclass(slots=True)
class Sources:
    """Files of a reel, in order.

    Args:
        dpi: of invoices, and of pictures that state none.
        values: settings as :meth:`RenderSettings.from_mapping` takes them; read when the first invoice comes.

    Attributes:
        refused: what is wrong with which file.
    """

    files: Sequence[Path]
    dpi: int
    values: Mapping[str, str]
    refused: dict[Path, KaipiaoError] = field(default_factory=dict)
    _renderer: Renderer | None = None
    _rasterizers: dict[str, Rasterizer] = field(default_factory=dict)
    _names: Counter[str] = field(default_factory=Counter)

    def survey(self) -> tuple[int, int]:
        """Read the head of every file; return the width and height that no page exceeds, (0, 0) where none is left."""
        widest = highest = 0
        for file in dict.fromkeys(self.files):
            try:
                for width, height in self._sizes(file):
                    widest, highest = max(widest, width), max(highest, height)
            except KaipiaoError as error:
                self.refused[file] = error
        return widest, highest

    def pages(self) -> Iterator[ReelPage]:
        """Return the pages of all files that are sound."""
        for file in self.files:
            if file in self.refused:
                continue
            try:
                yield from self._picture(file) if _is_picture(file) else self._invoice(file)
            except KaipiaoError as error:
                self.refused[file] = error

    def _sizes(self, file: Path) -> list[tuple[int, int]]:
        if _is_picture(file):
            return picture_sizes(file)
        from render.model.read import read_invoice

        kind = read_invoice(read_file(file)).invoice.kind.value
        spec = self._opened().template(kind).spec
        return [(um_to_px(spec.page_um[0], self.dpi), um_to_px(spec.page_um[1], self.dpi))]

    def _picture(self, file: Path) -> Iterator[ReelPage]:
        for place, pixels in enumerate(read_picture(file, self.dpi)):
            yield ReelPage(self._name(file.stem, place), pixels, page=place + 1)

    def _invoice(self, file: Path) -> Iterator[ReelPage]:
        from render.layout.engine import layout_invoice
        from render.model.read import read_invoice
        from render.raster.api import Rasterizer

        invoice = read_invoice(read_file(file)).invoice
        template = self._opened().template(invoice.kind.value)
        if template.digest not in self._rasterizers:
            self._rasterizers[template.digest] = Rasterizer(template.resources, self.dpi)
        display = layout_invoice(invoice, template)
        for place, pixels in enumerate(self._rasterizers[template.digest].rasterize(display)):
            yield ReelPage(self._name(invoice.number, place), pixels, invoice.number, place + 1)

    def _opened(self) -> Renderer:
        if self._renderer is None:
            from render.pipeline import Renderer

            # Pages carry no signature, so no key is needed.
            self._renderer = Renderer(RenderSettings.from_mapping({**self.values, "KAIPIAO_SIGNING": "off"}))
        return self._renderer

    def _name(self, stem: str, place: int) -> str:
        """Return a name that no other page has."""
        kept = "".join(char if is_name(f"a{char}a") else "_" for char in stem).strip()
        kept = (kept if is_name(kept[:1]) else f"p{kept}")[: MAX_NAME_CHARS - 20].strip()
        wanted = kept if place == 0 else f"{kept}-p{place + 1}"
        name = wanted
        while name in self._names:
            self._names[wanted] += 1
            name = f"{wanted}~{self._names[wanted]}"
        self._names[name] = 1
        return name


def _is_picture(file: Path) -> bool:
    try:
        with file.open("rb") as opened:
            return is_picture(opened.read(_HEAD_BYTES))
    except OSError:
        # Whoever reads it as an invoice says what is wrong.
        return False
