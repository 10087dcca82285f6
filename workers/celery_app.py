"""The application for Celery's own command line: ``celery -A workers.celery_app worker``.

The only module that reads the environment when it is imported, because that command line leaves no other way.
"""

from __future__ import annotations

import os

from workers.app import create_app
from workers.config import WorkerSettings

app = create_app(WorkerSettings.from_mapping(os.environ))
