"""Figures as a table for people."""

_COLUMNS = (
    ("scenario", 36),
    ("subject", 21),
    ("submitted", 9),
    ("committed", 9),
    ("lost", 5),
    ("doubled", 7),
    ("failed", 6),
    ("redelivered", 11),
    ("suppressed", 10),
    ("sha_mismatch", 12),
    ("temp_files_left", 15),
)


def as_table(rows, *, with_head=True):
    head = [name.ljust(width) if place < 2 else name.rjust(width) for place, (name, width) in enumerate(_COLUMNS)]
    more = "recover p50/p95/max s   drained p50/p95/max s  oldest s  jobs/s  KiB/1000   faults"
    lines = ["  ".join([*head, more])] if with_head else []
    for row in rows:
        cells = [
            str(getattr(row, name)).ljust(width) if place < 2 else f"{getattr(row, name):,}".rjust(width)
            for place, (name, width) in enumerate(_COLUMNS)
        ]
        recover, drained = _spread(row.recover_s), _spread(row.drained_s)
        memory = "–" if row.rss_kib_per_1000_jobs is None else f"{row.rss_kib_per_1000_jobs:.0f}"
        notes = f" ({row.notes})" if row.notes else ""
        faults = ", ".join(f"{name} × {times}" for name, times in sorted(row.faults.items()))
        figures = f"{recover:>21}  {drained:>22}  {row.oldest_age_s:>8.1f}  {row.jobs_per_s:>6.1f}  {memory:>8}"
        lines.append("  ".join([*cells, f"{figures}   {faults}{notes}"]))
    return "\n".join(lines)


def _spread(seconds):
    return "/".join(f"{seconds[key]:g}" for key in ("p50", "p95", "max")) if seconds else "–"
