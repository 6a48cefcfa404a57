"""The control plane of the sandbox: executes a named operation and responds as the service would.

The plane does no I/O and reads only the injected clock, so hours pass in milliseconds in tests. Callers are the
in-process client (infra.sandbox.client) and the HTTP server (infra.sandbox.server). `answer` processes a call in
these steps:

1. Requests that faults delayed (`arrive`) are executed first, each with the clock set to the time of arrival. Their
   responses are discarded.
2. The first fault that matches the operation is selected. A fault can delay a copy of the request, refuse the call, or
   lose the request.
3. The documented rate of the operation is enforced, with a token bucket of two seconds.
4. The request is validated against the service model of botocore, executed by the class of the resource kind (Gateways,
   Targets, ...), and the response is validated as well. An invalid response is a defect of the sandbox and raises
   AssertionError.
5. The fault can lose the response.

The journal records every call that was answered or refused, and calls that took effect although the response was lost;
requests that never arrived are missing. State is kept in World: the records of resources, the settings (Behaviour) and
the secrets. Operations are asynchronous: a call sets a transitional status and plans the terminal status, which the
record enters when the clock reaches the time.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

from infra import service_model
from infra.pace import DEFAULT_RATE, RATES
from infra.sandbox import faults
from infra.sandbox.agent_runtimes import AgentRuntimes
from infra.sandbox.answers import check_answer, check_refusal
from infra.sandbox.api_keys import ApiKeys
from infra.sandbox.behaviour import Behaviour
from infra.sandbox.faults import AnswerLost, Faults
from infra.sandbox.gateways import Gateways
from infra.sandbox.harnesses import Harnesses
from infra.sandbox.providers import Providers
from infra.sandbox.records import Records
from infra.sandbox.refusals import Refusal, invalid, missing
from infra.sandbox.registries import Registries
from infra.sandbox.secrets_manager import SecretsManager
from infra.sandbox.targets import Targets
from infra.sandbox.world import Body, Params, World
from infra.service_model import AGENT_REGISTRY, CONTROL_PLANE

#: Request members that identify the resource of a call, for the journal.
_NAMING = (
    "name", "agentRuntimeName", "harnessName", "targetId", "gatewayIdentifier", "agentRuntimeId", "harnessId",
    "registryId",
)  # fmt: skip
#: The supported operations of the services around AgentCore.
NEIGHBOURS = {
    "secretsmanager": {"CreateSecret", "PutSecretValue", "GetSecretValue", "DescribeSecret"},
    "sts": {"GetCallerIdentity"},
    "events": {"PutEvents"},
    "bedrock-agentcore": {"CompleteResourceTokenAuth"},
}
Operation = Callable[[Params], Body]
_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Call:
    """A call in the journal. Parameters are omitted, because they may contain secrets."""

    at: float
    operation: str
    name: str
    refusal: str | None = None

    @property
    def mutating(self) -> bool:
        """Whether the operation may change a resource."""
        return service_model.is_mutating(self.operation)


@dataclass
class _Bucket:
    tokens: float
    at: float


@dataclass
class Journal:
    """Every call that arrived, in order."""

    calls: list[Call] = field(default_factory=list)

    def count(self) -> Counter[str]:
        """Return the number of calls per operation."""
        return Counter(call.operation for call in self.calls)

    def mutating(self) -> list[str]:
        """Return the operations of all mutating calls, in order."""
        return [call.operation for call in self.calls if call.mutating]


class Plane:
    """An account and Region of AgentCore, with the parts of Secrets Manager, STS and EventBridge that a run uses."""

    def __init__(
        self,
        clock: Callable[[], float],
        behaviour: Behaviour | None = None,
        epoch: datetime = _EPOCH,
    ) -> None:
        self.behaviour = behaviour or Behaviour()
        secrets = SecretsManager(self.behaviour.account, self.behaviour.region)
        self.world = World(Records(clock, epoch), self.behaviour, secrets)
        self.faults = Faults()
        self.journal = Journal()
        self.events: list[dict[str, Any]] = []
        self._buckets: dict[str, _Bucket] = {}
        self._operations = self._table()

    def answer(self, operation: str, params: Params, service: str = CONTROL_PLANE) -> Body:
        """Execute an AgentCore call. Raises Refusal, or ConnectionLost if a fault loses the call."""
        self.arrive()
        with self._journaled(operation, params):
            return self._play(service, operation, params)

    def arrive(self) -> None:
        """Execute the delayed requests that have arrived, each at its own time; the responses are discarded."""
        records = self.world.records
        clock = records.clock
        for late in self.faults.arrived(clock()):
            records.clock = partial(float, late.at)
            try:
                with suppress(Refusal), self._journaled(late.operation, late.params):
                    _checked(late.service, late.operation, late.params, self._operations[late.service][late.operation])
            finally:
                records.clock = clock

    @contextmanager
    def _journaled(self, operation: str, params: Params) -> Iterator[None]:
        """Record a call that was answered or refused, or took effect without a response."""
        name = next((str(params[member]) for member in _NAMING if params.get(member)), "")
        try:
            yield
        except Refusal as refusal:
            self.journal.calls.append(Call(self.world.now, operation, name, refusal.code))
            raise
        except AnswerLost:
            self.journal.calls.append(Call(self.world.now, operation, name))
            raise
        self.journal.calls.append(Call(self.world.now, operation, name))

    def answer_neighbour(self, service: str, operation: str, params: dict[str, Any]) -> Body:
        """Execute a call to a service in NEIGHBOURS. Raises Refusal, or ConnectionLost if a fault loses the call."""
        self.journal.calls.append(Call(self.world.now, operation, service))
        faults.before(self.faults.meet(operation))
        if operation not in NEIGHBOURS.get(service, ()):
            raise Refusal("UnknownOperationException", f"The sandbox does not answer {service} {operation}")
        return _checked(service, operation, params, partial(self._neighbour, service, operation))

    def _neighbour(self, service: str, operation: str, params: Params) -> Body:
        match service:
            case "secretsmanager":
                return self.world.secrets.call(operation, params, self.world.records.time())
            case "sts":
                account = self.behaviour.account
                arn = f"arn:{self.behaviour.partition}:sts::{account}:assumed-role/sandbox/sandbox"
                return {"Account": account, "Arn": arn, "UserId": "AROASANDBOX:sandbox"}
            case "events":
                self.events += params["Entries"]
                entries = [{"EventId": str(len(self.events))} for _ in params["Entries"]]
                return {"FailedEntryCount": 0, "Entries": entries}
            case _:
                self.targets.consent.give(params["sessionUri"].rpartition(":")[2])
                return {}

    def tags_of(self, params: Params) -> dict[str, str]:
        """Return the tags of the resource with the given ARN. Raises Refusal."""
        record = self.world.records.by_arn(params["resourceArn"])
        if record is None:
            raise missing(f"Resource {params['resourceArn']}")
        return record.tags

    def _play(self, service: str, operation: str, params: Params) -> Body:
        if operation not in self._operations[service]:
            raise Refusal("UnknownOperationException", f"The sandbox does not answer {operation}")
        fault = self.faults.meet(operation)
        self.faults.hold(fault, service, operation, params, self.world.now)
        faults.before(fault)
        self._limit(operation)
        body = _checked(service, operation, params, self._operations[service][operation])
        faults.after(fault)
        return body

    def _table(self) -> dict[str, dict[str, Operation]]:
        gateways = Gateways(self.world)
        self.targets = Targets(self.world, gateways)
        harnesses = Harnesses(self.world)
        control = {
            **self._five("Oauth2CredentialProvider", Providers(self.world), "credentialProviders"),
            **self._five("ApiKeyCredentialProvider", ApiKeys(self.world), "credentialProviders"),
            **self._five("Gateway", gateways, "items"),
            **self._five("GatewayTarget", self.targets, "items"),
            "SynchronizeGatewayTargets": self.targets.synchronize,
            **self._five("AgentRuntime", AgentRuntimes(self.world), "agentRuntimes"),
            **self._five("Harness", harnesses, "harnesses", plural="Harnesses"),
            "CreateHarnessEndpoint": harnesses.create_endpoint,
            "DeleteHarnessEndpoint": harnesses.delete_endpoint,
            "ListHarnessEndpoints": self._paged(harnesses.list_endpoints, "endpoints"),
            **self._five("Registry", Registries(self.world, moved=False), "registries", plural="Registries"),
            **self._tagging(),
        }
        moved = self._five("Registry", Registries(self.world, moved=True), "registries", plural="Registries")
        return {CONTROL_PLANE: control, AGENT_REGISTRY: {**moved, **self._tagging()}}

    def _five(self, noun: str, room: Any, listed: str, *, plural: str = "") -> dict[str, Operation]:
        """Return the five operations that every kind has."""
        return {
            f"Create{noun}": room.create,
            f"Get{noun}": room.get,
            f"Update{noun}": room.update,
            f"Delete{noun}": room.delete,
            f"List{plural or noun + 's'}": self._paged(room.list, listed),
        }

    def _tagging(self) -> dict[str, Operation]:
        return {
            "ListTagsForResource": lambda params: {"tags": dict(self.tags_of(params))},
            "TagResource": self._tag,
            "UntagResource": self._untag,
        }

    def _tag(self, params: Params) -> Body:
        self.tags_of(params).update(params["tags"])
        return {}

    def _untag(self, params: Params) -> Body:
        tags = self.tags_of(params)
        for key in params["tagKeys"]:
            tags.pop(key, None)
        return {}

    def _paged(self, listed: Callable[[Params], list[Body]], member: str) -> Callable[[Params], Body]:
        def page(params: Params) -> Body:
            start = int(params.get("nextToken", "0"))
            size = min(int(params.get("maxResults", 100)), self.behaviour.page_size)
            items = listed(params)
            more = {"nextToken": str(start + size)} if start + size < len(items) else {}
            return {member: items[start : start + size], **more}

        return page

    def _limit(self, operation: str) -> None:
        """Refuse calls beyond the documented rate, with a token bucket of two seconds. Raises Refusal."""
        if not self.behaviour.limit_rates:
            return
        rate = RATES.get(operation, DEFAULT_RATE)
        bucket = self._buckets.setdefault(operation, _Bucket(2 * rate, self.world.now))
        bucket.tokens = min(2 * rate, bucket.tokens + (self.world.now - bucket.at) * rate)
        bucket.at = self.world.now
        if bucket.tokens < 1:
            raise Refusal("ThrottlingException", f"Rate exceeded for {operation}")
        bucket.tokens -= 1


#: The model's pattern for taggable ARNs allows no digits and so excludes OAuth2 providers. Peers tag providers anyway,
#: so the service cannot be as strict as the model.
_LENIENT = {"resourceArn": "string_pattern_mismatch"}


def _checked(service: str, operation: str, params: Params, carry_out: Callable[[Params], Body]) -> Body:
    """Execute an operation, with validation of request and response against the model. Raises Refusal."""
    try:
        _validate(service, operation, params)
        body = carry_out(params)
    except Refusal as refusal:
        check_refusal(service, operation, refusal)
        raise
    check_answer(service, operation, body)
    return body


def _validate(service: str, operation: str, params: Params) -> None:
    faults_found = service_model.input_type(operation, service).faults(dict(params))
    found = [one for one in faults_found if _LENIENT.get(str(one.path[0])) != one.kind]
    if found:
        fields = [{"name": ".".join(map(str, one.path)), "message": one.message} for one in found]
        text = "; ".join(f"{one['name']}: {one['message']}" for one in fields)
        raise invalid(f"Invalid request: {text}", fieldList=fields)
