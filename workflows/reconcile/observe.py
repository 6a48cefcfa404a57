"""Observing: which resources of a stack exist at the service, with as few reads as possible.

Providers are read by name, gateways by recorded id or by paged list, targets by one list per gateway.
"""

from collections.abc import AsyncIterator, Callable, Container, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from infra.aws import Calls
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
        self._ids: dict[str, dict[str, tuple[str, ...]]] = {}

    async def resource(self, kind: Kind, name: str, record: ResourceRecord) -> ObservedState | None:
        """Return a resource without parent, found by the recorded id, else by name. None: no such resource exists."""
        observed = await self.look(kind, record.id, None) if record.id else None
        if observed is not None:
            # If the name is the id, a resource of somebody else may have this name by now.
            another = (record.object.created if record.object is not None else "") not in (
                "",
                time_text(observed.body.get(kind.created_member)),
            )
            return await self.owned(observed) if another else observed
        return await self.named(kind, name)

    async def named(self, kind: Kind, name: str) -> ObservedState | None:
        """Return a resource without parent, found by name alone. None: no such resource exists.

        Raises CallFailed if several resources have the name, and not exactly one of them belongs to this stack.
        """
        looked = [await self.look(kind, identity, None) for identity in await self._ids_of(kind, name)]
        found = [await self.owned(observed) for observed in looked if observed is not None]
        if len(found) > 1:
            mine = [observed for observed in found if observed.ours]
            if len(mine) != 1:
                raise _ambiguous(kind, name, [str(observed.id) for observed in found])
            found = mine
        return found[0] if found else None

    async def look(self, kind: Kind, identity: str, parent_id: str | None) -> ObservedState | None:
        """Read a resource in full. None: the resource does not exist."""
        try:
            params, check = address_of(kind, identity, parent_id), partial(_another_resource, kind, identity)
            body = await ask(self._calls, kind, kind.operations.get, params, check)
        except CallFailed as failed:
            if failed.error_class is ErrorClass.GONE:
                return None
            raise
        _require_name(kind, identity, body)
        return ObservedState(kind, identity, body)

    async def children(
        self, kind: Kind, parent_id: str, recorded: Container[str | None] = ()
    ) -> dict[str, ObservedState]:
        """Return summaries of all resources of a kind under a parent, by name.

        Of several resources with one name, the resource with a recorded id keeps the name, and the others follow under
        name and id. Raises CallFailed if none or several of them are recorded.
        """
        found: dict[str, dict[str, ObservedState]] = {}
        async for item in self.pages(kind, {str(kind.parent_member): parent_id}):
            hide_url(self._calls, item)
            identity, name = kind.id_in(item), kind.name_in(item) or ""
            # A page may repeat an item of the page before.
            found.setdefault(name, {})[identity] = ObservedState(kind, identity, item, full=False)
        return {key: one for name, same in found.items() for key, one in _told_apart(kind, name, same, recorded)}

    async def endpoints(self, harness_id: str) -> tuple[str, ...]:
        """Return the names of a harness's endpoints, without the default endpoint that every harness has."""
        pages = self._calls.pages("ListHarnessEndpoints", {"harnessId": harness_id, "maxResults": 100})
        names = {one["endpointName"] async for page in pages for one in page["endpoints"]}
        return tuple(sorted(names - {"DEFAULT"}))

    async def _ids_of(self, kind: Kind, name: str) -> tuple[str, ...]:
        """Return the ids of the resources with a name; a kind whose id is the name needs no list."""
        if kind.id_member == "name":
            return (name,)
        if kind.section not in self._ids:
            known: dict[str, dict[str, None]] = {}
            async for item in self.pages(kind, {}):
                known.setdefault(kind.name_in(item) or "", {})[kind.id_in(item)] = None
            self._ids[kind.section] = {found: tuple(ids) for found, ids in known.items() if found}
        return self._ids[kind.section].get(name, ())

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
            asked = await self.tagged(observed)
        except CallFailed as failed:
            if failed.error_class is ErrorClass.GONE:
                return observed  # deleted meanwhile, or tags are no longer shown
            raise
        by_name = strictly and observed.kind.id_member == "name"
        return asked if by_name or (asked.tags or {}).get(OWNER_TAG) is not None else observed

    async def owned(self, observed: ObservedState) -> ObservedState:
        """Read the tags of a resource that was just read, as `tagged` does. Raises CallFailed."""
        try:
            return await self.tagged(observed)
        except CallFailed as failed:
            if failed.error_class is not ErrorClass.GONE:
                raise
            # A read showed the resource a moment ago; the next read shows which of both is true.
            raise CallFailed(failed.operation, ErrorClass.BUSY, failed.code, failed.message) from None

    async def tagged(self, observed: ObservedState) -> ObservedState:
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
        async for page in self._calls.pages(kind.operations.list, asked, service=kind.service):
            for item in page.get(kind.list_items, []):
                yield item


async def ask(
    calls: Calls,
    kind: Kind,
    operation: str,
    params: Mapping[str, Any],
    check: Callable[[Mapping[str, Any]], tuple[str, ...]] | None = None,
) -> dict[str, Any]:
    """Call an operation of a kind, and return the resource in the answer; `check` returns more flaws of an answer."""
    shown = kind.shown(await calls(operation, params, service=kind.service, check=check))
    hide_url(calls, shown)
    return shown


def _another_resource(kind: Kind, identity: str, answer: Mapping[str, Any]) -> tuple[str, ...]:
    """Return a flaw if an answer shows another resource than the one that was asked for."""
    shown = kind.id_in(kind.shown(answer))
    same = shown == identity or (kind.id_member == "name" and shown.casefold() == identity.casefold())
    return () if same or not shown else (f"{kind.id_member} is that of another {kind.noun}",)


def _require_name(kind: Kind, name: str, body: Mapping[str, Any]) -> None:
    """Raise CallFailed for a resource that is read by name and that has a name of other case."""
    shown = body.get(kind.id_member)
    if kind.id_member == "name" and shown not in (None, name):
        message = f"the service shows the {kind.noun} {shown} under the name {name}: it ignores the case of names"
        raise CallFailed(kind.operations.get, ErrorClass.EXISTS, "NameDiffersInCase", message)


def _told_apart(
    kind: Kind, name: str, same: Mapping[str, ObservedState], recorded: Container[str | None]
) -> Iterator[tuple[str, ObservedState]]:
    """Yield the resources with one name by distinct keys: the name, then name and id. Raises CallFailed."""
    mine = [identity for identity in same if identity in recorded] or list(same)
    mine = [identity for identity in mine if same[identity].status != "DELETING"] or mine
    if len(mine) > 1:
        raise _ambiguous(kind, name, list(same))
    for identity, observed in same.items():
        yield name if identity in mine else f"{name} ({identity})", observed


def _ambiguous(kind: Kind, name: str, ids: Sequence[str]) -> CallFailed:
    message = f"the service lists several {kind.noun}s named {name}: {', '.join(sorted(ids))}"
    return CallFailed(kind.operations.list, ErrorClass.UNKNOWN, "DuplicateName", message)


def hide_url(calls: Calls, body: Mapping[str, Any]) -> None:
    """Have the authorization URL masked in errors and logs, since the URL acts as a bearer token."""
    url = ((body.get("authorizationData") or {}).get("oauth2") or {}).get("authorizationUrl")
    if isinstance(url, str):
        calls.aws.redaction.add(url)


def address_of(kind: Kind, identity: str | None, parent_id: str | None) -> dict[str, Any]:
    """Return the request members that address a resource."""
    values = {"id": identity, "name": identity, "parent": parent_id}
    return {member: values[source] for member, source in kind.address_members.items()}
