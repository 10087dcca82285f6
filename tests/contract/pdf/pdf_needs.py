"""What a contract test needs beside Python."""

import os
import shutil

import pytest


def need(*programs):
    """Skip where a program is missing, fail where CI_REQUIRES names it."""
    for program in programs:
        if shutil.which(program) is None:
            if program in os.environ.get("CI_REQUIRES", "").split(","):
                pytest.fail(f"CI_REQUIRES names {program}, which is not installed")
            pytest.skip(f"{program} is not installed")
