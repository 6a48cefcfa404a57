"""R20: events made to be dear: as large as events are, each in the way that would cost most."""

import json
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from handlers.cli_files import read_source
from infra.documents import parse
from tests.documents import gateway, mcp_target
from tests.fuzz import doors
from tests.fuzz.doors import Tally
from tests.fuzz.mutations import nested
from tests.goals import tried
from tests.slices import sliced
from workflows.document.problems import MOST_PROBLEMS, Invalid
from workflows.document.reading import read_stack
from workflows.document.references import resolve

pytestmark = pytest.mark.sweep

SIZE = 256 * 1024
#: CPU seconds and bytes that the worst event of that size may take.
_SECONDS, _BYTES = 2.0, 150 * 1024 * 1024


def asked(stack: Any, **more: Any) -> str:
    return json.dumps({"detailType": "Gateway Stack Requested", "stack": stack, **more})


def one(**more: Any) -> str:
    return asked({"stack": "x", "gateways": {"a": gateway(**more)}})


def targets(made: dict[str, Any]) -> str:
    return asked({"stack": "x", "gateways": {"a": gateway(made)}})


def tools(properties: dict[str, Any]) -> str:
    tool = {"name": "n", "description": "d", "inputSchema": {"type": "object", "properties": properties}}
    made: dict[str, dict[str, Any]] = {"lambda": {"lambdaArn": "arn:aws:lambda:us-east-1:123456789012:function:x"}}
    made["lambda"]["toolSchema"] = {"inlinePayload": [tool]}
    return targets({"t": {"targetConfiguration": {"mcp": made}}})


def waits(on: str) -> dict[str, Any]:
    return {"gatewright": {"dependsOn": [f"gateways.a.targets.{on}"]}}


def pairs(count: int) -> dict[str, Any]:
    return {name: waits(other) for n in range(count) for name, other in ((f"a{n}", f"b{n}"), (f"b{n}", f"a{n}"))}


BODIES: dict[str, Callable[[], str]] = {
    "references that are never closed": lambda: targets({"t": mcp_target("${" * (SIZE // 2))}),
    "a reference that goes on and on": lambda: targets({"t": mcp_target("${" + "a" * SIZE)}),
    "references without end": lambda: targets({"t": mcp_target("https://a/" + "${gateways.a.b}" * (SIZE // 15))}),
    "names of references in brackets": lambda: targets({"t": mcp_target("${" + '["a"]' * (SIZE // 5) + "}")}),
    "an unknown member with a long name": lambda: one(**{"z" * SIZE: 1}),
    "thousands of unknown members": lambda: one(**{f"descri{n}": 1 for n in range(SIZE // 14)}),
    "thousands of empty resources": lambda: asked({"stack": "x", "gateways": {f"g{n}": {} for n in range(SIZE // 12)}}),
    "thousands of unknown sections": lambda: asked({"stack": "x", **{f"s{n}": {} for n in range(SIZE // 12)}}),
    "thousands of wrong values": lambda: one(exceptionLevel=[0] * (SIZE // 3), tags={str(n): 0 for n in range(20_000)}),
    "thousands of dependencies": lambda: one(gatewright={"dependsOn": [str(n) for n in range(SIZE // 9)]}),
    "thousands of cycles": lambda: targets(pairs(SIZE // 150)),
    "a long cycle": lambda: targets({f"a{n}": waits(f"a{n + 1}") for n in range(SIZE // 75)} | {"z": waits("a0")}),
    "thousands of targets that lack everything": lambda: targets({f"t{n}": {"x": 0} for n in range(6000)}),
    "one target many times": lambda: targets({f"t{n}": mcp_target() for n in range(SIZE // 110)}),
    "deep nesting": lambda: '{"stack":' * (SIZE // 9),
    "deep nesting that JSON still reads": lambda: asked(nested(900)),
    "wide nesting": lambda: asked({"stack": "x", "gateways": [[[]] * 5] * (SIZE // 24)}),
    "a number of 4,000 digits": lambda: asked({"stack": "x", "version": 10**4000}),
    "a number of 200,000 digits": lambda: '{"detailType":"x","stack":{"version":' + "9" * 200_000 + "}}",
    "half a character 40,000 times": lambda: one(description="\ud800" * 40_000),
    "a parameter that multiplies": lambda: asked(
        {"stack": "x", "gateways": {"a": {"description": "${parameters.x}" * 8000}}}, parameters={"x": "y" * 120_000}
    ),
    "a parameter that multiplies values": lambda: asked(
        {"stack": "x", "gateways": ["${parameters.x}"] * 5000}, parameters={"x": [0] * 50_000}
    ),
    "a parameter of many values, many times": lambda: asked(
        {"stack": "x", "gateways": {"g": {"tags": ["${parameters.x}"] * 38}}}, parameters={"x": [0] * 64_000}
    ),
    "a long name over many mistakes": lambda: tools({"K" * (SIZE // 2): {"type": "object", "required": [1] * 40_000}}),
    "a long name over many warnings": lambda: tools({"K" * (SIZE // 2): {"required": ["a"] * 25_000}}),
    "long names over many mistakes": lambda: tools(
        {"K" * 900: {"type": "object", "properties": {"L" * 900: {"required": [1] * 60_000}}}}
    ),
    "a long name of a resource": lambda: asked(
        {"stack": "x", "gateways": {"N" * (SIZE // 2): {f"{n:x}": 0 for n in range(14_000)}}}
    ),
    "many headers and keys": lambda: targets({"t": mcp_target(
        metadataConfiguration={"allowedRequestHeaders": [f"h{n}" for n in range(9_000)]},
        credentialProviderConfigurations=[
            {"credentialProvider": {"apiKeyCredentialProvider": {
                "credentialLocation": "HEADER", "credentialParameterName": f"k{n}"}}} for n in range(900)
        ],
    )}),
    "many scopes": lambda: one(authorizerConfiguration={"customJWTAuthorizer": {
        "allowedScopes": [f"s{n}" for n in range(9_000)],
        "advertisedScopeMapping": {f"t{n}": "x" for n in range(9_000)}}}),
    "a parameter that is deep": lambda: asked({"stack": "${parameters.x}"}, parameters={"x": nested(900)}),
    "a parameter that is too long a number": lambda: asked({"stack": "${parameters.x}"}, parameters={"x": 10**4200}),
    "a duplicate name in a large object": lambda: "{" + ",".join(f'"k{n}":0' for n in range(20_000)) + ',"k0":1}',
    "escapes": lambda: one(description="\u0001" * (SIZE // 6)),
}  # fmt: skip


def _laughs(levels: int) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    return "\n".join([*lines, *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, levels))])


def _merges(levels: int) -> str:
    inner = "{k: v}"
    for n in range(levels):
        inner = f"{{<<: [&a{n} {inner}{f', *a{n}' * 10}]}}"
    return f"a: {inner}"


TEXTS: dict[str, Callable[[], str]] = {
    "a billion laughs": lambda: _laughs(9),
    "merges of merges": lambda: _merges(9),
    "one merge": lambda: f"a: &a {{{','.join(f'k{n}: 0' for n in range(9000))}}}\nb: {{<<: [{'*a, ' * 40_000}]}}",
    "a merge of itself": lambda: "a: &a {<<: *a}",
    "a long hexadecimal number": lambda: "stack: 0x" + "f" * SIZE,
    "a long number of base sixty": lambda: "a: 1" + ":59" * (SIZE // 3),
    "a long fraction of base sixty": lambda: "a: 1" + ":59" * (SIZE // 3) + ".5",
    "a long binary number": lambda: "a: 0b" + "1" * SIZE,
    "many small values": lambda: "[" + "1," * (SIZE // 2) + "1]",
    "deep flow": lambda: "[" * SIZE,
    "deep blocks": lambda: "- " * (SIZE // 2),
    "complex keys": lambda: "? " * (SIZE // 2),
    "a long tag": lambda: "!" * SIZE,
    "anchors alone": lambda: "\n".join(f"- &a{n} x" for n in range(SIZE // 12)),
    "quotes": lambda: "'" * SIZE,
    "blanks": lambda: " " * SIZE + "\t",
    "an endless line": lambda: "a: " + "x" * SIZE,
    "documents without end": lambda: "---\n" * (SIZE // 4),
    "duplicate names": lambda: "a: 1\n" * (SIZE // 5),
    "what is too large": lambda: "x" * (8 * 1024 * 1024 + 1),
}  # fmt: skip


def judge(what: str, door: Callable[[str], None], event: str) -> None:
    tally = Tally(_SECONDS)
    tally.give(door, [event])
    tracemalloc.start()
    try:
        Tally(60).give(door, [event])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    greedy = [] if peak < _BYTES else [f"{peak} bytes"]
    tried("R20", what, 1, [*tally.wrong, *greedy])
    assert tally.wrong == []
    assert greedy == []


@pytest.mark.parametrize("name", sliced(BODIES, 5))
def test_r20_the_dearest_bodies_of_messages(name):
    judge("the dearest messages of 256 KiB", doors.queue, BODIES[name]())


@pytest.mark.parametrize("name", sliced(TEXTS, 5))
def test_r20_the_dearest_documents(name):
    judge("the dearest documents of 256 KiB", doors.document, TEXTS[name]())


@pytest.mark.parametrize("door", [doors.bus, doors.task, doors.batch], ids=["bus", "task", "batch"])
@pytest.mark.parametrize("event", [None, [], "x", 1, {}, {"detail": []}, {"source": []}, {"detail-type": {}, "id": {}}])
def test_r20_what_has_not_even_the_form_of_an_event(paused, door, event):
    """Refused before anything is opened for it."""
    if door is doors.batch:
        assert door(event) is None
        return
    with pytest.raises(doors.REFUSALS):
        door(event)


STRANGE = (
    "!!bool x", "!!int ''", "!!float ''", "!!binary aGk=", "!!set {x}", "!!omap [x: 1]", ".inf", ".nan", "1.0e+999",
    "!!python/object/apply:os.system [x]", "!include x",
)  # fmt: skip


@pytest.mark.parametrize("text", STRANGE)
def test_r20_what_json_cannot_hold_is_no_document(text):
    tally = Tally(1.0)
    tally.give(doors.document, [f"a: {text}"])
    tried("R20", "what JSON cannot hold", 1, tally.wrong + ["taken"] * (1 - tally.refused))
    assert (tally.wrong, tally.refused) == ([], 1)


def test_r20_a_hundred_thousand_problems_are_told_of_in_a_hundred():
    """The last one says how many more there are; nothing is longer than can be told."""
    document = {"stack": "x", **{f"section{n}{'x' * 99}": {} for n in range(100_000)}}
    with pytest.raises(Invalid) as caught:
        read_stack(document)
    problems = caught.value.problems
    tried("R20", "documents with a hundred thousand problems", 1, len(problems) != MOST_PROBLEMS)
    assert len(problems) == MOST_PROBLEMS
    assert (problems[-1].rule, "99901 more" in problems[-1].message) == ("more", True)
    assert len(json.dumps([problem.shown() for problem in problems])) < 200_000


def test_r20_thousands_of_references_in_one_url_are_resolved_in_little_time():
    text = "https://a/" + "${gateways.a.gatewayId}" * 10_000
    began = time.process_time()
    found = resolve(text, frozenset(), lambda _: "a/b")
    took = time.process_time() - began
    tried("R20", "references in one URL", 10_000, took > 1)
    assert took < 1
    assert found == "https://a/" + "a%2Fb" * 10_000


def test_r20_a_file_without_end_is_read_no_further_than_a_document_goes(tmp_path):
    path = tmp_path / "endless"
    with path.open("wb") as file:
        file.truncate(2**40)
    tracemalloc.start()
    with pytest.raises(doors.REFUSALS):
        read_source(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    tried("R20", "files without end", 1, peak > 400 * 2**20)
    assert peak < 400 * 2**20


def test_r20_dates_and_numbers_of_documents_stay_what_they_are():
    assert parse("{a: 2024-01-01, b: 1, c: 1.5, d: true, e: null, f: 0x10}") == {
        "a": "2024-01-01", "b": 1, "c": 1.5, "d": True, "e": None, "f": 16,
    }  # fmt: skip
