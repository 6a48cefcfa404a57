"""The command line against a sandbox server: what a person at two shells sees."""

import json
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.real_time

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "events" / "provision-payments-stack.json"


def changed_sample(folder: Path) -> Path:
    event = json.loads(SAMPLE.read_text())
    event["detail"]["stack"]["gateways"]["payments"]["targets"]["rates"]["description"] = "Rates of today"
    path = folder / "changed.json"
    path.write_text(json.dumps(event))
    return path


def test_the_sandbox_is_a_program(shell):
    """It says where it serves, serves what was sown, and ends when it is told to."""
    command = [sys.executable, "-m", "handlers.cli", "sandbox", "--json"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = ""
        while "}" not in lines:
            line = process.stdout.readline()
            assert line, "the sandbox ended before it served"
            lines += line
        shell.environment["AWS_ENDPOINT_URL"] = json.loads(lines)["url"]
        done = shell("apply", SAMPLE)
        process.terminate()
    assert done.returncode == 0, done.stderr
    assert shell.control("journal")["calls"] == {}


def test_apply_plan_change_destroy(shell, tmp_path):
    """Apply; plan finds nothing; a description changes: plan names its path, apply sends one call; destroy empties."""
    applied = shell("apply", SAMPLE)
    assert applied.returncode == 0, applied.stderr
    assert "gateways.payments.gatewayUrl: https://" in applied.stdout
    assert shell("plan", "--exit-code", SAMPLE).returncode == 0

    client = shell.client()
    (gateway,) = client.list_gateways()["items"]
    targets = client.list_gateway_targets(gatewayIdentifier=gateway["gatewayId"])["items"]
    assert (gateway["name"], gateway["status"], len(targets)) == ("payments", "READY", 7)

    changed = changed_sample(tmp_path)
    planned = shell("plan", "--exit-code", "--json", changed)
    assert planned.returncode == 3
    paths = [path for one in json.loads(planned.stdout)["resources"].values() for path in one["paths"]]
    assert paths == ["gateways.payments.targets.rates.description"]

    shell.control("journal", "DELETE")
    assert shell("apply", changed).returncode == 0
    journal = shell.control("journal")
    assert journal["mutating"] == journal["calls"]["UpdateGatewayTarget"] == 1

    assert shell("destroy", changed, "--yes").returncode == 0
    assert client.list_gateways()["items"] == []
    assert client.list_oauth2_credential_providers()["credentialProviders"] == []


def test_without_its_ledger_apply_changes_nothing(shell):
    """A deleted ledger is no loss: everything is found by name and tag, ten to a page."""
    shell.control("behaviour", "POST", {"page_size": 10})
    assert shell("apply", SAMPLE).returncode == 0
    shell.control("journal", "DELETE")
    again = shell("apply", SAMPLE, "--ledger", f"sqlite:{shell.folder}/another")
    assert again.returncode == 0
    assert shell.control("journal")["mutating"] == 0


def test_json_is_one_value_on_stdout(shell):
    """With --json, stdout is one JSON value and progress is on stderr."""
    applied = shell("apply", "--json", SAMPLE)
    outcome = json.loads(applied.stdout)
    assert (outcome["version"], outcome["status"]) == (1, "READY")
    assert "CREATE" in applied.stderr
    status = shell.json("status")
    assert next(iter(status.values()))["status"] == "READY"


def test_consent_exits_four_and_goes_on_after_it(shell, tmp_path):
    """A target that awaits consent exits 4 with a URL that a browser can open; after that apply exits 0."""
    event = json.loads(SAMPLE.read_text())
    ledger = event["detail"]["stack"]["gateways"]["payments"]["targets"]["ledger"]
    oauth = ledger["credentialProviderConfigurations"][0]["credentialProvider"]["oauthCredentialProvider"]
    oauth |= {"grantType": "AUTHORIZATION_CODE", "defaultReturnUrl": "https://app.example.com/return"}
    path = tmp_path / "consent.json"
    path.write_text(json.dumps(event))
    applied = shell("apply", "--json", path)
    assert applied.returncode == 4
    (consent,) = json.loads(applied.stdout)["consents"]
    with urllib.request.urlopen(consent["authorizationUrl"], timeout=10) as page:
        assert b"Consent given" in page.read()
    assert shell("apply", path).returncode == 0


def test_sync_reads_tools_again(shell):
    """`sync` sends one call per MCP server target, and says why it skips the others."""
    assert shell("apply", SAMPLE).returncode == 0
    shell.control("journal", "DELETE")
    outcome = shell.json("sync", SAMPLE)
    assert outcome["status"] == "READY"
    assert shell.control("journal")["calls"]["SynchronizeGatewayTargets"] == 2
    assert "only MCP server targets" in outcome["resources"]["gateways.payments.targets.rates"]["reason"]


def test_a_broken_document_exits_two_without_a_call(shell):
    """Sixteen problems at once, exit 2, no call, no secret; also where there is neither network nor credentials."""
    shell.environment["AWS_ENDPOINT_URL"] = "http://127.0.0.1:9"
    for command in ("validate", "apply", "plan"):
        done = shell(command, ROOT / "events" / "sixteen-mistakes.yaml")
        assert done.returncode == 2
        assert "16 problems" in done.stderr
        assert "hunter2" not in done.stdout + done.stderr
    assert shell.control("journal")["calls"] == {}


def test_validate_needs_nothing(shell):
    """A valid sample is valid without an endpoint."""
    del shell.environment["AWS_ENDPOINT_URL"]
    assert shell("validate", SAMPLE).returncode == 0


@pytest.mark.parametrize("text", ["a: [", "a: 1\na: 2\n", "- 1\n", "&a [*a]", ""], ids=repr)
def test_unreadable_files_exit_two(shell, tmp_path, text):
    """What is no document is told so, with its place, without a traceback."""
    path = tmp_path / "broken.yaml"
    path.write_text(text)
    done = shell("validate", path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_an_endpoint_that_is_not_there_is_a_plain_sentence(shell):
    """No traceback: what was asked and that nobody answered."""
    shell.environment["AWS_ENDPOINT_URL"] = "http://127.0.0.1:9"
    done = shell("apply", SAMPLE)
    assert done.returncode == 1
    assert "AWS cannot be called" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_schema_takes_the_samples(shell):
    """The JSON Schema names every section."""
    schema = shell.json("schema")
    assert {"stack", "gateways", "oauth2CredentialProviders"} <= set(schema["properties"])


def test_every_kind_through_the_terminal(shell, sandbox_client):
    """Everything applies, updates and is removed; what is foreign, retained or only looked up stands untouched."""
    first, second = ROOT / "events" / "every-kind.yaml", ROOT / "events" / "every-kind-changed.yaml"
    role = "arn:aws:iam::123456789012:role/theirs"
    foreign = sandbox_client.create_gateway(name="foreign", roleArn=role, authorizerType="NONE")
    wait_until_ready(sandbox_client, foreign["gatewayId"])
    server = {"mcp": {"mcpServer": {"endpoint": "https://theirs.example.com/mcp"}}}
    sandbox_client.create_gateway_target(gatewayIdentifier=foreign["gatewayId"], name="u", targetConfiguration=server)
    extra = yaml.safe_load(first.read_text())
    extra["gateways"]["foreign"] = {"gatewright": {"existing": True}}
    retained = {"roleArn": role, "authorizerType": "AWS_IAM", "gatewright": {"deletion": "RETAIN"}}
    extra["gateways"]["kept"] = retained
    document = shell.folder / "every.yaml"
    document.write_text(yaml.safe_dump(extra, sort_keys=False))
    assert shell("apply", document).returncode == 0
    assert shell("plan", document, "--exit-code").returncode == 0
    changed = yaml.safe_load(second.read_text())
    changed["gateways"] |= {"foreign": extra["gateways"]["foreign"], "kept": retained}
    document.write_text(yaml.safe_dump(changed, sort_keys=False))
    planned = shell.json("plan", document)
    assert planned["changes"] == 9
    applied = shell("apply", document)
    assert applied.returncode == 0
    assert shell("plan", document, "--exit-code").returncode == 0
    assert shell("destroy", document, "--yes").returncode == 0
    left = {gateway["name"] for gateway in sandbox_client.list_gateways()["items"]}
    assert left == {"foreign", "kept"}
    targets = sandbox_client.list_gateway_targets(gatewayIdentifier=foreign["gatewayId"])["items"]
    assert [target["name"] for target in targets] == ["u"]
    others = (
        sandbox_client.list_oauth2_credential_providers()["credentialProviders"],
        sandbox_client.list_api_key_credential_providers()["credentialProviders"],
        sandbox_client.list_agent_runtimes()["agentRuntimes"],
        sandbox_client.list_harnesses()["harnesses"],
        sandbox_client.list_registries()["registries"],
    )
    assert others == ([], [], [], [], [])


def test_adopt_through_the_terminal(shell, sandbox_client):
    """What was made by hand becomes a document for which there is nothing to do."""
    role = "arn:aws:iam::123456789012:role/theirs"
    made = sandbox_client.create_gateway(name="byhand", roleArn=role, authorizerType="AWS_IAM", description="Mine")
    wait_until_ready(sandbox_client, made["gatewayId"])
    written = shell("adopt", "gateways", "byhand", "--stack", "taken")
    assert written.returncode == 0
    document = shell.folder / "taken.yaml"
    document.write_text(written.stdout)
    assert "description: Mine" in written.stdout
    assert shell("plan", document, "--exit-code").returncode == 0
    assert shell("apply", document).returncode == 0
    assert shell("destroy", document, "--yes").returncode == 0
    assert sandbox_client.list_gateways()["items"] == []


def test_a_parameter_from_the_terminal(shell):
    """--parameter gives a value; without it the document is invalid and says which is missing."""
    document = shell.folder / "p.yaml"
    document.write_text(
        "stack: ${parameters.team}.tools\n"
        "gateways:\n  g: {roleArn: 'arn:aws:iam::123456789012:role/r', authorizerType: AWS_IAM}\n"
    )
    assert shell.json("validate", document, "--parameter", "team=payments")["stack"] == "payments.tools"
    assert shell("validate", document).returncode == 2


def wait_until_ready(client, gateway_id):
    for _ in range(100):
        if client.get_gateway(gatewayIdentifier=gateway_id)["status"] == "READY":
            return
        time.sleep(0.1)
    raise AssertionError("the gateway does not become ready")


@pytest.mark.parametrize("allow", [5, [{"a": "b"}], "x"])
def test_a_submitted_file_with_a_wrong_allow_is_one_line(shell, allow):
    file = shell.folder / "event.json"
    file.write_text(json.dumps({"detail-type": "Gateway Stack Requested", "detail": {"stack": {}, "allow": allow}}))
    done = shell("submit", str(file), "--bus", "b", "--allow", "gateways.x")
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("gatewright: ")


def test_a_document_commands_no_terminal(shell):
    """What a terminal would obey is written out, in whatever a document's text turns up."""
    file = shell.folder / "stack.yaml"
    file.write_text('stack: x\ngateways: {g: {description: "\\e]0;pwned\\a", "\\e[31mx": 1}}\n')
    done = shell("validate", str(file))
    assert done.returncode == 2
    assert "\x1b" not in done.stdout + done.stderr
    assert "\\x1b" in done.stderr


def gateways(shell, **members):
    """Write a document of one gateway, and return its path."""
    body = {"roleArn": "arn:aws:iam::123456789012:role/r", "authorizerType": "AWS_IAM", **members}
    path = shell.folder / "gateways.yaml"
    path.write_text(yaml.safe_dump({"stack": "one", "onFailure": "ROLLBACK", "gateways": {"one": body}}))
    return path


@pytest.mark.parametrize("how", [[], ["sh", "-c", "trap '' INT; exec \"$@\"", "sh"]], ids=["alone", "with &"])
def test_who_ends_a_job_leaves_no_lease_behind(shell, how):
    """SIGTERM is what a build server sends: the next command goes on at once. A shell has `&` ignore SIGINT."""
    shell.control("behaviour", "POST", {"gateway": 600})
    command = [*how, sys.executable, "-m", "handlers.cli", "apply", str(gateways(shell))]
    process = subprocess.Popen(command, env=shell.environment, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    assert any("CREATE" in line for line in process.stderr)
    process.terminate()
    said = process.stderr.read()
    assert process.wait() == 5
    process.stderr.close()
    assert "the same command continues from here" in said
    assert next(iter(shell.json("status").values()))["running"] is False


def test_who_only_looks_makes_no_ledger(shell):
    """A name that is mistyped is said, and nothing is left behind."""
    ledger = shell.folder / "not" / "there.sqlite"
    for command in (("plan", gateways(shell)), ("status",), ("history", "x"), ("cancel", "x"), ("forget", "x")):
        done = shell(*command, "--ledger", f"sqlite:{ledger}")
        assert f"there is no ledger at {ledger} yet" in done.stderr
        assert not ledger.parent.exists()
    assert "no such stack" in done.stderr


def test_what_is_rolled_back_says_why(shell):
    assert shell("apply", gateways(shell)).returncode == 0
    shell.control("failing", "POST", {"name": "one", "times": 3, "reason": "the function does not exist"})
    done = shell("apply", gateways(shell, description="new"))
    assert done.returncode == 1
    assert "ROLLED_BACK" in done.stdout
    assert "the function does not exist" in done.stdout
    assert "must act" in done.stdout
    assert "the function does not exist" in shell("status", "one").stdout
    assert "UPDATE_UNSUCCESSFUL" in shell("history", "one").stdout


def test_a_plan_that_would_fail_is_no_plan_to_apply(shell, sandbox_client):
    assert shell("apply", gateways(shell)).returncode == 0
    done = shell("plan", "--exit-code", gateways(shell, authorizerType="NONE"))
    assert done.returncode == 3
    assert "+ 0 to create, ~ 0 to change, -/+ 1 to replace, - 0 to delete" in done.stdout
    assert "--allow gateways.one" in done.stdout
    sandbox_client.create_gateway(name="two", roleArn="arn:aws:iam::123456789012:role/theirs", authorizerType="AWS_IAM")
    document = yaml.safe_load(gateways(shell).read_text())
    document["gateways"]["two"] = document["gateways"]["one"]
    path = shell.folder / "two.yaml"
    path.write_text(yaml.safe_dump(document))
    for more in ((), ("--exit-code",)):
        done = shell("plan", path, *more)
        assert done.returncode == 1
        assert "+ 0 to create, ~ 0 to change, -/+ 0 to replace, - 0 to delete, ! 1 would fail" in done.stdout


def test_an_adoption_can_be_taken_back(shell, sandbox_client):
    role = "arn:aws:iam::123456789012:role/theirs"
    made = sandbox_client.create_gateway(name="byhand", roleArn=role, authorizerType="AWS_IAM")
    wait_until_ready(sandbox_client, made["gatewayId"])
    assert shell("adopt", "gateways", "byhand").returncode == 0
    assert "forgotten" in shell("forget", "byhand").stdout
    assert shell.json("status") == {}
    assert len(sandbox_client.list_gateways()["items"]) == 1


@pytest.mark.parametrize("given", [[1], "x"])
def test_parameters_of_a_submitted_event_map_names_to_values(shell, given):
    event = shell.folder / "event.json"
    detail = {"requestId": "r", "stack": {"stack": "s"}, "parameters": given}
    event.write_text(json.dumps({"detail-type": "Gateway Stack Requested", "detail": detail}))
    done = shell("submit", event, "--bus", "b")
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert "parameters map names to values" in done.stderr


def test_what_a_deployment_would_refuse_is_not_submitted(shell):
    shell.environment["AWS_ENDPOINT_URL"] = "http://127.0.0.1:9"
    done = shell("submit", ROOT / "events" / "sixteen-mistakes.yaml", "--bus", "b")
    assert done.returncode == 2
    assert "16 problems" in done.stderr


@pytest.mark.parametrize("text", ["abc", "1", "nan"])
def test_a_time_out_is_seconds(shell, text):
    done = shell("apply", gateways(shell), "--timeout", text)
    assert done.returncode == 2
    assert "seconds" in done.stderr
