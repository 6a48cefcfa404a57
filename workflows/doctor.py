"""Checks an account before the first apply: credentials, services, rights, quotas, and what a document refers to.

Every check only reads. A check that AWS does not permit, or that the endpoint does not offer, is UNKNOWN: it says
nothing against the account.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import unquote

from infra import service_model
from infra.arns import arn_of
from infra.aws import Calls
from infra.deadline import Deadline
from infra.errors import TRANSIENT, CallFailed, ErrorClass
from infra.secrets import SecretReference, resolve
from workflows.document.naming import Place, named_by
from workflows.document.stack import Stack
from workflows.kinds import KINDS, Kind
from workflows.reconcile.observe import Observer
from workflows.requests.context import Context

#: The documented quotas on resources of an account and Region; AWS can raise them (quotas page).
QUOTAS: Mapping[str, int] = {
    "oauth2CredentialProviders": 50,
    "apiKeyCredentialProviders": 50,
    "gateways": 1000,
    "agentRuntimes": 1000,
    "agentRegistries": 5,
}
_PRINCIPAL = "bedrock-agentcore.amazonaws.com"
_UNKNOWN = TRANSIENT | {ErrorClass.DENIED, ErrorClass.UNSUPPORTED, ErrorClass.UNKNOWN}
#: How many actions one simulation takes, and how many names a message lists.
_ACTIONS, _NAMES = 50, 8


class Verdict(StrEnum):
    """The result of a check."""

    OK = "OK"
    WARN = "WARN"
    FAIL = "FAIL"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True)
class Check:
    """A check with its result; `message` says what was found, and who must act where something is wrong."""

    name: str
    verdict: Verdict
    message: str

    def shown(self) -> dict[str, str]:
        """Return the check as JSON."""
        return {"check": self.name, "result": str(self.verdict), "message": self.message}


@dataclass(frozen=True)
class _Examined:
    """What the checks read: the calls of one run, the document if there is one, and the caller."""

    calls: Calls
    stack: Stack | None
    account: str
    caller: str

    @property
    def place(self) -> Place:
        """The account, Region and partition."""
        return Place(self.account, self.calls.aws.region, self.calls.aws.partition)

    @property
    def kinds(self) -> list[Kind]:
        """The kinds of the document; without a document, all kinds except the registries that AWS switched off."""
        if self.stack is None:
            return [kind for kind in KINDS if kind.section != "registries"]
        return list(dict.fromkeys(resource.kind for resource in self.stack.resources.values()))


async def examine(context: Context, stack: Stack | None, deadline: Deadline) -> list[Check]:
    """Return every check, in order. Raises OutOfTime."""
    calls = context.aws.within(deadline)
    try:
        who = await calls("GetCallerIdentity", {}, service="sts")
    except CallFailed as failed:
        text = f"AWS refuses the credentials: {failed.code}: {failed.message}"
        return [Check("credentials", Verdict.FAIL, f"{text}. Renew them, or set AWS_PROFILE.")]
    found = [Check("credentials", Verdict.OK, f"{who['Arn']}, Region {context.aws.region}")]
    examined = _Examined(calls, stack, who["Account"], who["Arn"])
    for check in (_services, _rights, _quotas, _roles, _secrets):
        found += [one async for one in check(examined)]
    return found


async def _checked(name: str, job: Callable[[], Awaitable[Check]], *, needed: bool = False) -> Check:
    """Return the result of a check; a refused call is UNKNOWN, unless a run needs the call."""
    try:
        return await job()
    except CallFailed as failed:
        verdict = Verdict.UNKNOWN if failed.error_class in _UNKNOWN and not needed else Verdict.FAIL
        text = f"{failed.operation} was refused: {failed.code}: {failed.message}"
        hint = " This says nothing against the account; allow the call to have it checked."
        return Check(name, verdict, text + (hint if verdict is Verdict.UNKNOWN else ""))


async def _services(examined: _Examined) -> AsyncIterator[Check]:
    """Ask the service of each kind for a list of one item."""
    for kind in (one for one in examined.kinds if not one.parent):
        name = f"service of {kind.section}"

        async def job(kind: Kind = kind, name: str = name) -> Check:
            await examined.calls(kind.operations.list, {"maxResults": 1}, service=kind.service)
            return Check(name, Verdict.OK, f"{kind.service} answers {kind.operations.list}")

        found = await _checked(name, job, needed=True)
        yield (
            found if found.verdict is Verdict.OK else replace(found, message=f"{found.message}. {kind.advice}".strip())
        )


def actions_of(kinds: Iterable[Kind]) -> list[str]:
    """Return the IAM actions of every operation that a run calls for these kinds."""
    named = {
        f"{service_model.service(kind.service).signing_name}:{operation}"
        for kind in kinds
        for operation in kind.actions
    }
    return sorted(named)


async def _rights(examined: _Examined) -> AsyncIterator[Check]:
    """Simulate the caller's policies for every action that a run needs."""

    async def job() -> Check:
        principal = await _principal(examined)
        if principal is None:
            return Check("rights", Verdict.OK, "the root user of the account may do everything; better use a role")
        denied: list[str] = []
        actions = actions_of(examined.kinds)
        for start in range(0, len(actions), _ACTIONS):
            params = {"PolicySourceArn": principal, "ActionNames": actions[start : start + _ACTIONS]}
            answer = await examined.calls("SimulatePrincipalPolicy", params, service="iam")
            results = answer.get("EvaluationResults", [])
            denied += [one["EvalActionName"] for one in results if one["EvalDecision"] != "allowed"]
        if denied:
            text = f"not allowed over every resource: {_some(denied)}"
            return Check("rights", Verdict.WARN, f"{text}. A policy over single resources may allow them all the same.")
        return Check("rights", Verdict.OK, f"{len(actions)} actions are allowed by simulation")

    yield await _checked("rights", job)


async def _principal(examined: _Examined) -> str | None:
    """Return the ARN of the caller's user or role; None for the root user."""
    found = arn_of(examined.caller)
    kind, _, rest = found.resource.partition("/") if found is not None else ("", "", "")
    if kind == "assumed-role":
        # The ARN of a session lacks the path of its role.
        answer = await examined.calls("GetRole", {"RoleName": rest.partition("/")[0]}, service="iam")
        return str(answer["Role"]["Arn"])
    return None if kind == "root" else examined.caller


async def _quotas(examined: _Examined) -> AsyncIterator[Check]:
    """Compare the resources that exist, and those that the document adds, with the documented quotas."""
    for kind in (one for one in examined.kinds if one.section in QUOTAS):
        name = f"quota of {kind.section}"

        async def job(kind: Kind = kind, name: str = name) -> Check:
            listed = Observer(examined.calls, "").pages(kind, {})
            there = {kind.name_in(item) or "" async for item in listed}
            resources = examined.stack.resources.values() if examined.stack is not None else ()
            new = {one.name for one in resources if one.kind is kind} - there
            quota = QUOTAS[kind.section]
            text = f"{len(there)} exist, {len(new)} to be created, {quota} by default"
            if len(there) + len(new) > quota:
                return Check(name, Verdict.WARN, f"{text}. Check the quota in Service Quotas, or have it raised.")
            return Check(name, Verdict.OK, text)

        yield await _checked(name, job)


async def _roles(examined: _Examined) -> AsyncIterator[Check]:
    """Read each role that the document names: it must exist, and AgentCore must be allowed to assume it."""
    if examined.stack is None:
        return
    named = named_by(examined.stack, examined.place)
    for role in dict.fromkeys(one.name for one in named if one.category == "roles"):
        found, name = arn_of(role), f"role {role.rpartition('/')[2]}"
        if found is None or found.account != examined.account:
            yield Check(name, Verdict.UNKNOWN, f"{role} belongs to another account, and cannot be read from here")
            continue

        async def job(role: str = role, name: str = name) -> Check:
            answer = await examined.calls("GetRole", {"RoleName": role.rpartition("/")[2]}, service="iam")
            trusts = _trusts(answer["Role"].get("AssumeRolePolicyDocument"))
            if trusts is None:
                text = f"exists; check by hand that its trust policy allows {_PRINCIPAL}"
                return Check(name, Verdict.UNKNOWN, text)
            if trusts:
                return Check(name, Verdict.OK, "exists and trusts AgentCore")
            text = f"{role} does not trust {_PRINCIPAL}"
            return Check(name, Verdict.FAIL, f"{text}: add it to the trust policy of the role.")

        yield await _checked(name, job)


def _trusts(policy: Any) -> bool | None:
    """Return whether a trust policy, as JSON or URL-encoded, lets AgentCore assume the role; None where unclear."""
    try:
        document = json.loads(unquote(policy)) if isinstance(policy, str) else policy
    except ValueError:
        return None
    statements = _listed(document.get("Statement") if isinstance(document, Mapping) else None)
    if not all(isinstance(one, Mapping) for one in statements) or any(
        one.get("Effect") == "Deny" for one in statements
    ):
        return None
    return any(_lets_in(one) for one in statements)


def _lets_in(statement: Mapping[str, Any]) -> bool:
    principal = statement.get("Principal")
    services = _listed(principal.get("Service") if isinstance(principal, Mapping) else principal)
    actions = [str(action).lower() for action in _listed(statement.get("Action"))]
    assumes = any(fnmatchcase("sts:assumerole", action) for action in actions)
    return statement.get("Effect") == "Allow" and assumes and bool({_PRINCIPAL, "*"} & set(map(str, services)))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


async def _secrets(examined: _Examined) -> AsyncIterator[Check]:
    """Read each secret that the document refers to; values are never shown."""
    if examined.stack is None:
        return
    resources = examined.stack.resources.values()
    texts = [text for one in resources for text in one.kind.secret_texts(one.declared).values()]
    for reference in filter(None, map(SecretReference.parse, dict.fromkeys(texts))):
        name = f"secret {reference.secret_id}"

        async def job(reference: SecretReference = reference, name: str = name) -> Check:
            await resolve(examined.calls, reference)
            return Check(name, Verdict.OK, f"readable{f', with a member {reference.key}' if reference.key else ''}")

        yield await _checked(name, job, needed=True)


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
    return f"{', '.join(names[:_NAMES])}{more}"
