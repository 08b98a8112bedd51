"""The least that POST to decision costs with Celery: one INSERT, one wake-up, one drain. No key, no gate, no trail."""

import os
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import redis
from celery import Celery
from kombu import Queue

from bench.anchors import bare_drain
from bench.anchors.raw_model import RawModel
from reviewapp.embedded import paths

DATA = Path(os.environ["REVIEWAPP_DATA_DIR"])
TOKEN, TASK, QUEUE = "bench:floor", "bench.floor", "floor"

celery = Celery("floor", broker=paths.redis_url(DATA))
celery.conf.update(
    task_ignore_result=True, worker_prefetch_multiplier=1, task_acks_late=True, task_queues=[Queue(QUEUE)]
)
_tokens = redis.Redis.from_url(paths.redis_client_url(DATA))
_own = threading.local()


def _database() -> psycopg.Connection[Any]:
    found: psycopg.Connection[Any] | None = getattr(_own, "connection", None)
    if found is None:
        place = paths.postgres_conninfo(DATA)
        found = _own.connection = psycopg.connect(
            host=place["HOST"], port=place["PORT"], dbname=place["NAME"], user=place["USER"], autocommit=True
        )
    return found


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """POST stores a case and wakes the worker; GET says that the server is up."""
    if environ["REQUEST_METHOD"] == "POST":
        body = msgspec.json.decode(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
        _database().execute(
            "INSERT INTO bench_case (external_id, features) VALUES (%s, %s)",
            [body["external_id"], msgspec.json.encode(body["features"]).decode()],
        )
        if _tokens.set(TOKEN, b"1", nx=True, px=2000):
            celery.send_task(TASK, queue=QUEUE)
        status = "202 Accepted"
    else:
        status = "200 OK"
    start_response(status, [("Content-Length", "0")])
    return [b""]


_models: list[RawModel] = []


@celery.task(name=TASK)
def drain() -> None:
    """Score what waits."""
    if not _models:
        folder = Path(os.environ["BENCH_MODEL"])
        about = msgspec.json.decode((folder / "about.json").read_bytes())
        _models.append(RawModel((folder / "model.onnx").read_bytes(), **about))
    _tokens.delete(TOKEN)
    while bare_drain.drain_batch(_database(), _models[0]):
        pass
