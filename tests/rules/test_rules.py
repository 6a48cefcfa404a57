"""Every rule that refuses does so, with its number and at its path, and lets its nearest valid neighbour pass."""

from pathlib import Path
from typing import Any

import pytest

from infra.documents import parse
from tests.documents import changed
from workflows.document.problems import Invalid, Problem
from workflows.document.reading import read_stack
from workflows.document.rules import MODELLED, PLANNED, RETIRED, RULES, UNCHECKED
from workflows.kinds import KINDS

FILE = parse((Path(__file__).parent / "samples.yaml").read_text())
SAMPLES = FILE["samples"]


def problems(document: dict[str, Any]) -> list[Problem]:
    try:
        read_stack(document)
    except Invalid as invalid:
        return invalid.problems
    return []


def test_the_base_is_valid():
    """Nothing is wrong before a sample breaks it."""
    assert problems(FILE["base"]) == []


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: f"{sample['rule']} {sample['path']}"[:100])
def test_a_broken_rule_is_named(sample):
    """The problem bears the rule's number and the path; mended, the document has no problem."""
    broken = changed(FILE["base"], sample["broken"])
    found = {(problem.rule, problem.path) for problem in problems(broken)}
    assert (sample["rule"], sample["path"]) in found
    assert all(sample["path"].startswith(path) for _, path in found), "it breaks other rules elsewhere, too"
    assert problems(changed(broken, sample["mended"])) == []


def test_every_refusing_rule_has_a_sample():
    """Each function that refuses, and each row of what the model says."""
    numbers = {sample["rule"] for sample in SAMPLES}
    assert {rule.number for rule in RULES if rule.refuses} | {row.number for row in MODELLED} == numbers


def test_every_number_has_its_place():
    """R1 to R93: a function, the model, the planner, or a reason why nobody can tell, or why it is no rule any more."""
    known = {rule.number for rule in RULES} | {row.number for row in MODELLED} | set(PLANNED) | set(UNCHECKED)
    assert known | set(RETIRED) == {f"R{n}" for n in range(1, 94)}
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
