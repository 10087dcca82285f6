"""Servers for the ledgers of this folder's tests."""

import pytest

from tests.workers.ledgers import postgres_server, valkey_server


@pytest.fixture(scope="session")
def server():
    with valkey_server() as url:
        yield url


@pytest.fixture(scope="session")
def databases():
    """A PostgreSQL; the tests that ask for it are skipped where there is none."""
    with postgres_server() as make_database:
        yield make_database
