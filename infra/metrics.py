"""CloudWatch metrics in embedded metric format, printed on stdout as Lambda requires.

A run emits a record, and a second record if metrics of alarms apply.
"""

from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools.metrics import Metrics, MetricUnit

from infra.errors import STUCK

NAMESPACE = "Gatewright"


class RunMetrics:
    """Emits the metrics of a run: calls and seconds by the status of the outcome, and separately the metrics of alarms.

    The outcome is given as JSON, with `sinceAccepted`, the seconds since the request was accepted.
    """

    def __init__(self) -> None:
        self._metrics = Metrics(namespace=NAMESPACE, service="gatewright")

    def emit(self, outcome: Mapping[str, Any], seconds: float) -> None:
        """Emit the metrics of a finished run."""
        self._metrics.add_dimension("status", outcome["status"])
        self._metrics.add_metric("Runs", MetricUnit.Count, 1)
        self._metrics.add_metric("Calls", MetricUnit.Count, sum(outcome["calls"].values()))
        self._metrics.add_metric("RunSeconds", MetricUnit.Seconds, round(seconds, 3))
        for name in ("stack", "requestId", "generation", "runId"):
            self._metrics.add_metadata(name, outcome[name])
        self._metrics.flush_metrics()
        self._alarming(outcome)

    def _alarming(self, outcome: Mapping[str, Any]) -> None:
        """Emit the actors of failures, the number of stuck resources, and the age of a request in progress."""
        for actor in sorted({failure["actor"] for failure in outcome["failures"]}):
            self._metrics.add_metric(f"FailedBy{actor.title().replace('_', '')}", MetricUnit.Count, 1)
        stuck = sum(failure["code"] == STUCK for failure in outcome["failures"])
        if stuck:
            self._metrics.add_metric(STUCK, MetricUnit.Count, stuck)
        if outcome["status"] == "IN_PROGRESS" and outcome.get("sinceAccepted") is not None:
            self._metrics.add_metric("InProgressSeconds", MetricUnit.Seconds, outcome["sinceAccepted"])
        if self._metrics.metric_set:
            self._metrics.add_metadata("stack", outcome["stack"])
            self._metrics.flush_metrics()
