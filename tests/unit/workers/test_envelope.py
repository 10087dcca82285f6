"""Envelopes: what is right is opened, everything else is refused by its code, and no secret shows itself."""

import json
import os
import pickle
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from render.errors import ConfigError, Retry
from render.store.api import Store
from workers.envelope import errors
from workers.envelope.audit import file_refusal
from workers.envelope.errors import EnvelopeRefused, EnvelopeReplayed
from workers.envelope.guard import EnvelopeGuard
from workers.envelope.keys import KeyFile, KeyRing, KeyState, ProducerKey, add_key, retire_key, switch_key
from workers.envelope.mac import MacSecret, hmac_from_sm3, hmac_sm3
from workers.envelope.message import TIME_FORMAT, Envelope, canonical_text, envelope_schema
from workers.envelope.seal import Sealer
from workers.messages import Chunk, Job

VECTORS = json.loads((Path(__file__).parents[2] / "data" / "envelope_vectors.json").read_text(encoding="utf-8"))
SECRETS = {key["key_id"]: bytes.fromhex(key["secret_hex"]) for key in VECTORS["keys"]}
NOW = datetime(2026, 11, 23, 4, tzinfo=UTC)
JOB = Job(job_id="job-1", created=NOW, signing_time=NOW, invoice="{}")


class Nonces:
    """A nonce store in memory; the ledger's own is tested with the ledger."""

    def __init__(self):
        self.kept = {}

    def spend(self, nonces, keep_ms):
        fresh = [nonce not in self.kept for nonce in nonces]
        self.kept |= dict.fromkeys(nonces, keep_ms)
        return fresh

    def spent(self, nonces):
        return [nonce in self.kept for nonce in nonces]


def key(key_id, state=KeyState.CURRENT, producer=None):
    return ProducerKey(
        key_id=key_id, producer=producer or key_id, state=state, created="", secret=MacSecret(SECRETS[key_id])
    )


RING = KeyRing([key(key_id) for key_id in SECRETS])


def guard(now=NOW, nonces=None, ring=RING):
    return EnvelopeGuard(lambda: ring, nonces or Nonces(), lambda: now)


def sealed(message=JOB, message_id="m-1", task="kaipiao.render_job", secret=None, holds_s=3600.0):
    by = secret or key("TEST-issuance.1")
    sealer = Sealer(by, lambda: NOW, lambda: os.urandom(16).hex(), holds_s)
    return msgspec.to_builtins(sealer.seal(message, task=task, message_id=message_id))


def at(text):
    return datetime.strptime(text, TIME_FORMAT).replace(tzinfo=UTC)


@pytest.mark.parametrize("vector", VECTORS["sealed"], ids=lambda vector: vector["name"])
def test_the_vectors_are_opened_and_sealing_gives_their_bytes(vector):
    wanted = vector["envelope"]
    opened = guard(at(VECTORS["valid_at"])).unseal(wanted, task=wanted["task"], message_id=wanted["message_id"])
    assert canonical_text(opened.envelope).decode() == vector["canonical_text"]
    assert opened.producer == wanted["key_id"]
    message = msgspec.json.decode(wanted["payload"], type=Job | Chunk)
    sealer = Sealer(
        key(wanted["key_id"]),
        lambda: at(wanted["created"]),
        lambda: wanted["nonce"],
        (at(wanted["expires"]) - at(wanted["created"])).total_seconds(),
    )
    assert msgspec.to_builtins(sealer.seal(message, task=wanted["task"], message_id=wanted["message_id"])) == wanted


@pytest.mark.parametrize("vector", VECTORS["refused"], ids=lambda vector: vector["name"])
def test_the_wrong_vectors_are_refused_by_their_codes(vector):
    with pytest.raises(EnvelopeRefused) as caught:
        guard(at(vector["now"])).unseal(vector["envelope"], task=vector["header_task"], message_id=vector["header_id"])
    assert (caught.value.code, caught.value.retry) == (vector["code"], Retry.NEVER)


def test_openssl_computes_the_same_codes(need):
    need("openssl")
    for vector in VECTORS["sealed"]:
        secret = SECRETS[vector["envelope"]["key_id"]].hex()
        command = ["openssl", "dgst", "-sm3", "-mac", "HMAC", "-macopt", f"hexkey:{secret}"]
        done = subprocess.run(command, input=vector["canonical_text"].encode(), capture_output=True, check=True)
        assert done.stdout.decode().split()[-1] == vector["envelope"]["mac"]


@given(st.binary(min_size=16, max_size=64), st.binary(max_size=300))
def test_both_ways_to_the_code_agree(secret, text):
    assert hmac_from_sm3(MacSecret(secret), text) == hmac_sm3(MacSecret(secret), text)


def test_every_code_is_tested_but_that_of_replay_which_needs_a_memory():
    every = {
        kind.code for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, EnvelopeRefused)
    }
    tested = {vector["code"] for vector in VECTORS["refused"]}
    assert every == tested | {"envelope_replayed", "envelope_refused"}


def test_a_message_that_is_not_carried_out_yet_may_come_again_and_one_that_was_may_not():
    nonces, message = Nonces(), sealed()
    first = guard(nonces=nonces)
    opened = first.unseal(message, task="kaipiao.render_job", message_id="m-1")
    first.unseal(message, task="kaipiao.render_job", message_id="m-1")
    assert first.spend(opened) is True
    assert first.spend(opened) is False
    with pytest.raises(EnvelopeReplayed):
        first.unseal(message, task="kaipiao.render_job", message_id="m-1")


def test_a_nonce_is_kept_until_no_clock_would_let_its_envelope_in():
    nonces, message = Nonces(), sealed(holds_s=3600.0)
    keeper = guard(nonces=nonces)
    keeper.spend(keeper.unseal(message, task="kaipiao.render_job", message_id="m-1"))
    (keep_ms,) = nonces.kept.values()
    forgotten = NOW + timedelta(milliseconds=keep_ms)
    with pytest.raises(EnvelopeRefused) as caught:
        guard(forgotten).unseal(message, task="kaipiao.render_job", message_id="m-1")
    assert caught.value.code == "envelope_expired"


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
        max_leaves=9,
    ),
    st.sampled_from([*Envelope.__struct_fields__, "schema"]),
)
def test_nothing_but_a_refusal_comes_of_a_hostile_message(value, field):
    for message in (value, VECTORS["sealed"][0]["envelope"] | {field: value}):
        if message == VECTORS["sealed"][0]["envelope"]:
            continue
        with pytest.raises(EnvelopeRefused):
            guard().unseal(message, task="kaipiao.render_job", message_id="m-1")


def test_half_of_a_surrogate_pair_is_refused_and_written_down():
    message = VECTORS["sealed"][0]["envelope"] | {"payload": '{"a":"\ud800"}'}
    with pytest.raises(EnvelopeRefused) as caught:
        guard().unseal(message, task="kaipiao.render_job", message_id="m-1")
    record = file_refusal(Store("memory://"), message, caught.value, redelivered=False, now=NOW)
    assert (record.code, record.message_id) == ("envelope_payload_changed", "m-1")


def test_a_refusal_is_written_down_once_and_without_the_payload():
    store, message = Store("memory://"), sealed()
    error = errors.EnvelopeForged("no.")
    for minute in range(2):
        file_refusal(store, message, error, redelivered=False, now=NOW + timedelta(minutes=minute))
    (name,) = store.list("audit")
    assert name.startswith("audit/envelopes/envelope_forged-")
    written = store.get(name)
    assert json.loads(written)["key_id"] == "TEST-issuance.1"
    assert b"payload" not in written.replace(b"envelope_payload", b"")


def test_a_key_id_that_is_claimed_is_cut_short():
    error = errors.EnvelopeMalformed("no.")
    record = file_refusal(Store("memory://"), {"key_id": "k" * 9999}, error, redelivered=True, now=NOW)
    assert (len(record.key_id), record.task, record.redelivered) == (64, "", True)


def test_the_schema_takes_the_vectors_and_refuses_the_malformed():
    import jsonschema

    validator = jsonschema.Draft202012Validator(envelope_schema())
    for vector in VECTORS["sealed"]:
        validator.validate(vector["envelope"])
    assert not validator.is_valid(VECTORS["sealed"][0]["envelope"] | {"admin": "yes"})
    assert not validator.is_valid(VECTORS["sealed"][0]["envelope"] | {"nonce": "0"})


def test_a_secret_does_not_show_itself():
    secret = MacSecret(b"0123456789abcdef")
    shown = (
        f"{secret} {secret!r} {ProducerKey(key_id='a', producer='a', state=KeyState.NEXT, created='', secret=secret)}"
    )
    assert "0123" not in shown
    assert "***" in shown
    with pytest.raises(Exception, match="never pickled"):
        pickle.dumps(secret)


def test_keys_change_without_a_stop(tmp_path):
    file = KeyFile(tmp_path / "keys" / "envelope.json")
    first = file.change(lambda ring: add_key(ring, "issuance", now=NOW, secret=bytes(32))).current()
    old = sealed(secret=first)
    worker = EnvelopeGuard(lambda: KeyFile(file.path).ring, Nonces(), lambda: NOW)
    later = NOW + timedelta(days=90)
    file.change(lambda ring: add_key(ring, "issuance", now=later, secret=b"1" * 32))
    assert file.ring.current().key_id == first.key_id
    second = file.change(lambda ring: switch_key(ring, "issuance")).current()
    assert second.key_id != first.key_id
    for message in (old, sealed(secret=second)):
        worker.unseal(message, task="kaipiao.render_job", message_id="m-1")
    file.change(lambda ring: retire_key(ring, "issuance"))
    with pytest.raises(EnvelopeRefused) as caught:
        worker.unseal(old, task="kaipiao.render_job", message_id="m-1")
    assert caught.value.code == "envelope_key_unknown"


def test_a_third_live_key_a_switch_to_none_and_a_retirement_of_none_are_refused():
    one = add_key(KeyRing(()), "a", now=NOW, secret=bytes(32))
    two = add_key(one, "a", now=NOW + timedelta(seconds=1), secret=bytes(32))
    for change in (
        lambda: add_key(two, "a", now=NOW + timedelta(seconds=2), secret=bytes(32)),
        lambda: add_key(one, "a", now=NOW, secret=bytes(32)),
        lambda: switch_key(one, "a"),
        lambda: retire_key(two, "a"),
        lambda: add_key(one, "../b", now=NOW, secret=bytes(32)),
        lambda: KeyRing(()).current(),
        lambda: KeyRing([key("TEST-issuance.1"), key("TEST-issuance.2")]).current(),
    ):
        with pytest.raises(ConfigError) as caught:
            change()
        assert caught.value.hint


@pytest.mark.parametrize("mode", [0o644, 0o666, 0o620])
def test_a_file_that_others_can_reach_is_refused(tmp_path, mode):
    file = KeyFile(tmp_path / "envelope.json")
    file.change(lambda ring: add_key(ring, "a", now=NOW, secret=bytes(32)))
    assert file.path.stat().st_mode & 0o777 == 0o600
    file.path.chmod(mode)
    with pytest.raises(ConfigError, match="others can reach it"):
        KeyFile(file.path).ring  # noqa: B018 reading is what is tested


@pytest.mark.parametrize("content", ["", "{}", '{"schema":"kaipiao.envelope-keys/1","keys":[{"secret":"QQ=="}]}', "\0"])
def test_a_damaged_file_is_refused_and_not_quoted(tmp_path, content):
    path = tmp_path / "envelope.json"
    path.touch(0o600)
    path.write_text(content)
    with pytest.raises(ConfigError) as caught:
        KeyFile(path).ring  # noqa: B018 reading is what is tested
    assert "QQ==" not in str(caught.value)
