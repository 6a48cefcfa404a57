"""A SAM template as the CloudFormation that the SAM translator makes of it, without any call to AWS.

Local paths are what `sam package` would upload: a function's CodeUri is remembered as its artifact folder, a state
machine's DefinitionUri becomes its text inline. Not faithful: layers' content and nested applications are left as
they are; AWS's managed policies are named by nothing (roles have no effect here).
"""

import json
import pickle
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import boto3
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

_FUNCTION = "AWS::Serverless::Function"
_MACHINE = "AWS::Serverless::StateMachine"


@dataclass
class Translated:
    """CloudFormation, the parameter values that it was made with, and each function's artifact folder."""

    template: dict[str, Any]
    parameters: dict[str, str]
    artifacts: dict[str, Path] = field(default_factory=dict)


def translate(path: Path, parameters: dict[str, str] | None = None, region: str = "us-east-1") -> Translated:
    """Translate the template at `path`; the paths inside it are relative to its folder, as `sam build` writes them."""
    folder, given = path.resolve().parent, dict(parameters or {})
    sam = pickle.loads(_parsed(path.read_text()))  # noqa: S301 - our own, of a moment ago
    artifacts = _take_artifacts(sam, folder)
    definitions = _take_definitions(sam, folder)
    session = boto3.Session(region_name=region, aws_access_key_id="local", aws_secret_access_key="local")
    translator = Translator({}, Parser(), plugins=[], boto_session=session)
    template = translator.translate(sam, dict(given), get_managed_policy_map=dict)
    for logical_id, text in definitions.items():
        properties = template["Resources"][logical_id]["Properties"]
        properties.pop("DefinitionS3Location")
        properties["DefinitionString"] = text
    return Translated(template, _values(template, given), artifacts)


@cache
def _parsed(text: str) -> bytes:
    """Parse a template once for all translations of it, each of which changes what it is given."""
    return pickle.dumps(yaml_parse(text))


def _values(template: dict[str, Any], given: dict[str, str]) -> dict[str, str]:
    """The parameters' values: what was given, and the defaults of the others."""
    declared = template.get("Parameters", {})
    unknown = given.keys() - declared.keys()
    missing = [name for name, one in declared.items() if name not in given and "Default" not in one]
    if unknown or missing:
        raise ValueError(f"unknown parameters {sorted(unknown)}, missing parameters {missing}")
    return {name: given.get(name, one.get("Default")) for name, one in declared.items()}


def _of_type(sam: dict[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    resources = sam.get("Resources", {}).items()
    return {name: one.setdefault("Properties", {}) for name, one in resources if one["Type"] == kind}


def _take_artifacts(sam: dict[str, Any], folder: Path) -> dict[str, Path]:
    """Each function's artifact folder; in the template an S3 address stands for it, as the translator wants one."""
    shared = sam.get("Globals", {}).get("Function", {}).pop("CodeUri", ".")
    taken = {}
    for name, properties in _of_type(sam, _FUNCTION).items():
        uri = properties.get("CodeUri", shared)
        if isinstance(uri, str) and "InlineCode" not in properties and not uri.startswith("s3://"):
            taken[name] = (folder / uri).resolve()
            properties["CodeUri"] = f"s3://local/{name}"
    return taken


def _take_definitions(sam: dict[str, Any], folder: Path) -> dict[str, str]:
    """Each state machine's definition text, where the template names a local file."""
    taken = {}
    for name, properties in _of_type(sam, _MACHINE).items():
        uri = properties.get("DefinitionUri")
        if isinstance(uri, str) and not uri.startswith("s3://"):
            file = folder / uri
            is_yaml = file.suffix in {".yaml", ".yml"}
            taken[name] = json.dumps(yaml_parse(file.read_text())) if is_yaml else file.read_text()
            properties["DefinitionUri"] = f"s3://local/{name}"
    return taken
