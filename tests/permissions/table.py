"""The table of permissions in the documentation: what each operation asks for, and which statement grants it."""

from collections.abc import Iterator

from tests.permissions.policies import Roles, Statement, sources_of
from workflows.kinds import KINDS, Kind

#: The parameters of the template that switch a statement on, by the statement's id.
SWITCHES = {
    "PassRoles": "PassableRoleArns",
    "Secrets": "SecretArns",
    "ManagedPrivateEndpoints": "ManagedPrivateEndpoints",
    "SelfManagedPrivateEndpoints": "SelfManagedPrivateEndpoints",
    "Objects": "ObjectArns",
    "RestApis": "RestApiArns",
    "DescribeDocumentKeys": "DocumentKeyArns",
    "DocumentKeys": "DocumentKeyArns",
    "InferenceModels": "InferenceTargets",
    "CapacityProviders": "CapacityProviders",
}
#: Statements that are about the deployment's own resources, or about the network of its functions.
_OWN = frozenset({"Key", "Vpc", "LongItems", "Documents", "Grants", "GrantsMissing", "Ledger"})


def permission_rows() -> list[list[str]]:
    """Return the section, the operation, the permission, where it is granted, and the source, for each permission."""
    statements = [one for one in Roles().statements("ConvergeFunction") if one.sid not in _OWN]
    return [row for kind in KINDS for row in _rows_of(kind, statements)]


def _rows_of(kind: Kind, statements: list[Statement]) -> Iterator[list[str]]:
    for operation in sorted(kind.actions):
        for permission, source in sorted(sources_of(f"{kind.service}:{operation}").items()):
            granted = sorted({_where(one) for one in statements if permission in one.actions})
            yield [f"`{kind.section}`", operation, permission, ", ".join(granted) or "nowhere", source]


def _where(statement: Statement) -> str:
    switch = SWITCHES.get(statement.sid)
    return f"{statement.sid} (with {switch})" if switch else statement.sid
