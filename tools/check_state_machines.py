"""Checks the state machines: every transition leads to a state, every state is reached, every query can be read.

No ARN names a partition: the template passes it in.

SAM and cfn-lint look at neither. What the definitions do is shown by tests/deploy, in a real interpreter.
"""

import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jsonata import Jsonata

FOLDER = Path(__file__).parents[1] / "infra" / "state_machines"
TYPES = frozenset({"Task", "Choice", "Wait", "Pass", "Succeed", "Fail", "Map", "Parallel"})
#: What SAM puts in before the definition is one.
_SUBSTITUTION = re.compile(r"\$\{\w+\}")
_PARTITION = re.compile(r"arn:aws[a-z-]*:[^\"]*")
_ENDS = frozenset({"Succeed", "Fail"})


def problems(definition: Mapping[str, Any], where: str) -> Iterator[str]:
    """Yield what is wrong with a definition, or with the one inside a Map."""
    states: Mapping[str, Any] = definition.get("States", {})
    start = definition.get("StartAt")
    reached = {start}
    for name, state in states.items():
        place = f"{where}.{name}"
        targets = set(_targets(state))
        reached |= targets
        yield from (f"{place}: leads to {target}, which is no state" for target in sorted(targets - set(states)))
        if state.get("Type") not in TYPES:
            yield f"{place}: unknown type {state.get('Type')}"
        if state.get("Type") == "Choice" and "Default" not in state:
            yield f"{place}: nothing happens where no choice fits"
        if state.get("Type") not in _ENDS and not targets and not state.get("End"):
            yield f"{place}: it neither ends nor goes on"
        for inner in ("ItemProcessor",):
            if inner in state:
                yield from problems(state[inner], place)
    if start not in states:
        yield f"{where}: StartAt is no state"
    yield from (f"{where}.{name}: is never reached" for name in states if name not in reached)


def _targets(state: Mapping[str, Any]) -> Iterator[str]:
    for one in [state, *state.get("Choices", []), *state.get("Catch", [])]:
        yield from (one[key] for key in ("Next", "Default") if key in one)


def queries(value: Any, where: str) -> Iterator[str]:
    """Yield the queries that cannot be read."""
    if isinstance(value, str) and value.startswith("{%"):
        text = _SUBSTITUTION.sub("1", value.removeprefix("{%").removesuffix("%}"))
        try:
            Jsonata(text)
        except Exception as error:  # noqa: BLE001 - the library raises what it likes
            yield f"{where}: {error}"
        if not value.endswith("%}"):
            yield f"{where}: the query does not end"
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from queries(item, f"{where}.{name}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from queries(item, f"{where}[{index}]")


def check(path: Path) -> list[str]:
    """Return what is wrong with a file."""
    text = path.read_text("utf-8")
    try:
        definition = json.loads(text)
    except ValueError as error:
        return [f"{path.name}: {error}"]
    named = [f"{path.name}: names a partition: {arn}" for arn in _PARTITION.findall(text)]
    found = [*problems(definition, path.name), *queries(definition, path.name), *named]
    return found if definition.get("QueryLanguage") == "JSONata" else [*found, f"{path.name}: not in JSONata"]


def main() -> int:
    """Check every state machine."""
    found = [problem for path in sorted(FOLDER.glob("*.asl.json")) for problem in check(path)]
    for problem in found:
        print(problem, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
