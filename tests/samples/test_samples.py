"""Every sample in events/ does what its name says, and what comes in and goes out fits its schema."""

import json
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator, ValidationError

from handlers.messages import read_event
from tests.documents import oauth, small_stack
from workflows.document.problems import Invalid
from workflows.document.reading import read_stack
from workflows.document.schema import document_schema
from workflows.planner.outcome import ResourceStatus, Status

EVENTS = Path(__file__).parents[2] / "events"
SAMPLES = sorted(path for path in EVENTS.iterdir() if ".schema." not in path.name)


def written(name: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads((EVENTS / f"{name}.schema.json").read_text()))


REQUEST, ACCEPTED, OUTCOME = map(written, ("request", "accepted", "outcome"))
DOCUMENT = Draft202012Validator(document_schema())


def event(name: str) -> dict:
    made: dict[str, object] = json.loads((EVENTS / name).read_text())
    return made


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_every_sample_is_what_it_says(path):
    """Events are requests that fit the schema, with documents that are valid; the broken sample is broken."""
    value = yaml.safe_load(path.read_text())
    if path.name == "sixteen-mistakes.yaml":
        with pytest.raises(Invalid):
            read_stack(value)
        return
    if path.suffix == ".yaml":
        assert read_stack(value).warnings is not None
        return
    REQUEST.validate(value)
    request = read_event(value)
    if request.document is not None:
        assert read_stack(request.document).name.startswith("payments.")


async def test_the_samples_in_their_order(world):
    """Provision, synchronize, remove: the samples' requests on one account."""
    outcomes = [
        await world.run(read_event(event(f"{name}-payments-stack.json")))
        for name in ("provision", "synchronize", "remove")
    ]
    assert [outcome.status for outcome in outcomes] == [Status.READY, Status.READY, Status.DELETED]
    assert world.live == {}
    for kind, detail in world.announced:
        (ACCEPTED if kind == "Gateway Stack Accepted" else OUTCOME).validate(detail)


async def test_every_outcome_fits_the_schema(world):
    """Rejected, awaiting consent, superseded, failed: whatever is announced, its schema holds."""
    consent = small_stack(1)
    credential = oauth("AUTHORIZATION_CODE", defaultReturnUrl="https://app.example.com/return")
    consent["gateways"]["payments"]["targets"]["target-0"]["credentialProviderConfigurations"] = credential
    await world.apply({"stack": "x", "nonsense": 1})
    await world.apply(consent, generation=5)
    await world.apply(consent, generation=4)
    await world.apply({"stack": "other", "gateways": {"payments": consent["gateways"]["payments"] | {"targets": {}}}})
    kinds = [kind.removeprefix("Gateway Stack ") for kind, _ in world.announced]
    assert kinds == ["Rejected", "Accepted", "Awaiting Consent", "Superseded", "Accepted", "Failed"]
    for kind, detail in world.announced:
        (ACCEPTED if kind == "Gateway Stack Accepted" else OUTCOME).validate(detail)


@pytest.mark.parametrize("schema", [REQUEST, ACCEPTED, OUTCOME, DOCUMENT], ids=lambda one: one.schema["title"])
def test_every_schema_is_one(schema):
    Draft202012Validator.check_schema(schema.schema)


def test_the_schema_knows_every_status():
    """A status that the code gains is missing from no schema."""
    assert set(OUTCOME.schema["properties"]["status"]["enum"]) == {str(status) for status in Status}
    resource = OUTCOME.schema["properties"]["resources"]["additionalProperties"]["properties"]["status"]["enum"]
    assert set(resource) == {str(status) for status in ResourceStatus}


@pytest.mark.parametrize(
    "path", [path for path in SAMPLES if path.name.startswith("provision")], ids=lambda path: path.name
)
def test_the_document_schema_takes_the_samples(path):
    """What an editor is given takes what we take, references and secrets included, and refuses a literal secret."""
    document = json.loads(path.read_text())["detail"]["stack"]
    DOCUMENT.validate(document)
    DOCUMENT.validate({"stack": "x", "gateways": {"theirs": {"gatewright": {"existing": True}}}})
    config = document["oauth2CredentialProviders"]["payments-idp"]["oauth2ProviderConfigInput"]
    config["customOauth2ProviderConfig"]["clientSecret"] = "literal"
    with pytest.raises(ValidationError):
        DOCUMENT.validate(document)


def test_the_document_schema_refuses_the_broken_sample():
    """Unknown sections, unknown members and missing ones are refused by the schema too."""
    with pytest.raises(ValidationError):
        DOCUMENT.validate(yaml.safe_load((EVENTS / "sixteen-mistakes.yaml").read_text()))
