"""`kaipiao doctor` reports what it tried, and ends with 1 only where something needed is missing."""

import json
import socket
import sys

import pytest

from render.encode.formats import FORMATS
from workers.cli import probes
from workers.cli.probes import Finding, State


def found(probe, values):
    return {finding.name: finding for finding in probe(values)}


def program(folder, name, text):
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


@pytest.fixture
def only_these_programs(tmp_path, monkeypatch):
    """A PATH with nothing on it but what a test puts there."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def test_every_state_has_a_remedy_where_something_is_needed():
    findings = list(probes.examine({"KAIPIAO_HOME": "/nonexistent", "KAIPIAO_FONT_KAI": "/nonexistent.ttf"}))
    missing = {finding.name: finding.remedy for finding in findings if finding.state is State.MISSING}
    assert {"fonts", "templates", "signing identity"} <= missing.keys()
    assert all(missing.values())


@pytest.mark.fonts
def test_fonts_are_named_with_their_files():
    files = found(probes.probe_fonts, {})
    assert {"font kai", "font song", "font mono"} <= files.keys()
    assert {finding.state for finding in files.values()} == {State.OK}


def test_a_font_that_is_not_there_is_missing():
    findings = found(probes.probe_fonts, {"KAIPIAO_FONT_KAI": "/nonexistent.ttf"})
    assert findings["fonts"].state is State.MISSING
    assert "nonexistent.ttf" in findings["fonts"].detail


def test_picture_formats_are_tried(monkeypatch):
    formats = found(probes.probe_pictures, {})
    assert list(formats) == [f"picture {kind}" for kind in FORMATS]
    assert formats["picture jpeg"].state is State.OK
    assert "libjpeg-turbo" in formats["picture jpeg"].detail
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    heif = found(probes.probe_pictures, {})["picture heif"]
    assert heif.state is State.ABSENT
    assert "kaipiao[heif]" in heif.remedy


def test_the_test_identity_is_called_by_its_name(identity, kaipiao_home):
    finding = found(probes.probe_signing, {"KAIPIAO_HOME": str(kaipiao_home)})["signing identity"]
    assert finding.state is State.LIMITED
    assert "TESTS only" in finding.detail


def test_signing_that_is_off_is_said_and_no_failure():
    assert found(probes.probe_signing, {"KAIPIAO_SIGNING": "off"})["signing identity"].state is State.LIMITED


def test_the_embedded_broker_is_started_and_leaves_nothing(tmp_path_factory, monkeypatch):
    # Short, since it holds a socket.
    tmp_path = tmp_path_factory.mktemp("b")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert found(probes.probe_broker, {})["broker"] == Finding(
        "broker", State.OK, "embedded: started and ended here once"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_broker_that_does_not_answer_is_missing_and_its_password_is_not_shown():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        finding = found(probes.probe_broker, {"KAIPIAO_BROKER_URL": f"redis://u:hush@127.0.0.1:{port}/0"})["broker"]
    assert finding.state is State.MISSING
    assert "KAIPIAO_BROKER_URL" in finding.remedy
    assert "hush" not in finding.detail
    assert str(port) in finding.detail


def test_an_encoder_counts_only_if_it_encodes(only_these_programs):
    program(only_these_programs, "ffmpeg", 'case "$*" in *-version*) echo ffmpeg version 9;; *hevc*) exit 1;; esac')
    findings = found(probes.probe_ffmpeg, {})
    assert findings["FFmpeg"].state is State.OK
    assert findings["NVENC h264_nvenc"].state is State.OK
    assert findings["NVENC hevc_nvenc"].state is State.ABSENT


def test_nothing_fails_where_there_are_no_programs_at_all(only_these_programs):
    tools, gpu = found(probes.probe_tools, {}), found(probes.probe_gpu, {})
    assert found(probes.probe_ffmpeg, {})["FFmpeg"].state is State.ABSENT
    assert {finding.state for finding in tools.values()} == {State.ABSENT}
    assert gpu["GPU"].state is State.ABSENT


def test_a_gpu_is_named_as_its_driver_names_it(only_these_programs):
    program(only_these_programs, "nvidia-smi", "echo 'Tesla T4, 550.54, 15360 MiB'")
    assert found(probes.probe_gpu, {})["GPU 0"].detail == "Tesla T4, 550.54, 15360 MiB"


def test_little_space_is_a_warning(tmp_path, monkeypatch):
    monkeypatch.setattr(probes, "_LITTLE_SPACE_BYTES", 1 << 62)
    finding = found(probes.probe_disk, {"KAIPIAO_HOME": str(tmp_path / "not" / "yet")})["disk"]
    assert finding.state is State.LIMITED
    assert not (tmp_path / "not").exists()


@pytest.mark.parametrize(("state", "code"), [(State.MISSING, 1), (State.ABSENT, 0), (State.LIMITED, 0)])
def test_only_what_is_missing_decides_the_exit_status(kaipiao, monkeypatch, state, code):
    thing = Finding("thing", state, "looked", "do this")
    monkeypatch.setattr("workers.cli.doctor.examine", lambda values: iter([Finding("a", State.OK, "b"), thing]))
    shown = kaipiao("doctor")
    assert shown.code == code
    assert "→ do this" in shown.words
    as_json = kaipiao("doctor", "--json")
    assert as_json.code == code
    assert json.loads(as_json.out)[1] == {"name": "thing", "state": state, "detail": "looked", "remedy": "do this"}
