"""The pictures of one document: its pages in every format that is asked for, from one drawing of each page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from render.encode.api import Encoder, PagedEncoder, encoder
from render.encode.formats import LEVELS, PictureChoice
from render.encode.tiff_file import TiffPage
from render.pixels import PagePixels


@dataclass(frozen=True, slots=True)
class PictureFile:
    """One finished file.

    Attributes:
        name_end: what its name has after the invoice number: page number beyond the first, and suffix.
        kind: the output that was asked for; ``library``: what encoded it.
    """

    name_end: str
    kind: str
    media_type: str
    library: str
    data: bytes = field(repr=False)


class PictureEncoders:
    """The encoders of a request; stateless.

    Raises:
        BackendUnavailable: a library is missing; the hint names the package.
    """

    def __init__(self, choices: Sequence[PictureChoice]) -> None:
        self._encoders = [(choice, encoder(choice.encoder_name)) for choice in choices]

    @property
    def is_png_alone(self) -> bool:
        """Tell whether nothing but PNG with palette and of level ``fast`` is wanted, which a device can encode."""
        return [(choice.encoder_name, choice.level) for choice, _ in self._encoders] == [("png", LEVELS[0])]

    def __len__(self) -> int:
        return len(self._encoders)

    def begin(self) -> DocumentPictures:
        """Return what takes the pages of one document."""
        return DocumentPictures(self._encoders)


class DocumentPictures:
    """Takes the pages of a document in order.

    Attributes:
        n_bytes: of everything that was encoded so far.
    """

    def __init__(self, encoders: Sequence[tuple[PictureChoice, Encoder]]) -> None:
        self._encoders = encoders
        self._files: list[list[PictureFile]] = [[] for _ in encoders]
        self._pages: list[list[TiffPage]] = [[] for _ in encoders]
        self._n_pages = 0
        self.n_bytes = 0

    def add(self, pixels: PagePixels) -> None:
        """Encode one page; the pixels are not needed afterwards.

        Raises:
            InputError: a format cannot hold the page.
        """
        end = f"-p{self._n_pages + 1}" if self._n_pages else ""
        for at, (choice, one) in enumerate(self._encoders):
            if isinstance(one, PagedEncoder):
                self._pages[at].append(one.encode_page(pixels, level=choice.level))
                self.n_bytes += len(self._pages[at][-1])
            else:
                data = one.encode(pixels, level=choice.level)
                self._files[at].append(_file(choice, one, end, data))
                self.n_bytes += len(data)
        self._n_pages += 1

    def adopt(self, data: bytes, library: str) -> None:
        """Take one page that was encoded where it was drawn; only where a single format is wanted.

        Args:
            data: the file.
            library: what encoded it.
        """
        ((choice, one),) = self._encoders
        end = f"-p{self._n_pages + 1}" if self._n_pages else ""
        self._files[0].append(replace(_file(choice, one, end, data), library=library))
        self.n_bytes += len(data)
        self._n_pages += 1

    def finish(self) -> list[PictureFile]:
        """Return the files: by format in the order that was asked for, then by page.

        Raises:
            InputError: a format cannot hold so many pages.
        """
        for at, (choice, one) in enumerate(self._encoders):
            if isinstance(one, PagedEncoder):
                self._files[at].append(_file(choice, one, "", one.join(self._pages[at])))
        return [file for files in self._files for file in files]


def _file(choice: PictureChoice, one: Encoder, page: str, data: bytes) -> PictureFile:
    end = f"{choice.format.name_end}{page}{one.suffix}"
    return PictureFile(end, choice.kind, one.media_type, choice.format.library, data)
