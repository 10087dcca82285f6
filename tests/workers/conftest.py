"""A server for the ledgers of this folder's tests."""

import pytest

from tests.workers.ledgers import valkey_server


@pytest.fixture(scope="session")
def server():
    with valkey_server() as url:
        yield url
