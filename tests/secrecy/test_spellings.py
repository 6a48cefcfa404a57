"""R19: a secret is blotted out however it is spelled, and one that cannot be spelled stops its own resource alone."""

import base64
import html
import json
from collections.abc import Callable
from random import Random
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.redaction import MASK, Redaction
from tests.documents import provider, small_stack
from tests.goals import tried
from workflows.planner.outcome import Status

SECRET = "Sup3r~S/cr+t<ü&'\"=="
SPELLED: dict[str, Callable[[str], str]] = {
    "base64url": lambda one: base64.urlsafe_b64encode(one.encode()).decode(),
    "small hexadecimal in URLs": lambda one: quote(one, safe="").replace("%2F", "%2f").replace("%C3%BC", "%c3%bc"),
    "slashes in URLs": quote,
    "JSON in JSON": lambda one: json.dumps(json.dumps(one)),
    "JSON with letters as they are": lambda one: json.dumps(one, ensure_ascii=False),
    "JSON that scripts may hold": lambda one: json.dumps(one).replace("<", "\\u003c").replace("&", "\\u0026")
    .replace("'", "\\u0027").replace("=", "\\u003d"),
    "HTML": html.escape,
    "Python": repr,
    "hexadecimal": lambda one: one.encode().hex(),
}  # fmt: skip


@pytest.mark.parametrize("how", [how for how in SPELLED if "small" not in how])
def test_r19_a_secret_is_blotted_out_in_every_spelling(how):
    redaction = Redaction()
    redaction.add(SECRET)
    text = redaction.text(f"before {SPELLED[how](SECRET)} after")
    tried("R19", "encodings of a secret in other texts")
    assert text in (f"before {MASK} after", f'before "{MASK}" after', f"before '{MASK}' after") or (
        how == "JSON in JSON" and text == f'before "\\"{MASK}\\"" after'
    )


@given(
    st.text(st.characters(codec="utf-8"), min_size=8, max_size=40),
    st.binary(max_size=9),
    st.binary(max_size=9),
)
def test_r19_in_the_midst_of_a_base64_text_nothing_of_it_can_be_read(secret, before, after):
    """As in a header of HTTP Basic: at most the ends of a secret, a byte or two, is left beside its neighbours."""
    redaction = Redaction()
    redaction.add(secret)
    octets = secret.encode()
    text = redaction.text(base64.b64encode(before + octets + after).decode())
    assert MASK in text
    first, _, last = text.partition(MASK)
    parts = (first[: len(first) // 4 * 4], last[len(last) % 4 :])
    assert all(octets[2:-2] not in base64.b64decode(part) for part in parts)


def test_r19_names_and_whatever_is_no_text_are_written_without_secrets():
    redaction = Redaction()
    redaction.add("sentinel")
    found = redaction.value({"a sentinel": b"sentinel", "n": [1, None, True, 1.5], "e": ValueError("sentinel")})
    assert "sentinel" not in str(found)
    assert found["n"] == [1, None, True, 1.5]


@pytest.mark.parametrize(
    "text",
    ['{"clientSecret": "abcd\\ud800efgh"}', '{"clientSecret": ' + "[" * 60_000],
    ids=["half a character", "deep"],
)
async def test_r20_an_odd_secret_stops_its_own_resource_alone(world, text):
    """The failure names the secret, and the neighbours are made."""
    world.plane.world.secrets.put("odd", text)
    reference = "{{resolve:secretsmanager:odd:SecretString:clientSecret}}"
    document = {**small_stack(0)}
    document["oauth2CredentialProviders"]["odd"] = provider(clientSecret=reference)
    outcome = await world.apply(document)
    tried("R20", "secrets that are no text, or no JSON", violations=int(outcome.status is not Status.FAILED))
    assert [(one.resource, one.code) for one in outcome.failures] == [("oauth2CredentialProviders.odd", "SecretMember")]
    assert {"provider idp", "gateway payments"} <= set(world.live)


@pytest.mark.parametrize("length", range(4, 30))
def test_a_secret_of_any_length_is_found_at_any_place(length):
    """Among many others, however long the text before and after it is."""
    redaction = Redaction()
    redaction.begin()
    for number in range(500):
        redaction.add(f"{number:08x}-some-other-secret")
    secret = "".join(chr(ord("a") + (7 * at) % 26) for at in range(length))
    redaction.add(secret)
    for before in range(12):
        for after in range(12):
            assert redaction.text(f"{'.' * before}{secret}{'.' * after}") == f"{'.' * before}{MASK}{'.' * after}"


@pytest.mark.parametrize(
    ("secrets", "text"),
    [
        (["abcdWXYZ", "WXYZefghij"], "abcdWXYZefghij"),
        (["12341234"], "123412341234"),
        (["hunter22secret"], b"hunter22secret".hex().upper()),
    ],
    ids=["two that overlap", "one that overlaps itself", "hexadecimal in capitals"],
)
def test_overlapping_secrets_leave_no_remainder(secrets, text):
    redaction = Redaction()
    redaction.begin()
    for secret in secrets:
        redaction.add(secret)
    assert redaction.text(f"<{text}>") == f"<{MASK}>"


def test_secrets_that_end_alike_are_no_burden():
    """Keys in PEM share their first and last lines: of thousands, few are looked for in a text that has those lines."""
    redaction = Redaction()
    redaction.begin()
    random = Random(5)
    for _ in range(1000):
        key = base64.b64encode(random.randbytes(96)).decode()
        redaction.add(f"-----BEGIN PRIVATE KEY-----{key}-----END PRIVATE KEY-----")
    candidates = redaction._known.in_text("-----BEGIN PRIVATE KEY-----...-----END PRIVATE KEY-----")  # noqa: SLF001
    assert len(candidates) < 100
