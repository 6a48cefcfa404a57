"""The kinds of resources, in the order in which the sections of a stack document are read."""

from workflows.kinds.agent_runtime import AGENT_RUNTIME
from workflows.kinds.api_key_credential_provider import API_KEY_CREDENTIAL_PROVIDER
from workflows.kinds.gateway import GATEWAY
from workflows.kinds.gateway_target import GATEWAY_TARGET
from workflows.kinds.harness import HARNESS
from workflows.kinds.kind import Kind
from workflows.kinds.oauth2_credential_provider import OAUTH2_CREDENTIAL_PROVIDER
from workflows.kinds.registry import AGENT_REGISTRY_KIND, REGISTRY

#: Every kind, parents before children.
KINDS: tuple[Kind, ...] = (
    OAUTH2_CREDENTIAL_PROVIDER,
    API_KEY_CREDENTIAL_PROVIDER,
    GATEWAY,
    GATEWAY_TARGET,
    AGENT_RUNTIME,
    HARNESS,
    REGISTRY,
    AGENT_REGISTRY_KIND,
)


def top_level(section: str) -> Kind | None:
    """Return the kind of a top-level section of a stack document; None for any other name."""
    return next((kind for kind in KINDS if kind.section == section and kind.parent is None), None)


def children(kind: Kind) -> tuple[Kind, ...]:
    """Return the child kinds, whose resources are declared inside resources of this kind."""
    return tuple(child for child in KINDS if child.parent == kind.section)


__all__ = [
    "AGENT_REGISTRY_KIND",
    "AGENT_RUNTIME",
    "API_KEY_CREDENTIAL_PROVIDER",
    "GATEWAY",
    "GATEWAY_TARGET",
    "HARNESS",
    "KINDS",
    "OAUTH2_CREDENTIAL_PROVIDER",
    "REGISTRY",
    "Kind",
    "children",
    "top_level",
]
