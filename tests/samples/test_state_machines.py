"""The check of the state machines finds what it is for."""

import importlib.util
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONVERGE = ROOT / "infra" / "state_machines" / "converge.asl.json"


@pytest.fixture(scope="module")
def checker():
    spec = importlib.util.spec_from_file_location("checker", ROOT / "tools" / "check_state_machines.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_state_machines_are_sound(checker):
    assert [problem for path in checker.FOLDER.glob("*.json") for problem in checker.check(path)] == []


@pytest.mark.parametrize(
    ("was", "becomes", "says"),
    [
        ('"Next": "Settled"', '"Next": "Nowhere"', "leads to Nowhere"),
        ('"Type": "Wait"', '"Type": "Snooze"', "unknown type"),
        ('"Default": "Failed"', '"Comment": "x"', "nothing happens"),
        ("{% $seconds %}", "{% $seconds ( %}", "Converge"),
        ('"StartAt": "Begin"', '"StartAt": "X"', "StartAt"),
        ('"Next": "WaitForConsent"', '"Next": "Done"', "is never reached"),
        ("arn:${Partition}:states", "arn:aws:states", "names a partition: arn:aws:states:::lambda:invoke"),
    ],
)
def test_what_is_broken_is_found(checker, tmp_path, was, becomes, says):
    text = CONVERGE.read_text("utf-8")
    assert was in text
    broken = tmp_path / "converge.asl.json"
    broken.write_text(text.replace(was, becomes))
    found = checker.check(broken)
    assert found
    assert says in " ".join(found) or "(" in becomes


def test_what_is_no_json_is_found(checker, tmp_path):
    broken = tmp_path / "x.asl.json"
    broken.write_text(json.dumps({})[:-1])
    assert checker.check(broken)
