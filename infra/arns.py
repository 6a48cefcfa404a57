"""ARNs, as botocore parses them."""

from typing import Any, NamedTuple

from botocore.utils import ArnParser, InvalidArnException


class Arn(NamedTuple):
    """The parts of an ARN: `arn:partition:service:region:account:resource`. Region and account may be empty."""

    partition: str
    service: str
    region: str
    account: str
    resource: str


def arn_of(text: Any) -> Arn | None:
    """Return the parts of an ARN; None if the value is no ARN."""
    if not isinstance(text, str) or not text.startswith("arn:"):
        return None
    try:
        arn = Arn(**ArnParser().parse_arn(text))
    except InvalidArnException:
        return None
    return arn if arn.resource else None
