"""Observing: which resources of a stack exist at the service, with as few reads as possible.

Providers are read by name, gateways by recorded id or by paged list, targets by one list per gateway.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from infra.aws import Calls, lacking
from infra.errors import CallFailed, ErrorClass
from workflows.document.stack import OWNER_TAG
from workflows.kinds import Kind
from workflows.kinds.observed import ObservedState, time_text
from workflows.records.resource import ResourceRecord


class Observer:
    """Reads the resources of one stack for one run. A list that several resources need is read once."""

    def __init__(self, calls: Calls, stack: str) -> None:
        self._calls = calls
        self._stack = stack
        self._ids: dict[str, dict[str, str]] = {}

    async def resource(self, kind: Kind, name: str, record: ResourceRecord) -> ObservedState | None:
        """Return a resource without parent, found by the recorded id, else by name. None: no such resource exists."""
        observed = await self.look(kind, record.id, None) if record.id else None
        if observed is not None:
            # If the name is the id, a resource of somebody else may have this name by now.
            another = (record.object.created if record.object is not None else "") not in (
                "",
                time_text(observed.body.get(kind.created_member)),
            )
            return await self._owned(observed) if another else observed
        return await self.named(kind, name)

    async def named(self, kind: Kind, name: str) -> ObservedState | None:
        """Return a resource without parent, found by name alone. None: no such resource exists."""
        found = await self._id_of(kind, name)
        observed = await self.look(kind, found, None) if found is not None else None
        return await self._owned(observed) if observed is not None else None

    async def look(self, kind: Kind, identity: str, parent_id: str | None) -> ObservedState | None:
        """Read a resource in full. None: the resource does not exist."""
        try:
            body = await ask(self._calls, kind, kind.operations.get, address_of(kind, identity, parent_id))
        except CallFailed as failed:
            if failed.error_class is ErrorClass.GONE:
                return None
            raise
        return ObservedState(kind, identity, body)

    async def children(self, kind: Kind, parent_id: str) -> dict[str, ObservedState]:
        """Return summaries of all resources of a kind under a parent, by name."""
        found = {}
        async for item in self.pages(kind, {str(kind.parent_member): parent_id}):
            hide_url(self._calls, item)
            found[kind.name_in(item) or ""] = ObservedState(kind, item[kind.id_member], item, full=False)
        return found

    async def endpoints(self, harness_id: str) -> tuple[str, ...]:
        """Return the names of a harness's endpoints, without the default endpoint that every harness has."""
        pages, names = {"harnessId": harness_id, "maxResults": 100}, []
        while True:
            page = await self._calls("ListHarnessEndpoints", pages, lacks=lacking("endpoints"))
            names += [one["endpointName"] for one in page["endpoints"]]
            if not page.get("nextToken"):
                return tuple(sorted(set(names) - {"DEFAULT"}))
            pages = {**pages, "nextToken": page["nextToken"]}

    async def _id_of(self, kind: Kind, name: str) -> str | None:
        """Return the id of the resource with a name; a kind whose id is the name needs no list."""
        if kind.id_member == "name":
            return name
        if kind.section not in self._ids:
            items = [item async for item in self.pages(kind, {})]
            named = ((kind.name_in(item), item[kind.id_member]) for item in items)
            self._ids[kind.section] = {found: identity for found, identity in named if found is not None}
        return self._ids[kind.section].get(name)

    def forget_lists(self) -> None:
        """Discard cached lists, because resources may have been created meanwhile."""
        self._ids.clear()

    async def proven(self, observed: ObservedState, *, strictly: bool) -> ObservedState:
        """Verify the ownership of a resource that is about to be deleted, which another stack may have imported since.

        `strictly` demands our owner tag on a resource whose id is the name: somebody may have replaced the resource.
        """
        if not observed.ours or not observed.kind.tagged or observed.moving:
            return observed
        try:
            asked = await self._owned(observed)
        except CallFailed as failed:
            if failed.error_class is ErrorClass.GONE:
                return observed  # deleted meanwhile, or tags are no longer shown
            raise
        by_name = strictly and observed.kind.id_member == "name"
        return asked if by_name or (asked.tags or {}).get(OWNER_TAG) is not None else observed

    async def _owned(self, observed: ObservedState) -> ObservedState:
        """Read the tags of a resource that the ledger does not identify, and set the owner accordingly.

        A resource without tags has no known owner: only a repeated creation of ours can tell, or a person.
        """
        if not observed.kind.tagged:
            return replace(observed, tags={}, ours=False)
        answer = await self._calls("ListTagsForResource", {"resourceArn": observed.arn}, service=observed.kind.service)
        tags = dict(answer.get("tags") or {})
        return replace(observed, tags=tags, ours=tags.get(OWNER_TAG) == self._stack)

    async def pages(self, kind: Kind, params: Mapping[str, Any]) -> AsyncIterator[dict[str, Any]]:
        """Yield every item of a list, page after page."""
        asked = {**params, "maxResults": kind.page}
        while True:
            lacks = partial(kind.lacks, kind.operations.list)
            page = await self._calls(kind.operations.list, asked, service=kind.service, lacks=lacks)
            for item in page.get(kind.list_items, []):
                yield item
            if not page.get("nextToken"):
                return
            asked = {**asked, "nextToken": page["nextToken"]}


async def ask(calls: Calls, kind: Kind, operation: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """Call an operation of a kind, and return the resource in the answer."""
    shown = kind.shown(await calls(operation, params, service=kind.service, lacks=partial(kind.lacks, operation)))
    hide_url(calls, shown)
    return shown


def hide_url(calls: Calls, body: Mapping[str, Any]) -> None:
    """Have the authorization URL masked in errors and logs, since the URL acts as a bearer token."""
    url = ((body.get("authorizationData") or {}).get("oauth2") or {}).get("authorizationUrl")
    if isinstance(url, str):
        calls.aws.redaction.add(url)


def address_of(kind: Kind, identity: str | None, parent_id: str | None) -> dict[str, Any]:
    """Return the request members that address a resource."""
    values = {"id": identity, "name": identity, "parent": parent_id}
    return {member: values[source] for member, source in kind.address_members.items()}
