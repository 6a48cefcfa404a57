"""What a stack document cannot make the worker do: open files, reach addresses, read others' secrets."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from infra.deadline import Deadline
from infra.documents import Unreadable, parse
from tests.authority.desk import FILE, PAYMENTS, SECRET_CALLS, Shelf, asked, deployed
from tests.documents import changed, mcp_target
from workflows.document.problems import Invalid
from workflows.document.reading import read_stack
from workflows.requests.intake import authorize_new
from workflows.requests.request import read_request

REQUESTED = "Gateway Stack Requested"
THEIRS = "{{resolve:secretsmanager:billing/idp:SecretString:clientSecret}}"
_SECRET = "oauth2CredentialProviders.idp.oauth2ProviderConfigInput.customOauth2ProviderConfig.clientSecret"
#: What the interpreter reports of files, addresses and programs while it is watched.
_WATCHED = frozenset({"open", "socket.connect", "socket.getaddrinfo", "subprocess.Popen", "os.system", "os.exec"})
_SEEN: list[str] = []
_WATCHING: list[bool] = []


def _hook(event: str, arguments: tuple) -> None:
    if _WATCHING and event in _WATCHED:
        _SEEN.append(f"{event} {ascii(arguments)[:200]}")


sys.addaudithook(_hook)


@contextmanager
def watched() -> Iterator[list[str]]:
    """Yield what is opened, connected to or started meanwhile."""
    _SEEN.clear()
    _WATCHING.append(True)
    try:
        yield _SEEN
    finally:
        _WATCHING.clear()


TAGS = (
    "!include /etc/passwd", "!!python/object/apply:os.system [id]", "!!python/name:os.system", "!file /etc/passwd",
    "!!python/object/new:subprocess.Popen [[id]]", "!ENV HOME", "!<tag:yaml.org,2002:python/module:os>",
    "!<file:///etc/passwd> x", "!env_var HOME", "!!java.io.File /etc/passwd", "!!binary L2V0Yy9wYXNzd2Q=",
)  # fmt: skip
PATHS = (
    "file:///etc/passwd", "/etc/passwd", "../../../../etc/passwd", "@/etc/passwd", "http://169.254.169.254/latest",
    "https://169.254.170.2/v2/credentials", "ftp://localhost/x", "s3://other/key", "fileb://x", "\\\\host\\share",
)  # fmt: skip


@pytest.mark.parametrize("tag", TAGS)
def test_security_tags_of_yaml_do_nothing(tag):
    parse("a: 1")
    with watched() as seen, pytest.raises(Unreadable):
        parse(f"stack: x\ngateways: {tag}\n")
    assert seen == []


@pytest.mark.parametrize("path", PATHS)
def test_security_paths_and_urls_in_a_document_are_only_texts(path):
    """Wherever they stand, reading the document opens and reaches nothing."""
    base = FILE["base"]
    read_stack(base)
    with watched() as seen:
        for place in (
            "gateways.payments.description",
            "gateways.payments.roleArn",
            "gateways.payments.policy",
            _SECRET,
        ):
            document = changed(base, {place: path})
            document["gateways"]["payments"]["targets"]["more"] = mcp_target(path)
            try:
                read_stack(document)
            except Invalid:
                continue
    assert seen == []


@pytest.mark.parametrize("uri", [*PATHS[:7], "https://s3.amazonaws.com/b/k", "s3:/b/k", "S3://b/k", "s3://", "s3://b",
                                 "s3://b/", "s3://[/k", "s3:///k", " s3://b/k"])  # fmt: skip
def test_security_a_document_is_fetched_from_s3_alone(uri):
    with pytest.raises(Invalid):
        read_request(REQUESTED, {"stackUri": uri}, default_id="r")


@pytest.mark.parametrize(
    "uri",
    ["s3://billing-stacks/x.yaml", "s3://payments-stacks@billing/x.yaml", "s3://payments-stacks:80/x.yaml",
     "s3://payments-stacks/x.json", "s3://payments-stacks/x.yaml%00", "s3://payments-stacks?/x.yaml",
     "s3://payments-stacks#/x.yaml", "s3://payments-stacks\\x/x.yaml"],
)  # fmt: skip
async def test_security_an_object_that_no_grant_names_is_not_asked_for(world, uri):
    shelf = Shelf()
    await asked(deployed(world, shelf=shelf), {"detailType": REQUESTED, "stackUri": uri})
    assert shelf.asked == []
    assert [kind for kind, _ in world.announced] == ["Gateway Stack Rejected"]


async def test_security_a_granted_object_is_read_by_one_call_and_nothing_else(world):
    shelf = Shelf()
    request = read_request(REQUESTED, {"stackUri": "s3://payments-stacks/tools.yaml"}, default_id="r")
    context = deployed(world, shelf=shelf)

    calls = context.aws.within(Deadline.within(60))
    await authorize_new(context, calls, request.model_copy(update={"submitter": PAYMENTS}))
    assert shelf.asked == [("payments-stacks", "tools.yaml")]
    assert set(calls.count) == {"GetObject", "GetCallerIdentity"}


#: Ways to have another team's secret resolved: what is put where, and the parameters beside it.
SMUGGLED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "plainly": ({_SECRET: THEIRS}, {}),
    "as a parameter": ({_SECRET: "${parameters.x}"}, {"x": THEIRS}),
    "as a part of one": ({_SECRET: "{{resolve:secretsmanager:${parameters.x}}}"}, {"x": "billing/idp"}),
    "as the form around it": ({_SECRET: "{{${parameters.x}"}, {"x": THEIRS[2:]}),
    "in two parameters": ({_SECRET: "${parameters.x}${parameters.y}"}, {"x": THEIRS[:20], "y": THEIRS[20:]}),
    "as a parameter in a parameter": ({_SECRET: "${parameters.x}"}, {"x": "${parameters.y}", "y": THEIRS}),
    "by reference": ({_SECRET: "${gateways.payments.description}", "gateways.payments.description": THEIRS}, {}),
    "by a reference inside": ({_SECRET: "{{resolve:secretsmanager:${gateways.payments.gatewayId}}}"}, {}),
    "nested": ({_SECRET: "{{resolve:secretsmanager:{{resolve:secretsmanager:payments/idp}}}}"}, {}),
    "by account": ({_SECRET: "{{resolve:secretsmanager:${aws.accountId}}}"}, {}),
    "escaped": ({_SECRET: "{{resolve:secretsmanager:$${parameters.x}}}"}, {"x": "billing/idp"}),
    "in a description": ({"gateways.payments.description": THEIRS}, {}),
    "in a description by parameter": ({"gateways.payments.description": "${parameters.x}"}, {"x": THEIRS}),
    "in a tag": ({"gateways.payments.tags": {"a": THEIRS}}, {}),
    "from another store": ({_SECRET: "{{resolve:ssm-secure:billing}}"}, {}),
    "with a tail": ({_SECRET: THEIRS + " "}, {}),
    "in a list": ({_SECRET: [THEIRS]}, {}),
    "by a parameter that is a list": ({_SECRET: "${parameters.x}"}, {"x": [THEIRS]}),
}


@pytest.mark.parametrize("way", SMUGGLED)
async def test_security_no_way_leads_to_a_secret_that_is_not_granted(world, way):
    """The request is rejected, and no secret at all is asked for."""
    world.plane.world.secrets.put("billing/idp", json.dumps({"clientSecret": "BillingSecret123"}))
    changes, parameters = SMUGGLED[way]
    body = {"detailType": REQUESTED, "stack": changed(FILE["base"], changes)}
    await asked(deployed(world), {**body, **({"parameters": parameters} if parameters else {})})
    assert not SECRET_CALLS & {call.operation for call in world.plane.journal.calls}
    assert world.live == {}
    assert [kind for kind, _ in world.announced] == ["Gateway Stack Rejected"]


async def test_security_a_secret_s_name_is_no_path(world):
    """What stands under a granted prefix is a name like any other, and leads nowhere else."""
    world.plane.world.secrets.put("billing/idp", json.dumps({"clientSecret": "BillingSecret123"}))
    reference = "{{resolve:secretsmanager:payments/../billing/idp:SecretString:clientSecret}}"
    await asked(deployed(world), {"detailType": REQUESTED, "stack": changed(FILE["base"], {_SECRET: reference})})
    assert not [name for name in world.live if name.startswith("provider")]
    assert [kind for kind, _ in world.announced][-1] == "Gateway Stack Failed"
