"""Settings from the environment, validated once: invalid settings end the function during init with a clear line."""

import math
import os
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError

#: Variables that a deployed function requires.
_DEPLOYED = ("GATEWRIGHT_LEDGER", "GATEWRIGHT_BUS_NAME", "GATEWRIGHT_STATE_MACHINE_ARN", "GATEWRIGHT_GRANTS")
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class SettingsError(Exception):
    """The environment is invalid; the message names the variable and the reason."""


class Operation(StrEnum):
    """The mode of operation of a deployment."""

    ACT = "ACT"
    #: Plan and publish the plan, but change nothing: shows the effects of an upgrade.
    OBSERVE = "OBSERVE"
    #: Process nothing: requests wait in the queue.
    PAUSED = "PAUSED"


class Settings(BaseModel):
    """The settings of a deployment. The AWS client itself reads the standard AWS variables."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    #: The location of the ledger: a file, a DynamoDB table, or `:memory:`.
    ledger: str = Field(
        default="", alias="GATEWRIGHT_LEDGER", pattern=r"^(sqlite:.+|dynamodb:[A-Za-z0-9_.-]{3,255}|:memory:|)$"
    )
    #: The bucket for data that is too large for an item of the table.
    bucket: str = Field(default="", alias="GATEWRIGHT_BUCKET", pattern=r"^([a-z0-9][a-z0-9.-]{1,61}[a-z0-9]|)$")
    #: The event bus for published events; without a bus they are log lines.
    bus: str = Field(default="", alias="GATEWRIGHT_BUS_NAME", max_length=1600)
    #: The account of the deployment; if set, STS is not asked.
    account: str = Field(default="", alias="GATEWRIGHT_ACCOUNT_ID", pattern=r"^(\d{12}|)$")
    #: The state machine that continues requests that outlast an invocation.
    state_machine: str = Field(
        default="",
        alias="GATEWRIGHT_STATE_MACHINE_ARN",
        pattern=r"^(arn:[a-z-]+:states:[a-z0-9-]+:\d{12}:stateMachine:[A-Za-z0-9_-]{1,80}|)$",
    )
    #: The queue to which only the bus can send: the account and source that its events state can be trusted.
    bus_queue: str = Field(default="", alias="GATEWRIGHT_BUS_QUEUE_ARN", pattern=r"^(arn:[a-z-]+:sqs:.+:\d{12}:.+|)$")
    #: The dead-letter queue for messages that cannot be processed, with the reason as an attribute.
    dead_letters: str = Field(default="", alias="GATEWRIGHT_DEAD_LETTER_QUEUE_URL", pattern=r"^(https?://.+|)$")
    #: The number of deliveries after which a message goes to the dead-letter queue.
    deliveries: int = Field(default=5, alias="GATEWRIGHT_MAX_DELIVERIES", ge=1, le=1000)
    #: The file of grants; without a file every submitter acts with the worker's rights, as at a terminal.
    grants: str = Field(default="", alias="GATEWRIGHT_GRANTS", max_length=1000)
    #: The object that replaces the file of grants without a new deployment; the file is used where there is no object.
    grants_uri: str = Field(default="", alias="GATEWRIGHT_GRANTS_URI", pattern=r"^(s3://[^/]+/.+|)$")
    #: Whether the deployment acts, only observes, or is paused.
    mode: Operation = Field(default=Operation.ACT, alias="GATEWRIGHT_MODE")
    #: The seconds without any progress after which a request fails.
    stuck: float = Field(default=3600.0, alias="GATEWRIGHT_STUCK_SECONDS", ge=60, le=1_209_600)
    #: The days for which the history of runs is kept.
    history_days: int = Field(default=90, alias="GATEWRIGHT_HISTORY_DAYS", ge=1, le=3650)
    #: The maximum number of concurrent workers of this deployment; they share the account's rates.
    workers: int = Field(default=1, alias="GATEWRIGHT_MAX_CONCURRENCY", ge=1, le=1000)
    #: A wait longer than this many seconds, as for operations of ten times this duration, is left to the next run.
    patience: float = Field(default=1.0, alias="GATEWRIGHT_PATIENCE_SECONDS", gt=0, le=900)
    log_level: str = Field(default="INFO", alias="LOG_LEVEL", pattern="^(DEBUG|INFO|WARNING|ERROR)$")

    @property
    def door_patience(self) -> float:
        """The patience of a handler that can start an execution; without a state machine, infinite."""
        return self.patience if self.state_machine else math.inf


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings. Raises SettingsError with every variable that is invalid or missing.

    A deployed function requires variables that are optional at a terminal.
    """
    deployed = "AWS_LAMBDA_FUNCTION_NAME" in environment
    missing = [name for name in _DEPLOYED if deployed and not environment.get(name)]
    wrong = [f"{name}: a deployed function needs it" for name in missing]
    try:
        settings = Settings.model_validate(dict(environment))
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=False)
        wrong += [f"{one['loc'][0]}: {one['msg']}" for one in found]
    if wrong:
        raise SettingsError(f"the environment is malformed: {'; '.join(wrong)}")
    return settings


def ledger_path(url: str, environment: Mapping[str, str] = os.environ) -> Path | None:
    """Return the file of a ledger URL: by default in the user's state folder; None for memory."""
    if url == ":memory:":
        return None
    if url:
        return Path(url.removeprefix("sqlite:")).expanduser()
    state = environment.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(state).expanduser() / "gatewright" / "ledger.sqlite"


def is_loopback(url: str | None) -> bool:
    """Return whether the host of a URL is this machine."""
    return bool(url) and urlsplit(url).hostname in _LOOPBACK
