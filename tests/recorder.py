"""What AWS operations the suite performs, and who performs them: compared with the template's policies.

`worker` is any run, whichever door it came through; the others are logical ids of the template. Every process of the
suite adds what it saw; at the end of a whole run the sum must be what `tests/permissions/recorded.yaml` says, from
which the policies are checked. `make record` writes that file anew.
"""

import json
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

RECORDED = Path(__file__).parent / "permissions" / "recorded.yaml"
#: By who: `service:Operation`.
SEEN: dict[str, set[str]] = defaultdict(set)


def note(who: str, service: str, operation: str) -> None:
    SEEN[who].add(f"{service}:{operation}")


#: What tests want people to read at the end of a run.
SAID: list[str] = []


def say(text: str) -> None:
    SAID.append(text)


def as_lists(seen: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    return {who: sorted(operations) for who, operations in sorted(seen.items())}


def is_whole(config: pytest.Config) -> bool:
    """Tell whether a run is of the whole suite."""
    return of_all_tests(config) and not config.option.markexpr


def of_all_tests(config: pytest.Config) -> bool:
    """Tell whether a run is of all tests, or of all that bear a marker."""
    paths = [Path(arg.partition("::")[0]).name for arg in config.args]
    return paths == ["tests"] and not config.option.keyword


def output_of(config: pytest.Config) -> dict[str, Any] | None:
    """Return what a worker of pytest-xdist hands over at its end; None in the process that started the workers."""
    output: dict[str, Any] | None = getattr(config, "workeroutput", None)
    return output


class Recorder:
    """Gathers what the workers of pytest-xdist saw, and judges it when the whole suite has run."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._whole = is_whole(config)
        self.difference: list[str] = []

    def pytest_testnodedown(self, node: Any) -> None:
        for who, operations in json.loads(getattr(node, "workeroutput", {}).get("seen", "{}")).items():
            SEEN[who].update(operations)
        SAID.extend(getattr(node, "workeroutput", {}).get("said", ()))

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if (output := output_of(self._config)) is not None:
            output.update(seen=json.dumps(as_lists(SEEN)), said=SAID)
            return
        if not self._whole or session.config.option.collectonly:
            return
        if os.environ.get("RECORD"):
            RECORDED.write_text(yaml.safe_dump(as_lists(SEEN), sort_keys=True), "utf-8")
            return
        if session.testsfailed:
            return
        known = yaml.safe_load(RECORDED.read_text("utf-8"))
        for who in sorted({*known, *SEEN}):
            was, now = set(known.get(who, ())), SEEN.get(who, set())
            self.difference += [f"{who} performs {one}, which is not recorded" for one in sorted(now - was)]
            self.difference += [f"{who} performs {one} no more" for one in sorted(was - now)]
        if self.difference:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        for line in SAID:
            terminalreporter.write_line(line)
        if self.difference:
            terminalreporter.section("AWS operations differ from tests/permissions/recorded.yaml; see make record")
            terminalreporter.write("\n".join(self.difference) + "\n")
