"""The innermost paths at which two values differ. Maps, lists, and texts of JSON or YAML are compared as structures."""

from collections.abc import Iterator, Mapping
from difflib import SequenceMatcher
from typing import Any

from workflows.document.fingerprint import canonical

Path = tuple[str | int, ...]
Leaf = tuple[Path, Any, Any]
#: Lists whose lengths have a greater product are compared item by item, since aligning them takes as many steps.
_MOST_STEPS = 4_000_000


def leaves(old: Any, new: Any, path: Path = ()) -> Iterator[Leaf]:
    """Yield path, old and new value of each leaf that differs; None stands for a value that is not there.

    Of texts that hold equal structures, such as JSON with other white space, the whole texts are yielded.
    """
    one, other = _opened(old, new)
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        found = _of_maps(one, other, path)
    elif isinstance(one, list) and isinstance(other, list):
        found = _of_lists(one, other, path)
    else:
        yield path, old, new
        return
    yielded = False
    for leaf in found:
        yielded = True
        yield leaf
    if not yielded:
        yield path, old, new


def _of_maps(old: Mapping[Any, Any], new: Mapping[Any, Any], path: Path) -> Iterator[Leaf]:
    for name in dict.fromkeys((*old, *new)):
        if old.get(name) != new.get(name) or (name in old) != (name in new):
            yield from leaves(old.get(name), new.get(name), (*path, name))


def _of_lists(old: list[Any], new: list[Any], path: Path) -> Iterator[Leaf]:
    """Yield the leaves of two lists: an item that was put in between or taken out does not move the others."""
    for begin, end, first, last in _differing(old, new):
        common = min(end - begin, last - first)
        for step in range(common):
            yield from leaves(old[begin + step], new[first + step], (*path, first + step))
        for index in range(begin + common, end):
            yield (*path, index), old[index], None
        for index in range(first + common, last):
            yield (*path, index), None, new[index]


def _differing(old: list[Any], new: list[Any]) -> Iterator[tuple[int, int, int, int]]:
    """Yield the ranges of both lists that differ: begin and end in the old list, then in the new list."""
    if len(old) * len(new) > _MOST_STEPS:
        same = [index for index, (one, other) in enumerate(zip(old, new, strict=False)) if one != other]
        yield from ((index, index + 1, index, index + 1) for index in same)
        shorter = min(len(old), len(new))
        yield shorter, len(old), shorter, len(new)
        return
    matcher = SequenceMatcher(None, [canonical(one) for one in old], [canonical(one) for one in new], autojunk=False)
    yield from (where for tag, *where in matcher.get_opcodes() if tag != "equal")  # type: ignore[misc]


def _opened(old: Any, new: Any) -> tuple[Any, Any]:
    """Return both values, or the structures that both hold if they are texts of JSON or YAML."""
    if not isinstance(old, str) or not isinstance(new, str):
        return old, new
    one, other = _structure(old), _structure(new)
    return (one, other) if one is not None and other is not None else (old, new)


def _structure(text: str) -> Any:
    """Return the map or list that a text of JSON or YAML holds; None if it holds none."""
    from infra.documents import Unreadable, parse  # noqa: PLC0415 - YAML is off the cold path

    if not text.lstrip().startswith(("{", "[")) and "\n" not in text:
        return None
    try:
        value = parse(text)
    except Unreadable:
        return None
    return value if isinstance(value, Mapping | list) else None
