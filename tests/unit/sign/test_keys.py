"""Keys at rest: what opens, what is refused, and how it is said."""

from __future__ import annotations

import copy
import os
import pickle
import stat
from datetime import timedelta
from functools import partial
from itertools import count

import pytest
from asn1crypto import pem
from signing_samples import NOW, SECRET

from render.errors import KeyRejected, KeyUnavailable, Retry, SigningError
from render.sign import der, oids
from render.sign.api import RawSigner
from render.sign.certificate import read_certificate, self_signed_certificate
from render.sign.keyfiles import read_passphrase
from render.sign.keys import (
    IdentityPaths,
    Passphrase,
    create_test_identity,
    load_identity,
    load_signer,
    set_up_test_identity,
)
from render.sign.pkcs8 import decrypt_private_key, encrypt_private_key
from render.sign.sm2 import PrivateKey, verify

PASSPHRASE = Passphrase("口令 correct horse")
create = partial(create_test_identity, passphrase=PASSPHRASE, now=NOW, iterations=10)
set_up = partial(set_up_test_identity, now=NOW, iterations=10)


def seeded(start: int = 1):
    numbers = count(start)
    return lambda size: b"".join(bytes([next(numbers) * 37 % 251]) for _ in range(size))


def mode(path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_test_identity_is_made_signs_and_says_what_it_is(tmp_path):
    signer = create(tmp_path / "identity")
    certificate = read_certificate(signer.certificate_der)
    assert isinstance(signer, RawSigner)
    assert certificate.subject == "CN=KAIPIAO TEST ONLY 测试证书 不具法律效力"
    assert certificate.key_usage == {"digital_signature", "non_repudiation"}
    assert certificate.is_signed_by(certificate.public_key)
    assert not certificate.is_authority
    assert certificate.not_before == NOW - timedelta(days=1)
    assert certificate.serial_hex == signer.serial
    assert verify(certificate.public_key, b"message", signer.sign_raw(b"message"))


def test_secrets_are_for_their_owner_alone(tmp_path):
    old = os.umask(0)
    try:
        paths = set_up(tmp_path / "home")
    finally:
        os.umask(old)
    assert mode(paths.key) == mode(paths.passphrase) == 0o600
    assert mode(paths.key.parent) == mode(paths.passphrase.parent) == 0o700
    assert sorted(path.name for path in paths.key.parent.iterdir()) == ["certificate.pem", "key.pem"]


def test_an_existing_identity_is_kept(tmp_path):
    paths = set_up(tmp_path)
    before = [path.read_bytes() for path in (paths.key, paths.certificate, paths.passphrase)]
    assert set_up(tmp_path, now=NOW + timedelta(days=5)) == paths
    assert [path.read_bytes() for path in (paths.key, paths.certificate, paths.passphrase)] == before
    assert paths == IdentityPaths.test_identity(tmp_path)


def test_a_lost_certificate_is_made_anew_for_the_same_key(tmp_path):
    public = read_certificate(create(tmp_path).certificate_der).public_key
    (tmp_path / "certificate.pem").unlink()
    assert read_certificate(create(tmp_path).certificate_der).public_key == public


def test_all_that_is_random_comes_from_the_injected_source(tmp_path):
    one, two, other = (create(tmp_path / str(n), random_bytes=seeded(n // 2)) for n in (2, 3, 4))
    assert one.serial == two.serial != other.serial
    keys = [(tmp_path / str(n) / "key.pem").read_bytes() for n in (2, 3, 4)]
    assert keys[0] == keys[1] != keys[2]


def test_a_wrong_passphrase_is_rejected_without_a_hint_about_the_key(tmp_path):
    create(tmp_path)
    with pytest.raises(KeyRejected, match="passphrase does not open") as caught:
        load_signer(tmp_path / "key.pem", tmp_path / "certificate.pem", Passphrase("wrong"))
    assert caught.value.__suppress_context__
    with pytest.raises(KeyRejected, match="passphrase does not open"):
        create(tmp_path, passphrase=Passphrase("wrong"))


@pytest.mark.parametrize("missing", ["key", "certificate", "passphrase"])
def test_a_missing_file_may_come_back_later(tmp_path, missing):
    paths = set_up(tmp_path)
    getattr(paths, missing).unlink()
    with pytest.raises(KeyUnavailable, match="cannot be reached") as caught:
        load_identity(paths)
    assert caught.value.retry is Retry.LATER
    assert "kaipiao setup" in str(caught.value)


@pytest.mark.parametrize("bits", [0o604, 0o660, 0o601, 0o644])
@pytest.mark.parametrize("which", ["key", "passphrase"])
def test_a_secret_that_others_can_reach_is_refused(tmp_path, which, bits):
    paths = set_up(tmp_path)
    getattr(paths, which).chmod(bits)
    with pytest.raises(KeyRejected, match=f"{bits:04o}"):
        load_identity(paths)


def test_a_mounted_secret_of_one_group_is_accepted(tmp_path):
    paths = set_up(tmp_path)
    paths.key.chmod(0o440)
    assert load_identity(paths).serial


def test_a_pipe_or_folder_in_place_of_a_key_is_refused_at_once(tmp_path):
    paths = set_up(tmp_path)
    paths.key.unlink()
    os.mkfifo(paths.key, 0o600)
    with pytest.raises(KeyRejected, match="no plain file"):
        load_identity(paths)
    paths.key.unlink()
    paths.key.mkdir(mode=0o700)
    with pytest.raises(KeyRejected, match="no plain file"):
        load_identity(paths)


def test_key_and_certificate_of_two_identities_are_rejected(tmp_path):
    create(tmp_path / "a", random_bytes=seeded(1))
    create(tmp_path / "b", random_bytes=seeded(9))
    with pytest.raises(KeyRejected, match="do not belong together"):
        load_signer(tmp_path / "a/key.pem", tmp_path / "b/certificate.pem", PASSPHRASE)


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(KeyUnavailable, match="file"):
        create(tmp_path / "file" / "identity")


def test_a_time_without_zone_is_refused(tmp_path):
    with pytest.raises(KeyRejected, match="time zone"):
        create(tmp_path, now=NOW.replace(tzinfo=None))


def test_a_key_of_another_curve_is_rejected():
    plain = der.sequence(
        der.integer(0),
        der.sequence(der.oid(oids.EC_PUBLIC_KEY), der.oid("1.2.840.10045.3.1.7")),
        der.octet_string(der.sequence(der.integer(1), der.octet_string(SECRET))),
    )
    stored = encrypt_plain(plain)
    with pytest.raises(KeyRejected, match=r"1\.2\.840\.10045\.3\.1\.7.*not for SM2"):
        decrypt_private_key(stored, PASSPHRASE)


def test_a_key_with_the_public_key_of_another_is_rejected():
    other = PrivateKey(SECRET[::-1]).public
    ec_key = der.sequence(der.integer(1), der.octet_string(SECRET), der.explicit(1, der.bit_string(other)))
    plain = der.sequence(
        der.integer(0), der.sequence(der.oid(oids.EC_PUBLIC_KEY), der.oid(oids.SM2_CURVE)), der.octet_string(ec_key)
    )
    with pytest.raises(KeyRejected, match="another private key"):
        decrypt_private_key(encrypt_plain(plain), PASSPHRASE)


def encrypt_plain(plain: bytes) -> bytes:
    """Put any plaintext into the frame that a real key file has."""
    from render.sign.pkcs8 import _derive
    from render.sign.sm4 import sm4_cbc_encrypt

    sample = pem.unarmor(encrypt_private_key(PrivateKey(SECRET), PASSPHRASE, random_bytes=bytes, iterations=10))[2]
    scheme, _ = der.read_only(sample, der.SEQUENCE)
    secret = sm4_cbc_encrypt(_derive(PASSPHRASE, bytes(16), 10), bytes(16), plain)
    return der.sequence(scheme.raw, der.octet_string(secret))


def test_an_encrypted_key_opens_again_in_pem_and_der():
    stored = encrypt_private_key(PrivateKey(SECRET), PASSPHRASE, iterations=10)
    assert stored.startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n")
    assert SECRET not in pem.unarmor(stored)[2]
    assert decrypt_private_key(stored, PASSPHRASE).reveal() == SECRET
    assert decrypt_private_key(pem.unarmor(stored)[2], PASSPHRASE).reveal() == SECRET


@pytest.mark.parametrize(
    "stored",
    [
        b"",
        b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n",
        b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
        b"\x30\x80\x00\x00",
        b"x" * 20_000,
        pem.armor("PRIVATE KEY", b"\x30\x00"),
        pem.armor("EC PRIVATE KEY", b"\x30\x00"),
    ],
)
def test_what_is_no_encrypted_key_is_rejected(stored):
    with pytest.raises(KeyRejected):
        decrypt_private_key(stored, PASSPHRASE)


def test_a_key_file_cannot_keep_the_worker_busy_for_hours():
    stored = pem.unarmor(encrypt_private_key(PrivateKey(SECRET), PASSPHRASE, iterations=0x7FFF))[2]
    endless = stored.replace(b"\x02\x02\x7f\xff", b"\x02\x04\x7f\xff\xff\xff").replace(b"\x02\x02\x7f", b"")
    assert endless != stored
    with pytest.raises(KeyRejected):
        decrypt_private_key(endless, PASSPHRASE)


def test_every_flipped_byte_of_a_key_file_is_rejected_or_harmless():
    stored = pem.unarmor(encrypt_private_key(PrivateKey(SECRET), PASSPHRASE, iterations=2))[2]
    opened = 0
    for at in range(len(stored)):
        changed = bytearray(stored)
        changed[at] ^= 1
        try:
            opened += decrypt_private_key(bytes(changed), PASSPHRASE).reveal() != SECRET
        except KeyRejected:
            continue
    assert opened == 0


def test_a_passphrase_never_shows_itself():
    secret = Passphrase("s3cret")
    assert f"{secret} {secret!r} {secret:>10} {[secret]}" == "*** *** *** [***]"
    assert secret == Passphrase(b"s3cret") != Passphrase("other")
    for copier in (pickle.dumps, copy.deepcopy):
        with pytest.raises(SigningError):
            copier(secret)
    with pytest.raises(TypeError):
        hash(secret)


@pytest.mark.parametrize("value", [b"", b"x" * 1025])
def test_an_empty_or_endless_passphrase_is_rejected(value):
    with pytest.raises(KeyRejected):
        Passphrase(value)


@pytest.mark.parametrize("content", [b"secret", b"secret\n", b"secret\r\n"])
def test_the_line_end_of_a_passphrase_file_is_not_part_of_it(tmp_path, content):
    path = tmp_path / "passphrase"
    path.write_bytes(content)
    path.chmod(0o600)
    assert read_passphrase(path) == Passphrase("secret")


def test_a_signer_shows_its_certificate_and_not_its_key(tmp_path):
    signer = create(tmp_path, random_bytes=seeded(3))
    assert repr(signer).endswith("key=***)")
    assert signer.backend_name.startswith("openssl 3.")


def test_control_characters_of_a_subject_are_made_visible():
    name = "A\u202eB\nC"
    issued = self_signed_certificate(PrivateKey(SECRET), name, serial=1, not_before=NOW, not_after=NOW)
    assert read_certificate(issued).subject == "CN=A\\u{202e}B\\u{a}C"


def test_a_certificate_of_another_curve_is_rejected():
    issued = self_signed_certificate(PrivateKey(SECRET), "X", serial=1, not_before=NOW, not_after=NOW)
    changed = issued.replace(der.oid(oids.SM2_CURVE), der.oid("1.2.840.10045.3.1.7"))
    assert len(changed) == len(issued)
    with pytest.raises(KeyRejected, match="not on the SM2 curve"):
        read_certificate(changed)
