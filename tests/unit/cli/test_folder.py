"""A folder of results: written once, kept where it is the same, never overwritten by something else."""

import stat
from dataclasses import dataclass

import pytest

from render.errors import ConfigError, ContentConflict, StoreError
from render.sign.pdf import reserve_bytes, sign_pdf
from tests.unit.sign.signing_samples import NOW, empty_pdf, make_signer
from workers.cli.folder import ResultFolder, State

NUMBER = "24312000000000000001"


@dataclass(frozen=True)
class Made:
    """Stands for an output of the pipeline."""

    name: str
    data: bytes
    kind: str = "png"
    signer: str = ""


@dataclass(frozen=True)
class Done:
    """Stands for a result of the pipeline."""

    outputs: tuple[Made, ...]
    number: str = NUMBER


def pages(*contents):
    names = [f"{NUMBER}.png", *(f"{NUMBER}-p{page}.png" for page in range(2, len(contents) + 1))]
    return Done(tuple(map(Made, names, contents)))


def states(saved):
    return [one.state for one in saved]


def test_results_are_written_under_their_names(tmp_path):
    saved = ResultFolder(tmp_path / "new" / "folder").save(pages(b"first", b"second"))
    assert states(saved) == [State.WRITTEN, State.WRITTEN]
    assert [one.path.read_bytes() for one in saved] == [b"first", b"second"]
    assert [one.size for one in saved] == [5, 6]
    assert not stat.S_IMODE(saved[0].path.stat().st_mode) & stat.S_IWOTH


def test_the_same_content_is_left_as_it_is(tmp_path):
    folder = ResultFolder(tmp_path)
    folder.save(pages(b"page"))
    before = (tmp_path / f"{NUMBER}.png").stat()
    assert states(folder.save(pages(b"page"))) == [State.UNCHANGED]
    after = (tmp_path / f"{NUMBER}.png").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_other_content_is_refused_and_none_of_the_invoice_is_written(tmp_path):
    folder = ResultFolder(tmp_path)
    folder.save(pages(b"page"))
    with pytest.raises(ContentConflict, match=r"24312000000000000001\.png .* already holds something else"):
        folder.save(pages(b"other", b"second"))
    assert [path.name for path in tmp_path.iterdir()] == [f"{NUMBER}.png"]
    assert (tmp_path / f"{NUMBER}.png").read_bytes() == b"page"


def test_force_removes_stale_pages_of_the_formats_that_were_made_anew(tmp_path):
    def jpeg(*contents):
        names = [f"{NUMBER}.jpg", *(f"{NUMBER}-p{page}.jpg" for page in range(2, len(contents) + 1))]
        return Done(tuple(Made(name, data, "jpeg") for name, data in zip(names, contents, strict=True)))

    ResultFolder(tmp_path).save(pages(b"1", b"2"))
    ResultFolder(tmp_path).save(jpeg(b"1", b"2"))
    ResultFolder(tmp_path, force=True).save(jpeg(b"new"))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        [f"{NUMBER}.png", f"{NUMBER}-p2.png", f"{NUMBER}.jpg"]
    )


def test_force_replaces_and_removes_pages_of_the_longer_document_before(tmp_path):
    ResultFolder(tmp_path).save(pages(b"1", b"2", b"3"))
    neighbour = tmp_path / "24312000000000000002-p3.png"
    neighbour.write_bytes(b"of another invoice")
    saved = ResultFolder(tmp_path, force=True).save(pages(b"1", b"new"))
    assert states(saved) == [State.UNCHANGED, State.REPLACED]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        [f"{NUMBER}.png", f"{NUMBER}-p2.png", neighbour.name]
    )
    assert (tmp_path / f"{NUMBER}-p2.png").read_bytes() == b"new"


def test_a_file_in_place_of_the_folder_is_an_error(tmp_path):
    (tmp_path / "file").write_text("here")
    with pytest.raises(ConfigError, match="cannot be a folder"):
        ResultFolder(tmp_path / "file")


def test_a_folder_in_place_of_a_file_is_an_error(tmp_path):
    (tmp_path / f"{NUMBER}.png").mkdir()
    with pytest.raises(StoreError, match="did not take the result"):
        ResultFolder(tmp_path).save(pages(b"page"))


def signed(second, text="100.00", name="KAIPIAO TEST ONLY"):
    """A PDF signed at another second: the same document with another signature."""
    signer = make_signer(name=name)
    pdf, span = empty_pdf(reserve_bytes(signer), text=text)
    data = sign_pdf(pdf, span, signer, NOW.replace(second=second))
    return Done((Made(f"{NUMBER}.pdf", data, "pdf", signer.serial),))


def test_another_signature_of_the_same_document_is_no_other_content(tmp_path):
    folder = ResultFolder(tmp_path)
    first, again = signed(1), signed(2)
    assert first.outputs[0].data != again.outputs[0].data
    folder.save(first)
    assert states(folder.save(again)) == [State.UNCHANGED]
    assert (tmp_path / f"{NUMBER}.pdf").read_bytes() == first.outputs[0].data


def test_a_signed_document_with_another_text_is_other_content(tmp_path):
    folder = ResultFolder(tmp_path)
    folder.save(signed(1))
    with pytest.raises(ContentConflict):
        folder.save(signed(1, text="999.00"))


def test_the_same_document_under_another_certificate_is_other_content(tmp_path):
    folder = ResultFolder(tmp_path)
    folder.save(signed(1))
    with pytest.raises(ContentConflict):
        folder.save(signed(1, name="KAIPIAO TEST ONLY, another"))


def test_a_damaged_file_is_not_taken_for_the_document(tmp_path):
    folder = ResultFolder(tmp_path)
    folder.save(signed(1))
    path = tmp_path / f"{NUMBER}.pdf"
    path.write_bytes(path.read_bytes().replace(b"100.00", b"900.00"))
    with pytest.raises(ContentConflict):
        folder.save(signed(1))
