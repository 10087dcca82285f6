"""`kaipiao countersign` writes signed copies, and `kaipiao verify` tells what follows each signature."""

from __future__ import annotations

import json
import sys

import pytest
from signing_samples import NOW, incremental_update, signed_pdf

from render.errors import ConfigError
from render.sign.keys import set_up_test_identity
from workers.cli.commands import load_command


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Return a function that runs one command with a test identity and gives exit status and JSON."""
    monkeypatch.setenv("KAIPIAO_HOME", str(tmp_path / "home"))
    set_up_test_identity(tmp_path / "home", now=NOW, iterations=2)

    def call(name, *arguments):
        with pytest.raises(SystemExit) as ended:
            load_command(name).main([str(argument) for argument in (*arguments, "--json")], prog_name="kaipiao")
        sys.stdout.flush()
        return int(ended.value.code or 0), json.loads(capsys.readouterr().out)

    return call


def test_a_signed_copy_is_written_and_both_signatures_hold(run, tmp_path):
    (tmp_path / "a.pdf").write_bytes(signed_pdf())
    code, (record,) = run("countersign", tmp_path / "a.pdf", "--to", tmp_path / "out")
    assert code == 0
    assert record["written"] == str(tmp_path / "out" / "a.pdf")
    assert (tmp_path / "out" / "a.pdf").read_bytes().startswith(signed_pdf())
    assert (tmp_path / "a.pdf").read_bytes() == signed_pdf()
    _, (found,) = run("verify", tmp_path / "out" / "a.pdf", "--any-signer")
    assert [each["followed_by"] for each in found["signatures"]] == ["signatures", "nothing"]
    assert found["codes"] == ["signer_untrusted"]
    assert "TEST" in found["signer"]


def test_a_changed_file_and_a_copy_that_is_there_are_refused(run, tmp_path):
    page = b"<</Length 30>>stream\nBT /F 9 Tf (999.00) Tj ET     \nendstream"
    (tmp_path / "changed.pdf").write_bytes(incremental_update(signed_pdf(), (4, page)))
    (tmp_path / "a.pdf").write_bytes(signed_pdf())
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.pdf").write_bytes(b"here")
    files = [tmp_path / "changed.pdf", tmp_path / "a.pdf", tmp_path / "none.pdf"]
    code, records = run("countersign", *files, "--to", tmp_path / "out")
    assert code == 2
    assert "extended after signing" in records[0]["error"]["message"]
    assert "already there" in records[1]["error"]["message"]
    assert records[2]["error"]["code"] == "input_malformed"
    assert (tmp_path / "out" / "a.pdf").read_bytes() == b"here"
    _, (found,) = run("verify", tmp_path / "changed.pdf")
    assert found["codes"] == ["appended", "page_changed_later"]
    assert found["signatures"][0]["followed_by"] == "changes"


def test_a_folder_that_cannot_be_written_is_an_error(run, tmp_path):
    (tmp_path / "a.pdf").write_bytes(signed_pdf())
    (tmp_path / "file").write_bytes(b"")
    code, (record,) = run("countersign", tmp_path / "a.pdf", "--to", tmp_path / "file")
    assert code != 0
    assert record["error"]["hint"]


def test_without_a_key_nothing_is_signed(monkeypatch, tmp_path):
    monkeypatch.setenv("KAIPIAO_SIGNING", "off")
    with pytest.raises(ConfigError, match="switched off"):
        load_command("countersign").main([str(tmp_path / "a.pdf"), "--to", str(tmp_path)], standalone_mode=False)
