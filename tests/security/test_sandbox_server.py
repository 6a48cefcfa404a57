"""The sandbox speaks to this machine alone: not to the network, and not to web pages that give it another name."""

import http.client
from urllib.parse import urlsplit

import pytest

from infra.sandbox.behaviour import Durations
from tests.servers import serving

pytestmark = pytest.mark.real_time


def status(url: str, host: str | None, path: str = "/_sandbox/journal") -> int:
    parts = urlsplit(url)
    assert parts.hostname is not None
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)
    connection.putrequest("GET", path, skip_host=True)
    if host is not None:
        connection.putheader("Host", host)
    connection.endheaders()
    found = connection.getresponse().status
    connection.close()
    return found


def test_security_the_sandbox_binds_to_loopback_and_answers_to_no_other_name():
    with serving(Durations()) as server:
        parts = urlsplit(server.url)
        assert parts.hostname == "127.0.0.1"
        mine = ("127.0.0.1", f"127.0.0.1:{parts.port}", "localhost", f"LOCALHOST:{parts.port}", f"[::1]:{parts.port}")
        evil = [
            "evil.example.com",
            "127.0.0.1.evil.example.com",
            "localhost.evil.example.com",
            "127.0.0.1@evil.example.com",
        ]
        theirs = (*evil, f"{evil[0]}:{parts.port}", f"{evil[0]}#localhost", "[::2]", "[", "", None)
        assert [status(server.url, host) for host in mine] == [200] * len(mine)
        for path in ("/_sandbox/journal", "/consent?request_uri=x", "/gateways/"):
            assert {
                host: status(server.url, host, path) for host in theirs if status(server.url, host, path) < 400
            } == {}
