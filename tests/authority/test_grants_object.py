"""Grants as an object in the bucket: replaced without a deployment, validated, the last valid version kept and told."""

import json
from datetime import UTC, datetime
from typing import Any

import anyio
import pytest
from botocore.exceptions import ClientError, IncompleteReadError

from infra.aws import Aws
from infra.errors import CallFailed, ErrorClass
from infra.ledger import ConditionFailed, Key, Put
from tests.authority.desk import FILE, Shelf
from tests.worlds import REGION
from workflows.requests.authority import Grants
from workflows.requests.grants_source import GrantsSource, InvalidGrants, read_grants

URI = "s3://bucket/authority/grants.yaml"
DEFAULT = Grants.model_validate({"version": 1, "grants": []})
VALID = "version: 1\ngrants:\n- submitters: [{source: a}]\n  stacks: ['a.*']\n  requests: [provision]\n"
INVALID = {
    "no YAML": "version: [",
    "a member that is not known": VALID + "  strange: true\n",
    "no grants": "version: 1\n",
    "a list": "[]",
}


class Bucket:
    """A versioned object; `broken` is the code of the error that every read has."""

    def __init__(self) -> None:
        self.versions: list[str] = []
        self.broken = ""
        self.reads = 0

    async def get_object(self, **params: Any) -> dict[str, Any]:
        self.reads += 1
        code = self.broken or ("" if self.versions else "NoSuchKey")
        if code:
            raise ClientError({"Error": {"Code": code, "Message": "x"}}, "GetObject")
        number = int(params["VersionId"]) if "VersionId" in params else len(self.versions) - 1
        modified = datetime(2026, 11, 1, 0, number, tzinfo=UTC)
        return {"Body": Shelf.Body(self.versions[number]), "VersionId": str(number), "LastModified": modified}


@pytest.fixture
def bucket() -> Bucket:
    return Bucket()


@pytest.fixture
def told() -> list[Any]:
    return []


@pytest.fixture
def process(world, bucket, told):
    """Make the grants of another process of the deployment."""

    async def client(service: str) -> Any:
        assert service == "s3"
        return bucket

    async def announce(detail_type: str, detail: Any) -> None:
        told.append((detail_type, detail))

    return lambda: GrantsSource(Aws(client, REGION), world.ledger, URI, DEFAULT, announce)


async def test_without_an_object_the_artifact_s_grants_are_in_force(process):
    assert await process().current() is DEFAULT


async def test_a_new_version_is_in_force_within_a_minute(process, bucket):
    """And the object is read no more often than that."""
    source = process()
    for _ in range(5):
        await source.current()
    assert bucket.reads == 1
    bucket.versions.append(VALID)
    await anyio.sleep(60)
    assert await source.current() == read_grants(VALID.encode())
    assert bucket.reads == 2


@pytest.mark.parametrize("text", INVALID.values(), ids=INVALID)
@pytest.mark.parametrize("restarted", [False, True], ids=["the same process", "a new process"])
async def test_an_invalid_version_leaves_the_last_valid_one_in_force(process, bucket, told, text, restarted):
    """It is told once with the reason, and never quoted."""
    bucket.versions.append(VALID)
    source = process()
    valid = await source.current()
    bucket.versions.append(text)
    await anyio.sleep(60)
    source = process() if restarted else source
    for _ in range(3):
        assert await source.current() == valid
        await anyio.sleep(60)
    ((kind, detail),) = told
    assert (kind, detail["objectVersion"]) == ("Gateway Grants Rejected", "1")
    assert detail["reason"]
    bucket.versions.append(VALID.replace("a.*", "b.*"))
    await anyio.sleep(60)
    assert (await source.current()).grants[0].stacks == ["b.*"]


async def test_a_first_version_that_is_invalid_leaves_the_artifact_s_grants_in_force(process, bucket, told):
    bucket.versions.append("version: [")
    assert await process().current() is DEFAULT
    assert len(told) == 1


async def test_an_object_that_is_taken_away_leaves_the_artifact_s_grants(process, bucket):
    bucket.versions.append(VALID)
    source = process()
    assert await source.current() is not DEFAULT
    bucket.versions.clear()
    await anyio.sleep(60)
    assert await source.current() is DEFAULT


NARROW = VALID.replace("a.*", "narrow.*")


async def test_an_idle_process_returns_to_the_version_that_another_one_saw(process, bucket):
    """Rights that were withdrawn while it was idle do not come back with an invalid version."""
    bucket.versions.append(VALID)
    idle, other = process(), process()
    await idle.current()
    bucket.versions.append(NARROW)
    await other.current()
    bucket.versions.append("version: [")
    await anyio.sleep(61)
    for source in (idle, other, process()):
        assert (await source.current()).grants[0].stacks == ["narrow.*"]


async def test_an_object_that_was_taken_away_does_not_come_back_with_an_invalid_one(process, bucket):
    bucket.versions.append(VALID)
    source = process()
    await source.current()
    bucket.versions.clear()
    await anyio.sleep(61)
    await source.current()
    bucket.versions.append("version: [")
    await anyio.sleep(61)
    assert [await one.current() for one in (source, process())] == [DEFAULT, DEFAULT]


async def test_a_version_that_cannot_be_kept_is_in_force(process, bucket, world, monkeypatch):
    """And it is kept as soon as the ledger can be written."""
    bucket.versions.append(VALID)
    source = process()
    await source.current()
    bucket.versions.append(NARROW)
    await anyio.sleep(61)
    with monkeypatch.context() as broken:
        broken.setattr(world.ledger, "write", _unwritable)
        assert (await source.current()).grants[0].stacks == ["narrow.*"]
        bucket.versions.append("version: [")
        await anyio.sleep(61)
        assert (await source.current()).grants[0].stacks == ["narrow.*"]
    bucket.versions.append(NARROW)
    await anyio.sleep(61)
    await source.current()
    bucket.versions.append("version: [")
    assert (await process().current()).grants[0].stacks == ["narrow.*"]


async def _unwritable(*changes: Any) -> None:
    raise OSError("the table is throttled")


async def test_a_slow_process_keeps_no_older_version_than_another_has_kept(process, bucket):
    """It has read the object before another process read and kept a newer version."""
    bucket.versions.append(VALID)
    whole, reading, go_on = bucket.get_object, anyio.Event(), anyio.Event()

    async def slow(**params: Any) -> dict[str, Any]:
        answer: dict[str, Any] = await whole(**params)
        reading.set()
        await go_on.wait()
        return answer

    bucket.get_object = slow
    late = process()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(late.current)
        await reading.wait()
        bucket.get_object = whole
        bucket.versions.append(NARROW)
        await process().current()
        go_on.set()
    bucket.versions.append("version: [")
    await anyio.sleep(61)
    for source in (late, process()):
        assert (await source.current()).grants[0].stacks == ["narrow.*"]


@pytest.mark.parametrize("code", ["AccessDenied", "InternalError", "ExpiredToken"])
async def test_a_bucket_that_cannot_be_read_is_not_a_missing_object(process, bucket, code):
    """A process that knows the grants goes on with them; one that never read them requests nothing."""
    bucket.versions.append(VALID)
    source = process()
    valid = await source.current()
    bucket.broken = code
    await anyio.sleep(60)
    assert await source.current() == valid
    with pytest.raises(CallFailed):
        await process().current()


def test_grants_are_read_from_yaml_and_json():
    as_json = json.dumps(FILE["grants"]).encode()
    assert read_grants(as_json) == Grants.model_validate(FILE["grants"])
    with pytest.raises(InvalidGrants, match="grants"):
        read_grants(b'{"version": 1}')
    with pytest.raises(InvalidGrants, match="UTF-8"):
        read_grants(b"\xff\xfe")


@pytest.mark.parametrize("trouble", ["hangs", "cut", "ServiceUnavailable"])
async def test_an_outage_leaves_the_grants_that_are_known_in_force(process, bucket, trouble):
    """Whether the call hangs, is refused for a while, or the body ends early."""
    bucket.versions.append(VALID)
    source = process()
    valid = await source.current()
    await anyio.sleep(60)
    whole = bucket.get_object

    async def troubled(**params: Any) -> dict[str, Any]:
        if trouble == "hangs":
            await anyio.sleep_forever()
        if trouble == "cut":
            return {**await whole(**params), "Body": Cut()}
        raise ClientError({"Error": {"Code": trouble}, "ResponseMetadata": {"HTTPStatusCode": 503}}, "GetObject")

    bucket.get_object = troubled
    assert await source.current() == valid


class Cut:
    async def read(self) -> bytes:
        raise IncompleteReadError(actual_bytes=1, expected_bytes=2)


async def test_a_bucket_without_versions_keeps_the_last_valid_content(process, bucket, told):
    """The content stands for its version: an invalid one never counts as valid, also in a new process."""
    whole = bucket.get_object

    async def unversioned(**params: Any) -> dict[str, Any]:
        return {**await whole(**params), "VersionId": "null"}

    bucket.get_object = unversioned
    bucket.versions.append(VALID)
    valid = await process().current()
    bucket.versions.append("version: [")
    assert await process().current() == valid
    assert len(told) == 1


async def test_a_rejection_that_cannot_be_announced_is_announced_later(world, bucket, told):
    """The grants of the artifact are in force meanwhile."""
    bucket.versions.append("version: [")
    broken = [True, True]

    async def client(service: str) -> Any:
        del service
        return bucket

    async def announce(detail_type: str, detail: Any) -> None:
        if broken:
            broken.pop()
            raise CallFailed("PutEvents", ErrorClass.THROTTLED, "Throttling", "slow down")
        told.append((detail_type, detail))

    source = GrantsSource(Aws(client, REGION), world.ledger, URI, DEFAULT, announce)
    for _ in range(4):
        assert await source.current() is DEFAULT
        await anyio.sleep(61)
    assert len(told) == 1


async def test_a_version_that_this_release_refuses_leaves_the_artifact_s_grants(process, bucket, world):
    """An earlier release has kept it."""
    await world.ledger.write(Put(Key("grants", "valid"), {"version": "0", "modified": "", "content": "version: 7"}))
    bucket.versions.append("version: [")
    assert await process().current() is DEFAULT


@pytest.mark.parametrize("warm", [False, True], ids=["a new process", "one that knows the grants"])
async def test_a_ledger_that_cannot_be_read_beside_an_invalid_version(process, bucket, world, monkeypatch, warm):
    """What is known stays in force; a process that knows nothing requests nothing."""
    bucket.versions.append(VALID)
    source = process()
    valid = await source.current()
    bucket.versions.append("version: [")
    await anyio.sleep(61)
    monkeypatch.setattr(world.ledger, "get", _unwritable)
    if warm:
        assert await source.current() == valid
    else:
        with pytest.raises(OSError, match="throttled"):
            await process().current()


async def test_of_two_processes_that_keep_a_version_at_once_one_does(process, bucket, world, monkeypatch):
    """The other one has the grants in force, and sees at its next read that they are kept."""
    bucket.versions.append(VALID)

    async def taken(*changes: Any) -> None:
        raise ConditionFailed(changes[0].key)

    source = process()
    with monkeypatch.context() as racing:
        racing.setattr(world.ledger, "write", taken)
        assert (await source.current()).grants[0].stacks == ["a.*"]
    await anyio.sleep(61)
    await source.current()
    bucket.versions.append("version: [")
    assert (await process().current()).grants[0].stacks == ["a.*"]
