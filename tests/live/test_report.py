"""What a live run writes down has no id, no name, no place and no person in it."""

import json

import pytest

from infra.service_model import operation
from tests.live.recording import members, scrubbed
from tests.live.report import differences, durations, operations


@pytest.mark.parametrize(
    "secret",
    [
        "arn:aws:sts::210987654321:assumed-role/Admin/joe@corp.com", "210987654321", "joe@corp.com", "QWERTYUIOP",
        "mygateway-abcdefghij", "s3://bucket/key", "vpc-0abc1234", "10.0.0.1", "login.example.com", "gwc-12ab34cd-idp",
        "https://a.example.com/x?y=z", "0f8fad5b-d9cb-469f-a165-70867728950e", "A1B2C3", "AKIAIOSFODNN7EXAMPLE",
    ],
)  # fmt: skip
def test_only_words_are_left_of_a_message(secret):
    text = f"Cannot perform operation UpdateGateway: {secret} is not '{secret}', in CREATE_PENDING_AUTH status."
    found = scrubbed(text)
    assert secret not in found
    assert all(word in found for word in ("Cannot", "operation", "UpdateGateway", "CREATE_PENDING_AUTH", "status"))


def test_answers_are_written_down_as_paths():
    """Without values, without the keys of maps, and with a mark at members that no model knows."""
    shape = operation("GetGateway").output_shape
    answer = {"name": "mine", "newer": {"a": "b"}, "interceptorConfigurations": [{"interceptionPoints": ["REQUEST"]}]}
    assert set(members(shape, answer)) == {
        "name", "newer?", "interceptorConfigurations", "interceptorConfigurations.interceptionPoints",
    }  # fmt: skip
    tags = {"tags": {"owner": "joe"}}
    assert "owner" not in json.dumps(list(members(operation("ListTagsForResource").output_shape, tags)))


def test_the_report_names_what_differs():
    here = [
        {"operation": "GetGateway", "seconds": 1.0, "code": "", "members": ["name", "newer?"], "message": ""},
        {"operation": "GetGateway", "seconds": 3.0, "code": "Oops", "members": [], "message": "no",
         "rested": ["Gateway", "READY", 12.0]},
    ]  # fmt: skip
    there = [{"operation": "GetGateway", "seconds": 0.1, "code": "", "members": ["name", "arn"], "message": ""}]
    assert differences(here, there) == {
        "GetGateway": {"only here": ["error Oops", "newer?"], "only in the sandbox": ["arn"]}
    }
    assert operations(here)["GetGateway"] == {
        "calls": 2,
        "errors": {"Oops": 1},
        "seconds": {"median": 2.0, "most": 3.0},
    }
    assert durations(here)["Gateway until READY"]["median"] == 12.0
