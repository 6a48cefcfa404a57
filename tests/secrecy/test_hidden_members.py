"""Members that hold secrets are written nowhere, and a secret is found in URLs however they are written."""

import re
from urllib.parse import quote, quote_plus

import pytest

from infra.redaction import MASK, Redaction

MEMBERS = (
    "apiKey", "clientSecret", "SecretString", "clientToken", "authorizationUrl", "Authorization", "customParameters",
    "environmentVariables", "additionalHeaderClaims", "additionalPayloadClaims", "staticQueryParameters", "password",
    "X-Amz-Security-Token",
)  # fmt: skip
SECRET = "Sup3r~S/cr+t<ü&'\"=="


@pytest.mark.parametrize("name", MEMBERS)
def test_what_such_a_member_holds_is_not_written(name):
    """Also where nobody resolved it, and so nobody knows that it is a secret; beside others, and however deep."""
    redaction = Redaction()
    found = redaction.value({"a": [{name: "hunter22", "name": "tools"}]})
    event = dict(redaction.processor(None, "info", {name: {"key": "hunter22"}, "event": "seen"}))
    assert found == {"a": [{name: MASK, "name": "tools"}]}
    assert event == {name: MASK, "event": "seen"}


@pytest.mark.parametrize("how", [lambda one: quote(one, safe=""), quote, quote_plus], ids=["quote", "path", "form"])
@pytest.mark.parametrize("small", [True, False], ids=["small", "large"])
def test_a_secret_in_a_url_is_blotted_out_however_its_octets_are_written(how, small):
    """%2f is what %2F is."""
    redaction = Redaction()
    redaction.add(SECRET)
    written = how(SECRET)
    written = re.sub("%[0-9A-F]{2}", lambda found: found[0].lower(), written) if small else written
    assert redaction.text(f"https://example.com/?secret={written}&x=1") == f"https://example.com/?secret={MASK}&x=1"


def test_a_secret_inside_another_leaves_nothing_of_it():
    """The longer one goes first, in whatever order they were seen."""
    for order in (("hunter22", "hunter22-and-more"), ("hunter22-and-more", "hunter22")):
        redaction = Redaction()
        for secret in order:
            redaction.add(secret)
        assert redaction.text("hunter22-and-more, hunter22") == f"{MASK}, {MASK}"
