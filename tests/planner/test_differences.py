"""What a plan shows of a difference: the innermost paths, whole values, and nothing that is masked."""

from typing import Any

import pytest

from tests.documents import ROLE
from tests.planner.states import GATEWAY, GATEWAY_TARGET, HARNESS, knows, shows, wants
from workflows.planner.differences import changes

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
