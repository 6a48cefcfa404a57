"""A plan as a file: reviewed by one, applied by another, and refused where it is not what would happen any more.

The file holds the document, the id and generation of the request, version ids of secrets, and the first action on each
resource; no value of a secret. Applying it approves exactly the deletions and replacements that it shows. Applying it
again continues the request that was begun, since that request is known by its id.
"""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from infra.deadline import Deadline
from workflows.document.fingerprint import digest
from workflows.document.problems import Invalid
from workflows.document.stack import from_pydantic
from workflows.planner.decision import CHANGES, Action
from workflows.planning import Plan, plan, plan_removal
from workflows.records.items import partition_of
from workflows.records.request_state import Mode
from workflows.requests.context import Context
from workflows.requests.request import Request
from workflows.requests.stacks import stack_record

#: The value of the member `gatewright` in a plan file.
KIND = "plan"
#: The bytes at the begin of a file among which that member stands.
_HEAD = 200


class PlannedAction(BaseModel):
    """The first action on a resource."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    action: str
    id: str | None = None
    paths: tuple[str, ...] = ()
    #: The digest of the values that would change, or that would be created.
    values: str = ""

    def __str__(self) -> str:
        paths = f" of {', '.join(self.paths)}" if self.paths else ""
        return f"{self.action}{paths}{f' ({self.id})' if self.id else ''}"


class PlanFile(BaseModel):
    """A plan with everything that its request needs."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    gatewright: str = Field(pattern=f"^{KIND}$")
    version: int = Field(ge=1, le=1)
    mode: Mode
    stack: str
    account: str
    region: str
    request_id: str = Field(alias="requestId")
    generation: int
    document: dict[str, Any] | None = None
    secret_versions: dict[str, dict[str, str]] = Field(alias="secretVersions")
    actions: dict[str, PlannedAction]
    #: The addresses whose deletion or replacement the plan shows.
    approves: tuple[str, ...]

    @classmethod
    def of(cls, made: Plan, document: Mapping[str, Any] | None, request_id: str) -> Self:
        """Return the file of a plan."""
        return cls.model_validate(
            {
                "gatewright": KIND,
                "version": 1,
                "mode": made.mode,
                "stack": made.stack,
                "account": made.account,
                "region": made.region,
                "requestId": request_id,
                "generation": made.generation,
                "document": document,
                "secretVersions": made.secret_versions,
                "actions": actions_of(made),
                "approves": sorted(one.address for one in made.deleting),
            }
        )

    def text(self) -> str:
        """Return the file as JSON."""
        return self.model_dump_json(by_alias=True, indent=2) + "\n"

    @property
    def request(self) -> Request:
        """The request that applies the plan."""
        return Request(
            mode=self.mode,
            request_id=self.request_id,
            stack=self.stack,
            document=self.document if self.mode is Mode.PROVISION else None,
            generation=self.generation,
            allow=frozenset(self.approves),
            only_approved=True,
        )

    def outdated(self, made: Plan) -> list[str]:
        """Return what differs from a plan that was made now: a line for each difference."""
        now, found = actions_of(made), []
        if made.generation != self.generation:
            found.append(f"another request was accepted since: generation {made.generation - 1} is in force")
        for address in sorted({*self.actions, *now}):
            before, after = self.actions.get(address), now.get(address)
            if before != after and str(before) == str(after):
                found.append(f"{address}: {before}: the values differ")
            elif before != after:
                found.append(f"{address}: {before or 'not in the plan'}; now {after or 'there is nothing to do'}")
        versions = {address: dict(read) for address, read in made.secret_versions.items()}
        every = sorted({*self.secret_versions, *versions})
        rotated = [one for one in every if self.secret_versions.get(one) != versions.get(one)]
        return [*found, *(f"{address}: a secret has another version" for address in rotated)]


def read_plan(content: bytes) -> PlanFile | None:
    """Return the plan that a file holds; None where it holds something else. Raises Invalid for a damaged plan."""
    if f'"gatewright": "{KIND}"'.encode() not in content[:_HEAD]:
        return None
    try:
        return PlanFile.model_validate_json(content)
    except ValidationError as error:
        raise Invalid(from_pydantic(error, ())) from None


async def outdated(context: Context, file: PlanFile, deadline: Deadline) -> list[str]:
    """Return why a plan file may not be applied now, a line for each reason; empty if it may.

    A plan whose request was accepted before may: the request is continued. Raises Invalid, OutOfTime, and CallFailed
    when AWS cannot be called.
    """
    account, region = await context.aws.within(deadline).account(), context.aws.region
    if (account, region) != (file.account, file.region):
        made = f"account {file.account}, Region {file.region}"
        return [f"this plan was made for {made}; these are account {account}, Region {region}"]
    record = await stack_record(context.ledger, partition_of(account, region, file.stack))
    if record is not None and record.state_of(file.request_id, file.mode) is not None:
        return []
    if file.mode is Mode.REMOVE:
        return file.outdated(await plan_removal(context, file.stack, file.document, deadline))
    return file.outdated(await plan(context, file.document or {}, deadline, assume=True))


def actions_of(made: Plan) -> dict[str, PlannedAction]:
    """Return the changes and failures of a plan. What a run waits for may have come by the time the plan is applied."""
    return {
        one.address: PlannedAction(
            action=str(one.action),
            id=one.id,
            paths=tuple(sorted(change.path for change in one.changes)),
            values=digest([[change.shown(one.address) for change in one.changes], dict(one.values)]),
        )
        for one in made.resources
        if one.action in (*CHANGES, Action.FAIL)
    }
