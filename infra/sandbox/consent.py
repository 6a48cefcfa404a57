"""Consent of a person to an AUTHORIZATION_CODE target: asked for, given, or expired with its session."""

from collections.abc import Callable
from urllib.parse import quote

from infra.sandbox.records import Record
from infra.sandbox.refusals import Refusal
from infra.sandbox.world import Body, World

Then = Callable[[Record], None]


class Consent:
    """The consent sessions of one sandbox."""

    def __init__(self, world: World) -> None:
        self._world = world

    def needed(self, record: Record) -> bool:
        """Tell whether an operation parks: an AUTHORIZATION_CODE grant, and no static tool schema in its place."""
        server = record.request["targetConfiguration"].get("mcp", {}).get("mcpServer", {})
        if "mcpToolSchema" in server:
            return False
        configs = record.request.get("credentialProviderConfigurations", [])
        oauth = [c.get("credentialProvider", {}).get("oauthCredentialProvider", {}) for c in configs]
        return any(provider.get("grantType") == "AUTHORIZATION_CODE" for provider in oauth)

    def ask(self, operation: str, failed: str, *, ready: Then) -> Then:
        """Return what happens when the target enters *_PENDING_AUTH: a session opens, and expires if unused."""

        def open_session(parked: Record) -> None:
            session = self._world.records.new_id(24)
            parked.extra["consent"] = {"session": session, "operation": operation, "ready": ready}
            reason = "The authorization session expired before consent was given"
            parked.plan(self._world.now + self._world.behaviour.consent_seconds, failed, _close, (reason,))

        return open_session

    def give(self, session: str) -> Record:
        """CompleteResourceTokenAuth: the person consented. Raises Refusal for an unknown or expired session."""
        for record in self._world.records.live("target"):
            if record.extra.get("consent", {}).get("session") == session:
                return self._go_on(record)
        raise Refusal("ValidationException", "The authorization session is unknown or has expired")

    def shown(self, record: Record) -> Body:
        """Return authorizationData while consent is awaited."""
        consent = record.extra.get("consent")
        if consent is None:
            return {}
        uri = quote(f"urn:ietf:params:oauth:request_uri:{consent['session']}", safe="")
        url = f"{self._world.behaviour.consent_base}?request_uri={uri}"
        return {"authorizationData": {"oauth2": {"authorizationUrl": url, "userId": f"gateway-{record.parent}"}}}

    def _go_on(self, record: Record) -> Record:
        consent = record.extra.pop("consent")
        world = self._world
        if world.behaviour.consent_hops:
            hop = {"CREATE": "CREATING", "UPDATE": "UPDATING", "SYNCHRONIZE": "SYNCHRONIZING"}
            record.go(hop[consent["operation"]], now=world.now)
            record.plan(world.now + world.behaviour.durations.target, "READY", consent["ready"])
        else:
            record.go("READY", now=world.now)
            consent["ready"](record)
        return record


def _close(record: Record) -> None:
    record.extra.pop("consent", None)
