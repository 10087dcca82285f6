"""The proxy does what it is told, seen from both ends of a real connection."""

import json
import socket
import socketserver
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.fault.fault_proxy import FaultProxy, Faults


class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        try:
            while data := self.request.recv(65536):
                self.server.heard.append(data)
                self.request.sendall(data)
        except OSError as error:
            self.server.ends.append(type(error).__name__)
        else:
            self.server.ends.append("end")


@pytest.fixture
def server():
    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Echo) as server:
        server.heard, server.ends = [], []
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def proxy(server):
    with FaultProxy(server.server_address[1], seed=7) as proxy:
        yield proxy


def connect(proxy, timeout_s=5.0):
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=timeout_s)


def exchange(connection, data):
    connection.sendall(data)
    heard = b""
    while len(heard) < len(data):
        piece = connection.recv(65536)
        assert piece, "the connection ended"
        heard += piece
    return heard


def exchange_for_ever(connection):
    while True:
        exchange(connection, b"x" * 10_000)


def test_without_faults_everything_passes_and_ends_in_order(proxy, server):
    data = bytes(range(256)) * 4096
    with connect(proxy) as connection:
        echo = threading.Thread(target=lambda: connection.sendall(data))
        echo.start()
        heard = b""
        while len(heard) < len(data):
            heard += connection.recv(65536)
        echo.join()
        assert heard == data
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""
    assert server.ends == ["end"]
    assert proxy.counts["up"] == proxy.counts["down"] == len(data)


def test_a_delay_is_on_every_piece(proxy):
    proxy.set(Faults(delay_s=0.15, jitter_s=0.05))
    with connect(proxy) as connection:
        start = time.monotonic()
        assert exchange(connection, b"x") == b"x"
        assert time.monotonic() - start >= 0.19


def test_a_reset_reaches_both_ends_as_a_reset(proxy, server):
    with connect(proxy) as connection:
        exchange(connection, b"1")
        proxy.set(Faults(reset_share=1.0))
        connection.sendall(b"2")
        with pytest.raises(ConnectionResetError):
            connection.recv(1)
    assert proxy.counts["resets"] == 1
    assert server.heard == [b"1"]


def test_all_connections_can_be_reset_at_once(proxy):
    with connect(proxy) as one, connect(proxy) as two:
        for connection in (one, two):
            exchange(connection, b"1")
        proxy.reset_all()
        for connection in (one, two):
            with pytest.raises(ConnectionResetError):
                connection.recv(1)


def test_an_upload_is_cut_after_so_many_bytes(proxy, server):
    proxy.set(Faults(cut_after=100_000))
    with connect(proxy) as connection, pytest.raises((ConnectionResetError, BrokenPipeError)):
        exchange_for_ever(connection)
    assert 80_000 <= sum(map(len, server.heard)) <= 100_000


def test_a_black_hole_swallows_one_way_alone(proxy, server):
    with connect(proxy, timeout_s=0.3) as connection:
        exchange(connection, b"1")
        proxy.set(Faults(black_hole="down"))
        connection.sendall(b"2")
        with pytest.raises(TimeoutError):
            connection.recv(1)
        assert server.heard == [b"1", b"2"]
        proxy.set(Faults(black_hole="up"))
        connection.sendall(b"3")
        with pytest.raises(TimeoutError):
            connection.recv(1)
    assert server.heard == [b"1", b"2"]


def test_a_half_open_connection_looks_alive_to_the_client(proxy, server):
    with connect(proxy, timeout_s=0.3) as connection:
        exchange(connection, b"1")
        proxy.set(Faults(half_open=True))
        for _ in range(3):
            connection.sendall(b"2")
            with pytest.raises(TimeoutError):
                connection.recv(1)
    assert server.heard == [b"1"]


def test_a_drip_gives_everything_slowly(proxy):
    proxy.set(Faults(drip_bytes=10, drip_s=0.02))
    with connect(proxy) as connection:
        start = time.monotonic()
        assert exchange(connection, b"x" * 100) == b"x" * 100
        assert time.monotonic() - start >= 0.15


def test_corruption_changes_bytes_and_no_lengths(proxy):
    proxy.set(Faults(corrupt_share=1.0))
    with connect(proxy) as connection:
        assert exchange(connection, b"\0" * 64).count(0) < 64


def test_a_refused_connection_is_reset_and_later_ones_pass(proxy):
    proxy.set(Faults(refuse=True))
    # The reset may come before connect() has even returned.
    with pytest.raises(ConnectionResetError), connect(proxy) as connection:
        connection.recv(1)
    proxy.set()
    with connect(proxy) as connection:
        assert exchange(connection, b"1") == b"1"


def test_the_same_seed_has_the_same_chances(server):
    def run(seed):
        chances = Faults(corrupt_share=0.5)
        with FaultProxy(server.server_address[1], seed=seed, faults=chances) as proxy, connect(proxy) as connection:
            return [exchange(connection, bytes(8)) for _ in range(20)]

    assert run(3) == run(3)
    assert run(3) != run(4)


def test_as_a_program_it_takes_its_faults_from_its_input(server):
    command = [sys.executable, str(Path(__file__).with_name("fault_proxy.py")), "0", str(server.server_address[1])]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        port = json.loads(process.stdout.readline())["port"]
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            assert exchange(connection, b"1") == b"1"
        out, _ = process.communicate('{"refuse": true}\n', timeout=20)
    assert json.loads(out)["connections"] == 1
