"""Run the fault suite: ``python -m tests.chaos``. Ends with 1 if anything was lost, doubled, altered or left behind."""

import argparse
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.report import as_table
from tests.chaos.suite import SCENARIOS, Context


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--only", help="names with commas between: " + ", ".join(SCENARIOS))
    parser.add_argument("--seed", type=int, default=1, help="of the schedule of faults (default 1)")
    parser.add_argument("--quick", action="store_true", help="fewer faults and jobs: some three minutes")
    parser.add_argument("--seconds", type=float, default=1200, help="no scenario begins later than this (default 1200)")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    parser.add_argument("--keep", type=Path, help="leave logs and stores in this folder")
    options = parser.parse_args(arguments)
    names = options.only.split(",") if options.only else list(SCENARIOS)
    unknown = set(names) - set(SCENARIOS)
    if unknown:
        parser.error(f"no scenario {', '.join(sorted(unknown))}; known: {', '.join(SCENARIOS)}")
    home = options.keep or Path(tempfile.mkdtemp(prefix="kaipiao-chaos-"))
    rows, begun = [], time.monotonic()
    try:
        for name in names:
            if time.monotonic() - begun > options.seconds:
                print(f"{name}: not begun, the time is over", file=sys.stderr)
                continue
            context = Context(home / name, options.seed, is_quick=options.quick)
            for row in SCENARIOS[name](context):
                rows.append(row)
                print(as_table([row], with_head=len(rows) == 1), flush=True)
    finally:
        if options.keep is None:
            shutil.rmtree(home, ignore_errors=True)
    print("\n" + as_table(rows))
    if options.json:
        report = {"seed": options.seed, "quick": options.quick, "rows": [row.as_row() for row in rows]}
        options.json.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n")
    bad = [row for row in rows if row.subject == "kaipiao" and not row.is_clean]
    for row in bad:
        print(f"{row.scenario}: not clean. {row.notes}", file=sys.stderr)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
