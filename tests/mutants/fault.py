"""What a fault is: a small change of one file, and the tests that must notice it."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Fault:
    """A change of one file, and the tests whose purpose is what it breaks."""

    name: str
    #: What is so, where it is applied.
    says: str
    file: str
    #: The text that is replaced: it stands in the file exactly once.
    old: str
    new: str
    tests: tuple[str, ...] = ()
    #: The goal of continuity that it breaks, where it is one of those.
    goal: str = ""
    #: Why no test can notice it: it changes nothing that could be seen.
    equivalent: str = ""

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
