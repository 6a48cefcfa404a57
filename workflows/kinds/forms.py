"""The accepted forms: other encodings in which the service may show the declared value of a member.

A value in an accepted form is not drift, but is reported in a warning. Any other difference is drift. The tables are
data; the functions that read them are pure.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from infra.arns import arn_of
from workflows.kinds.members import ADDED_BY_SERVICE, MASKED


class Form(StrEnum):
    """A way in which a shown value may differ from the declared value."""

    #: Different case: names of HTTP headers (RFC 9110, 5.1).
    CASE = "CASE"
    #: Different case of the scheme and host of a URL, or of a domain (RFC 3986, 6.2.2.1).
    HOST = "HOST"
    #: A different order of the elements of a list.
    ORDER = "ORDER"
    #: The ARN of a KMS key in place of the ARN of an alias of the key.
    ALIAS = "ALIAS"
    #: Asterisks in place of a credential.
    MASK = "MASK"


#: The accepted forms by member name, at any depth and in every kind.
FORMS: Mapping[str, frozenset[Form]] = {
    **dict.fromkeys(("allowedRequestHeaders", "allowedResponseHeaders", "requestHeaderAllowlist"),
                    frozenset({Form.CASE})),
    **dict.fromkeys(("endpoint", "discoveryUrl", "issuer", "authorizationEndpoint", "tokenEndpoint",
                     "defaultReturnUrl", "domain", "routingDomain", "url"), frozenset({Form.HOST})),
    **dict.fromkeys(("privateEndpointOverrides", "toolOverrides"), frozenset({Form.ORDER})),
    **dict.fromkeys(("kmsKeyArn", "encryptionKeyArn"), frozenset({Form.ALIAS})),
    **dict.fromkeys(sorted(MASKED), frozenset({Form.MASK})),
}  # fmt: skip
#: The defaults that the service fills in for omitted guarded members. For members that are not guarded, and for enums,
#: any value that appears after the member was cleared is taken as a default.
DEFAULTS: Mapping[str, Any] = {
    "credentialProviderConfigurations": [{"credentialProviderType": "GATEWAY_IAM_ROLE"}],
    "authorizerType": "AWS_IAM",
}
#: The guarded members, at any depth: authorizers, roles, endpoints, credentials and keys. They decide who may call,
#: which system is called, and with whose identity. If one is not in force after an update, no further update is tried.
GUARDED = frozenset({
    "authorizerType", "authorizerConfiguration", "roleArn", "executionRoleArn", "endpoint", "discoveryUrl",
    "authorizationEndpoint", "tokenEndpoint", "issuer", "domain", "privateEndpoint", "privateEndpointOverrides",
    "credentialProviderConfigurations", "credentialProviderVendor", "oauth2ProviderConfigInput", "providerArn",
    "apiKeyArn", "credentialArn", "secretArn", "secretId", "kmsKeyArn", "encryptionKeyArn", "lambdaArn",
    "outboundAuth", "certificateConfigurations", "interceptorConfigurations", "policyEngineConfiguration",
})  # fmt: skip
#: More members that decide about security, and are compared like any other member: an adoption by tag names them where
#: the document does not declare them.
ALSO_ASSUMED = frozenset({
    "hooks", "hooksConfiguration", "customTransformConfiguration", "environmentVariables", "tools", "skills", "headers",
    "filesystemConfigurations",
})  # fmt: skip


def accepts(member: str, declared: Any, shown: Any) -> bool:
    """Return whether a shown text or list is the declared value in a form that is accepted for the member.

    For the values of a map and the elements of a list, the member is the map or the list.
    """
    return any(_TESTS[form](declared, shown) for form in FORMS.get(member, ()))


def guarded(path: tuple[str | int, ...], declared: Any) -> bool:
    """Return whether a path, or the declared value at the path, contains a guarded member."""
    return any(part in GUARDED for part in path) or _holds_guarded(declared)


def _holds_guarded(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(name in GUARDED or _holds_guarded(item) for name, item in value.items())
    return isinstance(value, list) and any(_holds_guarded(item) for item in value)


def _same_case(declared: Any, shown: Any) -> bool:
    if isinstance(declared, list) and isinstance(shown, list):
        one, other = ({str(item).lower() for item in items} - ADDED_BY_SERVICE for items in (declared, shown))
        return one == other
    return isinstance(declared, str) and isinstance(shown, str) and declared.lower() == shown.lower()


def _same_host(declared: Any, shown: Any) -> bool:
    if not isinstance(declared, str) or not isinstance(shown, str):
        return False
    try:
        one, other = urlsplit(declared), urlsplit(shown)
    except ValueError:
        return False
    if not one.scheme:
        return declared.lower() == shown.lower()
    # An empty path is the same as / (RFC 3986, 6.2.3).
    rest = (one.path or "/", one.query, one.fragment) == (other.path or "/", other.query, other.fragment)
    return rest and (one.scheme, one.netloc.lower()) == (other.scheme, other.netloc.lower())


def _same_elements(declared: Any, shown: Any) -> bool:
    if not isinstance(declared, list) or not isinstance(shown, list) or len(declared) != len(shown):
        return False
    left = list(shown)
    for one in declared:
        if one not in left:
            return False
        left.remove(one)
    return True


def _alias_of(declared: Any, shown: Any) -> bool:
    alias, key = arn_of(declared), arn_of(shown)
    if alias is None or key is None or alias.service != "kms" or alias[:-1] != key[:-1]:
        return False
    return alias.resource.startswith("alias/") and key.resource.startswith("key/")


def _masks(declared: Any, shown: Any) -> bool:
    return isinstance(declared, str) and isinstance(shown, str) and bool(shown) and not shown.strip("*")


_TESTS = {
    Form.CASE: _same_case,
    Form.HOST: _same_host,
    Form.ORDER: _same_elements,
    Form.ALIAS: _alias_of,
    Form.MASK: _masks,
}
