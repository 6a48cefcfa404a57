"""Where moto's AgentCore control plane (5.2) is not what the contract says, case by case, and who is right.

A case named here must still fail, at the line and with the text that are named: when moto learns it, its test goes
red and the entry goes. In every one the contract stands, by the service model that botocore ships (MODEL) or by what
was documented or seen of the service (SERVICE); moto is simpler.
"""

import re
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_HERE = str(Path(__file__).parent)


@dataclass(frozen=True)
class Difference:
    """What stands in the line where a case fails, what its error says, and why the contract is right."""

    line: str
    says: str
    reason: str


_NOT_REFUSED = "DID NOT RAISE"
#: moto answers operations that it does not know with an error page.
_UNKNOWN = r"\(500\) when calling the {} operation"


def _unknown(operation: str, line: str) -> Difference:
    return Difference(line, _UNKNOWN.format(operation), f"MODEL: there is {operation}; moto has none")


_NO_PROVIDERS = _unknown("CreateOauth2CredentialProvider", "create_oauth2_credential_provider")
_NO_LIFE = 'await call(service, "Create"'

DIFFERENCES: Mapping[str, Difference] = {
    # What it has no operations for.
    "test_r0_one_life[Harness]": _unknown("CreateHarness", _NO_LIFE),
    "test_r0_one_life[ApiKeyCredentialProvider]": _unknown("CreateApiKeyCredentialProvider", _NO_LIFE),
    "test_r0_one_life[Registry]": _unknown("CreateRegistry", _NO_LIFE),
    "test_r0_one_short_life[Harness]": _unknown("CreateHarness", _NO_LIFE),
    "test_r0_one_short_life[ApiKeyCredentialProvider]": _unknown("CreateApiKeyCredentialProvider", _NO_LIFE),
    "test_r0_one_short_life[Registry]": _unknown("CreateRegistry", _NO_LIFE),
    "test_r0_a_harness_keeps_what_an_update_does_not_name": _unknown("CreateHarness", "create_harness"),
    "test_r0_a_provider_lives_and_shows_no_secret": _NO_PROVIDERS,
    "test_r0_a_repeat_of_a_create_without_token_is_refused": _NO_PROVIDERS,
    "test_r0_what_waits_for_consent_is_locked": _NO_PROVIDERS,
    "test_r0_one_synchronization_a_call": Difference(
        "await refusal(two)", "'500' == 'ValidationException'",
        "MODEL: there is SynchronizeGatewayTargets, of exactly one target; moto has none",
    ),
    "test_r0_a_dynamic_target_is_not_synchronized": Difference(
        "await refusal(sync)", "'500' == 'ValidationException'",
        "MODEL: there is SynchronizeGatewayTargets; moto has none",
    ),
    "test_r0_a_target_lives": Difference(
        'shown["lastSynchronizedAt"]', "lastSynchronizedAt",
        "MODEL and SERVICE: creating a target of an MCP server reads its tools, and the target says when",
    ),
    # What it does not check.
    "test_r0_a_gateway_needs_no_protocol_type": Difference(
        "await service.client.create_gateway", _UNKNOWN.format("CreateGateway"),
        "MODEL: protocolType is optional, and a gateway without one takes targets of every protocol",
    ),
    "test_r0_a_request_is_checked": Difference(
        "await refusal(wrong)", _NOT_REFUSED, "MODEL: names and ARNs have patterns, authorizers an enumeration"
    ),
    "test_r0_a_runtime_keeps_its_artifact_and_says_its_network": Difference(
        "await refusal(refused)", _NOT_REFUSED, "SERVICE: a VPC network needs its configuration"
    ),
    "test_r0_one_life[AgentRuntime]": Difference(
        'await refusal(call(service, "Create"', _NOT_REFUSED, "SERVICE: a runtime's name is taken once"
    ),
    "test_r0_a_name_is_taken_once_and_free_when_its_bearer_is_gone": Difference(
        "await refusal(service.gateway())", _NOT_REFUSED, "SERVICE: a gateway's name is taken once"
    ),
    "test_r0_a_token_answers_the_repeat_and_refuses_another_request": Difference(
        "== first", "assert '[0-9a-f]{10}' == '[0-9a-f]{10}'",
        "MODEL: clientToken makes CreateGateway idempotent; moto makes another",
    ),
    "test_r0_a_gateway_in_transition_takes_no_change": Difference(
        "await refusal(change())", _NOT_REFUSED, "SERVICE: what is in transition takes no change"
    ),
    "test_r0_a_target_in_transition_takes_no_change": Difference(
        "await refusal(change())", _NOT_REFUSED, "SERVICE: what is in transition takes no change"
    ),
    "test_r0_a_gateway_with_targets_is_not_deleted": Difference(
        "await refusal(service.client.delete_gateway", _NOT_REFUSED,
        "SERVICE: deletion is no cascade; moto removes the targets along with their gateway",
    ),
    "test_r0_five_operations_at_a_time": Difference(
        'await refusal(service.target(gateway_id, "t5"))', _NOT_REFUSED, "SERVICE: five operations on targets at a time"
    ),
    # What it does otherwise.
    "test_r0_an_update_replaces_and_keeps_name_and_authorizer": Difference(
        "service.rest(", "it stays as it is", "SERVICE: an update comes to an end; moto's is UPDATING for ever"
    ),
    "test_r0_a_name_is_taken_also_by_what_failed": Difference(
        '["status"] == "FAILED"', "'READY' == 'FAILED'", "SERVICE: a server that is not there fails its target"
    ),
    "test_r0_a_list_pages_through_everything_once": Difference(
        'len(page["items"]) <= 2', r"assert \d+ <= 2", "MODEL: maxResults bounds a page; moto has one page"
    ),
    "test_r0_a_list_shows_status_and_no_reasons": Difference(
        'page["nextToken"]', "nextToken", "MODEL: maxResults bounds a page; moto has one page"
    ),
    # What it shows otherwise.
    "test_r0_a_gateway_is_shown_as_the_model_says": Difference(
        "misfits(", "'gatewayArn', 'string_pattern_mismatch'",
        "MODEL: a gateway's id begins with its name, and a description that is shown is not empty",
    ),
    "test_r0_a_target_is_shown_as_the_model_says": Difference(
        "misfits(", "'gatewayArn', 'string_pattern_mismatch'", "MODEL: a gateway's id begins with its name"
    ),
    "test_r0_it_is_shown_as_the_model_says[AgentRuntime]": Difference(
        "misfits(", "'agentRuntimeArn', 'string_pattern_mismatch'",
        "MODEL: an ARN ends with runtime/NAME-ID; moto's with agent/UUID:1, another one for each version",
    ),
    "test_r0_it_is_shown_as_the_model_says[Harness]": _unknown("CreateHarness", _NO_LIFE),
    "test_r0_it_is_shown_as_the_model_says[ApiKeyCredentialProvider]": _unknown(
        "CreateApiKeyCredentialProvider", _NO_LIFE
    ),
    "test_r0_it_is_shown_as_the_model_says[Registry]": _unknown("CreateRegistry", _NO_LIFE),
}  # fmt: skip


def strays(difference: Difference, error: BaseException) -> str:
    """Say how a failure is not the difference that was declared; nothing where it is that one."""
    frames = [one for one in traceback.extract_tb(error.__traceback__) if one.filename.startswith(_HERE)]
    lines = [str(one.line) for one in frames]
    if not any(difference.line in line for line in lines):
        return f"it fails elsewhere than at {difference.line!r}: {lines}"
    return "" if re.search(difference.says, str(error), re.DOTALL) else f"it says {error!s:.300}"
