"""The service under contract, where the class of a test says."""

import pytest

from tests.goals import tried

pytest.register_assert_rewrite("tests.contract.gateways", "tests.contract.targets", "tests.contract.kinds")


@pytest.fixture
async def service(request):
    async with request.cls.place() as made:
        tried("R0", f"the contract with the service, {made.where}")
        yield made
