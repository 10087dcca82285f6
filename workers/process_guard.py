"""Becomes another program that ends when its parent ends, however that ends. Run by path, with no imports of ours.

Usage: process_guard.py PARENT_PID PROGRAM [ARGUMENT…]
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Ask the kernel for a signal at the parent's death, then become the program."""
    parent, program, *arguments = sys.argv[1:]
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0) != 0:
        sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")
    # The parent may have died before the kernel was asked.
    if os.getppid() == int(parent):
        os.execv(program, [program, *arguments])  # noqa: S606 the caller named the program


if __name__ == "__main__":
    main()
