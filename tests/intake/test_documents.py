"""Bad documents are refused with everything that is wrong in them, each with its path, before anything is called."""

import copy
import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from infra.documents import Unreadable, parse
from tests.documents import gateway, mcp_target, provider, small_stack
from workflows.document.parameters import fill
from workflows.document.problems import Invalid
from workflows.document.reading import read_stack
from workflows.planner.outcome import Status

EVENTS = Path(__file__).parents[2] / "events"
_TARGETS = "gateways.payments.targets"
_OAUTH = "credentialProviderConfigurations[0].credentialProvider.oauthCredentialProvider"

#: Where each of the sample's mistakes stands, and what says so.
SIXTEEN = {
    ("notASection", "unknown-section"),
    (
        "oauth2CredentialProviders.literal-secret.oauth2ProviderConfigInput.githubOauth2ProviderConfig.clientSecret",
        "secret",
    ),
    ("oauth2CredentialProviders.wrong-vendor.oauth2ProviderConfigInput", "R71"),
    (
        "oauth2CredentialProviders.stray-secret.oauth2ProviderConfigInput.githubOauth2ProviderConfig.clientId",
        "secret-reference",
    ),
    ("gateways.no-authorizer.authorizerConfiguration", "R1"),
    ("gateways.allows-nobody.authorizerConfiguration.customJWTAuthorizer", "R3"),
    ("gateways.mistyped.rolearn", "extra_forbidden"),
    ("gateways.mistyped.roleArn", "missing"),
    ("gateways.mistyped.authorizerType", "literal_error"),
    ("gateways.mistyped.kmsKeyArn", "string_pattern_mismatch"),
    (f"{_TARGETS}.two-kinds.targetConfiguration.mcp", "R18"),
    (f"{_TARGETS}.unknown-reference.targetConfiguration.mcp.mcpServer.endpoint", "reference"),
    (f"{_TARGETS}.one", "cycle"),
    (f"{_TARGETS}.two-credentials.credentialProviderConfigurations", "R36"),
    (f"{_TARGETS}.no-return-url.{_OAUTH}.defaultReturnUrl", "R43"),
    (f"{_TARGETS}.no-provider.credentialProviderConfigurations[0].credentialProvider", "R38"),
}


def problems_of(document) -> set[tuple[str, str]]:
    try:
        read_stack(document)
    except Invalid as invalid:
        return {(problem.path, problem.rule) for problem in invalid.problems}
    return set()


async def test_sixteen_mistakes_are_named_at_once(world, logs):
    """All sixteen, no more; no call is made, and no value of a secret is shown."""
    document = yaml.safe_load((EVENTS / "sixteen-mistakes.yaml").read_text())
    outcome = await world.apply(document)
    assert outcome.status is Status.REJECTED
    assert {(problem.path, problem.rule) for problem in outcome.problems} == SIXTEEN
    assert len(outcome.problems) == 16
    assert world.plane.journal.calls == []
    assert "hunter2" not in json.dumps(outcome.shown()) + logs.getvalue() + str(world.announced)


def test_a_misspelt_member_is_told_the_right_one():
    """The nearest known name is suggested."""
    with pytest.raises(Invalid) as caught:
        read_stack({"stack": "x", "gateways": {"a": {**gateway(), "descripton": "typo"}}})
    assert caught.value.problems[0].message == "unknown member; did you mean description?"


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        "text",
        1,
        {},
        {"stack": 1},
        {"stack": "a..b"},
        {"stack": "x", "gateways": []},
        {"stack": "x", "gateways": {"a": []}},
    ],
    ids=repr,
)
def test_what_is_no_document_is_refused(document):
    """Anything that is not a mapping with a stack name and sections is refused with a reason."""
    assert problems_of(document)


def test_every_cycle_is_named():
    """Two separate cycles are two problems."""

    def waits(on: str) -> dict:
        return mcp_target(gatewright={"dependsOn": [f"{_TARGETS}.{on}"]})

    document = {
        "stack": "x",
        "gateways": {"payments": gateway({"a": waits("b"), "b": waits("a"), "c": waits("d"), "d": waits("c")})},
    }
    assert [rule for _, rule in sorted(problems_of(document))] == ["cycle", "cycle"]


@pytest.mark.parametrize(
    ("endpoint", "rule"),
    [
        ("${gateways.payments.gatewayUrl}", None),
        ("https://${gateways.payments.gatewayId}.example.com", None),
        ("${gateways.payments.nothing}", "reference"),
        ("${gateways.payments}", "reference"),
        ("${nonsense", "reference"),
        ("https://example.com/${gateways.payments.gatewayId", "reference"),
        ("${gateways.payments.workloadIdentityDetails}", "reference"),
        ("https://${gateways.payments.workloadIdentityDetails.workloadIdentityArn}", None),
        ("${}", "reference"),
        ("https://example.com/$${literal}", None),
    ],
    ids=str,
)
def test_references_are_checked_for_what_can_exist(endpoint, rule):
    """A reference names a member that the resource's response has; `$${` is literal."""
    document = {"stack": "x", "gateways": {"payments": gateway(), "other": gateway({"t": mcp_target(endpoint)})}}
    assert [found for _, found in problems_of(document)] == ([rule] if rule else [])


def test_payloads_are_never_scanned():
    """`${...}` and `{{resolve:` inside a schema are its own business."""
    payload = '{"note": "${not.a.reference} {{resolve:secretsmanager:x}}"}'
    target = {"targetConfiguration": {"mcp": {"openApiSchema": {"inlinePayload": payload}}}}
    assert problems_of({"stack": "x", "gateways": {"payments": gateway({"t": target})}}) == set()


@pytest.mark.parametrize(
    "secret", ["plain", "", "{{resolve:ssm:x}}", "a{{resolve:secretsmanager:x}}", 5, None, ["x"]], ids=repr
)
def test_only_a_whole_reference_is_a_secret(secret):
    """Whatever else stands where a secret belongs is refused."""
    found = problems_of({"stack": "x", "oauth2CredentialProviders": {"idp": provider(clientSecret=secret)}})
    path = "oauth2CredentialProviders.idp.oauth2ProviderConfigInput.customOauth2ProviderConfig.clientSecret"
    assert {where for where, _ in found} == {path}


def test_our_own_tag_cannot_be_declared():
    """The owner tag is set by Gatewright alone."""
    document = {"stack": "x", "gateways": {"a": gateway(tags={"gatewright:stack": "y"})}}
    assert {rule for _, rule in problems_of(document)} == {"tag"}


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(["${a.b.c}", "{{resolve:x}}"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def places(value, path=()):
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from places(item, (*path, key))


def replaced(value, path, new):
    if not path:
        return new
    made = copy.copy(value)
    made[path[0]] = replaced(value[path[0]], path[1:], new)
    return made


_WHOLE = {**small_stack(1), "version": 1, "onFailure": "HALT"}
_WHOLE["gateways"]["payments"] |= {
    "tags": {"team": "x"},
    "gatewright": {"dependsOn": ["oauth2CredentialProviders.idp"]},
}


@given(st.sampled_from(sorted(places(_WHOLE), key=str)), _JSON)
def test_any_json_anywhere_is_read_or_refused(path, value):
    """Whatever stands anywhere in a document, reading ends in a stack or in problems, never in another error."""
    problems_of(replaced(_WHOLE, path, value))


def test_deep_nesting_is_refused():
    """A document of a thousand levels is refused, not walked."""
    value: object = "x"
    for _ in range(1000):
        value = {"a": value}
    assert {rule for _, rule in problems_of({"stack": "x", "gateways": value})} == {"depth"}


@pytest.mark.parametrize("levels", [100, 1000, 30_000, 200_000])
@pytest.mark.parametrize("opening", ['{"a":', "[", "- "])
def test_deep_nesting_in_a_text_is_refused_before_it_is_composed(levels, opening):
    """However deep, the text is refused with a reason; the parser does not recurse into it."""
    with pytest.raises(Unreadable):
        parse(opening * levels)


@pytest.mark.parametrize(
    "text", ["a: 1\na: 2", "1: x", "on: x", "[a]: x", "a: &x [*x]", "a: *nothing", "a: {", "--- a\n--- b"]
)
def test_texts_that_are_no_documents(text):
    """Duplicate names, names that are no strings, aliases that go wrong, two documents: each with its reason."""
    with pytest.raises(Unreadable):
        parse(text)


def test_aliases_do_not_blow_a_document_up():
    """A billion laughs are a few hundred bytes of text; they are counted, not laughed."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(Unreadable, match="too many values"):
        parse("\n".join(lines))


async def test_a_document_is_read_once_and_never_changed(world):
    """What a run was given of a document is what the next is given: the same, as it was read first."""
    document = yaml.safe_load((EVENTS / "every-kind.yaml").read_text("utf-8"))
    first = read_stack(document)
    before = {address: copy.deepcopy(resource.declared) for address, resource in first.resources.items()}
    for _ in range(2):
        assert (await world.apply(document)).status is Status.READY
    again = read_stack(copy.deepcopy(document))
    assert again is first
    assert {address: resource.declared for address, resource in again.resources.items()} == before
    assert again.document == document


_PRIVATE = {"selfManagedLatticeResource": {"resourceConfigurationIdentifier": "rcfg-0123456789abcdef0"}}
_ODD = ["[]", "x", '{"servers": 1}', '{"servers": [1, {}, {"url": 2}]}', '{"servers": [{"url": "https://[x"}]}', "{"]


@pytest.mark.parametrize("schema", _ODD)
def test_a_schema_whose_servers_cannot_be_read_is_no_business_of_ours(schema):
    """What a payload holds is for AWS to refuse: the rule about its hosts looks at those that it can read."""
    target = mcp_target(privateEndpoint=_PRIVATE)
    target["targetConfiguration"] = {"mcp": {"openApiSchema": {"inlinePayload": schema}}}
    assert read_stack({"stack": "team", "gateways": {"g": gateway({"t": target})}}).resources


def test_a_url_that_cannot_be_read_hides_no_other_mistake():
    """The rules look at everything beside it, and say nothing of it that it does not say itself."""
    document = small_stack(1)
    document["gateways"]["payments"]["targets"]["target-0"]["targetConfiguration"] = {
        "mcp": {"mcpServer": {"endpoint": "https://[x/mcp"}}
    }
    document["gateways"]["payments"]["authorizerConfiguration"]["customJWTAuthorizer"] = {
        "discoveryUrl": "https://[x/.well-known/openid-configuration"
    }
    with pytest.raises(Invalid) as caught:
        read_stack(document)
    authorizer = "gateways.payments.authorizerConfiguration.customJWTAuthorizer"
    assert {(problem.path, problem.rule) for problem in caught.value.problems} == {
        (f"{_TARGETS}.target-0.targetConfiguration.mcp.mcpServer.endpoint", "url"),
        (f"{authorizer}.discoveryUrl", "url"),
        (authorizer, "R3"),
    }


@pytest.mark.parametrize("text", ["a: !!map [b]", "!<tag:yaml.org,2002:map> [x]", "{<<: !!map [a]}", "!!map x"])
def test_what_is_only_called_a_mapping_is_refused(text):
    with pytest.raises(Unreadable):
        parse(text)


@pytest.mark.parametrize("literal", ["!Xk9TrustNo1", "*Xk9TrustNo1", "%Xk9TrustNo1", "@Xk9TrustNo1", "!!Xk9TrustNo1 a"])
def test_what_yaml_takes_for_something_of_its_own_is_not_quoted(literal):
    """A secret that somebody wrote down without quotes is not repeated by who refuses it."""
    with pytest.raises(Unreadable) as caught:
        parse(f"stack: x\nclientSecret: {literal}\n")
    assert "TrustNo1" not in str(caught.value)


def test_a_literal_secret_that_looks_like_a_reference_is_not_quoted():
    document = {"stack": "x", "oauth2CredentialProviders": {"idp": provider(clientSecret="Xk9${Vq2TrustNo1}zz")}}
    with pytest.raises(Invalid) as caught:
        read_stack(document)
    assert {problem.rule for problem in caught.value.problems} == {"secret"}
    assert "TrustNo1" not in str([problem.shown() for problem in caught.value.problems])


def test_a_reference_past_a_list_is_refused():
    """It could never be resolved: what stands in a list has no name."""
    document = small_stack(1)
    way = "gateways.payments.targets.target-0.privateEndpointManagedResources.domain"
    document["gateways"]["payments"]["description"] = f"${{{way}}}"
    with pytest.raises(Invalid) as caught:
        read_stack(document)
    assert "a list stands on the way" in str([problem.message for problem in caught.value.problems])


def test_names_have_an_end():
    with pytest.raises(Invalid) as caught:
        read_stack({"stack": "x", "gateways": {"n" * 1001: {}}})
    assert [problem.rule for problem in caught.value.problems] == ["names"]


def test_a_parameter_without_a_name_stands_for_nothing():
    document = {"stack": "x", "gateways": {"g": {"description": "$${a} ${aws.region}"}}}
    assert fill(document, {"": "everything"}) == document
