"""What was seen of a resource at the service. Plain values; made by observation, read by the planner."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from workflows.kinds import Kind
from workflows.kinds.kind import Phase, Status


@dataclass(frozen=True)
class ObservedState:
    """A resource as the service showed it. `body` is whole when `full`, else a summary from a list."""

    kind: Kind
    id: str | None
    body: Mapping[str, Any]
    full: bool = True
    #: The owner tag and the others, where they were asked for.
    tags: Mapping[str, str] | None = None
    #: Whether it is ours: by the id that we recorded, by our tag, or by standing under our gateway.
    ours: bool = True

    @property
    def status(self) -> str | None:
        """The service's word for where it stands."""
        return self.body.get("status")

    @property
    def meaning(self) -> Status:
        """What that word means."""
        return self.kind.meaning(self.status)

    @property
    def moving(self) -> bool:
        """Whether an operation is under way."""
        return self.meaning.phase is Phase.IN_PROGRESS

    @property
    def arn(self) -> str | None:
        """Its ARN, for kinds that have one."""
        return self.body.get(self.kind.arn_member) if self.kind.arn_member else None

    @property
    def updated(self) -> str:
        """When the service last changed it, as text."""
        return time_text(self.body.get(self.kind.updated_member))

    @property
    def reasons(self) -> str:
        """What the service says of a failure."""
        found = [self.body.get(member) for member in self.kind.reason_members]
        texts = [text for one in found if one for text in ([one] if isinstance(one, str) else one)]
        return "; ".join(texts)

    @property
    def outputs(self) -> dict[str, Any]:
        """Its ids, ARNs and URLs."""
        return {name: self.body[name] for name in self.kind.outputs if self.body.get(name) is not None}

    def showing(self, body: Mapping[str, Any]) -> "ObservedState":
        """Return it with newer members over the older ones, a whole body staying whole."""
        return replace(self, body={**self.body, **body})


def earlier(time: str, other: str) -> bool:
    """Compare times of the service by whole seconds: lists may show them coarser than answers do."""
    return bool(time) and time.partition(".")[0] < other.partition(".")[0]


def time_text(value: Any) -> str:
    """Return a time of the service as text that sorts; empty where there is none."""
    if isinstance(value, datetime):
        return f"{value.timestamp():017.6f}"
    return "" if value is None else str(value)
