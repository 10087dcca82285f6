"""Entries that somebody with access to the broker writes into its queues: changed, cut off, copied, or made up."""

import base64
import json
import os
import random
import time
from collections import Counter
from datetime import UTC, datetime, timedelta

import msgspec

from tests.chaos.processes import Stage
from tests.chaos.run import PoolRun
from tests.workers.fake_engine import document
from workers.app import queue_of
from workers.envelope.keys import KeyFile, add_key
from workers.envelope.mac import MacSecret
from workers.envelope.message import Envelope
from workers.envelope.seal import Sealer
from workers.messages import Chunk, Job, decode_chunk

FORGED_FROM = 5_000_000
"""Invoices from this number on were submitted by nobody."""
_TASK = "kaipiao.render_chunk"
_DAY_S = 86_400.0


def forged_entries(context):
    """Push forged entries of every kind into the queue while good jobs flow, and good entries again once done."""
    rounds, per_round = context.scale(6, 2, 1), context.scale(60, 30, 10)
    with Stage() as stage:
        server = stage.redis(context.folder / "redis")
        run = PoolRun(context.folder / "pool", server.url, tell=context.tell, **context.settings)
        file = KeyFile(run.pool.settings.envelope_file)
        secret = os.urandom(32)
        file.change(lambda ring: add_key(ring, "pool", now=datetime.now(UTC), secret=secret, is_test=True))
        forger = Forger(file.ring.current("pool"), random.Random(context.seed))
        injected, copies = Counter(), []
        with server.client() as client:
            run.submit(range(10))
            copies = client.lrange(queue_of("issue"), 0, -1)
            workers = [stage.worker(run.pool, f"worker-{place}") for place in range(2)]
            for turn in range(rounds):
                run.submit(range(100 * (turn + 1), 100 * (turn + 1) + per_round))
                for code, entry in forger.entries(json.loads(copies[0])):
                    client.lpush(queue_of("issue"), entry)
                    injected[code] += 1
                context.tell(f"{sum(injected.values())} forged entries, {run.n_ended():,} jobs ended")
            run.await_all(context.patience_s)
            for copy in copies:
                client.lpush(queue_of("issue"), copy)
                injected["envelope_replayed"] += 1
            _await_answers(run, client, injected, context.patience_s)
        for name, times in injected.items():
            run.count(name, times)
        row = run.figures("forged entries")
        _judge(row, run, injected, are_alive=all(worker.is_alive for worker in workers))
        yield row


class Forger:
    """Makes entries that look like a producer's.

    Args:
        key: the pool's; what the forger could not know is sealed with a secret of its own.
        chance: where to change and cut.
    """

    def __init__(self, key, chance):
        self._key = key
        self._chance = chance
        self._number = FORGED_FROM

    def entries(self, real):
        """Yield the code that each entry must be refused with, and the entry as bytes.

        Args:
            real: an entry from the queue, for its outside.
        """
        own_secret = msgspec.structs.replace(self._key, secret=MacSecret(os.urandom(32)))
        strange = msgspec.structs.replace(own_secret, key_id="nobody-1")
        sealed = self._seal(self._key)
        yield "envelope_forged", self._entry(real, self._seal(own_secret))
        yield "envelope_key_unknown", self._entry(real, self._seal(strange))
        yield "envelope_forged", self._entry(real, self._with_another_digit(sealed))
        yield "envelope_payload_changed", self._entry(real, self._with_another_payload(sealed))
        yield "envelope_expired", self._entry(real, self._seal(self._key, age_s=_DAY_S, holds_s=60.0))
        yield "envelope_too_early", self._entry(real, self._seal(self._key, age_s=-_DAY_S, holds_s=60.0))
        yield "envelope_header_differs", self._entry(real, self._seal(self._key), task="kaipiao.render_job")
        yield "envelope_header_differs", self._entry(real, self._seal(self._key), message_id="another")
        yield "envelope_malformed", self._entry(real, self._cut(sealed))
        yield "envelope_missing", self._entry(real, json.loads(sealed.payload), message_id=sealed.message_id)
        for entry in self._no_messages(self._entry(real, self._seal(self._key))):
            yield "entry_unreadable", entry

    def _no_messages(self, whole):
        """Yield entries that are no message of our tasks, made of a right one."""
        yield whole[: self._chance.randrange(1, len(whole) - 1)]
        yield whole + b"\xff"
        yield b"[" * 200_000
        yield json.dumps([self._number]).encode()
        real = json.loads(whole)
        headers = real["headers"]
        for other in (
            {"properties": None, "nobody": self._number},
            {"headers": {name: value for name, value in headers.items() if name != "id"}},
            {"headers": headers | {"timelimit": 5}},
            {"headers": headers | {"task": "os.system"}},
            {"content-type": "application/x-python-serialize"},
            {"body": f"no base64 {self._number}"},
            {"body": _as_body("{no JSON")},
            {"body": _as_body('[[{}], {}, {"callbacks": [{"task": "kaipiao.render_job", "args": []}]}]')},
        ):
            yield json.dumps(real | other).encode()

    def _chunk(self):
        self._number += 1
        now = datetime.now(UTC)
        text = document(self._number).decode()
        job = Job(job_id=f"forged-{self._number}", created=now, signing_time=now, invoice=text, outputs=("pdf",))
        return Chunk(chunk_id=job.job_id, jobs=(job,))

    def _seal(self, key, *, age_s=0.0, holds_s=600.0):
        moment = datetime.now(UTC) - timedelta(seconds=age_s)
        sealer = Sealer(key, lambda: moment, lambda: os.urandom(16).hex(), holds_s)
        return sealer.seal(self._chunk(), task=_TASK, message_id=f"message-{self._number}")

    def _with_another_digit(self, envelope):
        place = self._chance.randrange(len(envelope.mac))
        digit = "0" if envelope.mac[place] != "0" else "1"
        return msgspec.structs.replace(envelope, mac=envelope.mac[:place] + digit + envelope.mac[place + 1 :])

    def _with_another_payload(self, envelope):
        chunk = decode_chunk(json.loads(envelope.payload))
        other = msgspec.structs.replace(chunk.jobs[0], invoice=document(FORGED_FROM - 1).decode())
        payload = msgspec.json.encode(msgspec.structs.replace(chunk, jobs=(other,))).decode()
        return msgspec.structs.replace(envelope, payload=payload)

    def _cut(self, envelope):
        fields = msgspec.to_builtins(envelope)
        del fields[self._chance.choice(sorted(set(fields) - {"schema"}))]
        return fields

    def _entry(self, real, message, *, task=_TASK, message_id=None):
        if isinstance(message, Envelope):
            message_id = message_id or message.message_id
            message = msgspec.to_builtins(message)
        message_id = message_id or message["message_id"]
        body = _as_body(json.dumps([[message], {}, {}]))
        headers = real["headers"] | {"id": message_id, "task": task}
        return json.dumps(real | {"headers": headers, "body": body}).encode()


def _as_body(text):
    return base64.b64encode(text.encode()).decode()


def _refusals(run):
    """Return how often workers refused a message, by code."""
    said = [line for log in run.pool.home.glob("worker-*.log") for line in log.read_text(errors="replace").splitlines()]
    events = ('"envelope.refused"', '"entry.refused"')
    return Counter(json.loads(line)["code"] for line in said if any(event in line for event in events))


def _await_answers(run, client, injected, patience_s):
    wanted = sum(injected.values())
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        if sum(_refusals(run).values()) >= wanted and not client.llen(queue_of("issue")):
            return
        time.sleep(0.2)


def _judge(row, run, injected, *, are_alive):
    """Call the row lossy if anything forged was carried out, or not refused and written down under its code."""
    refused = _refusals(run)
    store = run.pool.client.records.store
    audited = Counter(name.split("/")[2].split("-")[0] for name in store.list("audit/envelopes"))
    rendered = sum(int(number) >= FORGED_FROM - 1 for number in run.log.begun)
    row.notes = f"{sum(injected.values())} injected, {sum(refused.values())} refused, {rendered} rendered"
    wrong = [
        f"{code}: {refused[code]} of {times} refused" for code, times in injected.items() if refused[code] != times
    ]
    wrong += [f"{code}: not audited" for code in injected if not audited[code]]
    wrong += [] if are_alive else ["a worker died"]
    if wrong or rendered:
        row.notes += "; " + "; ".join(wrong)
        row.lost = max(row.lost, 1)
