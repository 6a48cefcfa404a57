"""What takes the steps of a run: the live executor sends them to AWS, the dry one only shows what they would leave."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from infra.errors import CallFailed, OutOfTime
from workflows.acting.run import Item, Run
from workflows.deciding.decision import Decision, Wish
from workflows.deciding.outcome import Result
from workflows.kinds.observed import ObservedState
from workflows.records.resource import ResourceRecord


@dataclass(frozen=True)
class State:
    """One resource between two steps: what is desired and what is observed of it, and its record."""

    desired: Wish
    observed: ObservedState | None
    record: ResourceRecord


class Executor(ABC):
    """Takes the steps of one run. Everything else about a run is the same for every executor."""

    def __init__(self, run: Run) -> None:
        self.run = run

    def state(self, item: Item) -> State:
        """Return the state of a resource as it is now."""
        address = item.address
        return State(self.run.wish(address), self.run.seen.get(address), self.run.memory(address))

    @abstractmethod
    def decided(self, item: Item, state: State, decision: Decision) -> None:
        """Take note of a decision before it is carried out."""

    @abstractmethod
    async def know_references(self, item: Item) -> None:
        """See that the references of a resource can be resolved. Raises CallFailed where they must be and cannot."""

    @abstractmethod
    async def pause(self, seconds: float, reason: str) -> None:
        """Let time pass before a resource is looked at again. Raises OutOfTime."""

    @abstractmethod
    async def read(self, item: Item, decision: Decision) -> None:
        """Read a resource whole."""

    @abstractmethod
    async def wait(self, item: Item, decision: Decision) -> None:
        """Wait for the end of an operation that is under way."""

    @abstractmethod
    async def change(self, item: Item, state: State, decision: Decision) -> None:
        """Send what a decision says, and wait for its end."""

    @abstractmethod
    async def disown(self, wish: Wish) -> None:
        """Take the owner tag off a resource that is not managed any more."""

    @abstractmethod
    def restless(self, item: Item, decision: Decision) -> Result:
        """Return the result of a resource that does not come to rest, whatever is sent."""

    @abstractmethod
    async def failed(self, item: Item, error: CallFailed | OutOfTime) -> Result:
        """Return the result of a resource for which a call was refused, or for which time ran out."""

    @abstractmethod
    async def unsteady(self) -> list[str]:
        """Return the addresses of resources that were READY and are not when they are looked at once more."""
