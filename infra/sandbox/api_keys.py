"""API key credential providers: created, updated and deleted synchronously, so there is no status."""

from infra.sandbox.records import GONE, Record
from infra.sandbox.refusals import Refusal, invalid, missing, quota
from infra.sandbox.world import Body, Params, World, kept

KIND = "apiKey"


class ApiKeys:
    """The operations on API key credential providers."""

    def __init__(self, world: World) -> None:
        self._world = world

    def create(self, params: Params) -> Body:
        """CreateApiKeyCredentialProvider."""
        world, name = self._world, params["name"]
        if world.records.named(KIND, name):
            message = f"Credential provider with name: {name} already exists"
            raise Refusal(world.behaviour.duplicate_provider, message)
        if len(list(world.records.live(KIND))) >= world.behaviour.providers:
            raise quota("The number of agent identity API key credential providers has reached its limit")
        arn = world.arn(f"token-vault/default/apikeycredentialprovider/{name}")
        record = Record(KIND, name, name, arn, {}, created=world.now, tags=dict(params.get("tags", {})))
        record.visible = world.now + world.behaviour.durations.visible_after
        self._put(world.records.add(record), params)
        return self._body(record, times=False)

    def get(self, params: Params) -> Body:
        """GetApiKeyCredentialProvider."""
        return self._body(self._find(params, seen=True))

    def update(self, params: Params) -> Body:
        """UpdateApiKeyCredentialProvider: a full replacement."""
        record = self._find(params)
        if _source(params) != _source(record.request):
            raise invalid("The source of the secret cannot be switched between MANAGED and EXTERNAL")
        self._put(record, params)
        return self._body(record)

    def delete(self, params: Params) -> Body:
        """DeleteApiKeyCredentialProvider: deletes the managed secret too."""
        record = self._find(params)
        self._world.secrets.drop(_secret_name(record.name))
        record.go(GONE, now=self._world.now)
        return {}

    def list(self, _params: Params) -> list[Body]:
        """ListApiKeyCredentialProviders, unpaged."""
        members = ("name", "credentialProviderArn", "createdTime", "lastUpdatedTime")
        bodies = [self._body(record) for record in self._world.shown(KIND)]
        return [{member: body[member] for member in members} for body in bodies]

    def _put(self, record: Record, params: Params) -> None:
        record.go("READY", now=self._world.now)
        record.request = {name: value for name, value in kept(params).items() if name != "apiKey"}
        if "apiKey" in params:
            self._world.secrets.put(_secret_name(record.name), params["apiKey"])

    def _find(self, params: Params, *, seen: bool = False) -> Record:
        for record in self._world.shown(KIND) if seen else self._world.records.live(KIND):
            if record.name == params["name"]:
                return record
        raise missing(f"Credential provider {params['name']}")

    def _body(self, record: Record, *, times: bool = True) -> Body:
        source, time = _source(record.request), self._world.records.time
        external = record.request["apiKeySecretConfig"] if source == "EXTERNAL" else None
        name = external["secretId"] if external else _secret_name(record.name)
        body: Body = {
            "apiKeySecretArn": {"secretArn": self._world.secrets.arn(name)},
            "apiKeySecretSource": source,
            "name": record.name,
            "credentialProviderArn": record.arn,
        }
        if external:
            body["apiKeySecretJsonKey"] = external["jsonKey"]
        dates = {"createdTime": time(record.created), "lastUpdatedTime": time(record.updated)}
        return {**body, **dates} if times else body


def _source(params: Params) -> str:
    """Return where the key is kept: by its owner, if a secret is referred to."""
    external = params.get("apiKeySecretConfig") is not None and params.get("apiKeySecretSource") != "MANAGED"
    return "EXTERNAL" if external else "MANAGED"


def _secret_name(name: str) -> str:
    return f"bedrock-agentcore-identity!default/apikey/{name}"
