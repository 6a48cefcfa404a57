"""The doors of a deployment that takes requests and works on none."""

import pytest

from handlers import environment
from handlers.environment import Environment
from infra.settings import read_settings


@pytest.fixture
def paused(monkeypatch):
    """A deployment that takes events up to where it would begin to work on them."""
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    # Without any, the metadata service of a machine in EC2 would be asked.
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    made = Environment(read_settings({"GATEWRIGHT_LEDGER": ":memory:", "GATEWRIGHT_MODE": "PAUSED"}))
    environment.use(made)
    yield made
    environment.use(None)
    made.close()
