"""Faults of our own making: small changes of the code, each of which the suite must notice."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Fault:
    """A change of one file, and the tests whose purpose is what it breaks."""

    name: str
    #: What is so, where it is applied.
    says: str
    #: The goal of continuity that it breaks, where it is one of those.
    goal: str
    file: str
    #: The text that is replaced: it stands in the file exactly once.
    old: str
    new: str
    tests: tuple[str, ...]

    def applied(self, text: str) -> str:
        """Return the file's text with the fault in it. Raises ValueError where it does not fit any more."""
        times = text.count(self.old)
        if times != 1:
            raise ValueError(f"{self.name}: what it replaces stands {times} times in {self.file}")
        return text.replace(self.old, self.new)

    def apply(self, root: Path) -> None:
        """Put the fault into a copy of the project."""
        file = root / self.file
        file.write_text(self.applied(file.read_text("utf-8")), "utf-8")


_SINGLE = "tests/crash/test_single_faults.py::test_r1_r2_r13_every_single_fault_ends_in_the_declared_world"

FAULTS = (
    Fault(
        name="random-token",
        says="a creation's client token is random, not derived",
        goal="R2",
        file="workflows/document/fingerprint.py",
        old="    return digest(list(parts))\n",
        new="    from uuid import uuid4\n\n    return str(uuid4())\n",
        tests=("tests/crash/test_tokens.py::test_r2_a_creation_keeps_its_token",),
    ),
    Fault(
        name="adopts-anything",
        says="what bears our name is taken for ours, without our tag",
        goal="",
        file="workflows/acting/observe.py",
        old="ours=tags.get(OWNER_TAG) == self._stack)",
        new="ours=True)",
        tests=("tests/adoption/test_ownership.py::test_a_foreign_resource_with_our_name_is_left_alone",),
    ),
    Fault(
        name="lease-by-time",
        says="a lease is taken by time alone, whatever its version",
        goal="R6",
        file="workflows/acting/book.py",
        old='Put(key, taken, when={"version": item.get("version")})',
        new="Put(key, taken)",
        tests=("tests/concurrency/test_writers.py::test_r6_of_many_that_take_a_stack_one_gets_it",),
    ),
    Fault(
        name="no-redaction",
        says="redaction returns what it gets",
        goal="R19",
        file="infra/redaction.py",
        old="            text = text.replace(spelling, BLOT)\n        return text",
        new="            text = text.replace(spelling, spelling)\n        return text",
        tests=(
            "tests/secrecy/test_secrets.py::test_redaction_blots_out_every_spelling",
            "tests/calling/test_calls.py::test_a_client_s_own_error_quotes_nothing",
        ),
    ),
    Fault(
        name="marks-afterwards",
        says="a creation is marked in the ledger when it was answered",
        goal="R1",
        file="workflows/acting/steps.py",
        old="""\
    await mark(run, wish, memory, noted, versions)
    try:
        answer = await _create(run, wish, body)
""",
        new="""\
    try:
        answer = await _create(run, wish, body)
        await mark(run, wish, memory, noted, versions)
""",
        tests=(f"{_SINGLE}[everything-killed with the answer]",),
    ),
    Fault(
        name="idle-updates",
        says="what is as declared is updated all the same, once a run",
        goal="R3",
        file="workflows/deciding/decide.py",
        old="    if paths:\n        return Decision(Action.UPDATE,",
        new="    if paths or memory.sent is None:\n        return Decision(Action.UPDATE,",
        tests=("tests/provisioning/test_convergence.py::test_a_converged_stack_is_only_read",),
    ),
    Fault(
        name="two-retry-layers",
        says="botocore tries again too, below our own retries",
        goal="R11",
        file="infra/aws.py",
        old='"retries": {"total_max_attempts": 1}',
        new='"retries": {"total_max_attempts": 2}',
        tests=("tests/doors/test_doors.py::test_only_our_own_retry_layer_is_active",),
    ),
    Fault(
        name="first-page-only",
        says="of a list only the first page is read",
        goal="",
        file="workflows/acting/observe.py",
        old="""\
                yield item
            if not page.get("nextToken"):
                return
            asked = {**asked, "nextToken": page["nextToken"]}
""",
        new="""\
                yield item
            return
""",
        tests=("tests/adoption/test_ownership.py::test_many_gateways_do_not_hide_ours",),
    ),
    Fault(
        name="pending-is-settled",
        says="a target that waits for consent is treated as settled",
        goal="R15",
        file="workflows/deciding/decide.py",
        old="""\
    if seen.meaning.phase is Phase.AWAITING_CONSENT:
        return _consent(seen)
    if wish.options.existing:
""",
        new="    if wish.options.existing:\n",
        tests=("tests/consent/test_consent.py::test_nothing_is_sent_to_a_pending_target",),
    ),
    Fault(
        name="prunes-strangers",
        says="targets under our gateway that the ledger does not know are deleted",
        goal="",
        file="workflows/acting/survey.py",
        old="    run.listed.add(parent)\n",
        new="""\
    from workflows.acting.run import Item
    from workflows.document.stack import Options

    for name, seen in found.items():
        if ours and seen.id not in known:
            address = f"{parent}.targets.{name}"
            run.items[address] = Item(address, seen.kind, name, None, Options(), parent)
            run.seen[address] = seen
            known.add(seen.id)
    run.listed.add(parent)
""",
        tests=("tests/adoption/test_ownership.py::test_other_targets_under_our_gateway_are_reported_and_kept",),
    ),
)


def chosen(names: list[str]) -> Iterator[Fault]:
    """Yield the faults of these names; all of them where none is named."""
    unknown = set(names) - {fault.name for fault in FAULTS}
    if unknown:
        raise SystemExit(f"no such fault: {', '.join(sorted(unknown))}; there are {', '.join(f.name for f in FAULTS)}")
    yield from (fault for fault in FAULTS if not names or fault.name in names)
