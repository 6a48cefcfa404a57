"""Writing the record of one resource: intents before calls, outcomes after them, and deletions."""

from collections.abc import Mapping
from typing import Any

from infra.aws import CALL_SECONDS
from infra.errors import CallFailed, ErrorClass
from workflows.document.fingerprint import fingerprint
from workflows.document.stack import Deletion
from workflows.kinds.observed import ObservedState
from workflows.kinds.status import Phase
from workflows.planner.assumed import assumed
from workflows.planner.decision import DesiredState
from workflows.reconcile.graph import Node
from workflows.reconcile.run import Run
from workflows.records.declaration import Declaration, OnRemoval
from workflows.records.identity import recognizes
from workflows.records.operation import Operation, Verb
from workflows.records.request_state import Mode
from workflows.records.resource import ResourceRecord

#: Refusals that usually pass by themselves, but not always.
REFUSED = frozenset({ErrorClass.BUSY, ErrorClass.IN_USE, ErrorClass.NOT_YET, ErrorClass.AWAITING_CONSENT})


async def record_removal_options(run: Run) -> None:
    """Record the removal policy of each recorded resource first of all, also for a run that is cut off early."""
    for node in run.nodes.values():
        record, options = run.session.records.get(node.address), node.options
        if run.mode is not Mode.PROVISION or record is None or not (record.exists and node.wanted):
            continue
        retain = options.deletion is Deletion.RETAIN
        await _remember(run, record, record.with_removal(retain=retain, delete_endpoints=options.delete_endpoints))


async def record_consent(run: Run, desired: DesiredState) -> None:
    """Record since when a resource waits for consent, and its identity if the creation had no answer."""
    record = run.record(desired.address)
    if record.pending_creation is not None and present(run, desired).ours:
        record = identified_record(run, desired)
    if run.mode is Mode.PROVISION:
        record = record.asked_for_consent(run.now())
    await _remember(run, run.record(desired.address), record)


async def record_converged(run: Run, desired: DesiredState, forms: tuple[str, ...]) -> None:
    """Record that a resource has converged, and the paths at which the service shows normalized values."""
    record, observed = identified_record(run, desired), present(run, desired)
    unconfirmed = _unconfirmed(desired, observed, record)
    adopted = record.last_applied is None and (observed.by_tag or record.incarnation == 0)
    _warn_of_adoption(run, desired, unconfirmed, adopted=adopted)
    known = record.settled(
        declaration_of(run, desired),
        observed,
        now=run.now(),
        generation=run.target_generation,
        parent_id=run.parent_id(desired.address),
        versions=desired.secret_versions or {},
        normalized=forms,
    )
    await _remember(run, record, known.assuming(unconfirmed))


def _unconfirmed(desired: DesiredState, observed: ObservedState, record: ResourceRecord) -> tuple[str, ...]:
    """Return the paths of what an adoption by tag took as current; none once the document says `adopt: true`."""
    if desired.options.adopt:
        return ()
    if not observed.full or not record.unconfirmed:
        return record.unconfirmed
    found = assumed(desired.kind, declared_of(desired), observed.body)
    return tuple(path for path in record.unconfirmed if path in found)


def _warn_of_adoption(run: Run, desired: DesiredState, unconfirmed: tuple[str, ...], *, adopted: bool) -> None:
    if unconfirmed:
        message = (
            f"adopted by its tag: {', '.join(unconfirmed)} were taken as they are; who planted the tag may have set "
            "them. Check them, then declare `gatewright: {adopt: true}` on the resource to confirm them"
        )
        run.warn(desired.address, "adopted", message)
    elif adopted:
        message = "imported: its secrets, and members that are not declared, are assumed to be current"
        run.warn(desired.address, "adopted", message)


async def record_shown_otherwise(run: Run, desired: DesiredState) -> None:
    """Record since when reads do not show the values that an accepted update was to set."""
    record = run.record(desired.address)
    await _remember(run, record, record.update_shown_otherwise(run.now()))


async def record_failure(run: Run, desired: DesiredState) -> None:
    """Record that the last update failed: earlier values in later reads then prove nothing about that update."""
    record, observed = run.record(desired.address), run.observed.get(desired.address)
    if observed is not None and observed.meaning.phase is Phase.FAILED:
        await _remember(run, record, record.update_failed())


async def record_refusal(run: Run, node: Node, failed: CallFailed) -> None:
    """Record since when a change is refused for a passing reason, so that the resource fails in the end."""
    if run.mode is Mode.SYNCHRONIZE:
        return
    record = run.record(node.address)
    verb = Verb.DELETE if failed.operation == node.kind.operations.delete else Verb.UPDATE
    why = {"error_class": str(failed.error_class), "error": failed.message}
    await _remember(run, record, record.refused_for_now(run.now(), run.retry_scope, verb=verb, **why))


async def stop_managing(run: Run, desired: DesiredState) -> None:
    """Clear the record of a resource that is only looked up from now on, and that no run may delete."""
    known = run.session.records.get(desired.address)
    if known is not None and known.exists:
        await run.session.store(known.gone())


async def record_deleted(run: Run, desired: DesiredState, *, unconfirmed: bool = False) -> None:
    """Record that a resource is gone. The incarnation is kept, so that the next creation gets a new client token.

    `unconfirmed` says that no deletion was seen, and only time, by a clock that may be wrong, suggests that the
    resource does not exist: the id is then kept as deposed.
    """
    known = run.session.records.get(desired.address)
    if known is not None and known.id is not None:
        run.deleted.add((desired.kind.section, known.id))
    if known is not None and known.exists:
        await run.session.store(known.vanished(run.now()) if unconfirmed and not known.deletion_begun else known.gone())
    run.learn(desired.address, None)


async def record_intent(run: Run, desired: DesiredState, record: ResourceRecord, intent: Operation) -> ResourceRecord:
    """Record an intent (write-ahead), so that a run that finds no answer knows the declaration that may be in force."""
    run.deadline.require(CALL_SECONDS, intent.verb)
    begun = record.begin(intent, declaration_of(run, desired))
    await run.session.store(begun)
    return begun


def intent_of(run: Run, desired: DesiredState, verb: Verb, **more: Any) -> Operation:
    """Return the intent of a call for a resource."""
    about = {"scope": desired.retry_scope, "generation": run.target_generation, **more}
    return Operation.intended(verb, run.now(), fingerprint(declared_of(desired)), **about)


def declaration_of(run: Run, desired: DesiredState) -> Declaration:
    """Return the declaration of a resource in recorded form."""
    resource = run.nodes[desired.address].resource
    return Declaration(
        members=fingerprint(declared_of(desired)),
        depends_on=tuple(sorted(resource.waits_on)) if resource is not None else (),
        secrets=tuple(sorted(str(reference) for reference in run.secrets_of(resource).values())),
        on_removal=OnRemoval(
            retain=desired.options.deletion is Deletion.RETAIN,
            delete_endpoints=desired.options.delete_endpoints,
            parameters=desired.delete_parameters,
        ),
    )


def identified_record(run: Run, desired: DesiredState) -> ResourceRecord:
    """Return the record of an observed resource, with the identity that a creation without an answer did not record."""
    observed, parent = present(run, desired), run.parent_id(desired.address)
    known = run.record(desired.address)
    record = known.identified(observed, parent)
    if observed.by_tag and not recognizes(known, observed) and not desired.options.adopt:
        return record.assuming(assumed(desired.kind, declared_of(desired), observed.body))
    return record


async def _remember(run: Run, before: ResourceRecord, after: ResourceRecord) -> None:
    """Write a record if an event changed the record."""
    if after != before:
        await run.session.store(after)


def declared_of(desired: DesiredState) -> Mapping[str, Any]:
    """Return the declared members; none if the resource is to be deleted."""
    return desired.declared or {}


def present(run: Run, desired: DesiredState) -> ObservedState:
    """Return the observed state of a resource that a decision assumes to exist."""
    observed = run.observed.get(desired.address)
    if observed is None:
        raise AssertionError(f"{desired.address} has no observed state")
    return observed
