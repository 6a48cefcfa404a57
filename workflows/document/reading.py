"""Reads a stack document into a Stack, and reports all problems of the document at once.

`read_stack` takes a parsed document whose parameters are already substituted (parameters.py) and works in this order:

1. `out_of_bounds` (bounds.py) refuses a document that is too large, too deep or not JSON: every later step walks all
   of it.
2. `_head` checks the members beside the sections, such as `stack` and `onFailure`, and reports unknown sections.
3. `_resources` turns each entry of each section into a Resource with its address, options and references.
4. `_of` checks each resource: types against AWS's service model, secrets, references, dependencies and URLs.
5. `_cycles` checks the dependency graph, and `rules.check` the rules that the service model cannot express.

No step stops at the first problem, so that authors can correct a document in one pass; only step 1 reports a single
problem. Collection ends at MAX_FINDINGS problems, of which at most MOST_PROBLEMS are reported. If there is any problem,
Invalid is raised. Broken rules that only warn become `Stack.warnings`.

The value of a member with a `${...}` reference is not known yet, so problems of its form are ignored here; the whole
request is checked again before it is sent. Messages never quote a value that could be a secret. Reading needs no
network and no credentials.
"""

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from graphlib import CycleError, TopologicalSorter
from itertools import islice
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from infra import service_model
from infra.secrets import SecretReference
from infra.service_model import Path
from workflows.document import parameters, references, rules
from workflows.document.bounds import MAX_FINDINGS, out_of_bounds
from workflows.document.compare import value_at
from workflows.document.problems import MOST_PROBLEMS, Invalid, Problem, path_text, told
from workflows.document.references import Reference
from workflows.document.stack import (
    CONSENT_TIMEOUT,
    NAME,
    OWNER_TAG,
    RESERVED,
    Resource,
    Stack,
    from_pydantic,
    resources_in,
)
from workflows.document.urls import is_url
from workflows.kinds import KINDS, top_level

#: Problems that are ignored for a text with a reference: the value is unknown until the reference is resolved.
_UNTIL_RESOLVED = frozenset({"string_pattern_mismatch", "string_too_short", "string_too_long", "literal_error"})
#: The endings of the names of members that hold a URL, in lower case.
_URLS = ("url", "endpoint", "uri", "issuer")
#: The size of the largest document that is cached, in characters.
_KEPT = 256_000
_SECTIONS = frozenset(kind.section for kind in KINDS if kind.parent is None)


class Head(BaseModel):
    """The members of a document other than its sections."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)

    version: int = Field(default=1, ge=1, le=1)
    stack: str = Field(pattern=f"^{NAME}$", max_length=128)
    on_failure: str = Field(default="HALT", alias="onFailure", pattern="^(HALT|ROLLBACK)$")
    #: The seconds for which a stack waits for people to consent: a minute to a week.
    consent_timeout: int = Field(default=CONSENT_TIMEOUT, alias="consentTimeoutSeconds", ge=60, le=604_800)


def read_stack(document: Any) -> Stack:
    """Return the stack of a document (parsed YAML or JSON). Raises Invalid with every problem found."""
    if not isinstance(document, Mapping):
        raise Invalid([Problem("", "type", "a stack document is a mapping with the members stack and sections")])
    if problem := out_of_bounds(document):
        raise Invalid([problem])
    text = json.dumps(document)
    return _read_before(text) if len(text) <= _KEPT else _read(document)


@lru_cache(maxsize=8)
def _read_before(text: str) -> Stack:
    """Read a document once: every turn of a request reads the same document. Callers must not change the Stack."""
    return _read(json.loads(text))


def _read(document: Mapping[str, Any]) -> Stack:
    problems: list[Problem] = []
    head = _head(document, problems)
    resources = {r.address: r for r in _resources(document, problems)}
    for resource in resources.values():
        problems += islice(_of(resource, resources), max(0, MAX_FINDINGS - len(problems)))
    findings: list[rules.Found] = []
    if len(problems) < MAX_FINDINGS:
        problems += _cycles(resources)
        findings += islice(rules.check(resources), MAX_FINDINGS)
        problems += [found.problem for found in findings if found.refuses]
    if problems or head is None:
        raise Invalid(problems)
    warnings = tuple(told(found.problem for found in findings if not found.refuses))
    return Stack(head.stack, resources, document, head.on_failure, warnings, head.consent_timeout)


def _of(resource: Resource, resources: Mapping[str, Resource]) -> Iterator[Problem]:
    """Yield the problems of one resource, except broken rules."""
    yield from _types(resource)
    yield from _secrets(resource)
    yield from _dependencies(resource, resources)
    for path, text in references.strings(resource.declared, resource.kind.payloads):
        if str(path[-1]).lower().endswith(_URLS) and not is_url(text):
            yield Problem(path_text((*_path(resource), *path)), "url", "this URL cannot be read")


def _head(document: Mapping[str, Any], problems: list[Problem]) -> Head | None:
    ours = [field.alias or name for name, field in Head.model_fields.items()]
    known = {name: value for name, value in document.items() if name in ours}
    for name in document:
        if name not in known and name not in _SECTIONS:
            expected = ", ".join(sorted(_SECTIONS))
            message = f"unknown section; a document has {', '.join(ours)} and {expected}"
            problems.append(Problem(path_text((str(name),)), "unknown-section", message))
    try:
        return Head.model_validate(known)
    except ValidationError as error:
        problems += from_pydantic(error, ())
        return None


def _resources(document: Mapping[str, Any], problems: list[Problem]) -> Iterator[Resource]:
    for section, content in document.items():
        kind = top_level(section)
        if kind is not None:
            yield from resources_in(content, kind, (section,), problems)


def _types(resource: Resource) -> Iterator[Problem]:
    """Yield where a declaration or a name does not have the type of AWS's service model, and a declared owner tag."""
    kind = resource.kind
    where, secret = _path(resource), kind.secret_texts(resource.declared)
    declarable = kind.lookup if resource.options.existing else kind.declarable
    for fault in declarable.faults(dict(resource.declared)):
        value = value_at(resource.declared, fault.path)
        waits = isinstance(value, str) and "${" in value
        hidden = fault.path in secret
        if not (waits and fault.kind in _UNTIL_RESOLVED) and not hidden:
            number = rules.number_of(kind.section, path_text(fault.path)) or fault.kind
            yield Problem(path_text((*where, *fault.path)), number, fault.message)
    create = service_model.input_type(kind.operations.create, kind.service)
    for fault in create.faults({kind.name_member: resource.name}):
        if fault.path == (kind.name_member,):
            yield Problem(resource.address, rules.number_of(kind.section, "") or "name", fault.message)
    if OWNER_TAG in rules.part(resource.declared, "tags"):
        yield Problem(path_text((*where, "tags", OWNER_TAG)), "tag", "this tag is Gatewright's own")


def _secrets(resource: Resource) -> Iterator[Problem]:
    """Yield literal values in secret members, and secret references outside secret members."""
    kind, where = resource.kind, _path(resource)
    secret = kind.secret_texts(resource.declared)
    for path, text in references.strings(resource.declared, kind.payloads):
        is_secret = path in secret
        if is_secret and SecretReference.parse(text) is None:
            message = (
                "a secret is declared by reference, as {{resolve:secretsmanager:NAME:SecretString:KEY}} and nothing "
                "else; literal values are refused"
            )
            yield Problem(path_text((*where, *path)), "secret", message)
        elif not is_secret and "{{resolve:" in text:
            allowed = ", ".join(sorted(kind.secrets)) or "none in this kind"
            message = f"secret references are only resolved in secret members ({allowed})"
            yield Problem(path_text((*where, *path)), "secret-reference", message)


def _dependencies(resource: Resource, resources: Mapping[str, Resource]) -> Iterator[Problem]:
    secret = {(*_path(resource), *path) for path in resource.kind.secret_texts(resource.declared)}
    for reference in resource.references:
        if reference.path in secret:
            continue  # a secret member: its text may be a literal secret, and a message would quote it
        message = _wrong(reference, resources)
        if message:
            yield Problem(path_text(reference.path), "reference", message)
    for path, text in references.strings(resource.declared, resource.kind.payloads, _path(resource)):
        if references.is_unclosed(text):
            yield Problem(path_text(path), "reference", "a reference is opened with ${ and not closed with }")
    if resource.options.delete_endpoints and not resource.kind.endpoints:
        path = (*_path(resource), RESERVED, "deleteEndpoints")
        yield Problem(path_text(path), "option", f"a {resource.kind.noun} has no endpoints")
    waivable = {rule.number for rule in rules.RULES if rule.refuses}
    for number in sorted(set(resource.options.waive) - waivable):
        path = (*_path(resource), RESERVED, "waive", number)
        yield Problem(path_text(path), "option", "no rule of this number refuses that could be waived (docs/rules.md)")
    yield from _predecessors(resource, resources)
    for index, address in enumerate(resource.options.depends_on):
        if address not in resources:
            path = (*_path(resource), RESERVED, "dependsOn", index)
            yield Problem(path_text(path), "reference", f"nothing is declared at {address}")


def _predecessors(resource: Resource, resources: Mapping[str, Resource]) -> Iterator[Problem]:
    """Yield the problem with the predecessor that a resource names."""
    address = resource.predecessor
    if not address:
        return
    path, names = path_text((*_path(resource), RESERVED, "replaces")), references.parts(address) or ()
    others = sorted(one.address for one in resources.values() if one.predecessor == address and one is not resource)
    section = names[0] if len(names) == 2 else names[2] if len(names) == 4 else ""
    if section != resource.kind.section:
        yield Problem(path, "option", f"{address} is not the address of a {resource.kind.noun}")
    elif address in resources:
        yield Problem(path, "option", f"{address} is declared, too; take the resource that is replaced out")
    elif others:
        yield Problem(path, "option", f"{others[0]} replaces {address}, too")


def _wrong(reference: Reference, resources: Mapping[str, Resource]) -> str:
    parameter = parameters.name_of(reference.text)
    if parameter is not None:
        return f"no value was given for the parameter {parameter}, or one that cannot stand here"
    if reference.address == references.AWS:
        known = ", ".join(f"${{aws.{member}}}" for member in references.AWS_MEMBERS)
        return "" if reference.member in [(m,) for m in references.AWS_MEMBERS] else f"{known} are known"
    if not reference.address:
        return f"${{{reference.text}}} cannot be read; a reference is ${{section.name.member}}"
    target = resources.get(reference.address)
    if target is None:
        return f"${{{reference.text}}}: nothing is declared at {reference.address}"
    if not reference.member:
        return f"${{{reference.text}}} names no member of {reference.address}"
    member, shape = ".".join(reference.member), service_model.shape_at(target.kind.response, reference.member)
    ways = [service_model.shape_at(target.kind.response, reference.member[:n]) for n in range(1, len(reference.member))]
    if any(way is not None and way.type_name == "list" for way in ways):
        return f"${{{reference.text}}}: a list stands on the way to {member}"
    if shape is None:
        return f"${{{reference.text}}}: a {target.kind.noun} has no {member} in its response"
    if shape.type_name in ("structure", "list", "map"):
        return f"${{{reference.text}}}: {member} is a {shape.type_name}; name a member of it"
    return ""


def _cycles(resources: Mapping[str, Resource]) -> Iterator[Problem]:
    """Yield the dependency cycles, at most MOST_PROBLEMS; each cycle is removed from the graph once it is reported."""
    known = set(resources)
    graph = {address: resource.waits_on & known for address, resource in resources.items()}
    for _ in range(MOST_PROBLEMS):
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as error:
            cycle: list[str] = error.args[1]
            # The sorter lists a cycle from dependency to dependent; people read it the other way.
            yield Problem(min(cycle), "cycle", "these depend on each other in a cycle: " + " -> ".join(reversed(cycle)))
            graph = {address: needs - set(cycle) for address, needs in graph.items() if address not in cycle}
        else:
            return


def _path(resource: Resource) -> Path:
    names = references.parts(resource.address)
    return tuple(names or ())
