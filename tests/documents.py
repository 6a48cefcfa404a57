"""Stack documents for tests, small ones that each test changes to its purpose."""

import copy
from collections.abc import Mapping
from typing import Any

from workflows.document.problems import parse_path

ROLE = "arn:aws:iam::123456789012:role/payments-gateway"
DISCOVERY = "https://login.example.com/.well-known/openid-configuration"
SECRET = "{{resolve:secretsmanager:payments/idp:SecretString:clientSecret}}"


def provider(**more: Any) -> dict[str, Any]:
    config = {
        "oauthDiscovery": {"discoveryUrl": DISCOVERY},
        "clientId": "payments",
        "clientSecret": SECRET,
        **more,
    }
    return {
        "credentialProviderVendor": "CustomOauth2",
        "oauth2ProviderConfigInput": {"customOauth2ProviderConfig": config},
    }


def gateway(targets: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    authorizer = {"discoveryUrl": DISCOVERY, "allowedAudience": ["payments"]}
    return {
        "roleArn": ROLE,
        "authorizerType": "CUSTOM_JWT",
        "authorizerConfiguration": {"customJWTAuthorizer": authorizer},
        "targets": targets or {},
        **more,
    }


def mcp_target(endpoint: str = "https://ledger.example.com/mcp", **more: Any) -> dict[str, Any]:
    return {"targetConfiguration": {"mcp": {"mcpServer": {"endpoint": endpoint}}}, **more}


def oauth(grant: str = "CLIENT_CREDENTIALS", **more: Any) -> list[dict[str, Any]]:
    arn = "${oauth2CredentialProviders.idp.credentialProviderArn}"
    credential = {"providerArn": arn, "scopes": ["ledger.read"], "grantType": grant, **more}
    return [{"credentialProviderType": "OAUTH", "credentialProvider": {"oauthCredentialProvider": credential}}]


def small_stack(targets: int = 3) -> dict[str, Any]:
    """One provider, one gateway, some MCP targets that use the provider."""
    made = {f"target-{n}": mcp_target(credentialProviderConfigurations=oauth()) for n in range(targets)}
    return copy.deepcopy(
        {
            "stack": "payments.tools",
            "oauth2CredentialProviders": {"idp": provider()},
            "gateways": {"payments": gateway(made)},
        }
    )


def changed(document: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of a document with some of its members set, or taken away."""
    made = copy.deepcopy(dict(document))
    for text, value in changes.items():
        *outer, last = parse_path(text)
        place: Any = made
        for name in outer:
            place = place[name] if isinstance(name, int) else place.setdefault(name, {})
        if value is None:
            place.pop(last)
        else:
            place[last] = copy.deepcopy(value)
    return made
