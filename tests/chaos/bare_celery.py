"""What the pool is compared with: Celery on Redis as its documentation shows it, or with every safe setting on.

A job appends its number to a file when it begins and when it is done.
"""

import os
import time

from celery import Celery

app = Celery("bare", broker=os.environ["CHAOS_BROKER"])
app.conf.update(task_ignore_result=True, worker_send_task_events=False, broker_connection_retry_on_startup=True)
if os.environ["CHAOS_CAREFUL"]:
    app.conf.update(
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=1,
        broker_transport_options={
            "visibility_timeout": 10,
            "unacked_restore_interval": 1,
            "unacked_restore_throttle": 1,
        },
    )


@app.task(name="bare.render")
def render(number):
    _note("begin", number)
    time.sleep(float(os.environ.get("CHAOS_WORK_S", "0.002")))
    _note("end", number)


def _note(event, number):
    with open(os.environ["CHAOS_LOG"], "a") as file:  # noqa: PTH123 one write() a line, so that processes do not mix
        file.write(f"{event} {time.monotonic():.4f} {os.getpid()} {number}\n")
