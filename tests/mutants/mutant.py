"""What a mutant is: the project with a small change of one file, and the tests that must kill it."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Mutant:
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
    #: Why no test can kill it: it changes nothing that could be observed.
    equivalent: str = ""

    def applied(self, text: str) -> str:
        """Return the file's text with the change in it. Raises ValueError where it does not fit any more."""
        times = text.count(self.old)
        if times != 1:
            raise ValueError(f"{self.name}: what it replaces stands {times} times in {self.file}")
        return text.replace(self.old, self.new)

    def apply(self, root: Path) -> None:
        """Apply it to a copy of the project."""
        file = root / self.file
        file.write_text(self.applied(file.read_text("utf-8")), "utf-8")
