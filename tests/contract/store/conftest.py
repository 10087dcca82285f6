"""S3 servers for the stores' tests: moto's, and versitygw where it is installed."""

import os
import shutil
import socket
import subprocess
import sys
import time
import uuid
from contextlib import contextmanager

import pytest

BUCKET = "kaipiao-tests"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "TEST", "AWS_SECRET_ACCESS_KEY": "TEST-secret", "AWS_REGION": "us-east-1"}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def running(command, port, **environment):
    """Run a server until the with statement ends."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    process = subprocess.Popen(command, env=kept | environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert process.poll() is None, "the server ended"
                assert time.monotonic() < deadline, "the server does not listen"
                time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait()


@pytest.fixture(scope="session")
def moto_port():
    pytest.importorskip("moto", reason="moto[server] is not installed: pip install 'kaipiao[dev]'")
    port = free_port()
    with running([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], port):
        make_bucket(port)
        yield port


@pytest.fixture(scope="session")
def gateway_port(tmp_path_factory):
    program = shutil.which("versitygw")
    if program is None:
        pytest.skip("versitygw is not installed: go install github.com/versity/versitygw/cmd/versitygw@latest")
    folder, port = tmp_path_factory.mktemp("gateway"), free_port()
    keys = {
        "ROOT_ACCESS_KEY": CREDENTIALS["AWS_ACCESS_KEY_ID"],
        "ROOT_SECRET_KEY": CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
    }
    with running([program, "--port", f"127.0.0.1:{port}", "posix", str(folder)], port, **keys):
        make_bucket(port)
        yield port


def make_bucket(port):
    import boto3

    client = boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{port}",
        region_name=CREDENTIALS["AWS_REGION"],
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
    )
    client.create_bucket(Bucket=BUCKET)
    client.close()


@pytest.fixture
def s3_store(monkeypatch):
    """Return a function that opens a store of its own on the server at a port."""
    from render.store.api import Store

    folder = uuid.uuid4().hex

    def open_store(port):
        for name, value in CREDENTIALS.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AWS_ENDPOINT", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
        return Store(f"s3://{BUCKET}/{folder}")

    return open_store
