"""The contract against a control plane that others wrote, from what they know of the service: moto's.

Where it is not as the contract says, `differences` names the case and says who is right.
"""

import pytest

from tests.contract.differences import DIFFERENCES
from tests.contract.gateways import Gateways
from tests.contract.kinds import LIVES, Kinds
from tests.contract.places import in_moto
from tests.contract.targets import Providers, Targets


@pytest.mark.real_time
class TestInMoto(Gateways, Targets, Providers, Kinds):
    differences = DIFFERENCES

    @pytest.fixture
    async def service(self, moto):
        async with in_moto(moto) as made:
            yield made


def test_every_difference_is_of_a_case():
    """An entry whose case was renamed would excuse nothing, and nobody would know."""
    cases = {name for name in dir(TestInMoto) if name.startswith("test_")}
    cases |= {f"{name}[{life.noun}]" for name in cases for life in LIVES}
    assert DIFFERENCES.keys() <= cases


def test_moto_keeps_some_of_the_contract():
    """A lane in which everything is excused would be none."""
    whole = {name.partition("[")[0] for name in DIFFERENCES}
    kept = {name for name in dir(TestInMoto) if name.startswith("test_")} - whole
    assert len(kept) >= 4
