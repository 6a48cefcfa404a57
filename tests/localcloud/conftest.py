"""The toy, with the artifact that a build would make of it."""

import shutil
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

TOY = Path(__file__).with_name("toy")
#: The services whose descriptions the toy's clients need.
SERVICES = {"dynamodb", "s3", "secretsmanager", "stepfunctions", "sts"}


@pytest.fixture(scope="session")
def template(tmp_path_factory) -> Path:
    """The toy's template, with the artifact beside it: the handlers, and aiobotocore as it is installed here."""
    folder: Path = tmp_path_factory.mktemp("toy") / "toy"
    shutil.copytree(TOY, folder, ignore=shutil.ignore_patterns("__pycache__"))
    artifact = folder / "artifact"
    for name in with_needs("aiobotocore", set()):
        copy(name, artifact)
    (folder / "toy.py").rename(artifact / "toy.py")
    return folder / "template.yaml"


def with_needs(name: str, found: set[str]) -> set[str]:
    """The names of a distribution and of what it needs, added to those that were found before."""
    if name not in found:
        found.add(name)
        for one in map(Requirement, distribution(name).requires or ()):
            if one.marker is None or one.marker.evaluate({"extra": ""}):
                with_needs(one.name, found)
    return found


def copy(name: str, folder: Path) -> None:
    for file in distribution(name).files or ():
        service = file.parts[2] if file.parts[:2] == ("botocore", "data") and len(file.parts) > 3 else None
        if ".." not in file.parts and file.suffix != ".pyc" and service in {None, *SERVICES}:
            target = folder / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(str(file.locate()), target)
