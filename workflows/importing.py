"""Importing existing resources: write a stack document that matches them, so that an apply has nothing to do.

Nothing is changed at AWS. The resources are recorded in the ledger as this stack's, so that the next run identifies
them by id. A run without that ledger imports the resources again, because the document declares `adopt: true`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.model import ListShape, Shape, StructureShape

from infra import service_model
from infra.arns import arn_of
from infra.deadline import Deadline
from infra.errors import CallFailed
from infra.ledger import Put
from workflows.document.compare import is_empty, says_none
from workflows.document.problems import Invalid, Problem, path_text
from workflows.document.reading import read_stack
from workflows.document.references import literal
from workflows.document.rules.providers import SECRETLESS
from workflows.document.stack import OWNER_TAG, RESERVED
from workflows.kinds import API_KEY_CREDENTIAL_PROVIDER, KINDS, OAUTH2_CREDENTIAL_PROVIDER, Kind, children, top_level
from workflows.kinds.kind import Property, at
from workflows.kinds.members import ADDED_BY_SERVICE
from workflows.kinds.observed import ObservedState
from workflows.reconcile.observe import Observer
from workflows.reconcile.session import owners_of
from workflows.records.items import partition_of, resource_key, stack_key
from workflows.records.resource import ResourceRecord
from workflows.records.resource_items import item_of
from workflows.requests.context import Context

_PROVIDERS = {
    "oauth2credentialprovider": OAUTH2_CREDENTIAL_PROVIDER,
    "apikeycredentialprovider": API_KEY_CREDENTIAL_PROVIDER,
}
_PROVIDER = re.compile(r"token-vault/[^/]+/(\w+)/([\w-]+)")
#: The placeholder for a secret, until a person fills in the location of the secret.
_PLACE_HOLDER = "{{resolve:secretsmanager:FILL-IN:SecretString:%s}}"


@dataclass
class Imported:
    """An imported document, and the paths that a person must fill in."""

    document: dict[str, Any]
    fill_in: list[str] = field(default_factory=list)
    _records: list[ResourceRecord] = field(default_factory=list)

    def add(self, seen: ObservedState, path: tuple[str, ...], parent_id: str | None = None) -> dict[str, Any]:
        """Add the declaration and the record of an observed resource at a path. Returns the declaration."""
        declared, secrets = declaration(seen.kind, seen)
        if seen.kind.tagged:
            declared = {RESERVED: {"adopt": True}, **declared}
        self.fill_in += [f"{path_text(path)}.{secret}" for secret in secrets]
        place = self.document
        for part in path[:-1]:
            place = place.setdefault(part, {})
        place[path[-1]] = declared
        parent = path_text(path[:-2]) or None
        record = ResourceRecord.noted(path_text(path), path[-1], parent, seen, parent_id)
        self._records.append(record)
        return declared

    def items(self, partition: str) -> Iterator[Put]:
        """Yield the ledger writes that record the imported resources."""
        for record in self._records:
            yield Put(resource_key(partition, record.address), item_of(record))


async def import_resource(context: Context, section: str, name: str, stack: str, deadline: Deadline) -> Imported:
    """Import an existing resource, with children and the credential providers in use, as a new stack's document.

    Raises Invalid for a missing or owned resource, a stack that the ledger knows already, or a resource that no valid
    document can declare; CallFailed when AWS refuses a call.
    """
    kind = top_level(section)
    if kind is None:
        known = ", ".join(one.section for one in KINDS if one.parent is None)
        raise Invalid([Problem("section", "unknown-section", f"{section} is none of {known}")])
    calls = context.aws.within(deadline)
    account = await calls.account()
    partition = partition_of(account, context.aws.region, stack)
    if await context.ledger.get(stack_key(partition)) or await context.ledger.query(partition, "resource#"):
        known = f"the ledger knows a stack named {stack} already; choose another name"
        raise Invalid([Problem("stack", "known-stack", known)])
    observer = Observer(calls, stack)
    owners = await owners_of(context.ledger, partition_of(account, context.aws.region, ""), noted=True)
    taken = Imported({"stack": stack})
    seen = await _read(observer, kind, name, owners)
    declared = taken.add(seen, (section, name))
    for child in children(kind):
        for inner, summary in sorted((await observer.children(child, str(seen.id))).items()):
            whole = await observer.look(child, str(summary.id), seen.id)
            if whole is not None:
                taken.add(whole, (section, name, child.section, inner), seen.id)
    await _add_providers(observer, taken, declared, owners)
    # An invalid document would be useless, and the records written for it would block the next import.
    read_stack(taken.document)
    await context.ledger.write(*taken.items(partition))
    return taken


async def _read(observer: Observer, kind: Kind, name: str, owners: Mapping[str, str]) -> ObservedState:
    seen = await observer.named(kind, name)
    if seen is None:
        raise Invalid([Problem("name", "missing", f"no {kind.noun} named {name} exists")])
    owner = (seen.tags or {}).get(OWNER_TAG) or owners.get(seen.arn or "")
    if owner is not None:
        raise Invalid(
            [
                Problem(
                    "name",
                    "owned",
                    f"the {kind.noun} {name} belongs to the stack {owner}: have that stack forget or remove it first",
                )
            ]
        )
    return seen


async def _add_providers(
    observer: Observer, taken: Imported, declared: dict[str, Any], owners: Mapping[str, str]
) -> None:
    """Add every provider that the declaration names by ARN, and replace the ARN by a reference."""
    arns: dict[str, str] = {}
    for arn, section, name in sorted(set(_provider_arns(declared))):
        kind = _PROVIDERS.get(section)
        try:
            seen = await _read(observer, kind, name, owners) if kind is not None else None
        except (Invalid, CallFailed):
            seen = None  # the ARN stays: of another account, or unreadable
        if kind is not None and seen is not None and seen.arn == arn:
            taken.add(seen, (kind.section, name))
            arns[arn] = f"${{{path_text((kind.section, name))}.{kind.arn_member}}}"
    _refer(declared, arns)


def _provider_arns(value: Any) -> Iterator[tuple[str, str, str]]:
    if isinstance(value, Mapping):
        for item in value.values():
            yield from _provider_arns(item)
    elif isinstance(value, list):
        for item in value:
            yield from _provider_arns(item)
    elif (arn := arn_of(value)) is not None and (found := _PROVIDER.fullmatch(arn.resource)):
        yield value, found[1], found[2]


def _refer(value: Any, arns: Mapping[str, str]) -> None:
    """Replace ARNs by references, in place."""
    for name, item in list(value.items() if isinstance(value, dict) else enumerate(value)):
        if isinstance(item, str) and item in arns:
            value[name] = arns[item]
        elif isinstance(item, dict | list):
            _refer(item, arns)


def declaration(kind: Kind, seen: ObservedState) -> tuple[dict[str, Any], list[str]]:
    """Return the declaration that matches an observed resource, and the paths of secrets to fill in. Pure."""
    declared: dict[str, Any] = {}
    for name, shape in kind.declarable.members.items():
        shown = at(seen.body, kind.shown_as.get(name, name))
        value = shown if name in kind.payloads else _writable(shape, shown, kind.payloads)
        if not is_empty(value) and name != "tags":
            declared[name] = value
    for path in kind.having(Property.WITHOUT_EFFECT):
        *outer, last = path.split(".")
        (at(declared, ".".join(outer)) or {}).pop(last, None)
    tags = {key: value for key, value in (seen.tags or {}).items() if key != OWNER_TAG}
    if tags:
        declared["tags"] = literal(tags)
    return declared, _fill_secrets(kind, declared, seen)


def _fill_secrets(kind: Kind, declared: dict[str, Any], seen: ObservedState) -> list[str]:
    """Declare secrets: a placeholder for a secret that the service hides, a reference to an external secret."""
    if kind is API_KEY_CREDENTIAL_PROVIDER:
        return _secret(declared, "apiKey", "apiKeySecret", seen)
    if kind is OAUTH2_CREDENTIAL_PROVIDER:
        arm, config = next(iter(declared["oauth2ProviderConfigInput"].items()))
        if config.get("clientAuthenticationMethod") not in SECRETLESS:
            return [
                f"oauth2ProviderConfigInput.{arm}.{one}"
                for one in _secret(config, "clientSecret", "clientSecret", seen)
            ]
    return []


def _secret(config: dict[str, Any], given: str, prefix: str, seen: ObservedState) -> list[str]:
    """Declare a secret. Returns the members that a person must fill in."""
    config.pop(f"{prefix}Source", None)
    if seen.body.get(f"{prefix}Source") == "EXTERNAL":
        place = {"secretId": at(seen.body, f"{prefix}Arn.secretArn"), "jsonKey": seen.body.get(f"{prefix}JsonKey")}
        config[f"{prefix}Source"], config[f"{prefix}Config"] = "EXTERNAL", place
        return []
    config[given] = _PLACE_HOLDER % given
    return [given]


def _writable(shape: Shape, shown: Any, opaque: frozenset[str] = frozenset()) -> Any:
    """Return an observed value in document form: no unknown members, empty values, or values that the service added."""
    structure = isinstance(shape, StructureShape) and not service_model.is_document(shape)
    if structure and shown == {}:
        return {}  # an arm of a union, or a member that another one requires
    if is_empty(shown) or says_none(shape, shown):
        return None
    if isinstance(shape, ListShape):
        kept = [item for item in shown if not (isinstance(item, str) and item.lower() in ADDED_BY_SERVICE)]
        return [_writable(shape.member, item, opaque) or item for item in kept] or None
    if structure and isinstance(shown, Mapping):
        inner = {n: _writable(s, shown[n], opaque) for n, s in shape.members.items() if n in shown and n not in opaque}
        inner |= {name: shown[name] for name in opaque & set(shape.members) & set(shown)}
        if service_model.is_union(shape):
            empty = {name for name in inner if inner[name] is None and isinstance(shape.members[name], StructureShape)}
            inner |= {name: {} for name in empty}
        return {name: value for name, value in inner.items() if value is not None} or None
    return literal(shown)
