"""The copy of the service models, and releases of Gatewright whose models are older than the service."""

import asyncio
import gzip
import hashlib
import importlib.util
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import botocore
import pytest
import yaml
from aiobotocore.session import get_session
from botocore.loaders import create_loader

from infra import models
from infra.sandbox.behaviour import Behaviour, Durations
from infra.sandbox.server import SandboxServer
from infra.service_model import AGENT_REGISTRY, CONTROL_PLANE
from infra.unmodeled import preserve
from tests.documents import ROLE
from tests.unknowns.planes import OUTPUT, SETTING, NewerPlane

ROOT = Path(__file__).parents[2]
RCFG = {"selfManagedLatticeResource": {"resourceConfigurationIdentifier": "rcfg-0123456789abcdef0"}}
CERTIFICATES = [{"s3": {"uri": "s3://trust/ca.pem"}}]
DOMAINS = {"defaultDomain": "tools.example.com", "alternateDomains": ["more.example.com"]}
AUTHORIZER = {
    "discoveryUrl": "https://login.example.com/.well-known/openid-configuration",
    "allowedAudience": ["a"],
    "privateEndpoint": RCFG,
}
KEYS = {"aws_access_key_id": "sandbox", "aws_secret_access_key": "sandbox", "region_name": "us-east-1"}


def renewal() -> Any:
    spec = importlib.util.spec_from_file_location("renew_models", ROOT / "tools" / "renew_models.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def copied() -> dict[str, bytes]:
    return {str(path.relative_to(models.FOLDER)): path.read_bytes() for path in models.FOLDER.rglob("*.json.gz")}


def test_the_copy_is_as_botocore_published_it():
    """The checksums are those that the renewal wrote down."""
    source = json.loads((models.FOLDER / "source.json").read_text("utf-8"))
    assert {name: hashlib.sha256(content).hexdigest() for name, content in copied().items()} == source["sha256"]


def test_the_newer_models_are_in_force():
    """The copy if it is newer than the installed botocore, which finds all other services itself."""
    assert models.version_in_force() == max(models.copied_version(), botocore.__version__, key=_numbers)
    for service in (CONTROL_PLANE, AGENT_REGISTRY):
        path = models.FOLDER / service
        (content,) = path.rglob("service-2.json.gz")
        in_force = models.loader().load_service_model(service, "service-2")
        newest = json.loads(gzip.decompress(content.read_bytes()))
        installed = create_loader().load_service_model(service, "service-2")
        assert in_force == (newest if models.version_in_force() == models.copied_version() else installed)
    assert models.loader().load_service_model("sts", "service-2")["metadata"]["serviceId"] == "STS"


def test_the_locked_botocore_can_use_every_operation_of_the_copy():
    """It serializes a request, parses an answer and resolves an endpoint, or a renewal would have failed."""
    assert list(renewal().incompatible(copied())) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda model: model["metadata"].update(protocol="smoke-signals", protocols=["smoke-signals"]),
            "smoke-signals",
        ),
        (lambda model: model["shapes"]["CreateGatewayRequest"]["members"].update(name={"shape": "Nowhere"}), "Nowhere"),
    ],
)
def test_a_renewal_that_the_locked_botocore_cannot_use_fails(change, said):
    """What is wrong is named by service and operation."""
    copy = copied()
    (name,) = [one for one in copy if one.startswith(CONTROL_PLANE) and "service-2" in one]
    model = json.loads(gzip.decompress(copy[name]))
    change(model)
    found = list(renewal().incompatible({name: gzip.compress(json.dumps(model).encode())}))
    assert any("CreateGateway" in one and said in one for one in found)


@pytest.mark.real_time
async def test_unknown_members_pass_through_a_client_of_aws():
    """Over HTTP: shown in answers at any depth, taken in requests, under the names on the wire."""
    server = SandboxServer(Behaviour(durations=Durations(gateway=0.0)))
    server.plane = plane = NewerPlane(server.plane.world.records.clock, server.plane.behaviour)
    url = await server.start()
    try:
        session = get_session()
        session.register_component("data_loader", models.loader())
        async with session.create_client(CONTROL_PLANE, endpoint_url=url, **KEYS) as client:
            preserve(client)
            made = await client.create_gateway(name="g", roleArn=ROLE, authorizerType="AWS_IAM", domainOverride=DOMAINS)
            assert made["domainOverride"] == {**DOMAINS, OUTPUT: "shown"}
            assert made[OUTPUT] == "shown"
            again = {"gatewayIdentifier": made["gatewayId"], "name": "g", "roleArn": ROLE, "authorizerType": "AWS_IAM"}
            override = {**DOMAINS, SETTING: {"deep": [1]}}
            await client.update_gateway(**again, domainOverride=override)
            assert plane.settings[made["gatewayId"]] == {("domainOverride", SETTING): {"deep": [1]}}
            shown = await client.get_gateway(gatewayIdentifier=made["gatewayId"])
            assert shown["domainOverride"] == {**override, OUTPUT: "shown"}
    finally:
        await server.stop()


def stack(**more: Any) -> dict[str, Any]:
    return {
        "stack": "edge",
        "gateways": {
            "declared": {
                "roleArn": ROLE,
                "authorizerType": "CUSTOM_JWT",
                "authorizerConfiguration": {
                    "customJWTAuthorizer": {**AUTHORIZER, "certificateConfigurations": CERTIFICATES}
                },
                "domainOverride": DOMAINS,
            },
            "by-hand": by_hand(**more),
        },
    }


def by_hand(**more: Any) -> dict[str, Any]:
    return {
        "roleArn": ROLE,
        "authorizerType": "CUSTOM_JWT",
        "authorizerConfiguration": {"customJWTAuthorizer": AUTHORIZER},
        **more,
    }


@pytest.fixture
def older(tmp_path):
    """A release whose models are those of the installed botocore: all code is ours, and the copy is older."""
    if models.version_in_force() == botocore.__version__:
        pytest.fail("the installed botocore is as new as the copy: renew the copy, or name another older release")
    for package in ("infra", "workflows", "handlers"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__", "*.json.gz"))
    (tmp_path / "infra" / "models" / "source.json").write_text('{"botocore": "0"}', "utf-8")
    return tmp_path


@pytest.mark.real_time
@pytest.mark.parametrize("old", [False, True])
async def test_settings_that_are_newer_than_the_client_survive(tmp_path, older, old):
    """CertificateConfigurations and domainOverride: declared they converge, set by hand they survive an update."""
    server = SandboxServer()
    url = await server.start()
    try:
        folder = older if old else ROOT
        document: dict[str, Any] = stack() if not old else {"stack": "edge", "gateways": {"by-hand": by_hand()}}
        assert await applied(folder, tmp_path, url, document) == 0
        server.plane.journal.calls.clear()
        assert await applied(folder, tmp_path, url, document) == 0
        assert [call for call in server.plane.journal.mutating() if call != "PutEvents"] == []
        record = server.plane.world.records.named("gateway", "by-hand")
        assert record is not None
        jwt = {**AUTHORIZER, "certificateConfigurations": CERTIFICATES}
        record.request["authorizerConfiguration"] = {"customJWTAuthorizer": jwt}
        record.request["domainOverride"] = DOMAINS
        document["gateways"]["by-hand"]["description"] = "other"
        assert await applied(folder, tmp_path, url, document) == 0
        assert record.request["description"] == "other"
        assert record.request["domainOverride"] == DOMAINS
        assert record.request["authorizerConfiguration"]["customJWTAuthorizer"] == jwt
    finally:
        await server.stop()


async def applied(folder: Path, work: Path, url: str, document: dict[str, Any]) -> int | None:
    """Apply a document with the code in a folder."""
    (work / "stack.yaml").write_text(yaml.safe_dump(document), "utf-8")
    environment = {"AWS_ENDPOINT_URL": url, "PYTHONPATH": str(folder), "PYTHONSAFEPATH": "1"}
    command = [sys.executable, "-m", "handlers.cli", "apply", str(work / "stack.yaml")]
    command += ["--ledger", f"sqlite:{work / 'ledger.db'}"]
    quiet = asyncio.subprocess.DEVNULL
    started = await asyncio.create_subprocess_exec(*command, cwd=work, env=environment, stdout=quiet, stderr=quiet)
    return await started.wait()


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))
