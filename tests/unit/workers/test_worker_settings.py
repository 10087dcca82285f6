"""Settings: what is read, what is refused, and that the safe Celery settings follow from them."""

import os
import pickle
from pathlib import Path

import pytest

from render.errors import ConfigError
from workers.app import create_app
from workers.config import WorkerSettings


def settings(**values):
    return WorkerSettings.from_mapping({f"KAIPIAO_{name.upper()}": value for name, value in values.items()})


def test_an_empty_environment_gives_the_defaults():
    assert WorkerSettings.from_mapping({"PATH": "/bin"}) == WorkerSettings()


def test_values_are_read_by_type():
    read = settings(home="/srv/k", chunk_jobs="32", retry_ladder_s="1, 2,4", store="s3://bucket/x")
    assert (read.home, read.chunk_jobs, read.retry_ladder_s) == (Path("/srv/k"), 32, (1.0, 2.0, 4.0))
    assert read.effective_store == "s3://bucket/x"


def test_an_unknown_name_is_named_with_the_nearest_known_one():
    with pytest.raises(ConfigError, match=r"KAIPIAO_BROKER_URI is not a setting. Did you mean KAIPIAO_BROKER_URL\?"):
        settings(broker_uri="redis://x")


def test_settings_of_the_renderer_are_known():
    assert dict(settings(signing="off").values) == {"KAIPIAO_SIGNING": "off"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("chunk_jobs", "0"),
        ("chunk_jobs", "many"),
        ("chunk_jobs", "1.5"),
        ("time_limit_s", "nan"),
        ("time_limit_s", "-1"),
        ("retry_ladder_s", "1,2,x"),
        ("retry_ladder_s", "64"),
        ("engine", "os.system"),
        ("engine", "a b:c"),
    ],
)
def test_values_out_of_range_are_named(name, value):
    with pytest.raises(ConfigError, match=f"KAIPIAO_{name.upper()} is '"):
        settings(**{name: value})


def test_a_message_must_have_room_for_an_invoice():
    with pytest.raises(ConfigError, match=r"KAIPIAO_INLINE_CHARS .* exceeds KAIPIAO_CHUNK_BYTES"):
        settings(inline_chars="16000", chunk_bytes="2048")


def test_a_home_too_deep_for_a_socket_is_refused_unless_there_is_a_broker():
    deep = "/" + "d" * 120
    with pytest.raises(ConfigError, match="too long for a socket"):
        settings(home=deep)
    assert settings(home=deep, broker_url="redis://host/0").effective_broker_url == "redis://host/0"


def test_no_secret_shows_in_the_text_of_settings():
    text = repr(settings(broker_url="redis://user:hunter2@host/0", passphrase_file="/etc/kaipiao/pass"))
    assert "hunter2" not in text
    assert "/etc/kaipiao/pass" not in text


def test_the_visibility_timeout_covers_everything_that_a_message_waits_for():
    read = settings(time_limit_s="100", retry_ladder_s="1,32", visibility_slack_s="7")
    assert read.visibility_timeout_s == 100 + 100 + 32 + 7


@pytest.fixture
def app():
    app = create_app(settings(home="/srv/kaipiao", time_limit_s="50"))
    yield app
    app.close()


def test_every_setting_that_keeps_jobs_is_on(app):
    wanted = {
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "worker_prefetch_multiplier": 1,
        "worker_pool_start_method": "spawn",
        "worker_proc_alive_timeout": 60.0,
        "task_ignore_result": True,
        "accept_content": ["json"],
        "broker_connection_max_retries": None,
        "worker_enable_remote_control": False,
        "task_time_limit": 50.0,
    }
    assert {name: app.conf[name] for name in wanted} == wanted
    options = app.conf.broker_transport_options
    assert options["visibility_timeout"] > 2 * app.conf.task_time_limit
    assert options["deadletter_queue"] == "kaipiao.unroutable"
    assert options["unacked_restore_throttle"] == 1
    assert app.conf.broker_url == "redis+socket:///srv/kaipiao/broker/broker.sock"


def test_tasks_keep_their_messages(app):
    for name in ("kaipiao.render_chunk", "kaipiao.render_job"):
        task = app.tasks[name]
        assert task.acks_late
        assert task.reject_on_worker_lost
        # Losses are counted by the ledger; Celery retries only what could not begin.
        assert task.max_retries is None


def test_applications_in_one_process_keep_their_own_limits(app):
    other = create_app(settings(time_limit_s="3"))
    try:
        limits = [each.tasks["kaipiao.render_chunk"].time_limit for each in (app, other)]
    finally:
        other.close()
    assert limits == [50.0, 3.0]


def test_the_ledger_lives_beside_the_queues_unless_another_is_named():
    assert settings(broker_url="redis://h/1").effective_ledger == "redis://h/1"
    assert settings(home="/srv/k").effective_ledger == "redis+socket:///srv/k/broker/broker.sock"
    named = settings(broker_url="amqp://h", ledger="postgresql://h/db")
    assert named.effective_ledger == "postgresql://h/db"
    assert "postgresql" not in repr(named)
    with pytest.raises(ConfigError, match="Set KAIPIAO_LEDGER to"):
        settings(broker_url="amqp://h")


def test_a_sweep_judges_by_the_settings():
    rules = settings(lost_retries="4", lease_s="7.5", stale_s="9").sweep_rules
    assert (rules.max_losses, rules.lease_ms, rules.stale_ms) == (4, 7500, 9000)
    assert str(os.getpid()) in rules.holder


def test_the_application_travels_to_spawned_processes_as_settings(app):
    copy = pickle.loads(pickle.dumps(app))
    assert copy.settings == app.settings
    assert "kaipiao.render_chunk" in copy.tasks
    copy.close()
