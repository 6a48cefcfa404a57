"""CloudWatch metrics in embedded metric format, one blob per run, on stdout as Lambda wants them."""

from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools.metrics import Metrics, MetricUnit

NAMESPACE = "Gatewright"


class RunMetrics:
    """Emits one metric blob per run: its outcome, its calls, its seconds. Dimensions stay few: the outcome's status."""

    def __init__(self) -> None:
        self._metrics = Metrics(namespace=NAMESPACE, service="gatewright")

    def emit(self, outcome: Mapping[str, Any], seconds: float) -> None:
        """Emit the metrics of a run that returned."""
        actors = {failure["actor"] for failure in outcome["failures"]}
        self._metrics.add_dimension("status", outcome["status"])
        self._metrics.add_metric("Runs", MetricUnit.Count, 1)
        self._metrics.add_metric("Calls", MetricUnit.Count, sum(outcome["calls"].values()))
        self._metrics.add_metric("RunSeconds", MetricUnit.Seconds, round(seconds, 3))
        for actor in sorted(actors):
            self._metrics.add_metric(f"FailedBy{actor.title().replace('_', '')}", MetricUnit.Count, 1)
        for name in ("stack", "requestId", "generation", "runId"):
            self._metrics.add_metadata(name, outcome[name])
        self._metrics.flush_metrics()
