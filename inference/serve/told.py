"""Metrics, read off the server's own counts when somebody asks for them."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from inference.serve.scorer import Scorer

if TYPE_CHECKING:
    from prometheus_client.core import Metric

    from inference.serve.service import Service

METRICS_KIND = b"text/plain; version=1.0.0; charset=utf-8"


def metrics(service: "Service", scorer: Scorer) -> bytes:
    """Everything counted since the start, as Prometheus reads it."""
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry()
    registry.register(_Counts(service, scorer))
    return generate_latest(registry)


class _Counts:
    def __init__(self, service: "Service", scorer: Scorer) -> None:
        self._service = service
        self._scorer = scorer

    def collect(self) -> "Iterator[Metric]":
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        answered = CounterMetricFamily("reviewapp_serve_requests", "Requests answered.", labels=["status"])
        for status, number in sorted(self._service.answered.items()):
            answered.add_metric([str(status)], number)
        yield answered
        tally = self._scorer.tally
        for name, about, value in (
            ("rows", "Rows scored.", tally.rows),
            ("runs", "Runs of the model; rows ÷ runs is the mean batch.", tally.runs),
            ("run_failures", "Requests whose rows the model failed on.", tally.failures),
            ("run_seconds", "Time spent in runs.", tally.seconds),
        ):
            yield CounterMetricFamily(f"reviewapp_serve_{name}", about, value=value)
        for name, about, now in (
            ("waiting_rows", "Rows that wait for a run.", self._scorer.waiting_rows),
            ("connections", "Open connections.", len(self._service.connections)),
        ):
            yield GaugeMetricFamily(f"reviewapp_serve_{name}", about, value=now)
