"""Puts the values of secrets into a request, immediately before it is sent."""

from collections.abc import Mapping
from typing import Any

from infra import service_model
from infra.errors import CallFailed, ErrorClass
from infra.secrets import Secret, resolve
from workflows.document.problems import path_text
from workflows.planner.decision import DesiredState
from workflows.reconcile.run import Run


async def with_secrets(
    run: Run, desired: DesiredState, operation: str, body: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Put secret values in at the last moment, check the request again, and return it with the secret versions."""
    secrets: dict[str, Secret] = {}
    for path, reference in run.secrets_of(run.nodes[desired.address].resource).items():
        secrets[path] = await resolve(run.calls, reference)
        # The secret may have been rotated since the comparison; from here on the version that is sent counts.
        run.secret_versions[reference] = secrets[path].version
    filled = _fill(body, {path: secret.value for path, secret in secrets.items()}, ())
    # Only declared members are checked: ids come from the service, in any form.
    declared = desired.kind.declarable.members
    faults = service_model.input_type(operation, desired.kind.service).faults(filled)
    # Members that no model knows are carried over from the service.
    wrong = [fault for fault in faults if fault.path[0] in declared and fault.kind != "extra_forbidden"]
    if wrong:
        text = "; ".join(f"{path_text(fault.path)}: {fault.message}" for fault in wrong)
        raise CallFailed(operation, ErrorClass.INVALID, "InvalidAfterResolution", text)
    return filled, {path: secret.version for path, secret in secrets.items()}


def _fill(value: Any, secrets: Mapping[str, str], path: tuple[str | int, ...]) -> Any:
    if isinstance(value, Mapping):
        return {name: _fill(node, secrets, (*path, name)) for name, node in value.items()}
    if isinstance(value, list):
        return [_fill(node, secrets, (*path, index)) for index, node in enumerate(value)]
    return secrets.get(path_text(path), value) if secrets else value
