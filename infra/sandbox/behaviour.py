"""What can be chosen about the sandbox: durations, quotas, and a position for every unknown of the real service.

Facts come from the service's documentation and model; a member whose comment says "unknown" is a choice that
nobody outside the service can make, so both positions must work.
"""

import math
from dataclasses import dataclass, field
from typing import Literal

Refusal = Literal["ValidationException", "ConflictException"]


@dataclass
class Durations:
    """Seconds that each operation takes from the call to its terminal status."""

    provider: float = 1.0
    gateway: float = 2.0
    target: float = 1.0
    synchronize: float = 1.0
    runtime: float = 3.0
    harness: float = 5.0
    registry: float = 1.0
    delete: float = 0.5
    #: Added where a private endpoint is made.
    private_endpoint: float = 0.0
    #: From an answered create until reads and lists show the resource.
    visible_after: float = 0.0
    #: Reads and lists show what was so many seconds ago.
    reads_lag: float = 0.0
    #: Observed: READY shows, then the status before it again, then READY for good, each after so many seconds.
    flicker: float = 0.0


@dataclass
class Behaviour:
    """The sandbox's settings; every member may be changed while it runs."""

    account: str = "123456789012"
    region: str = "us-east-1"
    partition: str = "aws"
    durations: Durations = field(default_factory=Durations)
    #: The most that a list returns in one page, whatever maxResults asks for.
    page_size: int = 1000
    target_operations_per_gateway: int = 5
    targets_per_gateway: int = 100
    gateways: int = 1000
    providers: int = 50
    runtimes: int = 1000
    registries: int = 5
    #: Requests per second and operation are limited as documented (with a burst of twice that).
    limit_rates: bool = True
    #: Observed for providers; gateways and targets were seen with Conflict.
    duplicate_provider: Refusal = "ValidationException"
    duplicate: Refusal = "ConflictException"
    #: Observed once with Validation, for CreateGatewayTarget on a gateway in CREATING; else unknown.
    busy: Refusal = "ValidationException"
    #: Unknown: documented only that a sixth concurrent target operation is refused.
    too_many_operations: Literal["ServiceQuotaExceededException", "ThrottlingException"] = (
        "ServiceQuotaExceededException"
    )
    #: Unknown: an update or delete of a resource that waits for consent.
    pending: Refusal = "ConflictException"
    #: Documented: the consent session lives ten minutes.
    consent_seconds: float = 600.0
    #: Unknown: what follows when it has expired, the failed status or none: then the target stays as it waits.
    consent_expires: bool = True
    #: Unknown: what follows when the person refuses, the failed status at once or the end of the session.
    denial_fails: bool = True
    #: Unknown: whether a target passes through CREATING again once consent was given.
    consent_hops: bool = True
    #: Unknown: how long the service remembers a client token.
    token_seconds: float = math.inf
    #: Unknown: whether it remembers it longer than the resource lives, and answers with what is gone.
    tokens_outlive: bool = False
    #: Unknown: whether a repeated create is answered as the first one was, or with what the resource is by now.
    repeat_answers_first: bool = False
    #: Unknown: the code for a client token that comes again with other parameters.
    other_parameters: Refusal = "ValidationException"
    #: Unknown: whether a gateway or target in FAILED, or in a status that ends in UNSUCCESSFUL, can be updated.
    updates_failed: bool = True
    updates_unsuccessful: bool = True
    #: Unknown: whether leaving an optional member out of an update clears it.
    put_clears: bool = True
    #: Unknown: whether a create or update of an MCP server target shows SYNCHRONIZING before it ends.
    shows_implicit_sync: bool = False
    #: Unknown: whether the service shows its default values when a member was left out.
    fills_defaults: bool = True
    #: Observed: the service adds a header of its own to metadataConfiguration.allowedRequestHeaders.
    adds_policy_header: bool = True
    #: Documented for certificates, unknown for the rest: after a failed update the old configuration is in force.
    failed_update_keeps_old: bool = True
    #: Unknown: whether lists show times as finely as answers do.
    lists_whole_seconds: bool = False
    #: Observed for runtimes: reads leave privateEndpointOverrides out.
    hides_overrides: bool = False
    #: Observed: reads of a runtime with a private authorizer answer 400 now and then; how many more will.
    flaky_private_reads: int = 0
    #: Observed: the deletion of a runtime that is gone is refused as forbidden.
    gone_runtime_is_denied: bool = False
    #: Documented: the registries of this API are switched off; unknown: which code says so.
    registries_open: bool = True
    registries_closed: Literal["AccessDeniedException", "ValidationException", "ResourceNotFoundException"] = (
        "AccessDeniedException"
    )
    #: Unknown: whether a provider that a target or an authorizer uses can be deleted.
    used_provider_deletable: bool = True
    #: Where a person opens consent pages; the HTTP server puts its own address here.
    consent_base: str = "https://bedrock-agentcore.us-east-1.amazonaws.com/identities/oauth2/authorize"
