"""What is deleted or replaced is shown first and approved: by an answer, a plan file, or `--yes` with `--allow`."""

import copy
import json
import os
import threading
from typing import Any

import pytest
import yaml

from tests.terminal.person import Shown, at_a_terminal
from tests.terminal.test_terminal import ROOT
from tests.terminal.test_where_and_what import STACK, written

pytestmark = pytest.mark.real_time

SEED: dict[str, Any] = yaml.safe_load((ROOT / "infra" / "sandbox" / "seed.yaml").read_text())
ASKED = "Type yes to"


def without(*targets: str) -> dict[str, Any]:
    """Return the sample stack without some targets."""
    made: dict[str, Any] = copy.deepcopy(STACK)
    for target in targets:
        del made["gateways"]["payments"]["targets"][target]
    return made


def names(shell: Any) -> set[str]:
    """Return the names of the gateways and targets that exist."""
    client = shell.client()
    gateways = client.list_gateways()["items"]
    found = {one["name"] for one in gateways}
    for gateway in gateways:
        found |= {one["name"] for one in client.list_gateway_targets(gatewayIdentifier=gateway["gatewayId"])["items"]}
    return found


@pytest.fixture
def applied(shell, tmp_path):
    """A stack that is READY; all that exists."""
    assert shell("apply", written(tmp_path, STACK)).returncode == 0
    return names(shell)


def answered(shell: Any, answer: str, *arguments: object) -> Shown:
    return at_a_terminal(arguments, shell.environment, {ASKED: answer})


def test_an_apply_that_deletes_asks_and_takes_yes_for_an_answer(shell, applied, tmp_path):
    document = written(tmp_path, without("rates"))
    declined = answered(shell, "y", "apply", document)
    assert (declined.code, names(shell)) == (1, applied)
    assert "nothing was changed" in declined.screen
    agreed = answered(shell, "yes", "apply", document)
    assert "- gateways.payments.targets.rates  DELETE" in agreed.screen
    assert (agreed.code, names(shell)) == (0, applied - {"rates"})


def test_an_apply_that_deletes_nothing_does_not_ask(shell, applied, tmp_path):
    document = copy.deepcopy(STACK)
    document["gateways"]["payments"]["description"] = "other"
    shown = answered(shell, "no", "apply", written(tmp_path, document))
    assert ASKED not in shown.screen
    assert shown.code == 0


@pytest.mark.parametrize("command", ["apply", "destroy"])
def test_without_a_terminal_nothing_is_deleted_unless_yes_is_said(shell, applied, tmp_path, command):
    document = written(tmp_path, without("rates"))
    refused = shell(command, document)
    assert (refused.returncode, names(shell)) == (2, applied)
    assert "--yes" in refused.stderr
    assert shell(command, document, "--yes").returncode == 0
    assert "rates" not in names(shell)


def test_yes_approves_nothing_beyond_allow(shell, applied, tmp_path):
    """A gateway that left the document is kept; at a terminal an answer approves what is shown."""
    document = {"stack": STACK["stack"]}
    kept = shell("apply", written(tmp_path, document), "--yes")
    assert (kept.returncode, names(shell)) == (0, applied)
    planned = shell("plan", written(tmp_path, document))
    assert "needs approval: asked for at a terminal, given by --allow gateways.payments" in planned.stdout
    # Without a terminal it deletes nothing, so that nothing is refused either.
    assert shell("apply", written(tmp_path, document)).returncode == 0
    agreed = answered(shell, "yes", "apply", written(tmp_path, document))
    assert (agreed.code, names(shell)) == (0, set())


def test_destroy_shows_what_it_deletes_and_asks(shell, applied):
    name = STACK["stack"]
    declined = answered(shell, "", "destroy", name)
    assert (declined.code, names(shell)) == (1, applied)
    planned = shell.json("plan", "--destroy", name)
    assert {one["action"] for one in planned["resources"].values()} == {"DELETE"}
    agreed = answered(shell, "yes", "destroy", name)
    assert (agreed.code, names(shell)) == (0, set())
    assert "DELETED" in agreed.screen


def test_what_stops_a_removal_is_said_before_anything_is_deleted(shell, applied):
    """Somebody's target in the gateway of the stack."""
    client = shell.client()
    (gateway,) = client.list_gateways()["items"]
    configuration = {"mcp": {"mcpServer": {"endpoint": "https://example.com/mcp"}}}
    client.create_gateway_target(
        gatewayIdentifier=gateway["gatewayId"], name="theirs", targetConfiguration=configuration
    )
    planned = shell("plan", "--destroy", STACK["stack"])
    assert planned.returncode == 1
    assert "theirs" in planned.stdout
    declined = answered(shell, "no", "destroy", STACK["stack"])
    assert "theirs" in declined.screen
    assert names(shell) == {*applied, "theirs"}


#: Arguments of destroy, the exit code, and a part of what is said. Nothing is deleted in any of these cases.
NEVER = {
    "a typo in the name": (["payments.tool", "--yes"], 2, "Did you mean payments.tools?"),
    "a fresh ledger": (
        ["payments.tools", "--yes", "--ledger", "sqlite:{folder}/fresh"],
        2,
        "bear the tag of the stack",
    ),
    "an empty document": (["{folder}/empty.yaml", "--yes"], 2, "a stack document is a mapping"),
    "a document of no stack": (["{folder}/nameless.yaml", "--yes"], 2, "stack"),
    "a file that is not there": (["{folder}/nothing.yaml", "--yes"], 2, "there is no such file"),
    "no terminal": (["payments.tools"], 2, "--yes"),
    "JSON asked for, and no consent given": (["payments.tools", "--json"], 2, "--yes"),
    "another stack": (["{folder}/other.yaml", "--yes"], 2, "knows no stack named payments.others"),
}


@pytest.mark.parametrize("case", NEVER)
def test_destroy_never_does_what_was_not_meant(shell, applied, tmp_path, case):
    arguments, code, said = NEVER[case]
    (tmp_path / "empty.yaml").write_text("")
    (tmp_path / "nameless.yaml").write_text("gateways: {}\n")
    (tmp_path / "other.yaml").write_text("stack: payments.others\ngateways: {}\n")
    done = shell("destroy", *(one.format(folder=tmp_path) for one in arguments))
    assert done.returncode == code, done.stderr
    assert said in done.stdout + done.stderr
    assert ("DELETED" in done.stdout, names(shell)) == (False, applied)


def test_destroy_in_another_account_removes_nothing(shell, applied, tmp_path):
    """The ledger is the same, the credentials are another account's."""
    shell.control("behaviour", "POST", {"account": "999999999999"})
    done = shell("destroy", STACK["stack"], "--yes")
    assert done.returncode == 2
    assert "It knows that stack in account 123456789012, Region us-east-1" in done.stderr
    shell.control("behaviour", "POST", {"account": "123456789012"})
    assert names(shell) == applied


# --- plan files ------------------------------------------------------------------------------------------------------


def test_a_plan_file_does_what_it_shows_once(shell, applied, tmp_path):
    document, file = written(tmp_path, without("rates")), tmp_path / "stack.plan"
    assert shell("plan", document, "--out", file).returncode == 0
    assert file.stat().st_mode & 0o077 == 0
    document.unlink()
    assert shell("apply", file).returncode == 0
    assert names(shell) == applied - {"rates"}
    again = shell("apply", file)
    assert again.returncode == 0
    assert "finished before" in again.stdout


def test_a_plan_file_holds_no_secret(shell, tmp_path):
    file = tmp_path / "stack.plan"
    shell("plan", written(tmp_path, STACK), "--out", file)
    assert "secretVersions" in file.read_text()
    values = [value for secret in SEED["secrets"].values() for value in json.loads(secret).values()]
    assert len(values) >= 3
    assert [value for value in values if value in file.read_text()] == []


def test_a_plan_file_that_is_outdated_changes_nothing(shell, applied, tmp_path):
    """Of a document that was applied since, and of a value that somebody changed since."""
    file = tmp_path / "stack.plan"
    assert shell("plan", written(tmp_path, without("rates")), "--out", file).returncode == 0
    other = copy.deepcopy(STACK)
    other["gateways"]["payments"]["description"] = "other"
    assert shell("apply", written(tmp_path, other)).returncode == 0
    refused = shell("apply", file)
    assert refused.returncode == 2
    assert "another request was accepted since: generation 2 is in force" in refused.stderr
    assert names(shell) == applied


def test_a_plan_file_is_for_the_account_it_was_made_in(shell, applied, tmp_path):
    file = tmp_path / "stack.plan"
    shell("plan", written(tmp_path, without("rates")), "--out", file)
    shell.control("behaviour", "POST", {"account": "999999999999"})
    refused = shell("apply", file)
    assert refused.returncode == 2
    assert "this plan was made for account 123456789012" in refused.stderr


def test_a_plan_file_of_a_removal(shell, applied, tmp_path):
    file = tmp_path / "gone.plan"
    assert shell("plan", "--destroy", STACK["stack"], "--out", file).returncode == 0
    assert shell("apply", file).returncode == 0
    assert names(shell) == set()


@pytest.mark.parametrize("text", ['{"gatewright": "plan"}', '{"gatewright": "plan", "version": 2}'])
def test_a_damaged_plan_file_is_refused_with_all_its_problems(shell, tmp_path, text):
    file = tmp_path / "stack.plan"
    file.write_text(text)
    refused = shell("apply", file)
    assert refused.returncode == 2
    assert "Traceback" not in refused.stderr


def test_a_document_may_come_through_a_pipe(shell, tmp_path):
    """It can be read only once: nobody looks into it for a plan first."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=(yaml.safe_dump(STACK),))
    writer.start()
    assert shell("apply", pipe).returncode == 0
    writer.join(timeout=10)
