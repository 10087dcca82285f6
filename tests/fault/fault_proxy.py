"""A TCP proxy that does to connections what networks do: delays, resets, cuts, drips, half-open ends, black holes.

In a test::

    with FaultProxy(server_port, seed=1) as proxy:
        client = connect(proxy.port)
        proxy.set(Faults(delay_s=0.1, jitter_s=0.05))

As a program, until it is ended: ``python tests/fault/fault_proxy.py PORT TARGET_PORT '{"delay_s": 0.1}'``.
"""

import asyncio
import contextlib
import json
import random
import socket
import struct
import sys
import threading
from collections import Counter
from dataclasses import asdict, dataclass

PIECE_BYTES = 16 * 1024
RESET_ON_CLOSE = struct.pack("ii", 1, 0)
UP, DOWN = "up", "down"


@dataclass(frozen=True)
class Faults:
    """What happens to every piece that passes; ``up`` is from client to server.

    Attributes:
        delay_s: each piece waits so long, and up to ``jitter_s`` more or less.
        reset_share: share of pieces instead of which both sides get a reset (RST).
        lose_share: share of pieces that are swallowed, which TCP never does and a broken middle box does.
        corrupt_share: share of pieces of which one byte is changed.
        drip_bytes: so many bytes at a time, ``drip_s`` apart; 0 = as they come.
        cut_after: a connection is reset after so many bytes from the client; None = never.
        black_hole: ``up``, ``down`` or ``both``: pieces that way vanish, the connection stays.
        half_open: the server's side is closed, the client is not told and never hears again.
        refuse: connections are reset as soon as they are made.
    """

    delay_s: float = 0.0
    jitter_s: float = 0.0
    reset_share: float = 0.0
    lose_share: float = 0.0
    corrupt_share: float = 0.0
    drip_bytes: int = 0
    drip_s: float = 0.01
    cut_after: int | None = None
    black_hole: str = ""
    half_open: bool = False
    refuse: bool = False


NONE = Faults()


class FaultProxy:
    """Listens on a free port of the loopback in a thread of its own, until the ``with`` statement ends.

    Args:
        target: port, or (host, port), of the server.
        seed: of the chances; port: to listen on, 0 = a free one.
    """

    def __init__(self, target, *, seed=0, port=0, faults=NONE):
        self.port = port
        self.counts = Counter()
        self._target = target if isinstance(target, tuple) else ("127.0.0.1", target)
        self._random = random.Random(seed)
        self._faults = faults
        self._open = set()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fault-proxy", daemon=True)

    def __enter__(self):
        self._thread.start()
        assert self._ready.wait(10), "the proxy does not listen"
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def set(self, faults=NONE):
        """Change what happens from the next piece on; without argument, nothing happens any more."""
        self._faults = faults

    def reset_all(self):
        """Reset every open connection, as a server does that is killed."""
        self._loop.call_soon_threadsafe(lambda: [_reset(writer) for writer in list(self._open)])

    def _run(self):
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    async def _serve(self):
        self._stop = asyncio.Event()
        server = await asyncio.start_server(self._accept, "127.0.0.1", self.port, limit=PIECE_BYTES)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        for writer in list(self._open):
            _reset(writer)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _accept(self, reader, writer):
        self.counts["connections"] += 1
        if self._faults.refuse:
            self.counts["refused"] += 1
            _reset(writer)
            return
        try:
            server_reader, server_writer = await asyncio.open_connection(*self._target, limit=PIECE_BYTES)
        except OSError:
            _reset(writer)
            return
        ends = {writer, server_writer}
        self._open |= ends
        try:
            await asyncio.gather(
                self._carry(UP, reader, server_writer, writer), self._carry(DOWN, server_reader, writer, server_writer)
            )
        except (OSError, asyncio.CancelledError):
            for end in ends:
                _reset(end)
        finally:
            self._open -= ends
            for end in ends:
                end.close()

    async def _carry(self, way, reader, writer, back):
        """Carry pieces one way until the end of the stream, which is carried as well."""
        carried = 0
        while piece := await reader.read(PIECE_BYTES):
            faults = self._faults
            self.counts[way] += len(piece)
            if faults.half_open:
                (writer if way == UP else back).close()
                self.counts["half_open"] += 1
                await self._stop.wait()
            if faults.delay_s or faults.jitter_s:
                await asyncio.sleep(max(0.0, faults.delay_s + self._random.uniform(-1, 1) * faults.jitter_s))
            if faults.black_hole in (way, "both") or self._random.random() < faults.lose_share:
                self.counts["lost"] += len(piece)
                continue
            carried += len(piece)
            is_cut = way == UP and faults.cut_after is not None and carried > faults.cut_after
            if is_cut or self._random.random() < faults.reset_share:
                self.counts["resets"] += 1
                raise ConnectionResetError
            if self._random.random() < faults.corrupt_share:
                piece = self._corrupted(piece)
            await self._write(writer, piece, faults)
        if self._faults.half_open:
            await self._stop.wait()
        with contextlib.suppress(OSError):
            writer.write_eof()

    async def _write(self, writer, piece, faults):
        step = faults.drip_bytes or len(piece)
        for start in range(0, len(piece), step):
            writer.write(piece[start : start + step])
            await writer.drain()
            if faults.drip_bytes:
                await asyncio.sleep(faults.drip_s)

    def _corrupted(self, piece):
        self.counts["corrupted"] += 1
        changed = bytearray(piece)
        changed[self._random.randrange(len(changed))] ^= 1 << self._random.randrange(8)
        return bytes(changed)


def _reset(writer):
    """Close with a reset instead of an orderly end."""
    with contextlib.suppress(OSError):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    writer.transport.abort()


def main(port, target, faults="{}"):
    """Serve until standard input ends, printing the counts then; each line of input sets the faults anew."""
    with FaultProxy(int(target), port=int(port), faults=Faults(**json.loads(faults))) as proxy:
        print(json.dumps({"port": proxy.port, **asdict(proxy._faults)}), flush=True)
        for line in sys.stdin:
            proxy.set(Faults(**json.loads(line or "{}")))
        print(json.dumps(dict(proxy.counts)))


if __name__ == "__main__":
    main(*sys.argv[1:])
