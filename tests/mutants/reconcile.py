"""Mutants of a run: how it observes, acts, waits, removes and goes back."""

from tests.mutants.mutant import Mutant

_OBSERVE = "workflows/reconcile/observe.py"
_STEPS = "workflows/reconcile/steps.py"
_REACH = "workflows/reconcile/live.py"
_ACT = "workflows/reconcile/walk.py"
_OBSERVATION = "workflows/reconcile/observation.py"
_WAITING = "workflows/reconcile/waiting.py"
_GRAPH = "workflows/reconcile/graph.py"
_OUTCOME = "workflows/planner/outcome.py"
_PROJECTION = "workflows/planner/projection.py"
_DOUBTS = "tests/crash/test_doubts_kept.py"
_BESIDE = "tests/concurrency/test_beside.py"
_OWNERSHIP = "tests/adoption/test_ownership.py"

MUTANTS = (
    Mutant("stages-believe-lists", "what a list lacks is gone for the other stages", "workflows/reconcile/stages.py",
           "            await look_by_id(run, node)\n", "            pass\n", ("tests/observing/test_gone.py",),
           goal="R18"),
    Mutant("hours-of-refusals", "what cannot be asked for an hour is given up", "workflows/requests/patience.py",
           "        if outcome.without_calls:\n", "        if outcome.without_calls and not outcome.results:\n",
           ("tests/failing/test_credentials.py",), goal="R13"),
    Mutant("taken-over-unasked", "what another stack has taken over is removed where tags cannot be read", _OBSERVATION,
           "        if await _has_another_owner(run, observed):\n", "        if not observed.id:\n",
           ("tests/adoption/test_unread_tags.py",)),
    Mutant("one-read-is-gone", "one read by its id is enough to take a resource for gone", _WAITING,
           "    while missing < 2:\n", "    while missing < 1:\n", ("tests/observing/test_gone.py",), goal="R18"),
    Mutant("deleted-by-list", "after a deletion a list says that a target is gone", _REACH,
           "    elif left is None and node.parent is not None:\n        left = await until_gone",
           '    elif node.address == "":\n        left = await until_gone', ("tests/observing/test_gone.py",),
           goal="R18"),
    Mutant("former-ids-unknown", "what turns up again is a stranger", _OBSERVATION,
           "or not set(record.deposed) & set(by_id):", "or record.deposed:", ("tests/observing/test_gone.py",),
           goal="R18"),
    Mutant("recreated-forgotten", "a rollback says nothing of what an earlier run of it created again",
           "workflows/reconcile/rollback.py", "one is not None and one.scope == run.retry_scope",
           "one is not None and one.scope == run.retry_scope and not run.session.stack.rollback",
           (_BESIDE,), goal="R13"),
    Mutant("plan-first-step", "a plan counts the first step alone, which may be a wait", "workflows/reconcile/dry.py",
           "steps is None or (steps.shown.action not in CHANGES and decision.action in CHANGES)", "steps is None",
           (_BESIDE,)),
    Mutant("plan-new-arn", "a plan does not know the ARN of what is created again", _PROJECTION,
           "known = before.body if before is not None else outputs",
           "known = before.body if before is not None else {}",
           (_BESIDE,)),
    Mutant("plan-creates-twice", "a plan creates what was created and is not shown yet", _PROJECTION,
           "case Action.WAIT if observed is None and desired.declared is not None:",
           "case Action.WAIT if observed is None and desired.declared is Ellipsis:",
           ("tests/planner/test_one_loop.py",)),
    Mutant("adopted-untagged", "a failed resource is updated before it is taken over", "workflows/planner/decide.py",
           "if desired.kind.tagged and not observed.ours:\n", "if desired.kind.tagged and not observed:\n",
           ("tests/planner/test_decide.py",)),
    Mutant("tags-stop-removals", "a tag that cannot be read stops a removal", _OBSERVATION,
           "or not identifies(record, observed):", "or True:", ("tests/adoption/test_unread_tags.py",)),
    Mutant("adopts-anything", "what bears our name is taken for ours, without our tag", _OBSERVE,
           "ours=tags.get(OWNER_TAG) == self._stack)", "ours=True)",
           (f"{_OWNERSHIP}::test_a_foreign_resource_with_our_name_is_left_alone",)),
    Mutant("first-page-only", "of a list only the first page is read", "infra/aws.py",
           "            if not token:\n                return\n", "            return\n",
           (f"{_OWNERSHIP}::test_many_gateways_do_not_hide_ours",)),
    Mutant("prunes-strangers", "targets under our gateway that the ledger does not know are deleted", _OBSERVATION,
           "    return [name for name, observed in found.items() if observed.id not in known]\n", """\
    for name, observed in found.items():
        if ours and observed.id not in known:
            address = f"{parent}.targets.{name}"
            run.nodes[address] = Node(address, observed.kind, name, None, Options(), parent)
            run.learn(address, observed)
    return []
""", (f"{_OWNERSHIP}::test_other_targets_under_our_gateway_are_reported_and_kept",)),
    Mutant("denied-delete-gone", "a deletion that is not permitted counts as done", _STEPS,
           "return await run.observer.look(desired.kind, observed.id, run.parent_id(desired.address)) is None",
           "return True",
           ("tests/failing/test_deletions.py",)),
    Mutant("replace-redeletes", "a deletion that came to nothing is no try, and sent again", _REACH,
           "if not run.record(node.address).deletion_begun:", "if run.record(node.address):",
           ("tests/failing/test_deletions.py",), goal="R14"),
    Mutant("blocked-released", "what belongs to something retained is not left with it", _ACT,
           "            node.released = True\n", "            pass\n",
           ("tests/crash/test_doubt.py::test_a_retained_target_s_gateway_is_left_with_it_for_good",)),
    Mutant("let-go-order", "what others need is let go of first", _ACT,
           "for address in reversed(list(order)):", "for address in list(order):", ("tests/crash/test_retained.py",),
           goal="R1"),
    Mutant("overall-failed-first", "a run with a failure has failed, whatever is still under way", _OUTCOME,
           "    if ResourceStatus.IN_PROGRESS in found:", "    if found == {ResourceStatus.IN_PROGRESS}:",
           ("tests/planner/test_outcome.py",)),
    Mutant("ready-at-once", "READY is believed at the first look", _ACT,
           "        todo = await executor.changed_since()\n", "        todo = []\n",
           ("tests/waiting/test_lagging_reads.py::test_r18_a_wavering_ready_is_not_believed",), goal="R18"),
    Mutant("places-without-end", "more operations than the service takes are begun under a gateway", "infra/watch.py",
           ">= self._limit:", ">= 99 * self._limit:",
           ("tests/failing/test_refusals.py::test_impatient_runs_keep_to_five_operations",)),
    Mutant("places-given-back", "an operation that is left to the next run gives its place back", "infra/watch.py",
           "        self._left[key] = retry_after\n", "",
           ("tests/failing/test_refusals.py::test_impatient_runs_keep_to_five_operations",)),
    Mutant("removes-first", "a stack that may have to go back removes before everything else is READY", _GRAPH,
           "if stack is not None and stack.goes_back else set()", "if stack is None else set()",
           ("tests/everything/test_leave.py::test_a_stack_that_may_go_back_removes_last",), goal="R13"),
    Mutant("parent-first", "what a resource needs is removed before it", _GRAPH,
           "users.get(node.address, frozenset()) | last", "frozenset() | last",
           ("tests/provisioning/test_convergence.py::test_an_allowed_removal_goes_targets_first",)),
    Mutant("lists-kept", "lists are not read again after something was made", _OBSERVE,
           "        self._ids.clear()\n", "        del self\n",
           (_DOUBTS,)),
    Mutant("taken-over-removed", "what another stack took over is removed by who had it", _OBSERVE,
           "        if not observed.ours or not observed.kind.tagged or observed.moving:", "        if observed.ours:",
           (f"{_OWNERSHIP}::test_what_another_stack_took_over_is_not_removed_by_who_had_it",)),
    Mutant("tag-stays", "what a rollback leaves to its owner keeps our tag", _STEPS,
           "    if not (desired.kind.tagged and observed.ours):\n", "    if observed.ours:\n",
           ("tests/rollback/test_going_back_to_what.py",), goal="R13"),
    Mutant("rotated-within", "a secret that rotates within a run is applied again and again", _STEPS,
           "        run.secret_versions[reference] = secrets[path].version\n", "",
           ("tests/crash/test_doubt.py::test_a_secret_that_rotates_within_a_run_is_applied_once",)),
    Mutant("obstacle-stops-all", "one read that is refused stops the whole run", _OBSERVATION,
           "    except (CallFailed, OutOfTime) as failed:\n        run.observation_errors[address] = failed",
           "    except OutOfTime as failed:\n        run.observation_errors[address] = failed",
           ("tests/failing/test_failures.py::test_a_read_that_is_denied_stops_its_resource_alone",)),
    Mutant("gone-too-soon", "a read that shows nothing says that a deletion or creation has ended", _WAITING,
           "return not appears and (leaving or not fresh)", "return True",
           ("tests/waiting/test_lagging_reads.py::test_r18_nothing_is_sent_twice",), goal="R18"),
    Mutant("deleted-still-there", "a read from before a deletion says that it failed", _WAITING,
           "if leaving and anyio.current_time() - began < _STALE:", "if leaving and anyio.current_time() < began:",
           ("tests/waiting/test_older_reads.py",), goal="R18"),
    Mutant("unanswered-for-ever", "a change without an answer is repeated for as long as the run lasts", _REACH,
           "        if node.unanswered > _MOST_UNANSWERED:\n            raise\n", "",
          ("tests/crash/test_doubt.py::test_a_lost_answer_in_the_middle_of_a_run_is_told_from_a_refusal",), goal="R14"),
    Mutant("consent-unasked", "what waits for consent is told of without its URL", "workflows/reconcile/results.py",
           '"authorizationUrl": oauth.get("authorizationUrl", "")', '"authorizationUrl": ""',
           ("tests/consent/test_consent.py::test_a_target_awaits_consent_and_its_neighbours_are_ready",), goal="R15"),
    Mutant("goes-back-forward", "an interrupted rollback goes forward again", "workflows/records/stack.py",
           "== (generation, request_id)", "== (-generation, request_id)",
          ("tests/rollback/test_rollback.py::test_an_interrupted_rollback_changes_nothing_forward_again",), goal="R13"),
)  # fmt: skip
