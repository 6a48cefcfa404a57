"""How members of moto are replaced, whatever types they have there: what takes their place takes what they took."""

from typing import Any


def replace(owner: Any, **members: Any) -> None:
    """Set members of a class or of a module."""
    for name, member in members.items():
        setattr(owner, name, member)
