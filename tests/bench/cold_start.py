"""Init of the built function over that of one that only imports aiobotocore and makes the AgentCore client.

Both are built the same way and run under AWS's runtime interface emulator, in turn, in one run; then warm calls on a
converged stack. Printed are medians and their ratio: absolute times are this machine's.
"""

import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from handlers.cli_show import table
from infra.sandbox.behaviour import Durations
from tests.deploy.conftest import ARCH, ROOT, target_python
from tests.documents import gateway, mcp_target
from tests.localcloud.cloud import Cloud
from tests.localcloud.emulator import EmulatorPool, Function
from tests.localcloud.translate import translate
from tests.servers import serving
from tools.build_artifact import PACKAGES

ROUNDS = 9
GRANTS = ROOT / "tests" / "deploy" / "grants.yaml"
_INIT = re.compile(r"INIT REPORT\(durationMs: ([\d.]+)")
BASE = """
import asyncio
from aiobotocore.session import get_session

runner = asyncio.Runner()

async def make():
    return await get_session().create_client("bedrock-agentcore-control", region_name="us-east-1").__aenter__()

client = runner.run(make())

def handler(event, context):
    return {}
"""


def build(folder: Path) -> Path:
    """What SAM builds, and beside it the function that it is compared with."""
    environment = {**os.environ, "SAM_CLI_TELEMETRY": "0", "ARCH": ARCH, "GRANTS": str(GRANTS)}
    environment["TARGET_PYTHON"] = target_python()
    environment["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = ["sam", "build", "--build-dir", str(folder), "--parameter-overrides", f"Architecture={ARCH}"]
    subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
    base = folder / "Base"
    shutil.copytree(folder / "ConvergeFunction", base, ignore=lambda _, names: set(PACKAGES) & set(names))
    (base / "base.py").write_text(BASE)
    compiling = [sys.executable, "-m", "compileall", "-q", "-f", "--invalidation-mode", "unchecked-hash", str(base)]
    subprocess.run(compiling, check=True)
    return base


def inits(cloud: Cloud, base: Path, folder: Path) -> dict[str, list[float]]:
    """Milliseconds of init, one after the other in turn."""
    folder.mkdir()
    pool = EmulatorPool(folder, {"AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1"}, 1, level="info")
    pool.add(Function("Base", "base", "base.handler", base, 30, 1024))
    found: dict[str, list[float]] = {"base": [], "gatewright": []}
    for _ in range(ROUNDS):
        pool.kill("Base")
        pool.invoke("Base", b"{}")
        cloud.kill("ConvergeFunction")
        cloud.invoke("ConvergeFunction", {"stack": "nobody", "generation": 1, "requestId": "x"})
    found["base"] = [float(one) for one in _INIT.findall(pool.logs("Base"))]
    found["gatewright"] = [float(one) for one in _INIT.findall(cloud.logs("ConvergeFunction"))]
    pool.close()
    return found


def warm(cloud: Cloud) -> list[float]:
    """Milliseconds of calls that find a converged stack and send nothing."""
    document = {"stack": "payments.bench", "gateways": {"bench": gateway({"tools": mcp_target()})}}
    found = []
    for number in range(ROUNDS + 2):
        task = {"detailType": "Gateway Stack Requested", "detail": {"stack": document}, "requestId": f"bench-{number}"}
        time.sleep(1.5)  # a run's share of the API's rates is given back meanwhile
        began = time.monotonic()
        answer = json.loads(cloud.invoke("ConvergeFunction", task).body)
        found.append((time.monotonic() - began) * 1000)
        assert answer["status"] == "READY", answer
    return found[2:]


def main() -> int:
    """Measure, and print one table."""
    durations = Durations(provider=0.05, gateway=0.05, target=0.05, synchronize=0.05, delete=0.05)
    with tempfile.TemporaryDirectory() as name, serving(durations) as sandbox:
        folder = Path(name)
        base = build(folder / "built")
        translated = translate(folder / "built" / "template.yaml", {"Architecture": ARCH})
        (folder / "cache").mkdir()
        endpoints = {"BEDROCK_AGENTCORE_CONTROL": sandbox.url}
        with Cloud(translated, endpoints=endpoints, cache=folder / "cache", environments=1, level="info") as cloud:
            measured = inits(cloud, base, folder / "pool")
            calls = warm(cloud)
    medians = {name: statistics.median(times) for name, times in measured.items()}
    rows = [
        ("init of the function that only makes the client", f"{medians['base']:.0f} ms"),
        ("init of the built function", f"{medians['gatewright']:.0f} ms"),
        ("ratio", f"{medians['gatewright'] / medians['base']:.2f}"),
        ("warm call on a converged stack", f"{statistics.median(calls):.0f} ms"),
    ]
    table(("cold start", f"median of {ROUNDS}"), rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
