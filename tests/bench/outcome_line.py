"""CPU time of one outcome line: with no secrets known, and with 2,000 consent URLs and secrets in the environment.

The line is that of a stack of 50 resources, with a reason of the service. The secrets are known to earlier requests of
the same process, to the request itself, or to nobody.
"""

import io
import sys
import time
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).parents[2]))

import structlog

from handlers.cli_show import table
from infra.redaction import Redaction
from infra.telemetry import set_up_logs

SECRETS, RESOURCES, LINES = 2000, 50, 400
MOST = 1.5


def spent(redaction: Redaction) -> float:
    """Return the CPU seconds of one outcome line."""
    set_up_logs(redaction, stream=io.StringIO())
    log = structlog.get_logger()
    resources = {f"gateways.payments.targets.tool-{number}": "READY" for number in range(RESOURCES)}
    reason = (
        "UpdateGatewayTarget was refused for now: ConflictException: https://gateway.example.com/mcp is in progress"
    )
    began = time.process_time()
    for _ in range(LINES):
        log.info(
            "outcome", status="IN_PROGRESS", reason=reason, resources=resources, problems=0, calls={"GetGateway": 3}
        )
    return (time.process_time() - began) / LINES


def known(redaction: Redaction) -> Redaction:
    """Have redaction know as many consent URLs and secrets."""
    base = "https://bedrock-agentcore.us-east-1.amazonaws.com/identities/oauth2/authorize?request_uri=urn%3Aietf%3A"
    random = Random(7)
    for number in range(SECRETS):
        redaction.add(f"{base}{random.randbytes(12).hex()}" if number % 2 else f"secret-{random.randbytes(8).hex()}")
    return redaction


def main() -> int:
    nothing = Redaction()
    nothing.begin()
    none = min(spent(nothing) for _ in range(3))
    began = time.process_time()
    knowing = Redaction()
    knowing.begin()
    known(knowing)
    adding = (time.process_time() - began) / SECRETS
    here = min(spent(knowing) for _ in range(3))
    knowing.begin()
    earlier = min(spent(knowing) for _ in range(3))
    rows = [
        ("no secrets", f"{none * 1e6:.0f}", "1.00"),
        (f"{SECRETS} of earlier requests", f"{earlier * 1e6:.0f}", f"{earlier / none:.2f}"),
        (f"{SECRETS} of this request", f"{here * 1e6:.0f}", f"{here / none:.2f}"),
    ]
    table(("an outcome line of 50 resources", "CPU microseconds", "ratio"), rows)
    print(f"registering one of them: {adding * 1e6:.0f} microseconds")
    return int(max(here, earlier) > MOST * none)


if __name__ == "__main__":
    sys.exit(main())
