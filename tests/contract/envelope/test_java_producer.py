"""The Java of workers/envelope/README.md seals as we do: it is compiled from there and run against the vectors."""

import base64
import json
import re
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
import redis

from tests.workers.fake_engine import document
from tests.workers.pool_processes import celery_worker, embedded_broker, make_pool, wait_until
from workers.envelope.keys import KeyFile, KeyRing, KeyState, ProducerKey
from workers.envelope.mac import MacSecret
from workers.envelope.message import time_text
from workers.messages import Job

pytestmark = [pytest.mark.java, pytest.mark.slow]

ROOT = Path(__file__).parents[3]
VECTORS = json.loads((ROOT / "tests" / "data" / "envelope_vectors.json").read_text(encoding="utf-8"))
FIELDS = ("key_id", "task", "message_id", "idempotency_key", "created", "expires", "nonce", "payload")

CALLER = """
import java.util.*;
import static java.nio.charset.StandardCharsets.UTF_8;

class Caller {
    public static void main(String[] none) throws Exception {
        for (String line : new String(System.in.readAllBytes(), UTF_8).lines().toList()) {
            String[] f = Arrays.stream(line.split(" ")).map(x -> new String(HexFormat.of().parseHex(x), UTF_8))
                .toArray(String[]::new);
            byte[] key = HexFormat.of().parseHex(f[0]);
            String envelope = Producer.seal(key, f[1], f[2], f[3], f[4], f[5], f[6], f[7], f[8]);
            System.out.write((Producer.entry(envelope, f[2], f[3], "kaipiao.issue", "tag-1") + "\\n").getBytes(UTF_8));
        }
        System.out.flush();
    }
}
"""


@pytest.fixture(scope="module")
def java(tmp_path_factory):
    """Return a function that gives the entries of a queue that the Java producer writes for these envelopes."""
    folder = tmp_path_factory.mktemp("java")
    text = (ROOT / "workers" / "envelope" / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```java\n(.*?)```", text, re.DOTALL)
    names = [re.search(r"^class (\w+)", block, re.MULTILINE)[1] for block in blocks]
    assert names == ["Sm3", "Producer"]
    for name, block in [*zip(names, blocks, strict=True), ("Caller", CALLER)]:
        (folder / f"{name}.java").write_text(block, encoding="utf-8")
    options = ["-encoding", "UTF-8", "-Xlint:all", "-Werror"]
    subprocess.run(["javac", *options, *(f"{name}.java" for name in (*names, "Caller"))], cwd=folder, check=True)

    def run(envelopes):
        secrets = {key["key_id"]: key["secret_hex"] for key in VECTORS["keys"]}
        lines = []
        for envelope in envelopes:
            values = [secrets[envelope["key_id"]], *(envelope[field] for field in FIELDS)]
            lines.append(" ".join(value.encode().hex() for value in values))
        done = subprocess.run(
            ["java", "-cp", str(folder), "Caller"], input="\n".join(lines).encode(), capture_output=True, check=True
        )
        return [json.loads(line) for line in done.stdout.decode().splitlines()]

    return run


def test_the_java_producer_seals_the_vectors(java):
    envelopes = [vector["envelope"] for vector in VECTORS["sealed"]]
    entries = java(envelopes)
    bodies = [json.loads(base64.b64decode(entry["body"])) for entry in entries]
    assert [body[0][0] for body in bodies] == envelopes
    assert [entry["headers"]["id"] for entry in entries] == [envelope["message_id"] for envelope in envelopes]


def test_its_digest_is_sm3_at_every_length_of_padding(java):
    from render.sign.sm3 import sm3_hex

    payloads = ["票" * (size // 3) + "x" * (size % 3) for size in (1, 2, 54, 55, 56, 57, 63, 64, 65, 119, 120, 1000)]
    entries = java([VECTORS["sealed"][0]["envelope"] | {"payload": payload} for payload in payloads])
    sealed = [json.loads(base64.b64decode(entry["body"]))[0][0] for entry in entries]
    assert [each["payload_digest"] for each in sealed] == [f"sm3:{sm3_hex(text.encode())}" for text in payloads]


@pytest.mark.broker
@pytest.mark.timeout(115)
def test_a_worker_carries_out_what_java_put_into_the_queue(java, tmp_path):
    secret = bytes.fromhex(VECTORS["keys"][0]["secret_hex"])
    now = datetime.now(UTC)
    pool = make_pool(tmp_path, restore_interval_s=0.5)
    key = ProducerKey(
        key_id=VECTORS["keys"][0]["key_id"],
        producer="issuance",
        state=KeyState.CURRENT,
        created=time_text(now),
        secret=MacSecret(secret),
    )
    KeyFile(pool.settings.envelope_file).change(lambda _: KeyRing([key]))
    job = Job(job_id="from-java", created=now, signing_time=now, invoice=document(1, "票").decode())
    (entry,) = java(
        [
            {
                "key_id": key.key_id,
                "task": "kaipiao.render_job",
                "message_id": "java-1",
                "idempotency_key": job.job_id,
                "created": time_text(now),
                "expires": time_text(now + timedelta(hours=1)),
                "nonce": "ab" * 16,
                "payload": msgspec.json.encode(job).decode(),
            }
        ]
    )
    with embedded_broker(pool), redis.Redis(unix_socket_path=str(pool.settings.socket_path)) as client:
        client.lpush("kaipiao.issue", json.dumps(entry))
        with celery_worker(pool, concurrency=1):
            wait_until(lambda: pool.client.records.outcome(job.job_id) is not None, 60)
    assert pool.client.status(job.job_id).state == "done"
