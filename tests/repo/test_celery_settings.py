"""The settings that keep Celery from losing or doubling work, read from the running application."""

import pytest

from reviewapp.celery import QUEUES, app

LIVE = {
    "result_backend": None,
    "task_ignore_result": True,
    "visibility_timeout": 120,
    "task_acks_late": True,
    "task_reject_on_worker_lost": True,
    "worker_prefetch_multiplier": 1,
    "task_soft_time_limit": 45,
    "task_time_limit": 60,
    "worker_soft_shutdown_timeout": 30,
    "worker_enable_soft_shutdown_on_idle": True,
    "worker_cancel_long_running_tasks_on_connection_loss": True,
    "broker_connection_max_retries": None,
    "task_publish_retry": False,
    "accept_content": ["json"],
    "task_create_missing_queues": False,
    "worker_hijack_root_logger": False,
}
TRANSPORT = {
    "visibility_timeout": 120,
    "unacked_restore_interval": 5,
    "unacked_restore_throttle": 1,
    "socket_timeout": 2,
    "socket_connect_timeout": 2,
    "socket_keepalive": True,
    "health_check_interval": 10,
}


@pytest.mark.parametrize("name", LIVE)
def test_a_live_setting_is_as_designed(name: str) -> None:
    assert getattr(app.conf, name) == LIVE[name]


@pytest.mark.parametrize("name", TRANSPORT)
def test_a_live_option_of_the_broker_is_as_designed(name: str) -> None:
    assert app.conf.broker_transport_options[name] == TRANSPORT[name]


def test_a_task_ends_before_its_message_is_given_to_another() -> None:
    assert app.conf.task_soft_time_limit < app.conf.task_time_limit < app.conf.visibility_timeout


def test_there_is_no_beat() -> None:
    assert not app.conf.beat_schedule


def test_each_task_goes_to_a_queue_that_exists() -> None:
    app.loader.import_default_modules()
    ours = [name for name in app.tasks if not name.startswith("celery.")]

    queues = {name: app.amqp.router.route({}, name)["queue"].name for name in ours}

    assert queues["cases.drain_inference"] == "inference"
    assert queues["cases.drain_explain"] == "explain"
    assert queues["webhooks.relay"] == "webhooks"
    assert set(queues.values()) <= set(QUEUES)


def test_our_tasks_take_no_positional_arguments_and_keep_no_results() -> None:
    app.loader.import_default_modules()

    for name, task in app.tasks.items():
        if not name.startswith("celery."):
            assert task.ignore_result, name
            assert task.acks_late, name
            assert not getattr(task, "autoretry_for", ()), name
