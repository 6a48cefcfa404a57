"""Settings from the environment, checked once: a malformed one stops the function at init with one clear line."""

import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class SettingsError(Exception):
    """The environment cannot be used; the text says which variable and why."""


class Settings(BaseModel):
    """What a deployment chooses. Standard AWS variables are read by the AWS client itself."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    #: Where the ledger is: a file, or `:memory:`.
    ledger: str = Field(default="", alias="GATEWRIGHT_LEDGER", pattern=r"^(sqlite:.+|:memory:|)$")
    #: The event bus for announcements; without one they are log lines.
    bus: str = Field(default="", alias="GATEWRIGHT_BUS_NAME", max_length=1600)
    #: How many workers of this deployment may run at once; they share the account's rates.
    workers: int = Field(default=1, alias="GATEWRIGHT_MAX_CONCURRENCY", ge=1, le=1000)
    #: A wait longer than this many seconds is left to the next run.
    patience: float = Field(default=5.0, alias="GATEWRIGHT_PATIENCE_SECONDS", gt=0, le=900)
    log_level: str = Field(default="INFO", alias="LOG_LEVEL", pattern="^(DEBUG|INFO|WARNING|ERROR)$")


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings. Raises SettingsError naming every variable that is wrong."""
    try:
        return Settings.model_validate(dict(environment))
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=False)
        wrong = "; ".join(f"{one['loc'][0]}: {one['msg']}" for one in found)
        raise SettingsError(f"the environment is malformed: {wrong}") from None


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
