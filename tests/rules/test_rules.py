"""Every rule has samples: a document that breaks the rule, and the nearest document that does not.

A rule that refuses makes the document invalid, with the number of the rule at the path of the sample. A rule that only
warns leaves the document valid, with the warning at that path.
"""

from pathlib import Path
from typing import Any

import pytest

from infra.documents import parse
from tests.documents import changed
from workflows.document.problems import Invalid, Problem, parse_path, path_text
from workflows.document.reading import read_stack
from workflows.document.rules import MODELLED, PLANNED, RETIRED, RULES, UNCHECKED, Rule
from workflows.document.stack import resources_in
from workflows.kinds import KINDS, top_level

FILE = parse((Path(__file__).parent / "samples.yaml").read_text())
TARGET = "gateways.g.targets.t"
EFS = "arn:aws:elasticfilesystem:us-east-1:123456789012:access-point/fsap-01234567"
INLINE = f"{TARGET}.targetConfiguration.mcp.lambda.toolSchema.inlinePayload"
MEGABYTE = 1024 * 1024


def tools(count: int, description: str = "d") -> dict[str, Any]:
    """Return the members that make the target of the base a Lambda function with a number of tools."""
    tool = {"name": "n", "description": description, "inputSchema": {"type": "object"}}
    function = {"lambdaArn": "arn:aws:lambda:us-east-1:123456789012:function:f"}
    return {
        f"{TARGET}.credentialProviderConfigurations": [{"credentialProviderType": "GATEWAY_IAM_ROLE"}],
        f"{TARGET}.targetConfiguration": {
            "mcp": {"lambda": {**function, "toolSchema": {"inlinePayload": [tool] * count}}}
        },
    }


#: Samples that are too large for the files: the limits on the sizes of schemas and on the numbers of tools and targets.
LARGE = [
    {"rule": "R23", "path": f"{TARGET}.targetConfiguration.mcp.openApiSchema.inlinePayload",
     "broken": {f"{TARGET}.targetConfiguration": {"mcp": {"openApiSchema": {"inlinePayload": "x" * (MEGABYTE + 1)}}}},
     "mended": {f"{TARGET}.targetConfiguration.mcp.openApiSchema.inlinePayload": "x" * MEGABYTE}},
    {"rule": "R23", "path": INLINE, "broken": tools(1, "d" * MEGABYTE), "mended": {f"{INLINE}[0].description": "d"}},
]  # fmt: skip
MANY = [
    {"rule": "R23", "path": INLINE, "broken": tools(1001), "mended": {f"{INLINE}[1000]": None}},
    {"rule": "R23", "path": "gateways.g.targets",
     "broken": {f"{TARGET}{n}": FILE["base"]["gateways"]["g"]["targets"]["t"] for n in range(100)},
     "mended": {f"{TARGET}99": None}},
]  # fmt: skip
SAMPLES = [*FILE["samples"], *LARGE]
WARNINGS = [*parse((Path(__file__).parent / "warnings.yaml").read_text())["warnings"], *MANY]


def name_of(sample: dict[str, Any]) -> str:
    return f"{sample['rule']} {sample['path']}"[:100]


def problems(document: dict[str, Any]) -> list[Problem]:
    try:
        read_stack(document)
    except Invalid as invalid:
        return invalid.problems
    return []


def warning_paths(document: dict[str, Any], number: str) -> list[str]:
    """Return the paths at which a rule warns about a valid document. Raises Invalid."""
    return [problem.path for problem in read_stack(document).warnings if problem.rule == number]


def reporting(sample: dict[str, Any], *, refuses: bool) -> set[Rule]:
    """Return the rules (each is one function) that report the number of a sample at its path."""
    document = changed(FILE["base"], sample["broken"])
    sections = [(content, kind, (name,)) for name, content in document.items() if (kind := top_level(name))]
    resources = {one.address: one for section in sections for one in resources_in(*section, [])}
    return {
        rule
        for rule in RULES
        for one in resources.values()
        if (rule.number, rule.refuses) == (sample["rule"], refuses) and one.kind.section in rule.sections
        for path, _ in rule.check(one, resources)
        if f"{one.address}.{path}".rstrip(".") == sample["path"]
    }


def test_the_base_is_valid():
    """Nothing is wrong before a sample breaks it, and no rule warns."""
    assert problems(FILE["base"]) == []
    assert read_stack(FILE["base"]).warnings == ()


@pytest.mark.parametrize("sample", SAMPLES, ids=name_of)
def test_a_broken_rule_is_named(sample):
    """The problem bears the rule's number and the path; mended, the document has no problem."""
    broken = changed(FILE["base"], sample["broken"])
    found = {(problem.rule, problem.path) for problem in problems(broken)}
    there = {rule for rule, path in found if path == sample["path"]}
    assert there - {"union"} == {sample["rule"]}, "only the service model may report something else there: a union"
    assert all(sample["path"].startswith(path) for _, path in found), "it breaks other rules elsewhere, too"
    assert problems(changed(broken, sample["mended"])) == []


@pytest.mark.parametrize("sample", WARNINGS, ids=name_of)
def test_an_odd_document_is_warned_about(sample):
    """The document is valid, and the rule warns at the path and nowhere else; mended, the rule does not warn there."""
    odd = changed(FILE["base"], sample["broken"])
    assert warning_paths(odd, sample["rule"]) == [sample["path"]]
    assert sample["path"] not in warning_paths(changed(odd, sample["mended"]), sample["rule"])


def test_every_refusing_rule_has_a_sample():
    """Each function that refuses, and each row of what the model says."""
    found = [(sample["rule"], reporting(sample, refuses=True)) for sample in SAMPLES]
    assert set().union(*(rules for _, rules in found)) == {rule for rule in RULES if rule.refuses}
    assert {number for number, rules in found if not rules} == {row.number for row in MODELLED}


def test_every_warning_rule_has_a_sample():
    """Each function that warns, because the number alone does not tell apart two functions that share the number."""
    found = [reporting(sample, refuses=False) for sample in WARNINGS]
    assert set().union(*found) == {rule for rule in RULES if not rule.refuses}


def test_an_unreadable_schema_has_no_hosts():
    """A schema that cannot be parsed breaks no rule about its servers (R67)."""
    endpoint = {f"{TARGET}.privateEndpoint": FILE["values"]["lattice"]}
    target = {f"{TARGET}.targetConfiguration": {"mcp": {"openApiSchema": {"inlinePayload": '{"servers": ['}}}}
    assert problems(changed(FILE["base"], endpoint | target)) == []


def test_a_provider_without_a_configuration_breaks_no_rule():
    """The service model reports the missing configuration; no rule about its members does."""
    path = "oauth2CredentialProviders.s.oauth2ProviderConfigInput"
    found = problems(changed(FILE["base"], {path: {}}))
    assert [(problem.rule, problem.path) for problem in found] == [("union", path)]


UNKNOWN = {
    f"{TARGET}.metadataConfiguration": {"allowedRequestHeaders": ["x-${aws.region}"]},
    f"{TARGET}.credentialProviderConfigurations": [{"credentialProviderType": "${oauth2CredentialProviders.o.name}"}],
    "agentRuntimes.r.requestHeaderConfiguration": {"requestHeaderAllowlist": ["x-${aws.region}", "x-${aws.region}"]},
}


@pytest.mark.parametrize("member", UNKNOWN)
def test_a_reference_breaks_no_rule(member):
    """The value of a header or of a credential's type is not known before its reference is resolved."""
    assert problems(changed(FILE["base"], {member: UNKNOWN[member]})) == []


def test_a_reference_as_the_type_of_a_lambda_s_credential_breaks_no_rule():
    """A Lambda target takes GATEWAY_IAM_ROLE only, which a reference may turn out to be (R37)."""
    credential = [{"credentialProviderType": "${oauth2CredentialProviders.o.name}"}]
    target = {f"{TARGET}.targetConfiguration": FILE["values"]["lambda"]}
    assert problems(changed(FILE["base"], {**target, f"{TARGET}.credentialProviderConfigurations": credential})) == []


def test_a_reference_as_the_network_mode_warns_of_nothing():
    """The networkMode may turn out to be VPC, which network mounts need (R83)."""
    mount = {"efsAccessPoint": {"mountPath": "/mnt/e", "accessPointArn": EFS}}
    members = {
        "agentRuntimes.r.networkConfiguration.networkMode": "${gateways.g.name}",
        "agentRuntimes.r.filesystemConfigurations": [mount],
    }
    assert warning_paths(changed(FILE["base"], members), "R83") == []


@pytest.mark.parametrize("sample", [*SAMPLES, *WARNINGS], ids=name_of)
def test_a_path_is_in_the_notation_of_paths(sample):
    """A name with dots, such as a scope or a property, stands in brackets and quotes."""
    assert path_text(parse_path(sample["path"])) == sample["path"]


def test_every_number_has_its_place():
    """R1 to R103: a function, the model, the planner, or a reason why it cannot be checked or is retired."""
    known = {rule.number for rule in RULES} | {row.number for row in MODELLED} | set(PLANNED) | set(UNCHECKED)
    assert known | set(RETIRED) == {f"R{n}" for n in range(1, 104)}
    assert not known & set(RETIRED)


def test_rules_speak_of_kinds():
    """A rule for a section that is none would never be looked at."""
    sections = {kind.section for kind in KINDS}
    assert all(rule.sections <= sections for rule in RULES)
    assert all(row.sections <= sections for row in MODELLED)
    assert all(rule.says.endswith(".") and rule.source for rule in RULES)


#: What the service was seen to take, with the number of the rule that used to refuse it and now warns, if it does.
TAKEN = [
    ("static tools with any credential",
     {"gateways.g.targets.t.targetConfiguration.mcp.mcpServer.mcpToolSchema": {"inlinePayload": '{"tools": []}'}}, []),
    ("CALLER_IAM_CREDENTIALS with a service", {
        "gateways.g.targets.t.targetConfiguration": {"http": {"agentcoreRuntime": {
            "arn": "arn:aws:bedrock-agentcore:us-east-1:123456789012:runtime/oracle_rt-abcdefghij"}}},
        "gateways.g.targets.t.credentialProviderConfigurations": [
            {"credentialProviderType": "CALLER_IAM_CREDENTIALS",
             "credentialProvider": {"iamCredentialProvider": {"service": "bedrock", "region": "us-east-1"}}}]}, []),
    ("inference beside MCP", {"gateways.g.protocolType": "MCP", "gateways.g.targets.t": {
        "targetConfiguration": {"inference": {"connector": {"source": {"connectorId": "bedrock"}}}},
        "credentialProviderConfigurations": [{"credentialProviderType": "GATEWAY_IAM_ROLE"}]}}, ["R20"]),
    ("a provider of another account", {"gateways.g.targets.t.credentialProviderConfigurations": [
        {"credentialProviderType": "OAUTH", "credentialProvider": {"oauthCredentialProvider": {
            "scopes": [],
            "providerArn": "arn:aws:bedrock-agentcore:us-east-1:999999999999:token-vault/default"
                           "/oauth2credentialprovider/x"}}}]}, ["R51"]),
    ("an authorizer's overrides alone", {
        "gateways.j.authorizerConfiguration.customJWTAuthorizer.privateEndpointOverrides":
        [{"domain": "a.example.com", "privateEndpoint": FILE["values"]["lattice"]}]}, ["R59"]),
]  # fmt: skip


@pytest.mark.parametrize(("what", "members", "warned"), TAKEN, ids=[row[0] for row in TAKEN])
def test_what_the_service_takes_is_not_refused(what, members, warned):
    """ObservedState in Terraform's acceptance tests, live runs or a newer service model: at most a warning."""
    stack = read_stack(changed(FILE["base"], members))
    assert [warning.rule for warning in stack.warnings] == warned, what


def test_assumptions_only_warn():
    """A document that rests on assumptions alone is valid, with warnings."""
    base = FILE["base"]
    odd = changed(
        base, {"agentRuntimes.r.lifecycleConfiguration": {"idleRuntimeSessionTimeout": 90, "maxLifetime": 60}}
    )
    assert [warning.rule for warning in read_stack(odd).warnings] == ["R84"]
