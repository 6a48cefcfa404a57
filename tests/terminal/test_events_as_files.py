"""What a terminal makes of sample events: each is taken by the command that it is a sample of, and by no other."""

import json

import pytest

from tests.terminal.test_terminal import ROOT, SAMPLE

pytestmark = pytest.mark.real_time

EVENTS = ROOT / "events"


def test_a_removal_and_a_synchronization_name_their_stack(shell):
    assert shell("apply", SAMPLE).returncode == 0
    assert shell("sync", EVENTS / "synchronize-payments-stack.json").returncode == 0
    assert shell("destroy", EVENTS / "remove-payments-stack.json", "--yes").returncode == 0
    assert shell.client().list_gateways()["items"] == []


def test_a_removal_of_a_stack_that_is_not_known_is_said_so(shell):
    """A mistyped name, or another ledger, is no stack that was removed."""
    done = shell("destroy", EVENTS / "remove-payments-stack.json", "--yes")
    assert done.returncode == 2
    assert "unknown-stack" in done.stdout + done.stderr


@pytest.mark.parametrize("command", ["validate", "plan", "apply"])
@pytest.mark.parametrize("more", [{"requestId": "r"}, {}])
def test_an_event_without_a_document_is_none(shell, command, more):
    """Taken for a document, it would declare that the stack is empty."""
    event = shell.folder / "event.json"
    event.write_text(json.dumps({"detail-type": "Gateway Stack Removal Requested", "detail": {"stack": "s", **more}}))
    done = shell(command, event)
    assert done.returncode == 2
    assert "holds no document" in done.stderr


def test_a_document_that_is_elsewhere_is_said_so(shell):
    event = shell.folder / "event.json"
    event.write_text(json.dumps({"detail-type": "Gateway Stack Requested", "detail": {"stackUri": "s3://b/k"}}))
    done = shell("plan", event)
    assert done.returncode == 2
    assert "stackUri" in done.stderr


def test_what_asks_for_a_plan_only_is_not_applied(shell):
    done = shell("apply", EVENTS / "plan-payments-stack.json")
    assert done.returncode == 2
    assert "gatewright plan" in done.stderr
    assert shell("plan", EVENTS / "plan-payments-stack.json").returncode == 0


def test_a_plan_has_the_leave_of_its_event(shell):
    """What apply would remove, plan shows as removed."""
    gateway = {"roleArn": "arn:aws:iam::123456789012:role/r", "authorizerType": "AWS_IAM"}
    event = shell.folder / "event.json"

    def write(*names: str, **more: object) -> None:
        detail = {"requestId": "r", "stack": {"stack": "two", "gateways": dict.fromkeys(names, gateway)}, **more}
        event.write_text(json.dumps({"detail-type": "Gateway Stack Requested", "detail": detail}))

    write("one", "other")
    assert shell("apply", event).returncode == 0
    write("one", allow=["gateways.other"])
    shown = shell.json("plan", event)["resources"]["gateways.other"]
    assert (shown["action"], shown["needsApproval"]) == ("DELETE", False)
    write("one", allow=["gateways.nobody"])
    planned = shell.json("plan", event)
    shown = planned["resources"]["gateways.other"]
    assert (shown["action"], shown["needsApproval"]) == ("DELETE", True)
    assert [one["path"] for one in planned["warnings"] if one["rule"] == "allow"] == ["gateways.nobody"]
