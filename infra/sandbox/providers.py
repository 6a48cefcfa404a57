"""OAuth2 credential providers: identified by name, without client tokens; Secrets Manager stores the client secret."""

from typing import Any

from infra.sandbox.records import GONE, Record
from infra.sandbox.refusals import Refusal, busy, invalid, missing
from infra.sandbox.world import Body, Params, World, kept, waits_for_private_endpoint

KIND = "provider"
#: The members of a provider's configuration that Get returns, per input member.
_SHOWN = (
    "oauthDiscovery",
    "clientId",
    "privateEndpoint",
    "privateEndpointOverrides",
    "clientAuthenticationMethod",
)
_SHOWN_TOO = ("onBehalfOfTokenExchangeConfig", "privateKeyJwtConfig", "certificateConfigurations")


class Providers:
    """The operations on OAuth2 credential providers."""

    def __init__(self, world: World) -> None:
        self._world = world

    def create(self, params: Params) -> Body:
        """CreateOauth2CredentialProvider."""
        world, name = self._world, params["name"]
        if world.records.named(KIND, name):
            message = f"Credential provider with name: {name} already exists"
            raise Refusal(world.behaviour.duplicate_provider, message)
        if len(list(world.records.live(KIND))) >= world.behaviour.providers:
            text = "The number of agent identity Oauth2 credential providers in this account has reached its limit"
            raise Refusal("ServiceQuotaExceededException", text)
        record = world.records.add(self._new(name, params))
        self._keep_secret(record, params)
        world.settle(record, self._seconds(params), "CREATE", "READY", "CREATE_FAILED")
        return self._body(record, exclude={"credentialProviderVendor", "createdTime", "lastUpdatedTime"})

    def get(self, params: Params) -> Body:
        """GetOauth2CredentialProvider."""
        record = self._find(params, seen=True)
        body = self._body(record)
        if record.reasons:
            body["failureReason"] = record.reasons[0]
        return body

    def update(self, params: Params) -> Body:
        """UpdateOauth2CredentialProvider: a full replacement."""
        record = self._idle("UpdateOauth2CredentialProvider", params)
        before, after = (next(iter(one["oauth2ProviderConfigInput"].values())) for one in (record.request, params))
        if self._secret(record, before)["source"] != self._secret(record, after)["source"]:
            raise invalid("The source of the secret cannot be switched between MANAGED and EXTERNAL")
        record.go("UPDATING", now=self._world.now)
        self._world.replace(record, _without_secret(kept(params)))
        self._keep_secret(record, params)
        self._world.settle(record, self._seconds(params), "UPDATE", "READY", "UPDATE_FAILED")
        return self._body(record)

    def delete(self, params: Params) -> Body:
        """DeleteOauth2CredentialProvider: deletes the managed secret too."""
        record = self._idle("DeleteOauth2CredentialProvider", params)
        if not self._world.behaviour.used_provider_deletable and self._is_used(record):
            raise Refusal("ConflictException", f"Credential provider {record.name} is used by a gateway target")
        self._world.secrets.drop(_secret_name(record.name))
        record.go("DELETING", now=self._world.now)
        self._world.settle(record, self._world.behaviour.durations.delete, "DELETE", GONE, "DELETE_FAILED")
        return {}

    def list(self, _params: Params) -> list[Body]:
        """ListOauth2CredentialProviders, unpaged."""
        members = (
            "name",
            "credentialProviderVendor",
            "credentialProviderArn",
            "createdTime",
            "lastUpdatedTime",
        )
        bodies = [self._body(record) for record in self._world.shown(KIND)]
        return [{member: body[member] for member in members} for body in bodies]

    def _is_used(self, record: Record) -> bool:
        """Return whether a target refers to a provider."""
        return any(record.arn in str(target.request) for target in self._world.records.live("target"))

    def _new(self, name: str, params: Params) -> Record:
        world = self._world
        return Record(
            kind=KIND,
            id=name,
            name=name,
            arn=world.arn(f"token-vault/default/oauth2credentialprovider/{name}"),
            request=_without_secret(kept(params)),
            created=world.now,
            updated=world.now,
            visible=world.now + world.behaviour.durations.visible_after,
            tags=dict(params.get("tags", {})),
            extra={"callback": world.records.new_id(12)},
        )

    def _seconds(self, params: Params) -> float:
        durations = self._world.behaviour.durations
        private = any(waits_for_private_endpoint(arm) for arm in params["oauth2ProviderConfigInput"].values())
        return durations.provider + (durations.private_endpoint if private else 0)

    def _find(self, params: Params, *, seen: bool = False) -> Record:
        for record in self._world.shown(KIND) if seen else self._world.records.live(KIND):
            if record.name == params["name"]:
                return record
        raise missing(f"Credential provider {params['name']}")

    def _idle(self, operation: str, params: Params) -> Record:
        record = self._find(params)
        if record.status in ("CREATING", "UPDATING", "DELETING"):
            raise busy("ConflictException", operation, "credential provider", record.status)
        return record

    def _keep_secret(self, record: Record, params: Params) -> None:
        config = next(iter(params["oauth2ProviderConfigInput"].values()))
        if "clientSecret" in config:
            self._world.secrets.put(_secret_name(record.name), config["clientSecret"])

    def _secret(self, record: Record, config: Params) -> Body:
        external = config.get("clientSecretConfig") if config.get("clientSecretSource") != "MANAGED" else None
        secrets = self._world.secrets
        if external is not None:
            return {"secretArn": secrets.arn(external["secretId"]), "key": external["jsonKey"], "source": "EXTERNAL"}
        return {"secretArn": secrets.arn(_secret_name(record.name)), "source": "MANAGED"}

    def _body(self, record: Record, exclude: set[str] = frozenset()) -> Body:  # type: ignore[assignment]
        world, place = self._world, self._world.behaviour
        arm, config = next(iter(record.request["oauth2ProviderConfigInput"].items()))
        secret = self._secret(record, config)
        body: dict[str, Any] = {
            "clientSecretArn": {"secretArn": secret["secretArn"]},
            "clientSecretSource": secret["source"],
            "name": record.name,
            "credentialProviderArn": record.arn,
            "credentialProviderVendor": record.request["credentialProviderVendor"],
            "callbackUrl": f"https://bedrock-agentcore.{place.region}.amazonaws.com/identities/oauth2/callback/"
            + record.extra["callback"],
            "oauth2ProviderConfigOutput": {arm: _shown(config, hide=place.hides_overrides)},
            "createdTime": world.records.time(record.created),
            "lastUpdatedTime": world.records.time(record.updated),
            "status": record.status,
        }
        if "key" in secret:
            body["clientSecretJsonKey"] = secret["key"]
        return {name: value for name, value in body.items() if name not in exclude}


def _shown(config: Params, *, hide: bool) -> Body:
    shown = {name: config[name] for name in (*_SHOWN, *_SHOWN_TOO) if name in config}
    if hide:
        shown.pop("privateEndpointOverrides", None)
    if "oauthDiscovery" not in shown:
        server = {name: config.get(name, "https://idp.example.com") for name in _ENDPOINTS}
        shown["oauthDiscovery"] = {"authorizationServerMetadata": server}
    return shown


_ENDPOINTS = ("issuer", "authorizationEndpoint", "tokenEndpoint")


def _without_secret(request: Body) -> Body:
    for config in request["oauth2ProviderConfigInput"].values():
        config.pop("clientSecret", None)
    return request


def _secret_name(name: str) -> str:
    return f"bedrock-agentcore-identity!default/oauth2/{name}"
