"""The observed state of a resource: plain values that the observer makes and the planner reads."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from workflows.kinds import Kind
from workflows.kinds.status import Phase, Status


@dataclass(frozen=True)
class ObservedState:
    """The observed state of a resource. `body` is a whole Get response if `full`, else a summary from a list."""

    kind: Kind
    id: str | None
    body: Mapping[str, Any]
    full: bool = True
    #: All tags including the owner tag; None if the tags were not read.
    tags: Mapping[str, str] | None = None
    #: Whether this stack owns the resource: by the recorded id, by the owner tag, or as a child of an owned gateway.
    ours: bool = True
    #: Whether the owner tag alone says so: the ledger does not know this very resource.
    by_tag: bool = False

    @property
    def status(self) -> str | None:
        """The status that the service shows; None if the response has no status."""
        return self.body.get("status")

    @property
    def meaning(self) -> Status:
        """The phase of the status, and the remedy for a failure."""
        return self.kind.meaning(self.status)

    @property
    def moving(self) -> bool:
        """Whether an operation on the resource is in progress."""
        return self.meaning.phase is Phase.IN_PROGRESS

    @property
    def arn(self) -> str | None:
        """The ARN of the resource; None if the response or the kind has no ARN."""
        return self.body.get(self.kind.arn_member) if self.kind.arn_member else None

    @property
    def updated(self) -> str:
        """The time of the last change, as text that sorts (see `time_text`)."""
        return time_text(self.body.get(self.kind.updated_member))

    @property
    def reasons(self) -> str:
        """The reasons that the service gives for a failure."""
        found = [self.body.get(member) for member in self.kind.reason_members]
        texts = [text for one in found if one for text in ([one] if isinstance(one, str) else one)]
        return "; ".join(texts)

    @property
    def outputs(self) -> dict[str, Any]:
        """The outputs of the resource: ids, ARNs and URLs."""
        return {name: self.body[name] for name in self.kind.outputs if self.body.get(name) is not None}

    def showing(self, body: Mapping[str, Any]) -> "ObservedState":
        """Return the observed state with the members of a newer response merged into the body; `full` is kept."""
        return replace(self, body={**self.body, **body})


def earlier(time: str, other: str) -> bool:
    """Return whether a time is before another by whole seconds: lists may show times with less precision than Get."""
    return bool(time) and time.partition(".")[0] < other.partition(".")[0]


def seconds_of(text: str) -> float:
    """Return the seconds since the epoch of a time as text (see `time_text`); 0 if the text is none."""
    try:
        return float(text)
    except ValueError:
        return 0.0


def time_text(value: Any) -> str:
    """Return a time of the service as text that sorts; empty for None."""
    if isinstance(value, datetime):
        return f"{value.timestamp():017.6f}"
    return "" if value is None else str(value)
