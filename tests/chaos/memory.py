"""How the memory of worker processes grows with the jobs that are done."""

import os
import threading
from collections import defaultdict
from contextlib import suppress
from pathlib import Path

import numpy as np

_EVERY_S = 1.0
# Of processes that lived for less, it would tell how much they load, not how they grow.
_LEAST_SAMPLES = 10
_LEAST_JOBS = 2_000
_KIB = 1024
_PAGE = os.sysconf("SC_PAGE_SIZE")


class MemoryWatch:
    """Looks once a second at every process of a pool, known by its ``KAIPIAO_HOME``, until it is stopped.

    Args:
        home: of the pool.
        n_ended: tells how many jobs have ended.
    """

    def __init__(self, home, n_ended):
        self._mark = f"KAIPIAO_HOME={home}\0".encode()
        self._n_ended = n_ended
        self._samples = defaultdict(list)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self):
        """Look no more, and return KiB a thousand jobs: the steepest of the processes that lived long enough.

        Of each the second half of its life counts, when everything has been loaded; None = none lived long enough.
        """
        self._stopping.set()
        self._thread.join(10)
        slopes = []
        for samples in self._samples.values():
            ended, kib = np.array(samples[len(samples) // 2 :], float).T
            if len(ended) >= _LEAST_SAMPLES and np.ptp(ended) >= _LEAST_JOBS:
                slopes.append(1000 * float(np.polyfit(ended, kib, 1)[0]))
        return round(max(slopes), 1) if slopes else None

    def _run(self):
        while not self._stopping.wait(_EVERY_S):
            ended = self._n_ended()
            for folder in Path("/proc").glob("[0-9]*"):
                # Processes end while they are looked at.
                with suppress(OSError, IndexError, ValueError):
                    if self._mark in (folder / "environ").read_bytes():
                        pages = int((folder / "statm").read_text().split()[1])
                        self._samples[folder.name].append((ended, pages * _PAGE // _KIB))
