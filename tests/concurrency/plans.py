"""Prints the plans of documents as JSON, in a process of its own: `python -m tests.concurrency.plans FILE...`."""

import io
import json
import random
import sys
from functools import partial
from pathlib import Path
from typing import Any

from infra.deadline import Deadline
from infra.documents import parse
from infra.redaction import Redaction
from infra.telemetry import set_up_logs
from tests.worlds import SandboxWorld, virtually
from workflows.document.problems import Invalid
from workflows.planning import plan


def read(path: Path) -> dict[str, Any]:
    """Return the document of a file, or of the event in it."""
    found: dict[str, Any] = parse(path.read_text("utf-8"))
    document: dict[str, Any] = found["detail"]["stack"] if "detail" in found else found
    return document


async def shown(document: dict[str, Any], before: dict[str, Any] | None) -> object:
    """Return the plan of a document, in a world where another one stands."""
    with SandboxWorld() as world:
        if before is not None:
            await world.apply(before)
        try:
            return (await plan(world.context(), document, Deadline.within(600), frozenset())).shown()
        except Invalid as invalid:
            return [problem.shown() for problem in invalid.problems]


def main() -> None:
    random.seed(0)
    set_up_logs(Redaction(), stream=io.StringIO())
    documents = [read(Path(one)) for one in sys.argv[1:]]
    for before in (None, documents[0]):
        for document in documents:
            sys.stdout.write(json.dumps(virtually(partial(shown, document, before))) + "\n")


if __name__ == "__main__":
    main()
