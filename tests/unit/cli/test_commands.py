"""The table of commands and the boundary of errors."""

import json
import subprocess
import sys

import pytest

from render.errors import ConfigError, Fault, InvoiceInvalid, KeyUnavailable
from workers.cli import commands, output, version


def test_help_names_every_command_and_loads_none():
    program = "import sys; from workers.cli.commands import build; build().main(['--help'], standalone_mode=False)"
    program += "; print(sorted(name for name in sys.modules if name.startswith(('render.', 'workers.'))))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    *shown, modules = done.stdout.strip().splitlines()
    for name in commands.COMMANDS:
        assert any(row.strip(" │").startswith(f"{name} ") for row in shown)
    assert modules == "['render.errors', 'workers.cli', 'workers.cli.commands', 'workers.cli.output']"


@pytest.mark.parametrize("name", list(commands.COMMANDS))
def test_every_command_is_where_the_table_says(name, kaipiao):
    shown = kaipiao(name, "--help")
    assert shown.code == 0
    assert f"Usage: kaipiao {name}" in shown.out


def test_an_unknown_command_is_named_with_its_neighbour(kaipiao):
    ended = kaipiao("schem")
    assert ended.code == 2
    assert "Did you mean 'schema'?" in ended.words


def test_version_is_printed_for_people_and_programs(kaipiao):
    assert kaipiao("version").out.startswith("kaipiao 0.1.0 (Python 3.")
    assert json.loads(kaipiao("version", "--json").out)["kaipiao"] == "0.1.0"


def raising(error):
    def version_that_fails(*, as_json: output.JsonFlag = False) -> None:
        raise error

    return version_that_fails


FAULTY = InvoiceInvalid(
    "the invoice breaks 2 rules.",
    faults=(
        Fault("lines[0].tax", "line.tax_arithmetic", "1.00 was given, 13.00 is right", "Correct the tax."),
        Fault("seller.tax_id", "party.tax_id", "[bold]\x1b[31m is no code", "Give 18 characters."),
    ),
)


def test_an_input_error_ends_with_2_and_shows_every_fault(kaipiao, monkeypatch):
    monkeypatch.setattr(version, "version", raising(FAULTY))
    ended = kaipiao("version")
    assert (ended.code, ended.out) == (2, "")
    for part in ("invoice_invalid", "lines[0].tax", "line.tax_arithmetic", "Correct the tax.", "Give 18 characters."):
        assert part in ended.words


def test_text_from_outside_is_neither_markup_nor_obeyed_by_the_terminal(kaipiao, monkeypatch):
    monkeypatch.setattr(version, "version", raising(FAULTY))
    ended = kaipiao("version")
    assert r"[bold]\x1b[31m is no code" in ended.words
    assert "\x1b" not in ended.err


def test_errors_are_json_where_json_was_asked_for(kaipiao, monkeypatch):
    monkeypatch.setattr(version, "version", raising(FAULTY))
    ended = kaipiao("version", "--json")
    error = json.loads(ended.out)["error"]
    assert (ended.code, ended.err) == (2, "")
    assert error["code"] == "invoice_invalid"
    assert [fault["path"] for fault in error["faults"]] == ["lines[0].tax", "seller.tax_id"]


@pytest.mark.parametrize("error", [ConfigError("no.", hint="Do this."), KeyUnavailable("no key.", hint="Do this.")])
def test_other_errors_end_with_1_and_say_what_to_do(kaipiao, monkeypatch, error):
    monkeypatch.setattr(version, "version", raising(error))
    ended = kaipiao("version")
    assert ended.code == 1
    assert error.code in ended.words
    assert "Do this." in ended.words


def test_a_flood_of_faults_is_cut_and_the_rest_is_counted(kaipiao, monkeypatch):
    faults = tuple(Fault(f"lines[{n}].name", "text.length", "too long", "Shorten it.") for n in range(120))
    monkeypatch.setattr(version, "version", raising(InvoiceInvalid("many.", faults=faults)))
    shown = kaipiao("version").words
    assert "lines[49].name" in shown
    assert "lines[50].name" not in shown
    assert "and 70 more" in shown
