"""Renews the project's copy of botocore's service models from a newer botocore, or says whether a newer one exists.

A renewal fails, and changes nothing, unless the locked botocore can use the new models: serialize a request of every
operation, parse its response and resolve its endpoint.
"""

import argparse
import gzip
import hashlib
import json
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from botocore.endpoint_provider import EndpointProvider
from botocore.loaders import create_loader
from botocore.model import ListShape, MapShape, OperationModel, ServiceModel, Shape, StructureShape
from botocore.parsers import create_parser
from botocore.serialize import create_serializer

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from infra.models import FOLDER, version_in_force
from infra.service_model import AGENT_REGISTRY, CONTROL_PLANE

#: The services whose models the project copies, and the files of each that the client needs.
SERVICES = (CONTROL_PLANE, AGENT_REGISTRY)
FILES = ("service-2.json.gz", "endpoint-rule-set-1.json.gz")
#: A Region of each partition in which the endpoints must resolve.
REGIONS = ("us-east-1", "us-gov-west-1", "cn-north-1")

#: File contents by the path in the folder, for example "agent-registry-control/2025-12-01/service-2.json.gz".
Copy = Mapping[str, bytes]


def main() -> int:
    """Renew the copy; with --check, only report whether the package index has newer models."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("version", nargs="?", default="", help="a version of botocore; the newest if absent")
    parser.add_argument("--check", action="store_true", help="change nothing, and say whether newer models exist")
    options = parser.parse_args()
    try:
        version, copy = fetched(options.version)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"models: botocore cannot be fetched: {error}", file=sys.stderr)
        return 0 if options.check else 1
    if options.check:
        print(comparison(version, copy))
        return 0
    problems = list(incompatible(copy))
    for problem in problems:
        print(f"models: {problem}", file=sys.stderr)
    if problems:
        return 1
    write(version, copy)
    print(f"models: the copy is now that of botocore {version}; run `make docs` and `make test`")
    return 0


def fetched(version: str) -> tuple[str, Copy]:
    """Download botocore without installing it. Return its version and the files of the services."""
    wanted = f"botocore=={version}" if version else "botocore"
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        command += ["--only-binary=:all:", "--dest", folder, wanted]
        subprocess.run(command, check=True, capture_output=True)
        (wheel,) = Path(folder).glob("botocore-*.whl")
        prefix = "botocore/data/"
        with zipfile.ZipFile(wheel) as archive:
            names = [name.removeprefix(prefix) for name in archive.namelist() if name.startswith(prefix)]
            copy = {name: archive.read(prefix + name) for name in names if is_copied(name)}
        return wheel.name.split("-")[1], copy


def is_copied(name: str) -> bool:
    """Return whether a data file of botocore belongs to the copy: a needed file of the latest version of an API."""
    service, _, file = name.partition("/")
    return service in SERVICES and file.rpartition("/")[2] in FILES


def comparison(version: str, copy: Copy) -> str:
    """Say how the models of a version of botocore differ from the models in force."""
    changed = sorted(name for name, content in copy.items() if _json(content) != _json(_in_force(name)))
    if not changed:
        return f"models: those in force, of botocore {version_in_force()}, are the newest (botocore {version})"
    named = ", ".join(changed)
    return f"::warning::models: botocore {version} has newer ones than {version_in_force()}: {named}; run `make models`"


def _in_force(name: str) -> bytes:
    path = FOLDER / name
    return path.read_bytes() if path.exists() else gzip.compress(b"{}")


def incompatible(copy: Copy) -> Iterator[str]:
    """Yield why the installed botocore cannot use the models of a copy."""
    for name in sorted(copy):
        service = name.partition("/")[0]
        if name.endswith("service-2.json.gz"):
            model = ServiceModel(_json(copy[name]), service)
            for operation in map(model.operation_model, model.operation_names):
                yield from (f"{service} {operation.name}: {why}" for why in _unusable(model, operation))
        else:
            yield from (f"{service}: {why}" for why in _unresolvable(_json(copy[name])))


def _unusable(model: ServiceModel, operation: OperationModel) -> Iterator[str]:
    try:
        protocol = model.resolved_protocol
        request = example(operation.input_shape) if operation.input_shape else {}
        create_serializer(protocol, include_validation=False).serialize_to_request(request, operation)
        response = {"body": b"{}", "headers": {}, "status_code": 200, "context": {"operation_name": operation.name}}
        create_parser(protocol).parse(response, operation.output_shape)
    except Exception as error:  # noqa: BLE001 - whatever the locked botocore raises is the finding
        yield f"{type(error).__name__}: {error}"


def _unresolvable(rules: Mapping[str, Any]) -> Iterator[str]:
    partitions = create_loader().load_data("partitions")
    for region in REGIONS:
        try:
            provider = EndpointProvider(ruleset_data=dict(rules), partition_data=partitions)
            provider.resolve_endpoint(Region=region, UseFIPS=False, UseDualStack=False)
        except Exception as error:  # noqa: BLE001 - as above
            yield f"no endpoint in {region}: {type(error).__name__}: {error}"


def example(shape: Shape, depth: int = 0) -> Any:
    """Return a value with every member of a shape, down to a depth that shows each structure once."""
    if isinstance(shape, StructureShape):
        members = shape.members.items() if depth < _DEPTH else ()
        return {name: example(member, depth + 1) for name, member in members}
    if isinstance(shape, ListShape):
        return [example(shape.member, depth + 1)]
    if isinstance(shape, MapShape):
        return {"key": example(shape.value, depth + 1)}
    return _SCALARS.get(shape.type_name, "text")


#: Structures refer to themselves, so an example ends at this depth.
_DEPTH = 8
_SCALARS: Mapping[str, Any] = {
    "integer": 1, "long": 1, "float": 0.5, "double": 0.5, "boolean": True, "blob": b"bytes", "timestamp": 1_700_000_000,
}  # fmt: skip


def write(version: str, copy: Copy) -> None:
    """Replace the files of the copy."""
    for path in FOLDER.rglob("*.json.gz"):
        path.unlink()
    for name, content in copy.items():
        (FOLDER / name).parent.mkdir(parents=True, exist_ok=True)
        (FOLDER / name).write_bytes(content)
    source = {"botocore": version, "sha256": {name: hashlib.sha256(copy[name]).hexdigest() for name in sorted(copy)}}
    (FOLDER / "source.json").write_text(json.dumps(source, indent=1) + "\n", "utf-8")


def _json(content: bytes) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(gzip.decompress(content))
    return value


if __name__ == "__main__":
    sys.exit(main())
