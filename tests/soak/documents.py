"""The documents of simulated lives: anything that the model allows, or gateways whose targets need consent."""

import copy
from collections.abc import Mapping
from random import Random
from typing import Any

from infra.sandbox.plane import Plane
from tests.documents import gateway, mcp_target, oauth, provider
from tests.generated import Maker, valid
from workflows.kinds import GATEWAY, OAUTH2_CREDENTIAL_PROVIDER

STACK = "generated"
#: What somebody else made, under a name that every designed document wants, and one that it only looks up.
TAKEN, SHARED = "payments", "shared"
_STATIC = {"mcpToolSchema": {"inlinePayload": '{"tools": []}'}}


class Documents:
    """Makes the documents of one life."""

    def __init__(self, random: Random, seed: int) -> None:
        self._random = random
        self._maker = Maker(seed, random.choice((0.05, 0.2)))
        self.designed = random.random() < 0.6
        #: Whether somebody else's gateway bears a name of ours, which is taken over on purpose in the end.
        self.taken = self.designed and random.random() < 0.25
        self.all: list[dict[str, Any]] = []
        #: Names of what was retained at any time: it may be left over, and holds what was declared of it before.
        self.retained: set[str] = set()
        self._retains = self.designed and random.random() < 0.25

    def another(self) -> dict[str, Any]:
        """Return another document, most often one that resembles the last."""
        if not self.all or self._random.random() < 0.4:
            self.all.append(self._new())
        else:
            self.all.append(self._variant(self.all[-1]))
        return copy.deepcopy(self.all[-1])

    def earlier(self) -> dict[str, Any]:
        """Return one of the last two documents."""
        return copy.deepcopy(self._random.choice(self.all[-2:]))

    def adopting(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """Return a document that takes over what others made under its names."""
        made = copy.deepcopy(dict(document))
        if self.taken and TAKEN in made.get(GATEWAY.section, {}):
            made[GATEWAY.section][TAKEN]["gatewright"] = {"adopt": True}
        return made

    def strangers(self, plane: Plane) -> None:
        """Make what others made."""
        body = {name: value for name, value in gateway().items() if name != "targets"}
        for name in ([SHARED] if self.designed else []) + ([TAKEN] if self.taken else []):
            plane.answer("CreateGateway", {**body, "name": name})

    def _new(self) -> dict[str, Any]:
        return self._retaining(self._design()) if self.designed else self._maker.document(STACK)

    def _variant(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """Return a document of the same names, some of them declared anew."""
        made, other = copy.deepcopy(dict(document)), self._new()
        for section, declared in other.items():
            for name in sorted(set(declared) & set(made.get(section) or {})) if isinstance(declared, dict) else ():
                if self._random.random() < 0.5:
                    targets = made[section][name].get("targets")
                    made[section][name] = declared[name] if targets is None else {**declared[name], "targets": targets}
        return made if self.designed else valid(made)

    def _design(self) -> dict[str, Any]:
        pick = self._random.choice
        targets = {f"t{n}": self._target() for n in range(self._random.randint(0, 4))}
        made = gateway(targets, **({"description": f"gateway {pick('abc')}"} if pick((True, False)) else {}))
        stack: dict[str, Any] = {
            "stack": STACK,
            OAUTH2_CREDENTIAL_PROVIDER.section: {"idp": provider(clientId=pick(("payments", "ledger")))},
            GATEWAY.section: {TAKEN: made},
        }
        if pick((True, False, False)):
            stack[GATEWAY.section][SHARED] = {"gatewright": {"existing": True}}
        if pick((True, False, False)):
            second = gateway()
            if pick((True, False)):
                second["authorizerType"] = "AWS_IAM"
                del second["authorizerConfiguration"]
            stack[GATEWAY.section]["second"] = second
        return stack

    def _target(self) -> dict[str, Any]:
        pick = self._random.choice
        made = mcp_target(f"https://{pick('abc')}.example.com/mcp")
        server = made["targetConfiguration"]["mcp"]["mcpServer"]
        match pick(("plain", "plain", "scopes", "consent", "consent", "static", "dynamic")):
            case "scopes":
                made["credentialProviderConfigurations"] = oauth(scopes=[pick(("read", "write"))])
            case "consent" | "static" as kind:
                made["credentialProviderConfigurations"] = oauth(
                    "AUTHORIZATION_CODE", defaultReturnUrl="https://app.example.com/return"
                )
                server |= _STATIC if kind == "static" else {}
            case "dynamic":
                server["listingMode"] = "DYNAMIC"
        if pick((True, False)):
            made["description"] = f"target {pick('abc')}"
        return made

    def _retaining(self, document: dict[str, Any]) -> dict[str, Any]:
        """Declare of some targets and gateways that they stay when they leave the document."""
        for name, made in document[GATEWAY.section].items():
            for inner, target in made.get("targets", {}).items():
                self._retain(inner, target)
            if name == "second":
                self._retain(name, made)
        return document

    def _retain(self, name: str, declared: dict[str, Any]) -> None:
        if self._retains and self._random.random() < 0.3:
            declared["gatewright"] = {"deletion": "RETAIN"}
            # What a retained target needs is retained with it.
            self.retained |= {name, TAKEN, "idp"}
