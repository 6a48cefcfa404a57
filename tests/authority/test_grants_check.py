"""`grants check`: what a submitter may request of a document's stack, and which references no grant allows."""

import json
from subprocess import CompletedProcess
from typing import Any

import pytest
import yaml

from tests.documents import small_stack
from workflows.document.naming import CATEGORIES

pytestmark = pytest.mark.real_time

SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:ledger/oauth-AbCdEf"
GRANTS = {
    "version": 1,
    "grants": [
        {"name": "payments", "submitters": [{"source": "a.b"}], "stacks": ["payments.*"], "requests": ["provision"],
         "mayName": {**{name: ["*"] for name in CATEGORIES}, "secrets": ["payments/*"]}},
    ],
}  # fmt: skip


@pytest.fixture
def check(tmp_path, commands):
    """Write grants and a document, and return the function that checks a submitter of them."""
    (tmp_path / "grants.yaml").write_text(yaml.safe_dump(GRANTS))

    def run(submitter: str, document: dict[str, Any], *more: str) -> CompletedProcess[str]:
        (tmp_path / "stack.yaml").write_text(json.dumps(document))
        arguments = ["grants", "check", str(tmp_path / "stack.yaml"), "--as", submitter, *more]
        grants = ["--grants", str(tmp_path / "grants.yaml")]
        done: CompletedProcess[str] = commands.run([*arguments, *grants], {"HOME": str(tmp_path)})
        return done

    return run


def referring(secret: str) -> dict[str, Any]:
    """Return a document whose credential provider refers to a secret."""
    document = small_stack(1)
    document["oauth2CredentialProviders"]["ledger"] = {
        "credentialProviderVendor": "GithubOauth2",
        "oauth2ProviderConfigInput": {
            "githubOauth2ProviderConfig": {
                "clientId": "client", "clientSecretSource": "EXTERNAL",
                "clientSecretConfig": {"secretId": secret, "jsonKey": "key"},
            }
        },
    }  # fmt: skip
    return document


def test_a_reference_without_a_grant_is_named_by_path_and_value(check):
    done = check("source=a.b,account=123456789012", referring(SECRET))
    assert done.returncode == 1
    (line,) = [one for one in done.stderr.splitlines() if "secrets" in one]
    assert line.startswith("oauth2CredentialProviders.ledger")
    assert SECRET in line
    shown = json.loads(check("source=a.b,account=123456789012", referring(SECRET), "--json").stdout)
    assert [one["refersTo"] for one in shown["problems"]] == [SECRET]
    assert (shown["account"], shown["requests"]["provision"], shown["requests"]["remove"]) == (
        "123456789012", True, False,
    )  # fmt: skip


def test_the_account_that_is_filled_in_is_told(check):
    done = check("source=a.b", small_stack(1))
    assert "checked as account 000000000000" in done.stderr
    assert "no account" not in check("source=a.b,account=123456789012", small_stack(1)).stderr


def test_a_submitter_without_a_grant_is_refused(check):
    done = check("source=c.d,account=123456789012", small_stack(1))
    assert done.returncode == 1
    assert "allowed" not in done.stdout


@pytest.mark.parametrize("submitter", ["a.b", "source=a.b,queue=q", "queue=q", "source=", "colour=red"])
def test_a_submitter_of_another_form_is_a_usage_error(check, submitter):
    assert check(submitter, small_stack(1)).returncode == 2
