"""What a plan shows of a difference: the innermost paths, whole values, and nothing that is masked."""

import json
from typing import Any

import pytest

from tests.documents import ROLE
from tests.planner.states import API_KEY_CREDENTIAL_PROVIDER, GATEWAY, GATEWAY_TARGET, HARNESS, knows, shows, wants
from workflows.planner.differences import Cause, changes

PAYLOAD = "targetConfiguration.mcp.openApiSchema.inlinePayload"
LONG = "x" * 500


def target(payload: str) -> dict[str, Any]:
    return {"targetConfiguration": {"mcp": {"openApiSchema": {"inlinePayload": payload}}}}


@pytest.mark.parametrize(
    ("old", "new", "path", "values"),
    [
        ('{"a": {"b": [1, 2]}}', '{"a": {"b": [1, 3]}}', ".a.b[1]", (2, 3)),
        ('{"a": 1}', '{"a": 1, "b": {"c": "d"}}', ".b", (None, {"c": "d"})),
        ('{"a": [1]}', '{"a": [1, 2]}', ".a[1]", (None, 2)),
        ('{"a": 1}', '{"a":1}', "", ('{"a": 1}', '{"a":1}')),
        (f"a: {LONG}", "a: 2", "", (f"a: {LONG}", "a: 2")),
        ("{no json", "{none", "", ("{no json", "{none")),
    ],
)
def test_a_payload_of_json_is_opened_down_to_the_leaf(old, new, path, values):
    """Any other text is shown whole, however long it is."""
    desired, observed = wants(GATEWAY_TARGET, target(new)), shows(kind=GATEWAY_TARGET, body=target(old))
    (change,) = changes(desired, observed, knows(GATEWAY_TARGET, target(old)), [PAYLOAD])
    assert (change.path, change.old, change.new) == (f"{PAYLOAD}{path}", *values)


def test_what_is_masked_stays_masked_key_by_key():
    old = {"executionRoleArn": ROLE, "environmentVariables": {"KEY": "hidden-1"}}
    new = {"executionRoleArn": ROLE, "environmentVariables": {"KEY": "hidden-2", "MORE": "hidden-3"}}
    desired, observed = wants(HARNESS, new), shows(kind=HARNESS, body=old)
    found = changes(desired, observed, knows(HARNESS, old), ["environmentVariables", "environmentVariables.KEY"])
    assert "hidden" not in str(found)
    assert {change.path for change in found} == {"environmentVariables", "environmentVariables.KEY"}


def test_a_name_of_another_form_is_a_change():
    desired, observed = wants(GATEWAY), shows(says={"name": "One"})
    (change,) = changes(desired, observed, knows(), ["name"])
    assert (change.old, change.new) == ("One", "one")


def test_a_path_below_a_plain_value_has_no_value_there():
    """The service shows a text where the declaration has a map."""
    new = {"targetConfiguration": {"mcp": {"mcpServer": {"endpoint": "https://example.com"}}}}
    desired, observed = wants(GATEWAY_TARGET, new), shows(kind=GATEWAY_TARGET, body={"targetConfiguration": "odd"})
    (change,) = changes(desired, observed, knows(GATEWAY_TARGET), ["targetConfiguration.mcp.mcpServer.endpoint"])
    assert (change.old, change.new) == (None, "https://example.com")


@pytest.mark.parametrize(
    ("applied", "shown", "declared", "cause"),
    [
        ("one", "one", "two", Cause.DOCUMENT),
        ("one", "three", "two", Cause.DOCUMENT),
        ("one", "three", "one", Cause.DRIFT),
        (None, "three", "one", Cause.DOCUMENT),
    ],
)
def test_a_difference_is_of_the_document_or_was_made_outside(applied, shown, declared, cause):
    """By what was applied last: the same as is declared now, or not."""
    before = {"description": applied} if applied is not None else {}
    desired, observed = wants(GATEWAY, {"description": declared}), shows(body={"description": shown})
    (change,) = changes(desired, observed, knows(applied=before), ["description"])
    assert (change.cause, change.shown("gateways.one")["cause"]) == (cause, str(cause))


def test_each_of_two_differences_has_its_own_cause():
    """Somebody has changed the description, and the document has changed another member."""
    declared = {"description": "one", "kmsKeyArn": "arn:new"}
    desired, observed = wants(GATEWAY, declared), shows(body={"description": "by hand", "kmsKeyArn": "arn:old"})
    record = knows(applied={"description": "one", "kmsKeyArn": "arn:old"})
    found = changes(desired, observed, record, ["description", "kmsKeyArn"])
    assert [change.cause for change in found] == [Cause.DRIFT, Cause.DOCUMENT]


def test_a_payload_that_is_recorded_by_digest_was_changed_outside_as_a_whole():
    """One leaf of a long text: the digest says that the document declares what it did."""
    long = {"a": LONG, "b": 1}
    desired = wants(GATEWAY_TARGET, target(json.dumps(long)))
    observed = shows(kind=GATEWAY_TARGET, body=target(json.dumps({**long, "b": 2})))
    (change,) = changes(desired, observed, knows(GATEWAY_TARGET, target(json.dumps(long))), [PAYLOAD])
    assert (change.path, change.cause) == (f"{PAYLOAD}.b", Cause.DRIFT)
    (change,) = changes(desired, observed, knows(GATEWAY_TARGET, target(json.dumps({**long, "b": 2}))), [PAYLOAD])
    assert change.cause is Cause.DOCUMENT


def test_another_version_of_the_same_secret_is_a_rotation():
    desired = wants(API_KEY_CREDENTIAL_PROVIDER, {"apiKey": "{{resolve:secretsmanager:key}}"})
    record = knows(API_KEY_CREDENTIAL_PROVIDER, {"apiKey": "{{resolve:secretsmanager:key}}"})
    (change,) = changes(desired, shows(None, API_KEY_CREDENTIAL_PROVIDER), record, ["apiKey"])
    assert (change.cause, change.new) == (Cause.ROTATION, "(secret)")
    (change,) = changes(
        desired,
        shows(None, API_KEY_CREDENTIAL_PROVIDER),
        knows(API_KEY_CREDENTIAL_PROVIDER, {"apiKey": "other"}),
        ["apiKey"],
    )
    assert change.cause is Cause.DOCUMENT
