"""Requests of Terraform's acceptance tests, which ran against AWS: what the service took converges here, too.

The requests are facts about the service (cases.json names the test of each); names and values are neutral.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from infra.deadline import Deadline
from tests.documents import SECRET
from tests.worlds import SandboxWorld
from workflows.document.problems import Invalid
from workflows.document.reading import read_stack
from workflows.kinds import KINDS, Kind
from workflows.planner.outcome import Status
from workflows.planning import plan

CASES = json.loads((Path(__file__).parent / "cases.json").read_text("utf-8"))
KIND_OF: Mapping[str, Kind] = {
    terraform: next(kind for kind in KINDS if kind.section == section)
    for terraform, section in {
        "gateway": "gateways",
        "gateway_target": "targets",
        "oauth2_credential_provider": "oauth2CredentialProviders",
        "api_key_credential_provider": "apiKeyCredentialProviders",
        "agent_runtime": "agentRuntimes",
        "harness": "harnesses",
        "registry": "registries",
    }.items()
}


def document(case: Mapping[str, Any], params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document of a request; secrets that the test gave as literals become references."""
    kind = KIND_OF[case["kind"]]
    declared = with_references(kind, {name: value for name, value in params.items() if name not in kind.filled_in})
    name = params.get(kind.name_member, case["params"].get(kind.name_member, "oracle"))
    if kind.parent is None:
        return {"stack": "oracle", kind.section: {name: declared}}
    parent = {key: value for key, value in case["parent"].items() if key != "name"}
    return {"stack": "oracle", "gateways": {case["parent"]["name"]: {**parent, "targets": {name: declared}}}}


def with_references(kind: Kind, value: Any) -> Any:
    if isinstance(value, Mapping):
        return {
            name: SECRET if name in kind.secrets and isinstance(inner, str) else with_references(kind, inner)
            for name, inner in value.items()
        }
    return [with_references(kind, one) for one in value] if isinstance(value, list) else value


@pytest.mark.parametrize("case", [one for one in CASES if one["outcome"] == "ok"], ids=lambda one: one["id"])
async def test_what_the_service_took_converges(world: SandboxWorld, case):
    """The document is valid, the first apply is READY, and the second apply changes nothing."""
    declared = document(case, case["params"])
    assert (await world.apply(declared)).status in (Status.READY, Status.AWAITING_CONSENT)
    world.sent()
    assert (await world.apply(declared)).status in (Status.READY, Status.AWAITING_CONSENT)
    assert world.sent() == []


@pytest.mark.parametrize("case", [one for one in CASES if "after_update_params" in one], ids=lambda one: one["id"])
async def test_an_update_is_planned_as_terraform_saw_it(world: SandboxWorld, case):
    """In place or by a replacement; it converges, and changes nothing afterwards."""
    world.behaviour.openapi_consents = False
    await world.apply(document(case, case["params"]))
    changed = document(case, case["after_update_params"])
    allow = frozenset(read_stack(changed).resources)
    [planned] = [one for one in (await plan(world.context(), changed, Deadline(), allow)).resources if one.calls]
    replaced = "replaces" in case
    assert (planned.action == "REPLACE") == replaced, planned
    assert (await world.apply(changed, allow=allow)).status in (Status.READY, Status.AWAITING_CONSENT)
    world.sent()
    await world.apply(changed)
    assert world.sent() == []


@pytest.mark.parametrize("case", [one for one in CASES if one["outcome"] == "api-error"], ids=lambda one: one["id"])
def test_what_the_service_refused_is_refused(case):
    """By a rule, before anything is called."""
    with pytest.raises(Invalid):
        read_stack(document(case, case["params"]))
