"""Mutants of secrecy: what is blotted out, in which encodings, and what is known to be a secret."""

from tests.mutants.mutant import Mutant

_REDACTION = "infra/redaction.py"
_REASONS = "workflows/reconcile/reasons.py"
_MEMBERS = ("tests/secrecy/test_hidden_members.py",)
_SPELLINGS = ("tests/secrecy/test_spellings.py",)

MUTANTS = (
    Mutant("no-redaction", "redaction returns what it gets", _REDACTION,
           "            parts += [text[at:begin], MASK]\n", "            parts += [text[at:begin], text[begin:end]]\n",
           ("tests/secrecy/test_secrets.py::test_redaction_blots_out_every_spelling",), goal="R19"),
    Mutant("redact-apikey", "an API key is written to the log", _REDACTION, '"clientsecret", "apikey",',
           '"clientsecret",',
           _MEMBERS, goal="R19"),
    Mutant("redact-no-lowerhex", "a secret in a URL is found only if its octets are written large", _REDACTION,
           "lambda found: found[0].lower(), one)", "lambda found: found[0].upper(), one)", _MEMBERS, goal="R19"),
    Mutant("redact-disjoint", "of two secrets that overlap a part is left", _REDACTION,
           "            end = max(end, other)\n", "            pass\n", _MEMBERS, goal="R19"),
    Mutant("redact-for-ever", "a request masks what an earlier one knew", _REDACTION,
           "        _KNOWN.set(Known())\n", "        pass\n",
           ("tests/secrecy/test_reasons.py::test_secrets_are_known_for_one_request",)),
    Mutant("redact-own-words", "a secret masks the name of a stack in log lines", _REDACTION,
           "            if name not in OWN:\n", "            if name:\n",
           ("tests/secrecy/test_reasons.py::test_secrets_are_known_for_one_request",)),
    Mutant("sent-versions-unknown", "a version that was sent and has no label any more may be quoted", _REASONS,
           "        await gather_all([partial(_know_sent, run, record) for record in records])\n",
           "        del records\n",
           ("tests/secrecy/test_reasons.py",), goal="R19"),
    Mutant("unreadable-told", "a text is told though a secret that it may quote cannot be read", _REASONS,
           "    if not lost:\n", "    if lost or not lost:\n", ("tests/secrecy/test_reasons.py",), goal="R19"),
    Mutant("versions-quoted", "an error message is told with a version of the secret that was sent before",
           "workflows/reconcile/live.py", "            error = await told(run, node, error)\n", "",
           ("tests/secrecy/test_reasons.py",), goal="R19"),
    Mutant("redact-names", "the names of members are written with the secrets in them", _REDACTION,
           "{self.text(str(name)): self", "{str(name): self", _SPELLINGS, goal="R19"),
    Mutant("redact-unshifted", "a secret in the midst of a base64 text is not found", _REDACTION,
           "for shift in range(3) for", "for shift in range(1) for", _SPELLINGS, goal="R19"),
    Mutant("redact-case", "a member is hidden only where its name is written small", _REDACTION,
           "if name.lower() in HIDDEN_MEMBERS", "if name in HIDDEN_MEMBERS", _MEMBERS, goal="R19"),
    Mutant("redact-plain-json", "a secret in JSON is found only as it is", _REDACTION,
           "    as_json |= {json.dumps(one)[1:-1] for one in as_json}\n", "", _SPELLINGS, goal="R19"),
    Mutant("reasons-quote", "why something failed is told with the secret that the service quotes",
           _REASONS, "    run.learn(node.address, replace(observed, body={**observed.body, **masked}))\n",
           "    del masked\n",
           ("tests/secrecy/test_reasons.py",), goal="R19"),
    Mutant("reasons-own-only", "secrets that left the document are not known when a reason quotes them",
           _REASONS, "            yield from _versions(SecretReference.parse(text))\n",
           "            yield from _versions(None if text else SecretReference.parse(text))\n",
           ("tests/secrecy/test_reasons.py",), goal="R19"),
    Mutant("urls-unhidden", "an error that quotes an authorization URL is passed on as it is",
           "workflows/reconcile/observe.py", "        calls.aws.redaction.add(url)\n", "        del calls\n",
           ("tests/secrecy/test_reasons.py::test_r19_an_error_that_quotes_where_to_consent_is_told_without_it",),
           goal="R19"),
    Mutant("secret-text-unknown", "the value of a secret that was read is not known to redaction", "infra/secrets.py",
           "    calls.aws.redaction.add(value)\n", "",
           ("tests/secrecy/test_reasons.py",), goal="R19"),
)  # fmt: skip
