"""The product's own engine, which writes down what batches it is given, and waits with those that the test holds."""

import os
import time
from pathlib import Path

from render.config import RenderSettings
from tests.workers.fake_engine import note
from workers.engine import RenderEngine
from workers.rendering_device import RenderingDevice


class RecordingEngine(RenderEngine):
    """Notes the jobs of each batch."""

    def render_batch(self, requests):
        note("batch", " ".join(request.job_id for request in requests))
        while held_jobs() == len(requests):
            time.sleep(0.02)
        return super().render_batch(requests)


def held_jobs():
    """Return the size of the batches that the test holds; 0 = none."""
    file = Path(os.environ["FAKE_DEVICE_FOLDER"], "hold")
    return int(file.read_text() or 0) if file.exists() else 0


def build(values):
    device = RenderingDevice.open(RenderSettings.from_mapping(values))
    return RecordingEngine(device.opened, device)
