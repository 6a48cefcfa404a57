"""The configuration of the sandbox: durations, quotas, and a switch for every unknown behavior of the real service.

Facts come from the documentation and the model of the service. A comment with "unknown" marks a choice that nobody
outside the service can verify, so both positions of the switch must work.
"""

import math
from dataclasses import dataclass, field
from typing import Literal

Refusal = Literal["ValidationException", "ConflictException"]


@dataclass
class Durations:
    """Seconds that each operation takes from the call to the terminal status."""

    #: From a create or update to its end.
    provider: float = 1.0
    gateway: float = 2.0
    target: float = 1.0
    #: From a synchronization to its end.
    synchronize: float = 1.0
    #: From a create or update to its end.
    runtime: float = 3.0
    harness: float = 5.0
    registry: float = 1.0
    #: From a deletion until the resource is gone.
    delete: float = 0.5
    #: Added if a private endpoint is created.
    private_endpoint: float = 0.0
    #: From the response to a create until reads and lists show the resource.
    visible_after: float = 0.0
    #: Reads and lists show the state of this many seconds ago.
    reads_lag: float = 0.0
    #: Observed: READY shows, then the previous status again, then READY for good, each after this many seconds.
    flicker: float = 0.0

    @classmethod
    def like_aws(cls) -> "Durations":
        """Return durations like those of AWS.

        Derived from Terraform's acceptance tests, which create and delete: providers take 16 to 19 s, gateways 22 s,
        targets 33 to 111 s, registries 106 to 131 s. A private endpoint takes minutes (developer guide); the other
        durations are assumed.
        """
        return cls(
            provider=8.0, gateway=12.0, target=20.0, synchronize=15.0, runtime=30.0, harness=60.0, registry=60.0,
            delete=8.0, private_endpoint=150.0, visible_after=2.0,
        )  # fmt: skip


@dataclass
class Behaviour:
    """The settings of the sandbox; every member may be changed at run time."""

    #: The account, the Region and the partition that ARNs name.
    account: str = "123456789012"
    region: str = "us-east-1"
    partition: str = "aws"
    durations: Durations = field(default_factory=Durations)
    #: The maximum number of items in a page, regardless of maxResults.
    page_size: int = 1000
    #: Documented: the maximum number of creates, updates and deletes of targets in progress on a gateway.
    target_operations_per_gateway: int = 5
    #: The quotas of an account, as documented; for registries observed.
    targets_per_gateway: int = 100
    gateways: int = 1000
    providers: int = 50
    runtimes: int = 1000
    registries: int = 5
    #: Requests per second and operation are limited as documented (with a burst of twice that).
    limit_rates: bool = True
    #: Observed: the error code for a provider whose name is taken.
    duplicate_provider: Refusal = "ValidationException"
    #: Observed: the error code for a gateway or target whose name is taken.
    duplicate: Refusal = "ConflictException"
    #: Observed once with Validation, for CreateGatewayTarget on a gateway in CREATING; else unknown.
    busy: Refusal = "ValidationException"
    #: Unknown: documented only that a sixth concurrent target operation is refused.
    too_many_operations: Literal["ServiceQuotaExceededException", "ThrottlingException"] = (
        "ServiceQuotaExceededException"
    )
    #: Unknown: the error code for an update or delete of a target that waits for consent.
    pending: Refusal = "ConflictException"
    #: Reported: a target that waits for consent takes updates, each with a new URL. The API reference refuses them.
    pending_takes_updates: bool = True
    #: Reported both ways: whether a target that waits for consent can be deleted. The API reference refuses it.
    pending_takes_deletions: bool = False
    #: Documented: a consent session lasts ten minutes.
    consent_seconds: float = 600.0
    #: Observed both ways: whether an OpenAPI target with AUTHORIZATION_CODE waits for consent, or is READY at once.
    openapi_consents: bool = True
    #: Whether an expired session leads to the failed status; reported: the target stays pending.
    consent_expires: bool = False
    #: Unknown: whether a refusal leads to the failed status at once, or only ends the session.
    denial_fails: bool = True
    #: Unknown: whether a target passes through CREATING again after consent.
    consent_hops: bool = True
    #: Unknown: how long the service remembers a client token.
    token_seconds: float = math.inf
    #: Unknown: whether the service remembers a token after the resource is deleted, and returns the deleted resource.
    tokens_outlive: bool = False
    #: Unknown: whether a repeated create returns the first response, or the current state of the resource.
    repeat_answers_first: bool = False
    #: Unknown: the error code for a client token that is reused with different parameters.
    other_parameters: Refusal = "ValidationException"
    #: Whether a gateway or target in FAILED takes updates; observed of gateways: it does not.
    updates_failed: bool = False
    #: Unknown: whether a target in a status that ends in UNSUCCESSFUL takes updates.
    updates_unsuccessful: bool = True
    #: Unknown: whether omitting an optional member from an update clears the member.
    put_clears: bool = True
    #: Unknown: whether a create or update of an MCP server target shows SYNCHRONIZING before the end.
    shows_implicit_sync: bool = False
    #: Unknown: whether the service returns default values for omitted members.
    fills_defaults: bool = True
    #: Observed: the service adds a header of its own to metadataConfiguration.allowedRequestHeaders.
    adds_policy_header: bool = True
    #: Documented for certificates, unknown for the rest: after a failed update the old configuration is in force.
    failed_update_keeps_old: bool = True
    #: Unknown: whether lists return times with the same precision as reads.
    lists_whole_seconds: bool = False
    #: Observed for runtimes: reads omit privateEndpointOverrides.
    hides_overrides: bool = False
    #: Observed: reads of a runtime with a private authorizer fail with 400 now and then; how many more will fail.
    flaky_private_reads: int = 0
    #: Observed: deleting a runtime that no longer exists is refused with AccessDenied.
    gone_runtime_is_denied: bool = False
    #: Documented: the registries of the old API are switched off at AWS.
    registries_open: bool = True
    #: The error code where they are switched off; observed in live runs: ResourceNotFoundException.
    registries_closed: Literal["AccessDeniedException", "ValidationException", "ResourceNotFoundException"] = (
        "ResourceNotFoundException"
    )
    #: Observed (Terraform, tests of targets): whether the provider that a target names must exist at its creation.
    looks_up_providers: bool = False
    #: Unknown: whether a provider can be deleted while a target or an authorizer uses the provider.
    used_provider_deletable: bool = True
    #: The base URL of consent pages; the HTTP server sets this to its own address.
    consent_base: str = "https://bedrock-agentcore.us-east-1.amazonaws.com/identities/oauth2/authorize"
