"""Runs the contract and a small stack against a real account, and reports every difference from the sandbox.

`make live` needs credentials, GATEWRIGHT_CONTRACT_ROLE (the ARN of a role that a gateway may assume) and
GATEWRIGHT_CONTRACT_ENDPOINT (an MCP server that lets anybody in). For an endpoint on loopback (AWS_ENDPOINT_URL), such
as the sandbox or moto, both have defaults. GATEWRIGHT_CONTRACT_GATEWAY may hold members that every gateway needs, as
JSON. Every resource bears a prefix; at the end whatever bears it is removed. The report has members, codes, durations
and differences, and no id and no value.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
import uuid
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import yaml

from handlers.cli_show import table
from infra.models import version_in_force
from infra.sandbox.server import SandboxServer
from infra.settings import is_loopback
from tests.contract.places import ACCOUNT, BUDGET, RECORD, removed
from tests.documents import ROLE
from tests.live import report
from tests.live.recording import lines, scrubbed

_LOCAL = {
    "GATEWRIGHT_CONTRACT_ROLE": ROLE, "GATEWRIGHT_CONTRACT_ENDPOINT": "https://ledger.example.com/mcp",
    "AWS_ACCESS_KEY_ID": "sandbox", "AWS_SECRET_ACCESS_KEY": "sandbox", "AWS_DEFAULT_REGION": "us-east-1",
}  # fmt: skip
_NEEDED = ("GATEWRIGHT_CONTRACT_ROLE", "GATEWRIGHT_CONTRACT_ENDPOINT")


def main() -> int:
    """Run everything, write the report and print its summary; 1 where something was left behind."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--budget", type=int, default=3000, help="calls that the contract may send")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "live.json")
    options = parser.parse_args()
    url = os.environ.get("AWS_ENDPOINT_URL", "")
    local = bool(url) and is_loopback(url)
    environment = {**(_LOCAL if local else {}), **os.environ}
    missing = [name for name in _NEEDED if not environment.get(name)]
    if missing:
        print(f"set {' and '.join(missing)}; see the head of {Path(__file__).relative_to(ROOT)}", file=sys.stderr)
        return 2
    options.out.parent.mkdir(parents=True, exist_ok=True)
    found = asyncio.run(tried(environment, options.budget, options.out))
    found["place"] = "an endpoint on this machine" if local else "an account of AWS"
    options.out.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    summary(found, options.out)
    return 1 if found["left"] else 0


async def tried(environment: Mapping[str, str], budget: int, out: Path) -> dict[str, Any]:
    """Return the report of the place that the environment names, compared with a sandbox of its own."""
    began = time.monotonic()
    say("the contract suite, here (some minutes)")
    here, cases = await asyncio.to_thread(contract, environment, budget, out.with_suffix(".here.jsonl"))
    say("a small stack: apply, apply again, plan, destroy")
    stack = await asyncio.to_thread(a_stack, environment, out.parent)
    say("removing whatever is left")
    left = await removed(dict(environment))
    say("the contract suite in a sandbox, to compare with")
    sandbox = SandboxServer()
    url = await sandbox.start()
    try:
        compared = {**environment, **_LOCAL, "AWS_ENDPOINT_URL": url}
        there, _ = await asyncio.to_thread(contract, compared, budget, out.with_suffix(".sandbox.jsonl"))
    finally:
        await sandbox.stop()
    return {
        "version": 1,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "models": version_in_force(),
        "seconds": round(time.monotonic() - began),
        "cases": cases,
        "stack": stack,
        "durations": report.durations(here),
        "operations": report.operations(here),
        "differences": report.differences(here, there),
        "messages": report.messages(here),
        "left": left,
    }


def contract(environment: Mapping[str, str], budget: int, path: Path) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Run the contract suite in a process of its own; return the recorded calls, and how each case ended."""
    path.unlink(missing_ok=True)
    results = path.with_suffix(".xml")
    more = {ACCOUNT: "1", RECORD: str(path), BUDGET: str(budget)}
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", "-k", "InAnAccount"]
    command += [f"--junitxml={results}", "tests/contract/test_contract.py"]
    subprocess.run(command, cwd=ROOT, env={**environment, **more}, check=False, capture_output=True)
    cases: dict[str, Any] = {}
    for case in ET.parse(results).iter("testcase"):
        failure = case.find("failure") if case.find("failure") is not None else case.find("error")
        message = scrubbed(failure.get("message", "")).splitlines()[:1] if failure is not None else []
        cases[str(case.get("name"))] = (
            f"differs: {message[0] if message else ''}" if failure is not None else "as written"
        )
    return lines(path), cases


def a_stack(environment: Mapping[str, str], folder: Path) -> dict[str, Any]:
    """Apply a small stack twice, plan it and destroy it, at a terminal; return how each command ended."""
    prefix = f"gwl-{uuid.uuid4().hex[:8]}"
    target = {"targetConfiguration": {"mcp": {"mcpServer": {"endpoint": environment[_NEEDED[1]]}}}}
    gateway = {"roleArn": environment[_NEEDED[0]], "authorizerType": "AWS_IAM", "protocolType": "MCP"}
    document = {"stack": prefix, "gateways": {prefix: {**gateway, "targets": {"server": target}}}}
    file, ledger = folder / f"{prefix}.yaml", folder / f"{prefix}.sqlite"
    file.write_text(yaml.safe_dump(document), "utf-8")
    found: dict[str, Any] = {}
    for step, command in (("apply", "apply"), ("again", "apply"), ("plan", "plan"), ("destroy", "destroy")):
        began = time.monotonic()
        consent = [] if command == "plan" else ["--yes"]
        shown = _command(
            [command, str(file), *consent, "--json", "--ledger", f"sqlite:{ledger}", "--timeout", "1800"], environment
        )
        outcome = {"seconds": round(time.monotonic() - began, 1), "status": shown.get("status", "")}
        calls = {name: count for name, count in (shown.get("calls") or {}).items() if name != "PutEvents"}
        outcome["changing calls"] = sum(
            n for name, n in calls.items() if not name.startswith(("Get", "List", "Describe"))
        )
        if command == "plan":
            outcome = {"seconds": outcome["seconds"], "changes": shown.get("changes")}
        reasons = [scrubbed(one["message"]) for one in shown.get("failures", [])] + [
            scrubbed(str(shown.get("error", "")))
        ]
        found[step] = {**outcome, "reasons": [text for text in reasons if text]}
    for path in (file, ledger):
        path.unlink(missing_ok=True)
    return found


def _command(arguments: list[str], environment: Mapping[str, str]) -> dict[str, Any]:
    command = [sys.executable, "-m", "handlers.cli", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=dict(environment), capture_output=True, text=True, check=False)
    try:
        shown: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        return {"error": scrubbed(done.stderr[-500:])}
    return shown


def say(text: str) -> None:
    """Print what is under way."""
    print(f"{datetime.now(UTC):%H:%M:%S}  {text}", file=sys.stderr, flush=True)


def summary(found: Mapping[str, Any], path: Path) -> None:
    """Print what people want to know first."""
    differing = {name: how for name, how in found["cases"].items() if how != "as written"}
    table(("case that differs", "how"), sorted((name, how[:100]) for name, how in differing.items()))
    print()
    rows = [
        (step, str(one.get("status", one.get("changes"))), f"{one['seconds']} s")
        for step, one in found["stack"].items()
    ]
    table(("stack", "ended", "took"), rows)
    print()
    table(("creation", "median seconds"), [(name, str(one["median"])) for name, one in found["durations"].items()])
    print(
        f"\n{found['place']}: {len(found['cases']) - len(differing)} of {len(found['cases'])} cases as written, "
        f"{len(found['differences'])} operations answer otherwise than the sandbox, {len(found['left'])} resources left"
        f"\nreport: {path.relative_to(ROOT) if path.is_relative_to(ROOT) else path}"
    )


if __name__ == "__main__":
    sys.exit(main())
