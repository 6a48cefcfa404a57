"""Rules about headers: the names that callers of a target or of a runtime may pass on."""

import re
from collections.abc import Iterator, Mapping

from workflows.document.rules.inbound import authorizer_of
from workflows.document.rules.rule import Finding, items, rule
from workflows.document.stack import Resource

#: Headers that are never passed on (developer guide, headers), in lower case.
RESTRICTED = frozenset({
    "authorization", "proxy-authorization", "proxy-authenticate", "www-authenticate", "accept",
    "accept-charset", "accept-encoding", "accept-language", "content-type", "content-length",
    "content-encoding", "content-language", "content-location", "content-range", "content-md5", "cache-control",
    "etag", "expires", "if-match", "if-modified-since", "if-none-match", "if-range", "if-unmodified-since",
    "last-modified", "pragma", "vary", "age", "connection", "keep-alive", "proxy-connection", "upgrade", "te",
    "trailer", "transfer-encoding", "host", "user-agent", "referer", "from", "range", "accept-ranges", "server",
    "date", "location", "retry-after", "cookie", "set-cookie", "set-cookie2", "content-security-policy",
    "content-security-policy-report-only", "strict-transport-security", "x-frame-options", "x-xss-protection",
    "x-content-type-options", "referrer-policy", "permissions-policy", "cross-origin-embedder-policy",
    "cross-origin-opener-policy", "cross-origin-resource-policy", "origin", "x-forwarded-for",
    "x-forwarded-host", "x-forwarded-proto", "x-forwarded-port", "x-real-ip", "x-requested-with",
    "x-csrf-token", "cf-ray", "cf-connecting-ip", "cf-ipcountry", "cf-visitor", "x-amz-cf-id", "x-cache",
    "x-served-by", "link", "sec-websocket-key", "sec-websocket-accept", "sec-websocket-version",
    "sec-websocket-protocol", "sec-websocket-extensions", "sec-ch-ua", "sec-ch-ua-mobile", "sec-ch-ua-platform",
    "sec-fetch-site", "sec-fetch-mode", "sec-fetch-user", "sec-fetch-dest", "accept-ch", "accept-ch-lifetime", "dpr",
    "width", "viewport-width", "downlink", "ect", "rtt", "save-data", "clear-site-data", "feature-policy", "expect-ct",
    "public-key-pins", "public-key-pins-report-only", "access-control-allow-credentials",
    "access-control-allow-headers", "access-control-allow-methods", "access-control-allow-origin",
    "access-control-expose-headers", "access-control-max-age", "access-control-request-headers",
    "access-control-request-method",
})  # fmt: skip
_CUSTOM = "x-amzn-bedrock-agentcore-runtime-custom-"
_NAME = re.compile(r"[a-zA-Z0-9_-]+")
_LISTS = ("allowedRequestHeaders", "allowedResponseHeaders")


def _named(resource: Resource) -> Iterator[tuple[str, str]]:
    """Yield the path and the name of every header of a target's metadataConfiguration."""
    for member in _LISTS:
        for index, name in enumerate(items(resource.declared, "metadataConfiguration", member)):
            if isinstance(name, str) and "${" not in name:
                yield f"metadataConfiguration.{member}[{index}]", name


def _is_restricted(name: str) -> bool:
    # Pseudo-headers of HTTP/2, such as :path, begin with a colon.
    return name in RESTRICTED or name.startswith(":")


@rule("R55", "targets", "developer guide, headers")
def header_names_are_plain(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """The name of a header may contain only letters, digits, - and _."""
    for path, name in _named(resource):
        if not _NAME.fullmatch(name) and not _is_restricted(name.lower()):
            yield path, "a header's name consists of letters, digits, - and _"


@rule("R56", "targets", "developer guide, headers")
def restricted_headers_stay(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """About ninety standard HTTP headers, such as Cookie and Host, are never passed on."""
    for path, name in _named(resource):
        if _is_restricted(name.lower()):
            yield path, f"{name} is never passed on"


@rule("R57", "targets", "developer guide, headers")
def amazon_headers_stay(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """Of the headers that begin with X-Amzn-, only X-Amzn-Bedrock-AgentCore-Runtime-Custom-* are passed on."""
    for path, name in _named(resource):
        ours = name.lower() == "x-amzn-bedrock-agentcore-policy-session-id"
        if name.lower().startswith("x-amzn-") and not name.lower().startswith(_CUSTOM) and not ours:
            yield path, "of X-Amzn- headers only X-Amzn-Bedrock-AgentCore-Runtime-Custom-* are passed on"


@rule("R80", "agentRuntimes", "developer guide, runtime headers")
def runtime_headers_are_free(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """Allowed headers must be unique and not reserved by AWS or HTTP; Authorization requires a customJWTAuthorizer."""
    seen: set[str] = set()
    path = "requestHeaderConfiguration.requestHeaderAllowlist"
    for index, name in enumerate(items(resource.declared, *path.split("."))):
        lower = name.lower() if isinstance(name, str) and "${" not in name else ""
        if lower:
            yield from ((f"{path}[{index}]", why) for why in _refused(lower, seen, resource))
        seen.add(lower)


def _refused(name: str, seen: set[str], resource: Resource) -> Iterator[str]:
    if name in seen:
        yield "this header stands there already"
    elif name == "authorization":
        if not authorizer_of(resource)[1]:
            yield "Authorization is only passed on with a customJWTAuthorizer"
    elif _is_restricted(name):
        yield "this header is never passed on"
    elif name.startswith(("x-amz-", "x-amzn-")) and not name.startswith(_CUSTOM):
        yield "of x-amz headers only X-Amzn-Bedrock-AgentCore-Runtime-Custom-* are passed on"
