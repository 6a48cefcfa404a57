"""The executor interface: the live executor sends the steps of a run to AWS, the dry executor projects their effect."""

from abc import ABC, abstractmethod

from infra.errors import CallFailed, OutOfTime
from workflows.planner.decision import Decision, DesiredState, State
from workflows.planner.outcome import Result
from workflows.reconcile.graph import Node
from workflows.reconcile.run import Run


class Executor(ABC):
    """Carries out the steps of one run. The rest of a run is the same for every executor."""

    def __init__(self, run: Run) -> None:
        self.run = run

    def state(self, node: Node) -> State:
        """Return the current state of a resource."""
        address = node.address
        return State(self.run.desired(address), self.run.observed.get(address), self.run.record(address))

    @abstractmethod
    def decided(self, node: Node, state: State, decision: Decision) -> None:
        """Note a decision before the decision is carried out."""

    @abstractmethod
    async def know_references(self, node: Node) -> None:
        """Read the resources that references need. Raises CallFailed for a required reference without a value."""

    @abstractmethod
    async def pause(self, seconds: float, reason: str) -> None:
        """Sleep before a resource is read again. Raises OutOfTime."""

    @abstractmethod
    async def read(self, node: Node, decision: Decision) -> None:
        """Read a resource in full."""

    @abstractmethod
    async def find(self, node: Node) -> None:
        """Read a resource by its recorded id, because the last read did not show it."""

    @abstractmethod
    def stays(self, node: Node, result: Result) -> None:
        """Answer that a child, which must be deleted before its parent is replaced, is not deleted yet."""

    @abstractmethod
    async def wait(self, node: Node, decision: Decision) -> None:
        """Wait for the end of an operation that is under way."""

    @abstractmethod
    async def change(self, node: Node, state: State, decision: Decision) -> None:
        """Send the changing calls of a decision, and wait until the operation has ended."""

    @abstractmethod
    async def disown(self, desired: DesiredState) -> None:
        """Remove the owner tag from a resource that is no longer managed."""

    @abstractmethod
    def never_converges(self, node: Node, decision: Decision) -> Result:
        """Return the result of a resource that never converges."""

    @abstractmethod
    async def failed(self, node: Node, error: CallFailed | OutOfTime) -> Result:
        """Return the result of a resource after a refused call or a lack of time."""

    @abstractmethod
    async def changed_since(self) -> list[str]:
        """Return the addresses of resources that were READY and are not in a second read."""
