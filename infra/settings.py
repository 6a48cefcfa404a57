"""Settings from the environment, checked once: a malformed one stops the function at init with one clear line."""

import math
import os
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError

#: What a deployed function cannot do without.
_DEPLOYED = ("GATEWRIGHT_LEDGER", "GATEWRIGHT_BUS_NAME", "GATEWRIGHT_STATE_MACHINE_ARN", "GATEWRIGHT_GRANTS")
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class SettingsError(Exception):
    """The environment cannot be used; the text says which variable and why."""


class Operation(StrEnum):
    """What a deployment does with requests."""

    ACT = "ACT"
    #: Plan and announce, and change nothing: to see what an upgrade would do.
    OBSERVE = "OBSERVE"
    #: Nothing: requests wait in the queue.
    PAUSED = "PAUSED"


class Settings(BaseModel):
    """What a deployment chooses. Standard AWS variables are read by the AWS client itself."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    #: Where the ledger is: a file, or `:memory:`.
    ledger: str = Field(
        default="", alias="GATEWRIGHT_LEDGER", pattern=r"^(sqlite:.+|dynamodb:[A-Za-z0-9_.-]{3,255}|:memory:|)$"
    )
    #: The bucket for what is too long for an item of the table.
    bucket: str = Field(default="", alias="GATEWRIGHT_BUCKET", pattern=r"^([a-z0-9][a-z0-9.-]{1,61}[a-z0-9]|)$")
    #: The event bus for announcements; without one they are log lines.
    bus: str = Field(default="", alias="GATEWRIGHT_BUS_NAME", max_length=1600)
    #: The account that it works in, where that is known and need not be asked for.
    account: str = Field(default="", alias="GATEWRIGHT_ACCOUNT_ID", pattern=r"^(\d{12}|)$")
    #: The state machine that goes on with what a door cannot settle in its time.
    state_machine: str = Field(
        default="",
        alias="GATEWRIGHT_STATE_MACHINE_ARN",
        pattern=r"^(arn:[a-z-]+:states:[a-z0-9-]+:\d{12}:stateMachine:[A-Za-z0-9_-]{1,80}|)$",
    )
    #: The queue that only the bus can send to: what an event in it says of its account and source is true.
    bus_queue: str = Field(default="", alias="GATEWRIGHT_BUS_QUEUE_ARN", pattern=r"^(arn:[a-z-]+:sqs:.+:\d{12}:.+|)$")
    #: Where messages go that cannot be worked on, with the reason beside them.
    dead_letters: str = Field(default="", alias="GATEWRIGHT_DEAD_LETTER_QUEUE_URL", pattern=r"^(https?://.+|)$")
    #: After how many deliveries a message goes there.
    deliveries: int = Field(default=5, alias="GATEWRIGHT_MAX_DELIVERIES", ge=1, le=1000)
    #: The file of grants; without one everybody acts with the worker's rights, as at a terminal.
    grants: str = Field(default="", alias="GATEWRIGHT_GRANTS", max_length=1000)
    #: Whether it acts, only looks, or does nothing.
    mode: Operation = Field(default=Operation.ACT, alias="GATEWRIGHT_MODE")
    #: After how many seconds without any movement a request has failed.
    stuck: float = Field(default=3600.0, alias="GATEWRIGHT_STUCK_SECONDS", ge=60, le=1_209_600)
    #: How long the history of runs is kept.
    history_days: int = Field(default=90, alias="GATEWRIGHT_HISTORY_DAYS", ge=1, le=3650)
    #: How many workers of this deployment may run at once; they share the account's rates.
    workers: int = Field(default=1, alias="GATEWRIGHT_MAX_CONCURRENCY", ge=1, le=1000)
    #: A wait for the service longer than this many seconds is left to the next run: for what takes ten times as long.
    patience: float = Field(default=1.0, alias="GATEWRIGHT_PATIENCE_SECONDS", gt=0, le=900)
    log_level: str = Field(default="INFO", alias="LOG_LEVEL", pattern="^(DEBUG|INFO|WARNING|ERROR)$")

    @property
    def door_patience(self) -> float:
        """The patience of a door that can hand over; without a state machine it waits for as long as it has time."""
        return self.patience if self.state_machine else math.inf


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings. Raises SettingsError naming every variable that is wrong, and every one that is missing.

    A deployed function needs what a terminal can do without.
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
    """Return the file of a ledger URL: the user's state folder by default, None for memory."""
    if url == ":memory:":
        return None
    if url:
        return Path(url.removeprefix("sqlite:")).expanduser()
    state = environment.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(state).expanduser() / "gatewright" / "ledger.sqlite"


def is_loopback(url: str | None) -> bool:
    """Tell whether a URL leads to this machine."""
    return bool(url) and urlsplit(url).hostname in _LOOPBACK
