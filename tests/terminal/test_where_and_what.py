"""A terminal says where it works, shows what differs whole, and calls nothing gone that its ledger does not know."""

import copy
import json
from pathlib import Path

import pytest
import yaml

from tests.documents import mcp_target
from tests.terminal.test_terminal import SAMPLE

pytestmark = pytest.mark.real_time

STACK = json.loads(SAMPLE.read_text())["detail"]["stack"]


def written(folder: Path, document: dict) -> Path:
    path = folder / "stack.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


def test_destroy_calls_nothing_gone_that_its_ledger_does_not_know(shell, tmp_path):
    """With another ledger: refused by name, with what to do; the stack stays as it is."""
    document = written(tmp_path, STACK)
    assert shell("apply", document).returncode == 0
    other = f"sqlite:{tmp_path}/another"
    refused = shell("destroy", document, "--yes", "--ledger", other)
    assert refused.returncode == 2
    assert "DELETED" not in refused.stdout + refused.stderr
    assert "this ledger knows no stack named payments.tools in account 123456789012" in refused.stderr
    assert len(shell.client().list_gateways()["items"]) == 1
    # What bears the stack's tag is taken over by an apply, and removed then.
    assert shell("apply", document, "--ledger", other).returncode == 0
    assert shell("destroy", document, "--yes", "--ledger", other).returncode == 0
    assert shell.client().list_gateways()["items"] == []
    assert "DELETED" in shell("destroy", document, "--yes", "--ledger", other).stdout


def test_a_plan_shows_the_leaf_uncut_and_counts_in_its_last_line(shell, tmp_path):
    document = copy.deepcopy(STACK)
    long = "Rates of today, in every currency that anybody has ever asked for, and then those of tomorrow as well"
    created = shell("plan", written(tmp_path, document)).stdout.splitlines()[-1]
    resources = 2 + len(document["gateways"]["payments"]["targets"])
    assert created == f"payments.tools: + {resources} to create, ~ 0 to change, -/+ 0 to replace, - 0 to delete"
    assert shell("apply", written(tmp_path, document)).returncode == 0
    payments = document["gateways"]["payments"]
    payments["targets"]["rates"]["description"] = long
    payments["tags"] = {**payments["tags"], "cost-center": "4711"}
    payments["targets"]["one-more"] = payments["targets"]["ledger"]
    del payments["targets"][next(name for name in payments["targets"] if name not in ("rates", "ledger", "one-more"))]
    planned = shell("plan", written(tmp_path, document)).stdout
    assert f'+ "{long}"\n' in planned
    assert 'tags.cost-center: (nothing) -> "4711"\n' in planned
    last = planned.splitlines()[-1]
    assert last == "payments.tools: + 1 to create, ~ 2 to change, -/+ 0 to replace, - 1 to delete"


COMMANDS = ["plan", "apply", "sync", "destroy"]
#: Commands that look into the ledger alone.
LOOKING = [["status"], ["history", "payments.tools"], ["cancel", "payments.tools"], ["forget", "payments.tools"]]


@pytest.mark.parametrize("json_too", [False, True], ids=["text", "json"])
def test_every_command_says_account_region_and_endpoint(shell, json_too):
    """On stderr, before anything else; those that only look into a file say which."""
    more = ("--json",) if json_too else ()
    where = f"account 123456789012, Region us-east-1, endpoint {shell.url}"
    for command in COMMANDS:
        done = shell(command, SAMPLE, *more)
        assert where in done.stderr.splitlines(), command
        if json_too:
            json.loads(done.stdout)
    adopted = shell("adopt", "gateways", "nobody", *more)
    assert where in adopted.stderr.splitlines()
    for looking in LOOKING:
        assert "AWS is not called" in shell(*looking, *more).stderr.splitlines()[0], looking


REFUSED = {"operation": "GetGateway", "effect": "REFUSE", "times": 2, "code": "ExpiredTokenException", "message": "x"}


def test_credentials_that_expire_end_a_command_at_once(shell):
    """With advice; nothing is rolled back, and the same command goes on."""
    assert shell("apply", SAMPLE).returncode == 0
    shell.control("faults", "POST", REFUSED)
    done = shell("apply", SAMPLE)
    assert done.returncode == 1
    assert "Renew or change the AWS credentials" in done.stderr
    assert shell("apply", SAMPLE).returncode == 0
    shell.control("faults", "POST", REFUSED)
    done = shell("apply", SAMPLE, "--yes")
    assert done.returncode == 1
    assert "Renew or change the AWS credentials" in done.stdout
    assert shell("apply", SAMPLE).returncode == 0


def test_credentials_that_are_refused_at_once_show_where_they_are(shell):
    """No account can be told then, but where the command looked is what its caller must know."""
    shell.control("faults", "POST", {**REFUSED, "operation": "GetCallerIdentity"})
    done = shell("plan", SAMPLE)
    assert done.returncode == 1
    assert f"account unknown, Region us-east-1, endpoint {shell.url}" in done.stderr.splitlines()
    assert "Renew or change the AWS credentials" in done.stderr


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AWS_ENDPOINT_URL", "localhost:5000"),
        ("AWS_ENDPOINT_URL_BEDROCK_AGENTCORE_CONTROL", "nowhere"),
        ("AWS_PROFILE", "nobody"),
        ("AWS_REGION", "us east"),
        ("AWS_CONFIG_FILE", str(Path(__file__))),
        ("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE"),
    ],
)
def test_a_variable_that_cannot_be_used_is_named(shell, name, value):
    """One line, as for every other setting; what its neighbours hold is shown of none."""
    shell.environment |= {"AWS_SECRET_ACCESS_KEY_ID": "nobody's", "AWS_DEFAULT_REGION": "us-east-1", name: value}
    done = shell("plan", SAMPLE)
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("gatewright: ")]
    assert done.returncode == 1
    assert name in line
    assert "nobody's" not in line


def test_a_plan_says_that_its_ledger_does_not_know_the_stack(shell, tmp_path):
    unknown = "this ledger does not know payments.tools: existing resources are found by name and tag"
    assert unknown in shell("plan", written(tmp_path, STACK)).stderr
    assert shell("apply", written(tmp_path, STACK)).returncode == 0
    assert unknown not in shell("plan", written(tmp_path, STACK)).stderr
    other = shell("plan", written(tmp_path, STACK), "--ledger", f"sqlite:{tmp_path}/another", "--json")
    assert json.loads(other.stdout)["knownToLedger"] is False


def test_a_plan_counts_what_is_blocked(shell, tmp_path):
    """A new target of a gateway that would fail is not made."""
    document = copy.deepcopy(STACK)
    assert shell("apply", written(tmp_path, document)).returncode == 0
    shell.client().create_gateway(name="theirs", roleArn="arn:aws:iam::123456789012:role/x", authorizerType="AWS_IAM")
    document["gateways"]["theirs"] = {**document["gateways"]["payments"], "targets": {"one": mcp_target()}}
    last = shell("plan", written(tmp_path, document)).stdout.splitlines()[-1]
    assert "+ 0 to create, ~ 0 to change, -/+ 0 to replace, - 0 to delete, ! 1 would fail, ! 1 blocked" in last
