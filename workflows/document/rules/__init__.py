"""The rules that AWS documents but the service model cannot express, and the numbers of the rules that it can."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from workflows.document.problems import Problem
from workflows.document.rules import (
    connectors,
    gateways,
    harnesses,
    headers,
    inbound,
    outbound,
    private,
    providers,
    runtimes,
    targets,
)
from workflows.document.rules.modelled import MODELLED, PLANNED, RETIRED, UNCHECKED, number_of
from workflows.document.rules.rule import RULES, Rule, part
from workflows.document.stack import Resource

_ROOMS = (connectors, gateways, headers, harnesses, inbound, outbound, private, providers, runtimes, targets)


@dataclass(frozen=True)
class Found:
    """A problem from a broken rule; `refuses` tells whether the document is invalid or the problem is a warning."""

    problem: Problem
    refuses: bool


def check(resources: Mapping[str, Resource]) -> Iterator[Found]:
    """Yield every broken rule of a document; resources that are only looked up (`existing`) are not checked."""
    for resource in resources.values():
        for rule in RULES:
            if resource.kind.section in rule.sections and not resource.options.existing:
                reason = resource.options.waive.get(rule.number) if rule.refuses else None
                waived = f" (waived: {reason})" if reason is not None else ""
                for path, message in rule.check(resource, resources):
                    problem = Problem(_joined(resource.address, path), rule.number, f"{message}{waived}")
                    yield Found(problem, rule.refuses and reason is None)


def _joined(address: str, path: str) -> str:
    return f"{address}{'' if path.startswith('[') or not path else '.'}{path}"


__all__ = ["MODELLED", "PLANNED", "RETIRED", "RULES", "UNCHECKED", "Found", "Rule", "check", "number_of", "part"]
