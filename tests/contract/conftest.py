"""The service under contract, where the class of a test says."""

from collections.abc import Generator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.contract.differences import strays
from tests.goals import tried

pytest.register_assert_rewrite("tests.contract.gateways", "tests.contract.targets", "tests.contract.kinds")
#: How a case of the contract fails.
_FAILURES = (AssertionError, ClientError, KeyError, pytest.fail.Exception)


@pytest.fixture
async def service(request):
    async with request.cls.place() as made:
        tried("R0", f"the contract with the service, {made.where}")
        yield made


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, Any, Any]:
    """A case that a class declares to be different there must fail as declared, and fails where it does not."""
    declared = getattr(pyfuncitem.cls, "differences", {}).get(pyfuncitem.name)
    if declared is None:
        return (yield)
    try:
        yield
    except _FAILURES as error:
        stray = strays(declared, error)
        if stray:
            pytest.fail(f"Declared as different ({declared.reason}), but {stray}")
        return True
    pytest.fail(f"It is as the contract says, and was declared as different: {declared.reason}")
