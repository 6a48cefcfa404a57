"""A plan as a file: reviewed by one, applied by another, and refused where it is not what would happen any more.

The file holds the document, the id and generation of the request, version ids of secrets, and the first action on each
resource; no value of a secret. Applying it approves exactly the deletions and replacements that it shows. Applying it
again continues the request that was begun, since that request is known by its id.
"""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field

from workflows.document.fingerprint import digest
from workflows.planner.decision import CHANGES, Action
from workflows.planning import Plan
from workflows.records.request_state import Mode
from workflows.requests.request import Request

#: The value of the member `gatewright` in a plan file.
KIND = "plan"


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

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, hide_input_in_errors=True)

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
    def of(cls, plan: Plan, document: Mapping[str, Any] | None, request_id: str) -> Self:
        """Return the file of a plan."""
        return cls.model_validate(
            {
                "gatewright": KIND,
                "version": 1,
                "mode": plan.mode,
                "stack": plan.stack,
                "account": plan.account,
                "region": plan.region,
                "requestId": request_id,
                "generation": plan.generation,
                "document": document,
                "secretVersions": plan.secret_versions,
                "actions": actions_of(plan),
                "approves": sorted(one.address for one in plan.deleting),
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

    def outdated(self, plan: Plan) -> list[str]:
        """Return what differs from a plan that was made now: a line for each difference."""
        now, found = actions_of(plan), []
        if plan.generation != self.generation:
            found.append(f"another request was accepted since: generation {plan.generation - 1} is in force")
        for address in sorted({*self.actions, *now}):
            before, after = self.actions.get(address), now.get(address)
            if before != after and str(before) == str(after):
                found.append(f"{address}: {before}: the values differ")
            elif before != after:
                found.append(f"{address}: {before or 'not in the plan'}; now {after or 'there is nothing to do'}")
        versions = {address: dict(read) for address, read in plan.secret_versions.items()}
        every = sorted({*self.secret_versions, *versions})
        rotated = [one for one in every if self.secret_versions.get(one) != versions.get(one)]
        return [*found, *(f"{address}: a secret has another version" for address in rotated)]


def actions_of(plan: Plan) -> dict[str, PlannedAction]:
    """Return the changes and failures of a plan. What a run waits for may have come by the time the plan is applied."""
    return {
        one.address: PlannedAction(
            action=str(one.action),
            id=one.id,
            paths=tuple(sorted(change.path for change in one.changes)),
            values=digest([[change.shown(one.address) for change in one.changes], dict(one.values)]),
        )
        for one in plan.resources
        if one.action in (*CHANGES, Action.FAIL)
    }
