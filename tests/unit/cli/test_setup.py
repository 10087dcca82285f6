"""`kaipiao setup` says what it does before it does it, does it once, and starts no service."""

import os
import stat

import pytest

from render.errors import ConfigError
from render.sign.keys import IdentityPaths, load_identity
from workers.cli import packages, setup
from workers.cli.packages import DEVELOPER_NEEDS, NEEDS, InstallFailed, Need, Rights
from workers.selftest import first_page

FONT = next(need for need in NEEDS if need.font_role == "kai")
REDIS = next(need for need in DEVELOPER_NEEDS if need.package == "redis-server")


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A machine on which a test decides what is missing and what becomes of commands."""

    class Machine:
        unmet = (FONT,)
        rights = Rights(())
        ran = ()
        succeeds = True
        first_pages = 0
        home = tmp_path / "home"

        def find_unmet(self, needs, values):
            return [need for need in self.unmet if need in needs]

        def run(self, command):
            self.ran = (*self.ran, list(command))
            if not self.succeeds:
                raise InstallFailed("apt-get failed.")
            if "install" in command:
                self.unmet = tuple(need for need in self.unmet if need.package not in command)

        def render_first_page(self, values):
            self.first_pages += 1

    here = Machine()
    monkeypatch.setenv("KAIPIAO_HOME", str(here.home))
    monkeypatch.setattr(setup, "find_unmet", here.find_unmet)
    monkeypatch.setattr(setup, "find_rights", lambda: here.rights)
    monkeypatch.setattr(setup, "run_command", here.run)
    monkeypatch.setattr(first_page, "render_first_page", here.render_first_page)
    return here


def test_a_dry_run_says_all_and_does_nothing(kaipiao, machine):
    ended = kaipiao("setup", "--dry-run")
    assert ended.code == 0
    assert "fonts-lxgw-wenkai" in ended.out
    assert "apt-get update" in ended.out
    assert "test-identity/key.pem" in ended.out
    assert (machine.ran, machine.home.exists(), machine.first_pages) == ((), False, 0)


def test_setup_installs_and_makes_an_identity_that_works(kaipiao, machine):
    ended = kaipiao("setup", "--yes")
    assert ended.code == 0, ended.words
    assert machine.ran[0] == ["apt-get", "update"]
    assert machine.ran[1][-1] == "fonts-lxgw-wenkai"
    paths = IdentityPaths.test_identity(machine.home)
    assert "TEST ONLY" in load_identity(paths).subject
    assert {stat.S_IMODE(path.stat().st_mode) for path in (paths.key, paths.passphrase)} == {0o600}
    assert ended.out.index("Will install") < ended.out.index("Installed")
    passphrase = paths.passphrase.read_text().strip()
    assert passphrase
    assert passphrase not in ended.words


def test_a_second_run_does_nothing(kaipiao, machine):
    kaipiao("setup", "--yes")
    key = IdentityPaths.test_identity(machine.home).key.read_bytes()
    machine.ran = ()
    assert "nothing to do" in kaipiao("setup", "--yes").out
    assert machine.ran == ()
    assert machine.first_pages == 2
    assert IdentityPaths.test_identity(machine.home).key.read_bytes() == key


def test_an_interrupted_setup_is_completed(kaipiao, machine):
    kaipiao("setup", "--yes")
    paths = IdentityPaths.test_identity(machine.home)
    key = paths.key.read_bytes()
    paths.certificate.unlink()
    assert kaipiao("setup", "--yes").code == 0
    assert load_identity(paths).serial
    assert paths.key.read_bytes() == key


def test_without_root_the_command_is_printed_and_what_is_required_decides(kaipiao, machine):
    machine.rights = Rights(None)
    ended = kaipiao("setup", "--yes")
    assert ended.code == 1
    assert "Please run as root:" in ended.out
    assert "apt-get install -y --no-install-recommends fonts-lxgw-wenkai" in ended.out
    assert "Still missing: fonts-lxgw-wenkai" in ended.err
    assert (machine.ran, machine.first_pages) == ((), 0)


def test_without_root_programs_of_tests_are_left_out(kaipiao, machine):
    machine.rights, machine.unmet = Rights(None), (REDIS,)
    ended = kaipiao("setup", "--yes", "--dev")
    assert ended.code == 0
    assert "Left out, as nothing requires it: redis-server" in ended.err


def test_programs_of_tests_are_brought_only_to_developers(kaipiao, machine):
    machine.unmet = (REDIS,)
    kaipiao("setup", "--yes")
    assert machine.ran == ()
    kaipiao("setup", "--yes", "--dev")
    assert any("redis-server" in command for command in machine.ran)


def test_sudo_goes_before_each_command(kaipiao, machine):
    machine.rights = Rights(("sudo", "-n"))
    kaipiao("setup", "--yes")
    assert {tuple(command[:2]) for command in machine.ran} == {("sudo", "-n")}


def test_a_failed_command_ends_setup_with_what_it_said(kaipiao, machine):
    machine.succeeds = False
    ended = kaipiao("setup", "--yes")
    assert ended.code == 1
    assert "apt-get failed." in ended.words


def test_who_has_an_own_identity_gets_no_test_key(kaipiao, machine, monkeypatch):
    for name in ("KEY", "CERTIFICATE", "PASSPHRASE_FILE"):
        monkeypatch.setenv(f"KAIPIAO_{name}", "/etc/kaipiao/own")
    machine.unmet = ()
    assert "nothing to do" in kaipiao("setup", "--yes").out
    assert not machine.home.exists()


def test_redis_is_kept_from_running_as_a_service():
    commands = packages.install_commands(["redis-server"], has_systemd=True)
    (install,) = [place for place, command in enumerate(commands) if "install" in command]
    assert [command[1] for command in commands[:install]] == ["update", "mask"]
    assert [command[1] for command in commands[install + 1 :]] == ["unmask", "disable"]
    assert "RUNLEVEL=1" in commands[install]
    assert len(packages.install_commands(["redis-server"], has_systemd=False)) == 2
    assert len(packages.install_commands(["ffmpeg"], has_systemd=True)) == 2


def test_a_failed_installation_still_lifts_the_mask():
    ran = []

    def run(command):
        ran.append(command[1] if command[0] == "systemctl" else "apt-get")
        if "install" in command:
            raise InstallFailed("no space.")

    with pytest.raises(InstallFailed, match="no space"):
        packages.run_all(packages.install_commands(["redis-server"], has_systemd=True), Rights(()), run)
    assert ran == ["apt-get", "mask", "apt-get", "unmask"]


def test_a_program_counts_wherever_it_came_from(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    need = Need("some-package", "a test", program="some-program")
    assert packages.find_unmet([need], {}) == [need]
    (tmp_path / "some-program").write_text("#!/bin/sh\n")
    (tmp_path / "some-program").chmod(0o755)
    assert packages.find_unmet([need], {}) == []


def test_a_font_counts_wherever_it_came_from(tmp_path):
    font = tmp_path / "own.ttf"
    assert packages.find_unmet([FONT], {"KAIPIAO_FONT_KAI": str(font)}) == [FONT]
    font.write_bytes(b"any file: setup looks for presence, doctor opens it")
    assert packages.find_unmet([FONT], {"KAIPIAO_FONT_KAI": str(font)}) == []


def test_what_a_failing_command_said_is_kept():
    with pytest.raises(InstallFailed, match=r"failed \(7\):\nfirst\nlast"):
        packages.run_command(["sh", "-c", "echo first; echo last >&2; exit 7"])
    with pytest.raises(InstallFailed, match="No such file"):
        packages.run_command(["kaipiao-has-no-such-program"])


def test_root_needs_no_sudo_and_others_need_one_without_a_password(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert packages.find_rights() == Rights(())
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert packages.find_rights() == Rights(None)
    sudo = tmp_path / "sudo"
    sudo.write_text("#!/bin/sh\nexit 1\n")
    sudo.chmod(0o755)
    assert packages.find_rights() == Rights(None)
    sudo.write_text("#!/bin/sh\nexit 0\n")
    assert packages.find_rights() == Rights((str(sudo), "-n"))


@pytest.mark.fonts
def test_the_first_page_is_rendered_by_what_the_settings_name(monkeypatch, tmp_path):
    first_page.render_first_page(os.environ)
    monkeypatch.setenv("KAIPIAO_FONT_KAI", str(tmp_path / "none.ttf"))
    with pytest.raises(ConfigError, match=r"none\.ttf"):
        first_page.render_first_page(os.environ)
