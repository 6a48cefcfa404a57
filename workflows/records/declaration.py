"""The parts of a resource record: a declaration as recorded, how to remove the resource, and the object at AWS."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from workflows.kinds.observed import ObservedState, time_text


@dataclass(frozen=True)
class OnRemoval:
    """How to remove a resource once no document declares the resource."""

    retain: bool = False
    delete_endpoints: bool = False
    #: Members of the delete request, in addition to the ids.
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Declaration:
    """The declaration of a resource in a document, in the form that is recorded."""

    #: A fingerprint, without secrets.
    members: Mapping[str, Any]
    depends_on: tuple[str, ...] = ()
    #: The references of the declared secrets.
    secrets: tuple[str, ...] = ()
    on_removal: OnRemoval = OnRemoval()


@dataclass(frozen=True)
class RemoteObject:
    """The object at AWS that a record identifies."""

    id: str
    arn: str | None = None
    parent_id: str | None = None
    #: The service's time of the creation, for kinds whose id is the name: a different time means a different object.
    created: str = ""
    #: The service's time of the last change, as of the last comparison with the declaration.
    compared: str = ""
    outputs: Mapping[str, Any] = field(default_factory=dict)
    #: Since when runs see the object wait for the consent of a person under its present URL; 0 where it does not.
    asked_since: float = 0.0
    #: Paths of secrets and of undeclared guarded members that were taken as current when the object was adopted by its
    #: tag, and that nobody has confirmed since.
    unconfirmed: tuple[str, ...] = ()

    @classmethod
    def of(cls, observed: ObservedState, parent_id: str | None, before: "RemoteObject | None") -> "RemoteObject":
        """Return the recorded form of an observed object, with the known facts of the same object kept."""
        known = before if before is not None and before.id == observed.id else cls(str(observed.id))
        return replace(known, arn=observed.arn or known.arn, parent_id=parent_id)

    def updated(self, secret_versions: Mapping[str, str]) -> "RemoteObject":
        """Return the object after an accepted update, which has set the secrets at these paths."""
        left = tuple(path for path in self.unconfirmed if path not in secret_versions)
        return replace(self, compared="", asked_since=0.0, unconfirmed=left)


def answer_of(observed: ObservedState, now: float) -> dict[str, Any]:
    """Return the members of an accepted operation that come from the answer."""
    return {"accepted_at": now, "updated": time_text(observed.body.get(observed.kind.updated_member))}
