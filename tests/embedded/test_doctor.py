import json
import subprocess
from pathlib import Path

from reviewapp.embedded.redis import EmbeddedRedis
from tests.embedded.installation import MANAGE, environment

CHECKS = [
    *("python", "account", "postgresql", "redis", "migrations"),
    *("onnxruntime", "models", "upload gate", "libgomp", "chromium", "webhooks", "disk"),
]


def doctor(**env: str) -> tuple[int, dict[str, dict[str, str]]]:
    done = subprocess.run(
        [*MANAGE, "doctor", "--json"], env=environment(**env), capture_output=True, text=True, check=False
    )
    return done.returncode, {finding["check"]: finding for finding in json.loads(done.stdout)}


def test_nothing_running_is_no_failure(data: Path) -> None:
    status, found = doctor(REVIEWAPP_DATA_DIR=str(data), WEBHOOK_ALLOW_PRIVATE="1")

    assert status == 0
    assert list(found) == CHECKS
    assert found["postgresql"]["detail"].startswith("embedded, not running: postgres (PostgreSQL) 18.")
    assert found["redis"]["detail"].startswith("embedded, not running: Redis server v=6.")
    assert found["onnxruntime"]["detail"].endswith("ExecutionProvider")
    assert found["upload gate"]["status"] in {"ok", "warn"}
    assert found["upload gate"]["detail"].startswith("checks run ")
    assert found["webhooks"]["status"] == "warn"
    assert found["webhooks"]["detail"].startswith("WEBHOOK_ALLOW_PRIVATE is on: ")


def test_given_servers_that_do_not_answer_fail_with_a_remedy(data: Path, port: int) -> None:
    database = f"postgresql://nobody:secret@127.0.0.1:{port}/none"
    broker = f"redis://127.0.0.1:{port}/0"

    status, found = doctor(REVIEWAPP_DATA_DIR=str(data), DATABASE_URL=database, REDIS_URL=broker, SECRET_KEY="k" * 50)

    assert status == 1
    assert found["postgresql"]["status"] == found["redis"]["status"] == "fail"
    assert found["postgresql"]["remedy"] == "Start the server, or correct or unset DATABASE_URL."
    assert found["redis"]["remedy"].startswith("Start the server, or correct or unset REDIS_URL")
    assert "secret" not in json.dumps(found)


def test_a_broker_that_may_forget_is_a_warning(data: Path, port: int) -> None:
    server = EmbeddedRedis(data, tcp_port=port)
    server.start()
    try:
        import redis

        with redis.Redis.from_url(server.url) as client:
            client.config_set("maxmemory-policy", "allkeys-lru")
        _, found = doctor(REVIEWAPP_DATA_DIR=str(data), REDIS_URL=server.url)
    finally:
        server.stop()

    assert found["redis"]["status"] == "warn"
    assert found["redis"]["remedy"] == "Set appendonly yes and maxmemory-policy noeviction."
