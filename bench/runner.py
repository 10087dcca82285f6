"""Takes times: warm-up first, then our side and the peer in turn, so that a disturbed minute disturbs both."""

from __future__ import annotations

import gc
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TypeVar

Item = TypeVar("Item")
StageMs = Mapping[str, float]
"""Milliseconds by stage of one run over one item."""


class CheckFailed(Exception):  # noqa: N818 the outcome of a check, not a fault of the program
    """An output is not what its input states; a wrong output is not worth timing."""


def require(what: str, problems: Sequence[str]) -> None:
    """Stop a case whose output is wrong.

    Raises:
        CheckFailed: there is a problem.
    """
    if problems:
        raise CheckFailed(f"{what}: {'; '.join(problems)}")


def interleave(
    sides: Mapping[str, Callable[[Item], StageMs]], items: Sequence[Item], *, repeats: int, warm_up: int = 1
) -> dict[str, dict[str, list[float]]]:
    """Run every side over every item, sides in turn, the order reversed from one round to the next.

    Args:
        sides: by name, a function that works on one item and returns its stage times.
        items: what each side works on.
        repeats: rounds over all items that count.
        warm_up: rounds over as many of the first items that do not count.

    Returns:
        Samples in milliseconds by side and stage; ``all`` for the sum of the stages, and ``cpu`` for what the whole
        run took of any core, which other programs on the machine barely change.
    """
    for side in sides.values():
        for item in list(items[:warm_up]) * warm_up:
            side(item)
    samples: dict[str, dict[str, list[float]]] = {name: defaultdict(list) for name in sides}
    for turn in range(repeats):
        order = list(sides)[:: 1 if turn % 2 == 0 else -1]
        for item in items:
            for name in order:
                # The rubbish of one side is not cleared on the other's time.
                gc.collect()
                start = time.process_time()
                stages = sides[name](item)
                samples[name]["cpu"].append((time.process_time() - start) * 1000)
                for stage, ms in stages.items():
                    samples[name][stage].append(ms)
                samples[name]["all"].append(sum(stages.values()))
    return {name: dict(stages) for name, stages in samples.items()}


@contextmanager
def one_core() -> Iterator[None]:
    """Keep this process, and the threads that it starts, on one core."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)
