"""What takes the steps of a run: the live executor sends them to AWS, the dry one only shows what they would leave."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from infra.errors import CallFailed, OutOfTime
from workflows.kinds.observed import ObservedState
from workflows.planner.decision import Decision, DesiredState
from workflows.planner.outcome import Result
from workflows.reconcile.run import Node, Run
from workflows.records.resource import ResourceRecord


@dataclass(frozen=True)
class State:
    """One resource between two steps: what is desired and what is observed of it, and its record."""

    desired: DesiredState
    observed: ObservedState | None
    record: ResourceRecord


class Executor(ABC):
    """Takes the steps of one run. Everything else about a run is the same for every executor."""

    def __init__(self, run: Run) -> None:
        self.run = run

    def state(self, node: Node) -> State:
        """Return the state of a resource as it is now."""
        address = node.address
        return State(self.run.desired(address), self.run.observed.get(address), self.run.record(address))

    @abstractmethod
    def decided(self, node: Node, state: State, decision: Decision) -> None:
        """Take note of a decision before it is carried out."""

    @abstractmethod
    async def know_references(self, node: Node) -> None:
        """See that the references of a resource can be resolved. Raises CallFailed where they must be and cannot."""

    @abstractmethod
    async def pause(self, seconds: float, reason: str) -> None:
        """Let time pass before a resource is looked at again. Raises OutOfTime."""

    @abstractmethod
    async def read(self, node: Node, decision: Decision) -> None:
        """Read a resource whole."""

    @abstractmethod
    async def wait(self, node: Node, decision: Decision) -> None:
        """Wait for the end of an operation that is under way."""

    @abstractmethod
    async def change(self, node: Node, state: State, decision: Decision) -> None:
        """Send what a decision says, and wait for its end."""

    @abstractmethod
    async def disown(self, desired: DesiredState) -> None:
        """Take the owner tag off a resource that is not managed any more."""

    @abstractmethod
    def restless(self, node: Node, decision: Decision) -> Result:
        """Return the result of a resource that does not come to rest, whatever is sent."""

    @abstractmethod
    async def failed(self, node: Node, error: CallFailed | OutOfTime) -> Result:
        """Return the result of a resource for which a call was refused, or for which time ran out."""

    @abstractmethod
    async def unsteady(self) -> list[str]:
        """Return the addresses of resources that were READY and are not when they are looked at once more."""
