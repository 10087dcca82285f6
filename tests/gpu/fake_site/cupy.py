"""Stands for CuPy in real worker processes: one fake device, with the faults that a file asks for.

``FAKE_DEVICE_FOLDER/<CUDA_VISIBLE_DEVICES>.json`` holds faults for the process that finds it; what it says under
``stays`` is for all of them, and otherwise it serves one process alone.
"""

import json
import os
import sys
from pathlib import Path

from tests.gpu.fake_cupy import Faults, Machine, make_cupy
from tests.gpu.host_samples import MEMORY, run_on_twin
from tests.workers.fake_engine import note

_seen = os.environ.get("CUDA_VISIBLE_DEVICES", "every device")
note("device", f"{os.getpid()} {_seen}")
_file = Path(os.environ["FAKE_DEVICE_FOLDER"]) / f"{_seen}.json"
_asked = json.loads(_file.read_text()) if _file.exists() else {}
if _asked and not _asked.pop("stays", False):
    _file.unlink()
_machine = Machine(None, MEMORY, Faults(**_asked))
_machine.run_kernel = run_on_twin(_machine)
sys.modules[__name__] = make_cupy(_machine)
