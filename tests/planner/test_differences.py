"""What a plan shows of a difference: the innermost paths, whole values, and nothing that is masked."""

from typing import Any

import pytest

from tests.documents import ROLE
from tests.planner.states import GATEWAY_TARGET, HARNESS, knows, shows, wants
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
        ('{"a": [1]}', '{"a": [1, 2]}', ".a", ([1], [1, 2])),
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
