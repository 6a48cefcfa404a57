"""R0: one contract with the service, kept by the plane in process, by its HTTP server, and by AWS itself.

In an account it runs where GATEWRIGHT_CONTRACT_ACCOUNT is 1, and takes what it needs from the variables that
`places.in_an_account` names; it removes what it made.
"""

import os

import pytest

from tests.contract.gateways import Gateways
from tests.contract.kinds import Kinds
from tests.contract.places import ACCOUNT, in_an_account, in_process, over_http
from tests.contract.targets import Arranged, Providers, Targets


class TestInProcess(Gateways, Targets, Providers, Kinds, Arranged):
    place = staticmethod(in_process)


@pytest.mark.real_time
class TestOverHttp(Gateways, Targets, Providers, Kinds, Arranged):
    place = staticmethod(over_http)


if os.environ.get(ACCOUNT) == "1":

    @pytest.mark.real_time
    class TestInAnAccount(Gateways, Targets, Providers):
        place = staticmethod(in_an_account)
