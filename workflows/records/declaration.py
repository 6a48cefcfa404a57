"""The parts of a resource record: a declaration as recorded, how to remove the resource, and the object at AWS."""

from collections.abc import Mapping
from dataclasses import dataclass, field
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


def answer_of(observed: ObservedState, now: float) -> dict[str, Any]:
    """Return the members of an accepted operation that come from the answer."""
    return {"accepted_at": now, "updated": time_text(observed.body.get(observed.kind.updated_member))}
