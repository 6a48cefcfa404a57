"""What a step is expected to lead to, of the states that no plan of the sandbox begins in."""

import pytest

from tests.planner.states import GATEWAY_TARGET, knows, nothing, shows, wants
from workflows.planner.decision import Action
from workflows.planner.failures import never_converges
from workflows.planner.projection import project


@pytest.mark.parametrize("status", ["CREATING", "UPDATING", "SYNCHRONIZING"])
def test_an_operation_under_way_is_expected_to_end_well(status):
    after = project(Action.WAIT, wants(GATEWAY_TARGET), shows(status, GATEWAY_TARGET), knows(GATEWAY_TARGET))
    assert after.observed is not None
    assert (after.observed.status, after.calls) == ("READY", ())


def test_a_deletion_under_way_is_expected_to_leave_nothing():
    after = project(Action.WAIT, wants(GATEWAY_TARGET), shows("DELETING", GATEWAY_TARGET), knows(GATEWAY_TARGET))
    assert (after.observed, after.record.id, after.calls) == (None, None, ())


def test_a_creation_that_reads_do_not_show_needs_no_other_call():
    after = project(Action.WAIT, wants(GATEWAY_TARGET), None, nothing(GATEWAY_TARGET))
    assert after.observed is not None
    assert after.calls == ()


def test_what_differs_again_after_every_change_is_named():
    failure = never_converges("gateways.one", "description, tags")
    assert (failure.code, failure.resource) == ("Restless", "gateways.one")
    assert failure.message.endswith("last at description, tags")
    assert never_converges("gateways.one", "").message.endswith("last at no path")
