"""A worker's one place is free again after an acknowledgement that Redis never heard of."""

from collections.abc import Callable

import pytest
from redis.exceptions import TimeoutError as RedisTimeout

from reviewapp.celery import app

QUEUE = "tried-by-a-test"


@pytest.mark.parametrize(
    "settle", [lambda message: message.ack(), lambda message: message.reject()], ids=["acknowledged", "rejected"]
)
def test_a_lost_acknowledgement_frees_the_place(settle: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(*_: object, **__: object) -> None:
        raise RedisTimeout("Timeout reading from socket")

    with app.connection_for_read() as connection, connection.SimpleQueue(QUEUE) as queue:
        queue.clear()
        queue.put("wake up")
        queue.channel.basic_qos(0, 1, False)
        message = queue.get(timeout=5)
        assert not queue.channel.qos.can_consume()
        with monkeypatch.context() as patch:
            patch.setattr(queue.channel.qos, "_remove_from_indices", lost)
            with pytest.raises(RedisTimeout):
                settle(message)

        assert queue.channel.qos.can_consume()
        queue.put("wake up again")
        assert queue.get(timeout=5).payload == "wake up again"
        queue.clear()
