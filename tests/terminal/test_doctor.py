"""`gatewright doctor`: what is missing in an account is said before anything is changed."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from infra.deadline import Deadline
from infra.sandbox.faults import Effect, Fault
from infra.service_model import AGENT_REGISTRY, CONTROL_PLANE
from tests.documents import ROLE, SECRET, small_stack
from tests.worlds import SandboxWorld
from workflows.doctor import Verdict, actions_of, examine
from workflows.document.reading import read_stack
from workflows.kinds import KINDS

TRUSTS = {
    "Statement": [
        {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "bedrock-agentcore.amazonaws.com"}}
    ]
}
OTHERS = {"Statement": {"Effect": "Allow", "Action": "sts:*", "Principal": {"Service": ["lambda.amazonaws.com"]}}}


def refusal(operation: str, code: str) -> ClientError:
    error = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": 400}}
    return ClientError(error, operation)


class Iam:
    """As much of IAM as the checks read; every role has one trust policy."""

    def __init__(self, trust: Any = TRUSTS, denied: frozenset[str] = frozenset(), refuses: str = "") -> None:
        self.trust, self.denied, self.refuses = trust, denied, refuses
        self.simulated: list[str] = []

    async def get_role(self, **params: str) -> dict[str, Any]:
        if self.refuses:
            raise refusal("GetRole", self.refuses)
        return {
            "Role": {
                "Arn": f"arn:aws:iam::123456789012:role/path/{params['RoleName']}",
                "AssumeRolePolicyDocument": self.trust,
            }
        }

    async def simulate_principal_policy(self, **params: Any) -> dict[str, Any]:
        actions = params["ActionNames"]
        assert params["PolicySourceArn"] == "arn:aws:iam::123456789012:role/path/sandbox", "with the path of the role"
        self.simulated += actions
        verdicts = {name: "implicitDeny" if name in self.denied else "allowed" for name in actions}
        return {"EvaluationResults": [{"EvalActionName": n, "EvalDecision": v} for n, v in verdicts.items()]}


async def checks(world: SandboxWorld, iam: Any, document: dict[str, Any] | None = None) -> dict[str, Any]:
    # These are the calls of a person: no role of the deployment must allow them.
    people = {name: world.client(name) for name in (CONTROL_PLANE, AGENT_REGISTRY, "secretsmanager", "sts")}
    world.beside |= {**people, "iam": iam}
    stack = read_stack(document) if document is not None else None
    found = await examine(world.context(), stack, Deadline.within(60))
    return {check.name: check for check in found}


async def test_an_account_that_is_ready(world):
    """Everything is OK, every action that a run calls is simulated, and nothing is changed."""
    iam = Iam()
    found = await checks(world, iam, small_stack(2))
    assert {check.verdict for check in found.values()} == {Verdict.OK}
    assert set(found) == {
        "credentials", "service of oauth2CredentialProviders", "service of gateways", "rights",
        "quota of oauth2CredentialProviders",
        "quota of gateways", f"role {ROLE.rpartition('/')[2]}", "secret payments/idp",
    }  # fmt: skip
    kinds = [kind for kind in KINDS if kind.section in ("oauth2CredentialProviders", "gateways", "targets")]
    assert sorted(iam.simulated) == actions_of(kinds)
    assert "bedrock-agentcore:CreateGatewayTarget" in iam.simulated
    assert world.sent() == []


async def test_without_a_document_all_services_are_asked(world):
    found = await checks(world, Iam())
    sections = {kind.section for kind in KINDS if not kind.parent} - {"registries"}
    assert {name for name in found if name.startswith("service")} == {f"service of {one}" for one in sections}


async def test_the_old_registries_are_a_failure(world):
    """AWS switched them off: what plan and apply would say is said here too."""
    world.behaviour.registries_open = False
    found = await checks(world, Iam(), {"stack": "s", "registries": {"old": {}}})
    assert found["service of registries"].verdict is Verdict.FAIL
    assert "agentRegistries" in found["service of registries"].message


@pytest.mark.parametrize(
    ("iam", "name", "verdict", "said"),
    [
        (Iam(denied=frozenset({"bedrock-agentcore:CreateGateway"})), "rights", Verdict.WARN, "CreateGateway"),
        (Iam(refuses="AccessDenied"), "rights", Verdict.UNKNOWN, "GetRole was refused"),
        (Iam(trust=OTHERS), f"role {ROLE.rpartition('/')[2]}", Verdict.FAIL, "does not trust"),
        (
            Iam(trust={"Statement": [{**TRUSTS["Statement"][0], "Action": "sts:TagSession"}]}),
            f"role {ROLE.rpartition('/')[2]}",
            Verdict.FAIL,
            "does not trust",
        ),
        (
            Iam(trust={"Statement": [*TRUSTS["Statement"], {"Effect": "Deny", "Principal": "*", "Action": "*"}]}),
            f"role {ROLE.rpartition('/')[2]}",
            Verdict.UNKNOWN,
            "trust policy",
        ),
        (Iam(trust="no JSON"), f"role {ROLE.rpartition('/')[2]}", Verdict.UNKNOWN, "trust policy"),
        (Iam(trust={"Statement": ["x", None]}), f"role {ROLE.rpartition('/')[2]}", Verdict.UNKNOWN, "trust policy"),
        (
            Iam(trust={"Statement": [{"Effect": "Allow", "Principal": {"Service": None}}]}),
            f"role {ROLE.rpartition('/')[2]}",
            Verdict.FAIL,
            "does not trust",
        ),
        (Iam(trust="%7B%7D"), f"role {ROLE.rpartition('/')[2]}", Verdict.FAIL, "does not trust"),
        (Iam(refuses="NoSuchEntity"), f"role {ROLE.rpartition('/')[2]}", Verdict.FAIL, "NoSuchEntity"),
        (Iam(refuses="AccessDenied"), f"role {ROLE.rpartition('/')[2]}", Verdict.UNKNOWN, "refused"),
    ],
)
async def test_roles_and_rights(world, iam, name, verdict, said):
    found = await checks(world, iam, small_stack(1))
    assert found[name].verdict is verdict
    assert said in found[name].message


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        (SECRET.replace("payments/idp", "payments/none"), "payments/none"),
        (SECRET.replace("clientSecret", "other"), "'other'"),
    ],
)
async def test_secrets_that_cannot_be_read(world, reference, said):
    """The secret is named, and the value of no secret is shown."""
    document = small_stack(1)
    config = document["oauth2CredentialProviders"]["idp"]["oauth2ProviderConfigInput"]["customOauth2ProviderConfig"]
    config["clientSecret"] = reference
    found = await checks(world, Iam(), document)
    (check,) = [check for name, check in found.items() if name.startswith("secret")]
    assert check.verdict is Verdict.FAIL
    assert said in check.message
    assert "nothing against the account" not in check.message, "a run needs the secret"
    assert "sandbox-payments-idp-secret" not in str(found)


async def test_credentials_that_are_refused_end_the_checks(world):
    world.plane.faults.add(Fault("GetCallerIdentity", Effect.REFUSE, -1, code="ExpiredToken", message="expired"))
    found = await checks(world, Iam())
    assert [(check.name, check.verdict) for check in found.values()] == [("credentials", Verdict.FAIL)]


async def test_a_service_that_refuses_is_a_failure(world):
    world.plane.faults.add(Fault("ListGateways", Effect.REFUSE, -1, code="AccessDeniedException", message="no"))
    found = await checks(
        world, Iam(), {"stack": "s", "gateways": {"g": {"roleArn": ROLE, "authorizerType": "AWS_IAM"}}}
    )
    assert found["service of gateways"].verdict is Verdict.FAIL
    assert found["quota of gateways"].verdict is Verdict.UNKNOWN


async def test_quotas_count_what_exists_and_what_is_new(world):
    """Over several pages; a resource that exists already is not counted twice."""
    world.behaviour.page_size = 2
    client = world.client()
    for number in range(49):
        await client.create_api_key_credential_provider(name=f"key-{number}", apiKey="k")
    declared = {name: {"apiKey": SECRET} for name in ("key-0", "new-1", "new-2")}
    found = await checks(world, Iam(), {"stack": "s", "apiKeyCredentialProviders": declared})
    check = found["quota of apiKeyCredentialProviders"]
    assert (check.verdict, check.message.partition(".")[0]) == (
        Verdict.WARN,
        "49 exist, 2 to be created, 50 by default",
    )


@pytest.mark.real_time
def test_at_a_terminal(shell):
    """The sandbox has no IAM, which is UNKNOWN and no failure; a missing secret is a failure."""
    done = shell("doctor", "events/provision-payments-stack.json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "UNKNOWN" in done.stdout
    assert "0 FAIL" in done.stdout
    (shell.folder / "broken.yaml").write_text(
        f"stack: s\napiKeyCredentialProviders: {{k: {{apiKey: '{SECRET.replace('payments/idp', 'none')}'}}}}\n"
    )
    done = shell("doctor", shell.folder / "broken.yaml", "--json")
    assert done.returncode == 1
    assert '"FAIL"' in done.stdout
    assert shell.control("journal")["mutating"] == 0
