"""The project's own copy of botocore's service models of AgentCore, and the loader that serves the newest models.

aiobotocore permits botocore versions that are weeks older than the newest, and an update with an old model resets the
members that the model does not know. Therefore the data files of a newer botocore are part of the project, unchanged
and in botocore's own layout; `make models` renews them. If the installed botocore is as new as the copy, its own files
are used.
"""

import json
from functools import cache
from pathlib import Path

import botocore
from botocore.loaders import Loader, create_loader

#: The folder of the copy, a search path of botocore's loader.
FOLDER = Path(__file__).parent


def copied_version() -> str:
    """Return the version of botocore from which the copy was taken."""
    version: str = json.loads((FOLDER / "source.json").read_text("utf-8"))["botocore"]
    return version


def version_in_force() -> str:
    """Return the version of botocore whose models are used: the newer one of the copy and the installed botocore."""
    installed: str = botocore.__version__
    return max(copied_version(), installed, key=_numbers)


@cache
def loader() -> Loader:
    """Return botocore's loader, which finds the copy first unless the installed botocore is as new."""
    if version_in_force() == botocore.__version__:
        return create_loader()
    return create_loader(str(FOLDER))


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())
