"""The consent of a person to an AUTHORIZATION_CODE target: requested, given, refused, or expired with the session."""

from collections.abc import Callable
from urllib.parse import quote

from infra.sandbox.records import Record
from infra.sandbox.refusals import invalid
from infra.sandbox.world import Body, World

Then = Callable[[Record], None]


class Consent:
    """The consent sessions of one sandbox."""

    def __init__(self, world: World) -> None:
        self._world = world

    def needed(self, record: Record) -> bool:
        """Return whether an operation needs consent: an AUTHORIZATION_CODE grant without a static tool schema."""
        mcp = record.request["targetConfiguration"].get("mcp", {})
        if "mcpToolSchema" in mcp.get("mcpServer", {}):
            return False
        if "openApiSchema" in mcp and not self._world.behaviour.openapi_consents:
            return False
        configs = record.request.get("credentialProviderConfigurations", [])
        oauth = [c.get("credentialProvider", {}).get("oauthCredentialProvider", {}) for c in configs]
        return any(provider.get("grantType") == "AUTHORIZATION_CODE" for provider in oauth)

    def ask(self, operation: str, failed: str, *, ready: Then) -> Then:
        """Return the callback for entering *_PENDING_AUTH: opens a session, which expires if unused."""

        def open_session(parked: Record) -> None:
            behaviour, session = self._world.behaviour, self._world.records.new_id(24)
            end = parked.since + behaviour.consent_seconds
            parked.extra["consent"] = {
                "session": session, "operation": operation, "ready": ready, "failed": failed, "end": end,
            }  # fmt: skip
            if behaviour.consent_expires:
                parked.plan(end, failed, _close, ("The authorization session expired before consent was given",))

        return open_session

    def give(self, session: str) -> Record:
        """CompleteResourceTokenAuth: the person consented. Raises Refusal for an unknown or expired session."""
        record = self._of(session)
        consent, world = record.extra.pop("consent"), self._world
        if world.behaviour.consent_hops:
            hop = {"CREATE": "CREATING", "UPDATE": "UPDATING", "SYNCHRONIZE": "SYNCHRONIZING"}
            record.go(hop[consent["operation"]], now=world.now)
            record.plan(world.now + world.behaviour.durations.target, "READY", consent["ready"])
        else:
            record.go("READY", now=world.now)
            consent["ready"](record)
        return record

    def deny(self, session: str) -> Record:
        """Refuse consent, which ends the session. Raises Refusal for an unknown or expired session."""
        record = self._of(session)
        if self._world.behaviour.denial_fails:
            record.plan(self._world.now, record.extra["consent"]["failed"], _close, ("Consent was refused",))
            record.advance(self._world.now)
        else:
            record.extra["consent"]["end"] = self._world.now
        return record

    def _of(self, session: str) -> Record:
        """Return the target that waits for the consent of an open session. Raises Refusal."""
        for record in self._world.records.live("target"):
            consent = record.extra.get("consent", {})
            if consent.get("session") == session and self._world.now < consent["end"]:
                return record
        raise invalid("The authorization session is unknown or has expired")

    def shown(self, record: Record) -> Body:
        """Return authorizationData while consent is pending; empty otherwise."""
        consent = record.extra.get("consent")
        if consent is None:
            return {}
        uri = quote(f"urn:ietf:params:oauth:request_uri:{consent['session']}", safe="")
        url = f"{self._world.behaviour.consent_base}?request_uri={uri}"
        return {"authorizationData": {"oauth2": {"authorizationUrl": url, "userId": f"gateway-{record.parent}"}}}


def _close(record: Record) -> None:
    record.extra.pop("consent", None)
