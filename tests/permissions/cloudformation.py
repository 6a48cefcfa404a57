"""The permissions that AWS's CloudFormation schemas list for the operations of each kind."""

from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

from workflows.kinds import KINDS, Kind

#: The handler of a CloudFormation schema for each operation of a kind.
HANDLERS = {"create": "create", "get": "read", "update": "update", "delete": "delete"}


def permissions_of(kind: Kind) -> dict[str, frozenset[str]]:
    """Return the permissions of each operation of a kind; empty for a kind without a CloudFormation type."""
    if not kind.cloudformation:
        return {}
    handlers = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind.cloudformation).schema["handlers"]
    return {
        getattr(kind.operations, operation): frozenset(handlers[handler]["permissions"])
        for operation, handler in HANDLERS.items()
    }


#: The permissions by botocore's service and the operation.
PERMISSIONS = {
    (kind.service, operation): permissions for kind in KINDS for operation, permissions in permissions_of(kind).items()
}
