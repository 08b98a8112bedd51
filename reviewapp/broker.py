"""A repair of kombu's Redis transport: a worker goes on consuming after an acknowledgement was lost."""

from typing import Any

from kombu.transport import redis, virtual


class QoS(redis.QoS):
    """Frees the place of a message even when Redis could not be told that it is done with.

    Kombu would keep the place: celery logs “Couldn't ack” and goes on, and a worker whose places are all kept so, after
    a few seconds' hang of Redis, never asks for a message again (celery#2415). The message itself comes back after the
    visibility timeout, and a wake-up may come twice.
    """

    def ack(self, delivery_tag: str) -> None:
        try:
            super().ack(delivery_tag)
        except Exception:
            virtual.QoS.ack(self, delivery_tag)
            raise

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        try:
            super().reject(delivery_tag, requeue=requeue)
        except Exception:
            virtual.QoS.ack(self, delivery_tag)
            raise


def repair() -> None:
    """Use it for every connection of this process."""
    channel: Any = redis.Channel
    channel.QoS = QoS
