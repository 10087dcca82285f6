"""Networks that are slow, reset connections, swallow them or go silent between the workers and Redis."""

import time

from render.errors import KaipiaoError
from tests.chaos.processes import Stage
from tests.chaos.run import PoolRun
from tests.fault.fault_proxy import FaultProxy, Faults

_TIMEOUT_S = 3


def network(context):
    """Delays of 50, 100 and 200 ms, resets, half-open connections and black holes, while jobs flow."""
    kinds = {
        "50 ms": Faults(delay_s=0.05, jitter_s=0.02),
        "100 ms": Faults(delay_s=0.1, jitter_s=0.04),
        "200 ms": Faults(delay_s=0.2, jitter_s=0.08),
        "resets 1 %": Faults(reset_share=0.01),
        "half-open": Faults(half_open=True),
        "black hole": Faults(black_hole="both"),
    }
    for name, faults in kinds.items():
        if context.is_quick and name not in {"100 ms", "resets 1 %", "black hole"}:
            continue
        yield _under(context, name, faults)


def _under(context, name, faults):
    lasts_s = context.scale(12, 5)
    with Stage() as stage:
        folder = context.folder / name.replace(" ", "-")
        server = stage.redis(folder / "redis")
        proxy = stage.enter_context(FaultProxy(server.port, seed=context.seed))
        # Submitters reach Redis by the same bad way.
        url = f"redis://127.0.0.1:{proxy.port}/0"
        run = PoolRun(folder / "pool", url, tell=context.tell, broker_timeout_s=_TIMEOUT_S)
        stage.worker(run.pool, "worker-0")
        stage.worker(run.pool, "worker-1")
        run.submit(range(50))
        run.await_all(60)
        begun, number, unknown = time.monotonic(), 50, []
        proxy.set(faults)
        run.count(name)
        while time.monotonic() - begun < lasts_s:
            try:
                run.submit(range(number, number + 10), patience_s=0)
            except KaipiaoError:
                unknown.append(number)
            number += 10
            time.sleep(0.2)
            context.tell(f"{name}: {run.n_ended():,} of {number:,} jobs ended")
        proxy.set()
        if name in {"half-open", "black hole"}:
            # What was swallowed stays swallowed; the network is whole again for new connections.
            proxy.reset_all()
        healed = time.monotonic()
        # The submitters were told that the outcome is unknown, so they come again.
        for first in [*unknown, number]:
            run.submit(range(first, first + 10))
        run.await_all(context.patience_s)
        ends = sorted(end for ended in run.log.ended.values() for end, _ in ended)
        after = next((end - healed for end in ends if end > healed), None)
        pace = sum(begun < end <= healed for end in ends) / (healed - begun)
        notes = f"{pace:.0f} jobs/s meanwhile; "
        notes += "nothing ended after it" if after is None else f"first end {after:.1f} s after it healed"
        return run.figures(f"network: {name}", notes=notes)
