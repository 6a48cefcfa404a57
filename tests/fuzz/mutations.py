"""Hostile events: what is valid, changed in its structure or in its bytes. The same seed makes the same events."""

import copy
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from tests.documents import small_stack
from tests.generated import Maker

EVENTS = Path(__file__).parents[2] / "events"


def nested(levels: int, kind: str = "map") -> Any:
    value: Any = "x"
    for _ in range(levels):
        value = {"a": value} if kind == "map" else [value]
    return value


#: Values that stand nowhere in a document.
HOSTILE: tuple[Any, ...] = (
    None, True, 0, -1, 10**37, 10**400, -(10**4000), 1e300, float("inf"), float("nan"), "", " ", "\0", "\ud800",
    "x" * 5000, "${", "${" * 60, "$${", "${a.b.c}", "${gateways.payments}", "${parameters.x}", "${aws.accountId}",
    '${registries["a.b"].c}', "{{resolve:secretsmanager:x}}", "{{resolve:ssm:x}}", "{{" * 40, "https://[", "https://",
    "http://\u2100.com", "s3://[/x", "s3://b/k", "file:///etc/passwd", "../../etc/passwd", "arn:", "arn:aws:iam::1:x",
    [], {}, [[]], {"": ""}, {"a": None}, nested(70), nested(70, "list"), [0] * 300, {f"k{n}": n for n in range(300)},
    {"\ud800": 1}, {"gatewright": {"adopt": 1}}, {"optionalValue": 1},
)  # fmt: skip
#: Names that are found where others belong.
NAMES = ("", "stack", "gateways", "targets", "gatewright", "x" * 300, "\ud800", "a.b", '"]', "__proto__", "${x}", "名")
#: What is put between bytes.
TOKENS = (
    b"{", b"}", b"[", b"]", b'"', b"\\", b"\\ud800", b"NaN", b"Infinity", b"-", b"1e999", b"9" * 50, b"0x", b":59:59",
    b"&a ", b"*a ", b"<<: ", b"!!binary ", b"!include /etc/passwd ", b"? ", b"- ", b"${", b"{{resolve:", b"\0", b"\xff",
    b"\t", b"\n", b"---\n", b"%YAML 9\n", b"| ", b"> ", b"\xef\xbb\xbf", b",", b":", b"#", b"'", b"@", b"`", b".inf",
)  # fmt: skip


def samples() -> list[dict[str, Any]]:
    """Events as they are sent: the project's own, and some with documents made from the service model."""
    found = [json.loads(path.read_text("utf-8")) for path in sorted(EVENTS.glob("*-stack.json"))]
    documents = [small_stack(1), *(Maker(seed, 0.2).document() for seed in range(4))]
    found += [{"id": "e", "detail-type": "Gateway Stack Requested", "detail": {"stack": one}} for one in documents]
    given = {"stack": {"stack": "${parameters.x}", "gateways": {"a": {"tags": "${parameters.y}"}}}}
    given["parameters"] = {"x": "payments", "y": {"a": "b"}}
    uri = {"stackUri": "s3://payments-stacks/tools.yaml", "parameters": {"x": 1}}
    found += [{"id": "e", "detail-type": "Gateway Stack Requested", "detail": detail} for detail in (given, uri)]
    return found


def _places(value: Any, found: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        found.append((value, key))
        _places(inner, found)
    return found


def misshapen(random_: random.Random, value: Any) -> Any:
    """Return a copy of a value with one to three of its places changed."""
    value = copy.deepcopy(value)
    for _ in range(random_.randint(1, 3)):
        places = _places(value, [])
        if not places:
            break
        holder, key = random_.choice(places)
        match random_.randrange(5):
            case 0:
                del holder[key]
            case 1 if isinstance(holder, dict):
                holder[random_.choice(NAMES)] = holder.pop(key)
            case 2:
                other, theirs = random_.choice(places)
                holder[key] = copy.deepcopy(other.get(theirs) if isinstance(other, dict) else theirs)
            case 3 if isinstance(holder, list):
                holder += [copy.deepcopy(holder[key])] * random_.randint(1, 50)
            case _:
                holder[key] = copy.deepcopy(random_.choice(HOSTILE))
    return value


def garbled(random_: random.Random, raw: bytes) -> bytes:
    """Return bytes with some taken away, changed, doubled or put between."""
    made = bytearray(raw)
    for _ in range(random_.randint(1, 4)):
        at = random_.randrange(len(made) + 1)
        match random_.randrange(5):
            case 0:
                del made[at : at + random_.randint(1, 20)]
            case 1 if at < len(made):
                made[at] = random_.randrange(256)
            case 2:
                made[at:at] = made[at : at + random_.randint(1, 60)]
            case 3 if random_.random() < 0.1:
                del made[at:]
            case _:
                made[at:at] = random_.choice(TOKENS)
    return bytes(made)


def as_json(value: Any) -> str:
    try:
        return json.dumps(value)
    except ValueError:
        return "{}"


def as_yaml(value: Any) -> str:
    return str(yaml.dump(value, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper)))


def events(seed: int, count: int, change: Callable[[random.Random, Any], Any]) -> list[Any]:
    """Return so many changed samples."""
    random_, known = random.Random(seed), samples()
    return [change(random_, random_.choice(known)) for _ in range(count)]
