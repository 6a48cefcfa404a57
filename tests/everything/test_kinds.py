"""Every kind through its whole life, each step looked at in the world: the same tests for all."""

import copy
from functools import cache
from typing import Any

import pytest

from infra.sandbox.world import Failure
from tests.documents import ROLE, SECRET
from tests.everything.states import recorded_as, shown, state
from tests.generated import Maker, valid
from tests.worlds import SandboxWorld, virtually
from workflows.document.references import parts
from workflows.kinds import GATEWAY_TARGET, KINDS, Kind
from workflows.planner.outcome import Outcome, ResourceStatus, Status

NAME = "thing"
JWT = {"discoveryUrl": "https://login.example.com/.well-known/openid-configuration", "allowedAudience": ["a"]}
AUTHORIZER = {"customJWTAuthorizer": JWT}
MCP = {"mcp": {"mcpServer": {"endpoint": "https://tools.example.com/mcp"}}}
#: The least that each kind can be declared with.
LEAST: dict[str, dict[str, Any]] = {
    "oauth2CredentialProviders": {
        "credentialProviderVendor": "CustomOauth2",
        "oauth2ProviderConfigInput": {
            "customOauth2ProviderConfig": {
                "oauthDiscovery": {"discoveryUrl": JWT["discoveryUrl"]}, "clientId": "me", "clientSecret": SECRET,
            }
        },
    },
    "apiKeyCredentialProviders": {"apiKey": SECRET},
    "gateways": {"roleArn": ROLE, "authorizerType": "AWS_IAM"},
    "targets": {"targetConfiguration": MCP},
    "agentRuntimes": {
        "agentRuntimeArtifact": {"containerConfiguration": {"containerUri": "public.ecr.aws/team/image:1"}},
        "roleArn": ROLE,
    },
    "harnesses": {"executionRoleArn": ROLE},
    "registries": {},
    "agentRegistries": {},
}  # fmt: skip
#: What a member needs beside it to mean something.
COMPANIONS: dict[tuple[str, str], dict[str, Any]] = {
    ("gateways", "authorizerConfiguration"): {"authorizerType": "CUSTOM_JWT"},
    ("gateways", "authorizerType"): {"authorizerConfiguration": AUTHORIZER},
    ("registries", "authorizerType"): {"authorizerConfiguration": AUTHORIZER},
    ("apiKeyCredentialProviders", "apiKeySecretSource"): {"apiKeySecretConfig": {"secretId": "s", "jsonKey": "k"}},
    ("targets", "certificateConfigurations"): {
        "privateEndpoint": {"selfManagedLatticeResource": {"resourceConfigurationIdentifier": "rcfg-0123456789abcdef0"}}
    },
}
#: Two values for members that chance seldom makes valid.
VALUES: dict[tuple[str, str], list[Any]] = {
    ("oauth2CredentialProviders", "credentialProviderVendor"): [],  # goes with its configuration only
    ("oauth2CredentialProviders", "oauth2ProviderConfigInput"): [
        {"customOauth2ProviderConfig": {
            "oauthDiscovery": {"discoveryUrl": JWT["discoveryUrl"]}, "clientId": other, "clientSecret": SECRET,
        }}
        for other in ("one", "two")
    ],
    ("apiKeyCredentialProviders", "apiKeySecretConfig"): [{"secretId": "s", "jsonKey": other} for other in "kl"],
    ("apiKeyCredentialProviders", "apiKey"): [SECRET, SECRET.replace("clientSecret", "other")],
    ("targets", "credentialProviderConfigurations"): [
        [{
            "credentialProviderType": "GATEWAY_IAM_ROLE",
            "credentialProvider": {"iamCredentialProvider": {"service": service}},
        }]
        for service in ("lambda", "execute-api")
    ],
    ("gateways", "protocolConfiguration"): [{"mcp": {"instructions": text}} for text in ("one", "two")],
}  # fmt: skip
#: A change that only a new resource can have.
FIXED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "oauth2CredentialProviders": (
        {},
        {
            "credentialProviderVendor": "GoogleOauth2",
            "oauth2ProviderConfigInput": {"googleOauth2ProviderConfig": {"clientId": "me", "clientSecret": SECRET}},
        },
    ),
    "gateways": ({}, {"authorizerType": "CUSTOM_JWT", "authorizerConfiguration": AUTHORIZER}),
    "targets": ({}, {"targetConfiguration": {"mcp": {"openApiSchema": {"inlinePayload": "{}"}}}}),
    "agentRuntimes": (
        {},
        {
            "agentRuntimeArtifact": {
                "codeConfiguration": {
                    "code": {"s3": {"bucket": "code", "prefix": "p"}}, "runtime": "PYTHON_3_13", "entryPoint": ["a.py"],
                }
            }
        },
    ),
    "harnesses": ({"maxIterations": 5}, {}),
    "registries": ({}, {"authorizerType": "CUSTOM_JWT", "authorizerConfiguration": AUTHORIZER}),
    "agentRegistries": (
        {},
        {"discoveryConfiguration": {"authorizerType": "CUSTOM_JWT", "authorizerConfiguration": AUTHORIZER}},
    ),
}  # fmt: skip
MEMBERS = [(kind, name) for kind in KINDS for name in kind.declarable.members]
each_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.section)
#: What stands under our gateway under a declared name is ours; elsewhere a name may be somebody else's.
each_at_the_top = pytest.mark.parametrize("kind", [k for k in KINDS if not k.parent], ids=lambda kind: kind.section)
each_status = pytest.mark.parametrize("kind", [k for k in KINDS if k.statuses], ids=lambda kind: kind.section)


def address(kind: Kind) -> str:
    return f"gateways.parent.targets.{NAME}" if kind is GATEWAY_TARGET else f"{kind.section}.{NAME}"


def document(kind: Kind, declared: dict[str, Any] | None, **more: Any) -> dict[str, Any]:
    """A stack with one thing (or none) of a kind."""
    made: dict[str, Any] = {"stack": "lives", **more}
    things = {NAME: copy.deepcopy(declared)} if declared is not None else {}
    if kind is GATEWAY_TARGET:
        made["gateways"] = {"parent": {**copy.deepcopy(LEAST["gateways"]), "targets": things}}
    else:
        made[kind.section] = things
    return made


def the(world: SandboxWorld, kind: Kind) -> Any:
    return world.plane.world.records.named(recorded_as(kind), NAME)


def result_of(outcome: Outcome, kind: Kind) -> Any:
    return next(result for result in outcome.results if result.address == address(kind))


def holds(there: Any, declared: Any) -> bool:
    """Whether everything that is declared stands there."""
    if isinstance(declared, dict) and isinstance(there, dict):
        return all(holds(there.get(name), value) for name, value in declared.items())
    if isinstance(declared, list) and isinstance(there, list):
        return len(there) == len(declared) and all(map(holds, there, declared))
    return bool(there == declared) or (not declared and not there)


@cache
def values(kind: Kind, name: str) -> list[dict[str, Any]]:
    """Two valid declarations with different values of a member, and what it needs beside it."""
    found: list[dict[str, Any]] = []
    given = VALUES.get((kind.section, name))
    made = given if given is not None else (Maker(seed, 0.5).member(kind, name) for seed in range(400))
    for value in made:
        declared = LEAST[kind.section] | COMPANIONS.get((kind.section, name), {}) | {name: value}
        whole = document(kind, declared)
        if valid(whole) == whole and all(declared != other for other in found):
            found.append(declared)
        if len(found) == 2:
            break
    return found


@each_kind
async def test_made_read_and_left_alone(world, kind):
    """Created as declared, shown with its id, and never touched again."""
    outcome = await world.apply(document(kind, LEAST[kind.section]))
    assert outcome.status is Status.READY
    assert holds({**the(world, kind).request, "apiKey": SECRET}, without_secrets(kind, LEAST[kind.section]))
    assert result_of(outcome, kind).id == the(world, kind).id
    assert set(result_of(outcome, kind).outputs) >= set(kind.outputs) - {"privateEndpointManagedResources"}
    world.sent()
    await world.apply(document(kind, LEAST[kind.section]))
    assert world.sent() == []


def without_secrets(kind: Kind, value: Any) -> Any:
    if isinstance(value, dict):
        return {n: without_secrets(kind, v) for n, v in value.items() if n not in kind.secrets}
    return value


WEB_ACL = "arn:aws:wafv2:us-east-1:123456789012:regional/webacl/edge/00000000-0000-0000-0000-000000000000"


@pytest.mark.sweep
@pytest.mark.parametrize(("kind", "name"), MEMBERS, ids=lambda one: one if isinstance(one, str) else one.section)
def test_each_member_is_set_changed_and_cleared(kind, name):
    """Any member, set on what exists, changed, and taken away: the world is as if it had always been so."""
    declared = values(kind, name)
    assert declared or VALUES.get((kind.section, name)) == [], "no valid value was found"

    async def job() -> None:
        with SandboxWorld() as world, SandboxWorld() as fresh:
            for secret in ("other",):
                world.plane.world.secrets.put("payments/idp", f'{{"clientSecret": "a", "{secret}": "b"}}')
            allow = frozenset({address(kind)})
            await world.apply(document(kind, LEAST[kind.section]))
            if kind.prerequisites:
                world.plane.world.web_acls[the(world, kind).id] = WEB_ACL
            for one in declared:
                outcome = await world.apply(document(kind, one), allow=allow)
                assert outcome.status is Status.READY, [failure.shown() for failure in outcome.failures]
                there = shown(world, kind, the(world, kind)), the(world, kind).request
                if name not in kind.secrets | kind.delete_parameters | {"tags"}:
                    assert any(holds(body.get(name), without_secrets(kind, one)[name]) for body in there)
                if name == "tags":
                    assert the(world, kind).tags.items() >= one[name].items()
            assert (await world.apply(document(kind, LEAST[kind.section]), allow=allow)).status is Status.READY
            await fresh.apply(document(kind, LEAST[kind.section]))
            world.plane.world.web_acls.clear()
            assert state(world) == state(fresh)

    virtually(job)


@pytest.mark.parametrize("section", FIXED)
async def test_what_cannot_change_is_replaced_with_leave(world, section):
    """Without leave nothing happens and it is said what to do; with it there is a new one."""
    kind = next(kind for kind in KINDS if kind.section == section)
    before, after = ({**LEAST[section], **part} for part in FIXED[section])
    await world.apply(document(kind, before))
    old = the(world, kind)
    if not kind.replaceable:
        was = state(world)
        refused = await world.apply(document(kind, after))
        assert result_of(refused, kind).failure.code == "Immutable"
        assert "`allow`" in result_of(refused, kind).failure.advice
        assert state(world) == was
    outcome = await world.apply(document(kind, after), allow=frozenset({address(kind)}))
    assert (outcome.status, result_of(outcome, kind).action) == (Status.READY, "REPLACE")
    assert the(world, kind) is not old
    assert holds(the(world, kind).request, without_secrets(kind, after))
    assert world.plane.world.records.doubles == []


@each_kind
async def test_removed_with_its_stack(world, kind):
    """Destroyed, nothing is left, also of what the service made beside it."""
    await world.apply(document(kind, LEAST[kind.section]))
    outcome = await world.destroy(document(kind, LEAST[kind.section]))
    assert (outcome.status, world.live) == (Status.DELETED, {})


@each_kind
async def test_left_out_it_goes_with_leave(world, kind):
    """A thing at the top of a document goes when it left it and the request allows that; a target goes at once."""
    await world.apply(document(kind, LEAST[kind.section]))
    kept = await world.apply(document(kind, None))
    if kind is not GATEWAY_TARGET:
        assert result_of(kept, kind).status is ResourceStatus.RETAINED
        assert the(world, kind) is not None
    await world.apply(document(kind, None), allow=frozenset({address(kind)}))
    assert the(world, kind) is None


@each_at_the_top
async def test_somebody_elses_is_not_touched_until_asked(world, kind):
    """A name that is taken fails the resource; `adopt: true` takes it over; `existing: true` only looks."""
    await world.apply({**document(kind, LEAST[kind.section]), "stack": "theirs"})
    if not kind.tagged:
        the(world, kind).token = None
    was, old = state(world), the(world, kind)
    refused = await world.apply(document(kind, LEAST[kind.section]))
    assert result_of(refused, kind).failure.code == "NameTaken"
    looked = await world.apply(document(kind, {"gatewright": {"existing": True}}))
    assert (looked.status, state(world)) == (Status.READY, was)
    taken = await world.apply(document(kind, {**LEAST[kind.section], "gatewright": {"adopt": True}}))
    assert taken.status is Status.READY
    assert the(world, kind) is old
    assert old.tags.get("gatewright:stack") == ("lives" if kind.tagged else None)


@each_status
@pytest.mark.parametrize("back", [False, True], ids=["halts", "rolls back"])
async def test_a_creation_that_fails(world, kind, back):
    """Three times tried, the reason is told; rolled back, nothing is left; mended, it comes to be."""
    world.plane.world.failing[NAME] = Failure(-1, "no permission to do so")
    more = {"onFailure": "ROLLBACK"} if back else {}
    outcome = await world.apply(document(kind, LEAST[kind.section], **more))
    assert outcome.status is (Status.ROLLED_BACK if back else Status.FAILED)
    assert "no permission to do so" in outcome.shown()["failures"][0]["message"]
    assert world.sent().count(kind.operations.create) == 3
    if back:
        assert world.live == {}
    world.plane.world.failing.clear()
    assert (await world.apply(document(kind, LEAST[kind.section]))).status is Status.READY
    assert world.plane.world.records.doubles == []


@each_status
@pytest.mark.parametrize("back", [False, True], ids=["halts", "rolls back"])
async def test_an_update_that_fails(world, kind, back):
    """Three times tried, the reason is told; rolled back, all is as before; mended, it is as declared."""
    member = {"oauth2CredentialProviders": "oauth2ProviderConfigInput", "harnesses": "environmentVariables"}
    changed = values(kind, member.get(kind.section, "description"))[0]
    await world.apply(document(kind, LEAST[kind.section]))
    was = state(world)
    world.plane.world.failing[NAME] = Failure(3 if back else -1, "no permission to do so", frozenset({"UPDATE"}))
    more = {"onFailure": "ROLLBACK"} if back else {}
    world.sent()
    outcome = await world.apply(document(kind, changed, **more))
    assert outcome.status is (Status.ROLLED_BACK if back else Status.FAILED)
    assert "no permission to do so" in outcome.shown()["failures"][0]["message"]
    assert world.sent().count(kind.operations.update) >= 3
    if back:
        assert state(world) == was
    world.plane.world.failing.clear()
    outcome = await world.apply(document(kind, changed))
    assert outcome.status is Status.READY
    assert holds(the(world, kind).request, without_secrets(kind, changed))


def test_addresses_are_read_back():
    """The helper above names what the code names."""
    assert parts(address(GATEWAY_TARGET)) == ("gateways", "parent", "targets", NAME)
