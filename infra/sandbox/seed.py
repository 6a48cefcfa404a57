"""Fills a new sandbox with the secrets and API key providers that the samples refer to."""

from importlib.resources import files

import yaml

from infra.sandbox.plane import Plane


def sow(plane: Plane) -> None:
    """Add the contents of seed.yaml to a plane."""
    seed = yaml.safe_load(files("infra.sandbox").joinpath("seed.yaml").read_text("utf-8"))
    for name, value in seed["secrets"].items():
        plane.world.secrets.put(name, value)
    for name in seed["apiKeyCredentialProviders"]:
        plane.world.api_keys.add(plane.world.arn(f"token-vault/default/apikeycredentialprovider/{name}"))
