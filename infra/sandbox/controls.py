"""The controls of a sandbox under /_sandbox: settings, faults, failures, stuck names, the journal and the events."""

import json
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from infra.sandbox.behaviour import Behaviour
from infra.sandbox.faults import Effect, Fault
from infra.sandbox.plane import Plane
from infra.sandbox.world import Failure
from infra.service_model import is_mutating


def controlled(plane: Plane, method: str, what: str, value: Any) -> Any:
    """Carry out a control; return the answer as JSON, None if there is no such control.

    Raises KeyError for a missing member, TypeError and ValueError for one that makes no sense.
    """
    found = CONTROLS.get((method, what))
    return found(plane, value) if found is not None else None


def _journal(plane: Plane, _: Any) -> dict[str, Any]:
    counts = plane.journal.count()
    mutating = sum(count for name, count in counts.items() if is_mutating(name))
    reads = sum(counts.values()) - mutating - counts["PutEvents"]
    return {"calls": dict(counts), "reads": reads, "mutating": mutating}


def _add_fault(plane: Plane, value: Mapping[str, Any]) -> dict[str, Any]:
    plane.faults.add(Fault(**{**value, "effect": Effect(value["effect"])}))
    return {}


def _add_failing(plane: Plane, value: Mapping[str, Any]) -> dict[str, Any]:
    plane.world.failing[value["name"]] = Failure(value.get("times", -1), value["reason"])
    return {}


def _add_stuck(plane: Plane, value: Mapping[str, Any]) -> dict[str, Any]:
    plane.world.stuck.add(value["name"])
    return {}


def _clearing(held: Callable[[Plane], Any]) -> Callable[[Plane, Any], dict[str, Any]]:
    def clear(plane: Plane, _: Any) -> dict[str, Any]:
        held(plane).clear()
        return {}

    return clear


def _set(plane: Plane, value: Mapping[str, Any]) -> dict[str, Any]:
    """Change settings, all of them or none."""
    known = {field.name for field in fields(Behaviour)} - {"durations"}
    changes = []
    for name, setting in value.items():
        owner: object = plane.behaviour if name in known else plane.behaviour.durations
        if not hasattr(owner, name):
            raise ValueError(f"unknown setting {name}")
        _check(name, getattr(owner, name), setting)
        changes.append((owner, name, setting))
    for owner, name, setting in changes:
        setattr(owner, name, setting)
    return dict(value)


def _check(name: str, now: Any, setting: Any) -> None:
    number = isinstance(now, int | float) and not isinstance(now, bool)
    fits = isinstance(setting, (int | float) if number else type(now)) and not (number and isinstance(setting, bool))
    if not fits:
        raise ValueError(f"{name} is {json.dumps(now)} now, and cannot become {json.dumps(setting)}")


#: What is done for a method and a path.
CONTROLS: Mapping[tuple[str, str], Callable[[Plane, Any], Any]] = {
    ("GET", "journal"): _journal,
    ("DELETE", "journal"): _clearing(lambda plane: plane.journal.calls),
    ("GET", "events"): lambda plane, _: plane.events,
    ("GET", "faults"): lambda plane, _: [vars(fault) for fault in plane.faults.all],
    ("POST", "faults"): _add_fault,
    ("DELETE", "faults"): _clearing(lambda plane: plane.faults.all),
    ("GET", "failing"): lambda plane, _: {name: vars(failure) for name, failure in plane.world.failing.items()},
    ("POST", "failing"): _add_failing,
    ("DELETE", "failing"): _clearing(lambda plane: plane.world.failing),
    ("GET", "stuck"): lambda plane, _: sorted(plane.world.stuck),
    ("POST", "stuck"): _add_stuck,
    ("DELETE", "stuck"): _clearing(lambda plane: plane.world.stuck),
    ("GET", "behaviour"): lambda plane, _: {**vars(plane.behaviour), "durations": vars(plane.behaviour.durations)},
    ("POST", "behaviour"): _set,
}
