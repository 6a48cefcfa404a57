"""The kinds of resources, in the order in which sections of a stack are read."""

from workflows.kinds.gateway import GATEWAY
from workflows.kinds.gateway_target import GATEWAY_TARGET
from workflows.kinds.kind import Kind
from workflows.kinds.oauth2_credential_provider import OAUTH2_CREDENTIAL_PROVIDER

#: Every kind, parents before children.
KINDS: tuple[Kind, ...] = (OAUTH2_CREDENTIAL_PROVIDER, GATEWAY, GATEWAY_TARGET)


def top_level(section: str) -> Kind | None:
    """Return the kind of a section at the top of a stack document."""
    return next((kind for kind in KINDS if kind.section == section and kind.parent is None), None)


def children(kind: Kind) -> tuple[Kind, ...]:
    """Return the kinds whose resources are declared inside this kind's."""
    return tuple(child for child in KINDS if child.parent == kind.section)


__all__ = [
    "GATEWAY",
    "GATEWAY_TARGET",
    "KINDS",
    "OAUTH2_CREDENTIAL_PROVIDER",
    "Kind",
    "children",
    "top_level",
]
