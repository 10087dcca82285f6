"""`kaipiao inspect` ends with 0 for files with nothing wrong, and never writes over anything."""

import json

from tests.unit.sign.signing_samples import signed_pdf


def _minimal(path):
    import pikepdf

    with pikepdf.new() as pdf:
        pdf.add_blank_page(page_size=(595.2756, 396.8504))
        pdf.Root.OpenAction = pikepdf.Dictionary(S=pikepdf.Name.JavaScript, JS="1")
        pdf.save(path)
    return path


def test_a_faulty_file_is_shown_and_mended(kaipiao, tmp_path):
    path = _minimal(tmp_path / "old.pdf")
    before = path.read_bytes()
    ended = kaipiao("inspect", path, "--repair", tmp_path / "mended")
    assert ended.code == 1
    for part in ("210 × 140 mm", "no PDF/A", "forbidden", "/OpenAction", "mended copy"):
        assert part in ended.words
    assert path.read_bytes() == before
    assert kaipiao("inspect", tmp_path / "mended" / "old.pdf").code == 0
    again = kaipiao("inspect", path, "--repair", tmp_path / "mended")
    assert again.code == 2
    assert "already there" in again.words


def test_unreadable_and_signed_files_are_named_and_the_rest_goes_on(kaipiao, tmp_path):
    junk, signed, old = tmp_path / "junk.pdf", tmp_path / "signed.pdf", _minimal(tmp_path / "old.pdf")
    junk.write_bytes(b"junk")
    signed.write_bytes(signed_pdf())
    ended = kaipiao("inspect", junk, signed, old, "--repair", tmp_path / "mended", "--json")
    assert ended.code == 2
    found = json.loads(ended.out)
    assert [record.get("error", {}).get("code", "") for record in found] == ["input_malformed", "input_invalid", ""]
    assert found[1]["signatures"] == 1
    assert [path.name for path in (tmp_path / "mended").iterdir()] == ["old.pdf"]
