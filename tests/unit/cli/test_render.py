"""`kaipiao render`: one bad file does not stop the rest, and every outcome has its exit status."""

import json
from datetime import UTC, datetime

import pytest
from PIL import Image

from bench import corpus
from render.budget import BatchFull
from render.errors import BackendUnavailable, InvoiceInvalid, MalformedInput
from workers.cli import render as command
from workers.cli.folder import ResultFolder, State

WISH = command.Wish(("pdf", "png"), 300, signing_time=datetime(2026, 1, 1, tzinfo=UTC))


@pytest.fixture(scope="module")
def documents(tmp_path_factory):
    """Six invoices as files, and a broken one."""
    folder = tmp_path_factory.mktemp("documents")
    for document in corpus.varied(6, seed=11):
        (folder / document.name).write_bytes(document.data)
    (folder / "broken.json").write_text('{"schema": ')
    return folder


def test_a_missing_file_is_an_input_error(tmp_path):
    with pytest.raises(MalformedInput, match="No such file"):
        command.read_file(tmp_path / "none.json")


def test_a_file_larger_than_any_invoice_is_not_read_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(command, "MAX_DOCUMENT_BYTES", 10)
    (tmp_path / "large").write_bytes(bytes(11))
    (tmp_path / "just").write_bytes(bytes(10))
    assert len(command.read_file(tmp_path / "just")) == 10
    with pytest.raises(MalformedInput, match="more than 10 bytes"):
        command.read_file(tmp_path / "large")


class Renderer:
    """Stands for the pipeline: refuses whatever says so."""

    def __init__(self):
        self.batches = []

    def render_batch(self, requests):
        from render.pipeline import Output, RenderResult

        self.batches.append(len(requests))
        results = []
        for request in requests:
            name, _, error = request.data.decode().partition(" ")
            output = Output(f"{name}.png", "png", "image/png", request.data, "sm3:00", "cpu")
            failures = {"invalid": InvoiceInvalid("wrong."), "absent": BackendUnavailable("none.")}
            results.append(RenderResult("", name, outputs=(output,) if not error else (), error=failures.get(error)))
        return results


def test_rows_come_in_the_order_of_the_files_a_batch_at_a_time(tmp_path):
    files = [tmp_path / f"{number}.json" for number in range(command.BATCH + 3)]
    for number, file in enumerate(files):
        if number != 1:
            file.write_text(f"{number}{' invalid' if number == 2 else ''}")
    renderer = Renderer()
    rows = list(command.render_files(files, renderer, ResultFolder(tmp_path / "out"), WISH))
    assert renderer.batches == [command.BATCH - 1, 3]
    assert [row.file for row in rows] == files
    codes = [row.error.code if row.error else "" for row in rows]
    assert codes == ["", "input_malformed", "invoice_invalid", *[""] * command.BATCH]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        f"{number}.png" for number in range(command.BATCH + 3) if number not in (1, 2)
    }


@pytest.mark.parametrize(
    ("contents", "code"), [(["1", "2"], 0), (["1", "2 invalid"], 2), (["1 absent", "2 invalid"], 1), (["1 absent"], 1)]
)
def test_the_exit_status_tells_refused_invoices_from_failures(kaipiao, monkeypatch, tmp_path, contents, code):
    monkeypatch.setattr("render.pipeline.Renderer", lambda settings: Renderer())
    files = [tmp_path / f"{number}.json" for number in range(len(contents))]
    for file, content in zip(files, contents, strict=True):
        file.write_text(content)
    ended = kaipiao("render", *files, "--out", tmp_path / "out")
    assert ended.code == code
    failed = sum(" " in content for content in contents)
    assert f"{len(contents) - failed} rendered, {failed} failed" in ended.out


@pytest.mark.fonts
def test_render_writes_signed_pdf_and_png_and_a_second_run_changes_nothing(kaipiao, identity, documents, tmp_path):
    files = sorted(documents.iterdir())
    first = kaipiao("render", *files, "--out", tmp_path, "--dpi", 150, "--json")
    rows = json.loads(first.out)
    assert first.code == 2
    failed = [row for row in rows if row["error"]]
    assert [(row["file"], row["error"]["code"]) for row in failed] == [
        (str(documents / "broken.json"), "input_malformed")
    ]
    outputs = [output for row in rows for output in row["outputs"]]
    assert {output["state"] for output in outputs} == {"written"}
    assert sorted(output["file"] for output in outputs) == sorted(str(path) for path in tmp_path.iterdir())
    assert all(output["signer"] for output in outputs if output["kind"] == "pdf")

    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    again = json.loads(kaipiao("render", *files, "--out", tmp_path, "--dpi", 150, "--json").out)
    assert {output["state"] for row in again for output in row["outputs"]} == {State.UNCHANGED.value}
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.fonts
def test_only_what_is_asked_for_is_made_and_unsigned_needs_no_key(kaipiao, documents, tmp_path, monkeypatch):
    monkeypatch.setenv("KAIPIAO_HOME", str(tmp_path / "nothing-here"))
    file = next(path for path in sorted(documents.iterdir()) if path.name != "broken.json")
    ended = kaipiao("render", file, "--out", tmp_path / "out", "--pdf", "--unsigned")
    assert ended.code == 0, ended.err
    assert [path.suffix for path in (tmp_path / "out").iterdir()] == [".pdf"]
    assert "unsigned" in ended.words
    assert kaipiao("render", file, "--out", tmp_path / "png", "--png").code == 0
    assert {path.suffix for path in (tmp_path / "png").iterdir()} == {".png"}


@pytest.mark.fonts
def test_without_an_identity_signing_says_what_to_do(kaipiao, documents, tmp_path, monkeypatch):
    monkeypatch.setenv("KAIPIAO_HOME", str(tmp_path / "nothing-here"))
    ended = kaipiao("render", documents / "broken.json", "--out", tmp_path / "out")
    assert ended.code == 1
    assert "key_unavailable" in ended.words
    assert "kaipiao setup" in ended.words


@pytest.mark.fonts
def test_pictures_are_asked_for_by_name_level_and_mode(kaipiao, documents, tmp_path):
    file = next(path for path in sorted(documents.iterdir()) if path.name != "broken.json")
    arguments = ("render", file, "--dpi", 80, "--json", "--outputs", "jpeg, tiff", "--png", "--out")
    fast = json.loads(kaipiao(*arguments, tmp_path / "fast").out)[0]["outputs"]
    small = json.loads(kaipiao(*arguments, tmp_path / "small", "--level", "small", "--mode", "grey").out)[0]["outputs"]
    assert list(dict.fromkeys(output["kind"] for output in fast)) == ["jpeg", "tiff", "png"]
    assert {path.suffix for path in (tmp_path / "fast").iterdir()} == {".jpg", ".tif", ".png"}
    assert [output["file"].rpartition("/")[2] for output in small] == [
        output["file"].rpartition("/")[2] for output in fast
    ]
    assert sum(output["bytes"] for output in small) < sum(output["bytes"] for output in fast)
    assert all(output["backend"].endswith(("+libjpeg-turbo", "+deflate")) for output in fast)
    with Image.open(tmp_path / "small" / small[0]["file"].rpartition("/")[2]) as image:
        assert image.mode == "L"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--outputs", "pdf,jpg"], ["outputs", "no output 'jpg'", "Did you mean 'jpeg'?", "request.output_unknown"]),
        (["--outputs", "g4", "--mode", "grey"], ["mode", "g4 has no mode 'grey'", "request.mode_of_format"]),
        (["--level", "tiny"], ["level", "no level 'tiny'", "Choose from fast, small", "request.level_unknown"]),
    ],
)
def test_wishes_that_cannot_be_met_are_refused_before_anything_is_loaded(kaipiao, tmp_path, monkeypatch, options, said):
    monkeypatch.setattr("render.pipeline.Renderer", None)
    ended = kaipiao("render", tmp_path / "any.json", "--out", tmp_path / "out", *options)
    assert ended.code == 2
    for words in said:
        assert words in ended.words
    assert not (tmp_path / "out").exists()


def test_files_that_find_no_room_in_a_batch_are_rendered_in_the_next(tmp_path):
    class Crowded(Renderer):
        def render_batch(self, requests):
            results = super().render_batch(requests)
            for result in results[2:]:
                result.outputs, result.error = (), BatchFull("no room.")
            return results

    files = [tmp_path / f"{number}.json" for number in range(5)]
    for number, file in enumerate(files):
        file.write_text(str(number))
    renderer = Crowded()
    rows = list(command.render_files(files, renderer, ResultFolder(tmp_path / "out"), WISH))
    assert renderer.batches == [5, 3, 1]
    assert [row.error for row in rows] == [None] * 5
    assert len(list((tmp_path / "out").iterdir())) == 5
