"""Shards: the region of an enterprise code chooses the broker."""

import pytest
from kombu import Connection

from render.errors import ConfigError, InputError
from tests.workers.pool_processes import redis_server
from workers.app import create_app, queue_of
from workers.config import WorkerSettings
from workers.messages import Chunk, Job
from workers.shards import ShardTable, check_shard

TABLE = ShardTable.from_text("SH01=redis://one/0\n SH=redis://two/0  *=redis://three/0")


@pytest.mark.parametrize("code", ["SH01", "ZJ02", "XZ99"])
def test_a_province_and_a_number_are_a_shard(code):
    assert check_shard(code) == code


@pytest.mark.parametrize("code", ["", "SH1", "SH001", "sh01", "ZZ01", "SH０１", "SH01\n", "*", "SH"])
def test_anything_else_is_refused(code):
    with pytest.raises(InputError) as caught:
        check_shard(code)
    assert caught.value.faults[0].rule == "shard.code"


@pytest.mark.parametrize(("shard", "name"), [("SH01", "SH01"), ("SH02", "SH"), ("ZJ02", "*")])
def test_the_narrowest_key_of_the_table_wins(shard, name):
    assert TABLE.route(shard).name == name


def test_a_route_does_not_show_its_address():
    assert "one" not in repr(TABLE.route("SH01"))


def test_a_shard_without_a_broker_is_said():
    with pytest.raises(ConfigError, match="no broker is named for shard ZJ02"):
        ShardTable.from_text("SH=redis://two/0").route("ZJ02")


@pytest.mark.parametrize("text", ["SH01", "SH01=", "SH01=http://x", "ZZ=redis://x", "SH=redis://a SH=redis://b"])
def test_a_table_with_nonsense_is_refused(text):
    with pytest.raises(ConfigError) as caught:
        ShardTable.from_text(text)
    assert caught.value.hint


@pytest.mark.broker
def test_jobs_of_two_regions_go_to_two_brokers(tmp_path):
    from datetime import UTC, datetime

    now = datetime(2026, 1, 1, tzinfo=UTC)
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    with redis_server(tmp_path / "one") as one, redis_server(tmp_path / "two") as two:
        table = ShardTable.from_text(f"SH={one} *={two}")
        for number, shard in enumerate(["SH01", "ZJ02", "SH02"]):
            app = create_app(table.settings_of(WorkerSettings(home=tmp_path), shard))
            job = Job(job_id=f"job-{number}", created=now, signing_time=now, invoice="{}")
            app.publish_chunks([Chunk(chunk_id=f"chunk-{number}", jobs=(job,))])
            app.close()
        waiting = []
        for url in (one, two):
            with Connection(url) as connection:
                waiting.append(connection.default_channel.client.llen(queue_of("issue")))
    assert waiting == [2, 1]
