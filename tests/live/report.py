"""Compares what two control planes answered, and reports it without ids and secrets. Pure."""

import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

Lines = Iterable[Mapping[str, Any]]


def operations(lines: Lines) -> dict[str, Any]:
    """Return for each operation how often it was called, its error codes, and how long calls took."""
    by_name: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for line in lines:
        by_name[line["operation"]].append(line)
    return {
        name: {
            "calls": len(all_of),
            "errors": dict(Counter(one["code"] for one in all_of if one["code"])),
            "seconds": {
                "median": round(statistics.median(one["seconds"] for one in all_of), 3),
                "most": max(one["seconds"] for one in all_of),
            },
        }
        for name, all_of in sorted(by_name.items())
    }


def durations(lines: Lines) -> dict[str, Any]:
    """Return how long creations took, by kind and final status."""
    found: dict[str, list[float]] = defaultdict(list)
    for line in lines:
        if "rested" in line:
            kind, status, seconds = line["rested"]
            found[f"{kind} until {status}"].append(seconds)
    return {
        name: {"times": len(all_of), "least": min(all_of), "median": statistics.median(all_of), "most": max(all_of)}
        for name, all_of in sorted(found.items())
    }


def differences(here: Lines, there: Lines) -> dict[str, Any]:
    """Return the members and the refusals that only one of two control planes showed, by operation."""
    found: dict[str, Any] = {}
    ours, theirs = _shown(here), _shown(there)
    for name in sorted({*ours, *theirs}):
        one, other = ours.get(name, set()), theirs.get(name, set())
        if one != other and one and other:
            found[name] = {"only here": sorted(one - other), "only in the sandbox": sorted(other - one)}
        elif one != other:
            found[name] = {"called": "only here" if one else "only in the sandbox"}
    return found


def _shown(lines: Lines) -> dict[str, set[str]]:
    shown: dict[str, set[str]] = defaultdict(set)
    for line in lines:
        shown[line["operation"]] |= set(line["members"]) if not line["code"] else {f"error {line['code']}"}
    return shown


def messages(lines: Lines) -> dict[str, list[str]]:
    """Return the distinct texts of refusals, by operation and code."""
    found: dict[str, set[str]] = defaultdict(set)
    for line in lines:
        if line["code"]:
            found[f"{line['operation']}: {line['code']}"].add(line["message"])
    return {name: sorted(texts) for name, texts in sorted(found.items())}
