"""Addresses of Redis, with Sentinels and without."""

import pytest

from render.errors import ConfigError
from workers.app import create_app
from workers.config import WorkerSettings
from workers.ledger.opening import can_hold_a_ledger
from workers.redis_address import SentinelAddress, connect_redis

URL = "sentinel://:se%2Fcret@one:26379;sentinel://two:26380;sentinel://three/2?master=kaipiao"


def test_an_address_of_sentinels_is_read():
    address = SentinelAddress.read(URL)
    assert address.nodes == (("one", 26379), ("two", 26380), ("three", 26379))
    assert (address.master, address.database, address.password) == ("kaipiao", 2, "se/cret")
    assert address.plain == URL.partition("?")[0]


@pytest.mark.parametrize(
    "url",
    [
        "sentinel://one:26379/0",
        "sentinel://one:26379;redis://two/0?master=kaipiao",
        "sentinel://one:port/0?master=kaipiao",
        "sentinel://one/zero?master=kaipiao",
        "sentinel:///0?master=kaipiao",
    ],
)
def test_what_is_no_address_of_sentinels_is_refused_without_repeating_it(url):
    with pytest.raises(ConfigError, match="Sentinels") as error:
        SentinelAddress.read(url)
    assert "one" not in error.value.message


def test_a_client_goes_to_the_master_of_that_name():
    with connect_redis(URL, 3.0) as client:
        pool = client.connection_pool
        assert (pool.service_name, pool.connection_kwargs["db"]) == ("kaipiao", 2)
        assert pool.connection_kwargs["password"] == "se/cret"
        assert pool.connection_kwargs["socket_timeout"] == 3.0


def test_the_broker_gets_the_name_apart_from_the_address():
    app = create_app(WorkerSettings.from_mapping({"KAIPIAO_BROKER_URL": URL}))
    try:
        assert app.conf.broker_url == URL.partition("?")[0]
        assert app.conf.broker_transport_options["master_name"] == "kaipiao"
    finally:
        app.close()
    assert can_hold_a_ledger(URL)
