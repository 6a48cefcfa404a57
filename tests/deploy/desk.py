"""Requests to a deployment, and what it announces of them."""

import json
from typing import Any

from infra.ledger.packing import REST, attributes_of, rest_attribute, rest_of
from tests.documents import gateway, mcp_target
from tests.localcloud.resolve import ACCOUNT
from tests.worlds import REGION
from workflows.records.items import partition_of, resource_key

REQUESTED = "Gateway Stack Requested"
SOURCE = "tests.payments"


def stack(name: str, targets: int = 1, **more: Any) -> dict[str, Any]:
    inside = {f"tools-{number}": mcp_target() for number in range(targets)}
    return {"stack": f"payments.{name}", "gateways": {name: gateway(inside)}, **more}


#: Seconds that a deployment may take for what takes it a few: the machine may be slow, and busy with other tests.
LONG = 180.0
#: Seconds that a creation takes for which a function does not wait: looks grow rarer, and a pause of over a second is
#: left to the state machine.
HANDED_OVER = 14.0


class Desk:
    """Puts requests on the bus and reads what is announced."""

    def __init__(self, cloud, sandbox) -> None:
        self.cloud, self.plane = cloud, sandbox.plane

    def ask(
        self, document: dict[str, Any], request_id: str, *, source: str = SOURCE, kind: str = REQUESTED, **more
    ) -> None:
        detail = {"stack": document, "requestId": request_id, **more}
        self.cloud.put_event(source, kind, detail, "Bus")

    def told(self, request_id: str) -> list[str]:
        """The announcements about a request, in order, without the words that they share."""
        seen = [event for event in self.cloud.events_seen() if event.source == "gatewright"]
        mine = [event for event in seen if event.detail["requestId"] == request_id]
        return [event.detail_type.removeprefix("Gateway Stack ") for event in mine]

    def outcome(self, request_id: str, kind: str, seconds: float = LONG) -> dict[str, Any]:
        """The outcome of a request, as soon as it is announced."""

        def announced() -> Any:
            seen = [event for event in self.cloud.events_seen() if event.detail_type == f"Gateway Stack {kind}"]
            return next((event.detail for event in seen if event.detail["requestId"] == request_id), None)

        try:
            found: dict[str, Any] = self.cloud.wait_until(announced, seconds)
        except TimeoutError:
            told = [event for event in self.cloud.events_seen() if event.detail.get("requestId") == request_id]
            last = str(told[-1].detail) if told else ""
            raise AssertionError(f"{request_id} was told {self.told(request_id)}, not {kind}: {last}") from None
        return found

    def made_earlier(self, stack: str, address: str, seconds: float) -> None:
        """Have the ledger remember that a resource was made so much earlier than it was."""
        client, table = self.cloud.client("dynamodb"), self.cloud.resource("LedgerTable")
        key = attributes_of(resource_key(partition_of(ACCOUNT, REGION, stack), address))
        item = client.get_item(TableName=table, Key=key, ConsistentRead=True)["Item"]
        rest = json.loads(rest_of(item))
        for operation in rest["operations"]:
            operation["accepted_at"] -= seconds
        client.put_item(TableName=table, Item={**item, REST: rest_attribute(json.dumps(rest).encode("ascii"))})

    def named(self, kind: str, name: str) -> list[Any]:
        return [record for record in self.plane.world.records.live(kind) if record.name == name]

    def executions(self, request_id: str) -> list[Any]:
        found = self.cloud.executions("ConvergeMachine")
        return [one for one in found if one.input.get("requestId") == request_id]

    def ended(self, request_id: str, seconds: float = LONG) -> list[str]:
        """How the executions of a request ended, once none of them runs."""

        def statuses() -> Any:
            found = [one.status for one in self.executions(request_id)]
            return found if found and "RUNNING" not in found else None

        found: list[str] = self.cloud.wait_until(statuses, seconds)
        return found
