import sys
from dataclasses import dataclass

import pytest

from workers.cli.commands import build


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str

    @property
    def words(self):
        """What was printed, without the line breaks and borders that depend on the width of a terminal."""
        return " ".join((self.out + self.err).replace("│", " ").split())


@pytest.fixture
def kaipiao(capsys, monkeypatch):
    """Return a function that runs one command line in this process."""
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            build().main([str(argument) for argument in arguments], prog_name="kaipiao")
        sys.stdout.flush()
        printed = capsys.readouterr()
        return Ended(int(ended.value.code or 0), printed.out, printed.err)

    return run
