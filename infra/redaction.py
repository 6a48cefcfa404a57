"""Redaction: replaces secrets with the mask `***` in every text that leaves the process.

Secrets are recognized in two ways:

- By value. `add` registers each secret that a request resolves, and each consent URL, which acts as a bearer token.
  Other programs escape the texts that they quote, so `encodings` computes the encodings in which a secret may appear:
  JSON (also nested), URLs, HTML, Python, hexadecimal, and base64. In base64, a secret inside a longer text is written
  in one of three ways, depending on the number of preceding bytes modulo 3; only the characters that no neighboring
  byte affects are compared. `text` masks all occurrences of all spellings together: where two of them overlap, no
  remainder of either stays readable.
- By name. The values of HIDDEN_MEMBERS are masked whatever they contain, also if the value was never registered.

Values under four characters are not registered, because masking them would destroy innocent text. For the same reason,
a fragment of base64 must have six characters. Encodings that are not listed, such as compression, are not recognized.

Values are known for one request: `begin` starts with none, in the present task and the tasks that it starts, so that
the secrets of one team neither cost another team time nor mask its words. Outside of requests, the values that were
added there are known. The members OWN of a log line, which this project writes itself, are never masked.

A text is searched in time that is linear in its length, however many values are known: every spelling is indexed by
some characters of it that few others have, and only the spellings whose characters occur in the text are looked for.

`processor` follows the merge of context variables in the log chain (infra.telemetry), so that all later processors see
masked values only. infra.aws redacts the messages of errors.
"""

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from contextvars import ContextVar
from typing import Any, NamedTuple
from urllib.parse import quote, quote_plus

MASK = "***"
_SHORTEST = 4
#: A shorter fragment of base64 may occur by chance.
_LEAST_BASE64 = 6
#: Members whose values are never logged, from any source. Consent URLs act as bearer tokens.
HIDDEN_MEMBERS = frozenset({
    "authorizationurl", "clientsecret", "apikey", "secretstring", "clienttoken", "authorization", "customparameters",
    "environmentvariables", "additionalheaderclaims", "additionalpayloadclaims", "staticqueryparameters", "password",
    "x-amz-security-token",
})  # fmt: skip


#: Members of log lines that this project writes itself, from names that it or the sender of a request chose. What AWS
#: says is in none of them.
OWN = frozenset({
    "event", "status", "resources", "calls", "problems", "retry_after", "stack", "request", "run", "generation",
    "resource", "action", "operation", "verdict", "seconds", "frames", "message_id", "execution",
})  # fmt: skip


class _Grams(NamedTuple):
    """How spellings are indexed by substrings.

    A spelling is entered under `step` substrings that begin at neighboring positions. A search therefore reads only
    every `step`-th position of a text: wherever the spelling stands, one of these substrings begins at such a position.
    """

    #: The least length of a spelling.
    least: int
    #: The length of the substrings.
    length: int
    step: int


#: A spelling is indexed by the first row that it is long enough for.
_GRAMS = (_Grams(11, 8, 4), _Grams(8, 8, 1), _Grams(_SHORTEST, 4, 1))


def encodings(secret: str) -> set[str]:
    """Return the encodings of a secret in JSON, URLs, HTML, Python, hexadecimal and at any offset of a base64 text."""
    import html  # noqa: PLC0415 - its table of names is off the cold path

    octets = secret.encode("utf-8", "surrogatepass")
    as_json = {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    as_json |= {one.replace("/", "\\/") for one in as_json}
    # Some writers also escape characters that are special in HTML or scripts, and some write hexadecimal in upper case.
    as_json |= {re.sub("[<>&=']", lambda found: f"\\u{ord(found[0]):04x}", one) for one in as_json}
    as_json |= {re.sub(r"\\u[0-9a-f]{4}", lambda found: "\\u" + found[0][2:].upper(), one) for one in as_json}
    as_json |= {json.dumps(one)[1:-1] for one in as_json}
    in_urls = {quote(octets, safe=""), quote(octets), quote_plus(octets)}
    in_urls |= {re.sub("%[0-9A-F]{2}", lambda found: found[0].lower(), one) for one in in_urls}
    in_base64 = {text for shift in range(3) for text in _in_base64(octets, shift)}
    others = {
        repr(secret)[1:-1],
        html.escape(secret),
        html.escape(secret, quote=False),
        octets.hex(),
        octets.hex().upper(),
    }
    return {one for one in {secret, *as_json, *in_urls, *in_base64, *others} if len(one) >= _SHORTEST}


def _in_base64(octets: bytes, shift: int) -> Iterator[str]:
    """Yield the base64 encodings after `shift` preceding bytes: all characters that no neighboring byte affects."""
    whole = base64.b64encode(bytes(shift) + octets).decode()
    if not shift:
        yield from (whole, base64.urlsafe_b64encode(octets).decode())
    # Some bits of the first characters, and some characters of the last group, depend on the neighboring bytes.
    inner = whole.rstrip("=")[(0, 2, 3)[shift] :]
    inner = inner[: len(inner) - (1 if (shift + len(octets)) % 3 else 0)]
    if len(inner) >= _LEAST_BASE64:
        yield from (inner, inner.replace("+", "-").replace("/", "_"))


class Known:
    """Secrets in every spelling that may leak, indexed by substrings of the spellings."""

    def __init__(self) -> None:
        self._secrets: set[str] = set()
        #: The spellings by substring, for each row of _GRAMS.
        self._index: dict[_Grams, dict[str, set[str]]] = {grams: {} for grams in _GRAMS}

    def add(self, secret: str) -> None:
        """Register a value."""
        if len(secret) >= _SHORTEST and secret not in self._secrets:
            self._secrets.add(secret)
            for spelling in encodings(secret):
                grams = next(one for one in _GRAMS if len(spelling) >= one.least)
                for gram in self._rarest(grams, spelling):
                    self._index[grams].setdefault(gram, set()).add(spelling)

    def _rarest(self, row: _Grams, spelling: str) -> list[str]:
        """Return the characters by which a spelling is indexed, at the place where the fewest others have the same.

        All URLs begin alike, and all keys in PEM end alike.
        """
        last, index = len(spelling), self._index[row]
        first = row.length + row.step - 1
        places = {last, *(first + (last - first) * part // 4 for part in range(4))}
        choices = [[spelling[end - row.length : end] for end in range(at, at - row.step, -1)] for at in sorted(places)]
        return min(reversed(choices), key=lambda grams: max(len(index.get(gram, ())) for gram in grams))

    def in_text(self, text: str) -> set[str]:
        """Return the spellings that may occur in a text."""
        found: set[str] = set()
        for (_, length, step), index in self._index.items():
            if index:
                there = [text[at : at + length] for at in range(0, len(text) - length + 1, step)]
                found.update(*(index[gram] for gram in there if gram in index))
        return found


#: What the request of the present task knows; None outside of requests.
_KNOWN: ContextVar[Known | None] = ContextVar("gatewright_known_secrets", default=None)


def _spans(text: str, spellings: Iterable[str]) -> Iterator[tuple[int, int]]:
    """Yield begin and end of every occurrence of every spelling; occurrences may overlap."""
    for spelling in spellings:
        at = text.find(spelling)
        while at >= 0:
            yield at, at + len(spelling)
            at = text.find(spelling, at + 1)


def _united(spans: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield sorted spans, of which overlapping ones are one."""
    begin, end = -1, -1
    for one, other in spans:
        if one < end:
            end = max(end, other)
            continue
        if end > 0:
            yield begin, end
        begin, end = one, other
    if end > 0:
        yield begin, end


class Redaction:
    """Masks the secrets that the present request has resolved."""

    def __init__(self) -> None:
        self._outside = Known()

    def begin(self) -> None:
        """Begin a request: in this task and the tasks that it starts, no value is known yet."""
        _KNOWN.set(Known())

    def add(self, secret: str) -> None:
        """Mask a value from now on. Values under four characters are ignored: they would mask innocent text."""
        self._known.add(secret)

    def text(self, text: str) -> str:
        """Return a text without secrets."""
        spans = sorted(_spans(text, self._known.in_text(text)))
        parts, at = [], 0
        for begin, end in _united(spans):
            parts += [text[at:begin], MASK]
            at = end
        return "".join([*parts, text[at:]]) if parts else text

    @property
    def _known(self) -> Known:
        return _KNOWN.get() or self._outside

    def value(self, value: Any) -> Any:
        """Return a copy of a value without secrets and without the values of hidden members."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(str(name)): self._member(str(name), item) for name, item in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self.value(item) for item in value]
        if isinstance(value, BaseException):
            return self.text(f"{type(value).__name__}: {value}")
        # Values of all other types would be written as text.
        return value if value is None or isinstance(value, bool | int | float) else self.text(str(value))

    def processor(self, _logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """Redact a structlog event, before any processor that renders."""
        for name in list(event):
            if name not in OWN:
                event[name] = self._member(name, event[name])
        return event

    def _member(self, name: str, value: Any) -> Any:
        return MASK if name.lower() in HIDDEN_MEMBERS and value else self.value(value)
