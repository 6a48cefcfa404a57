"""What needs a local cloud of its own: one process has one at a time."""

import os
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from tests.localcloud.cloud import Cloud
from tests.localcloud.translate import translate

pytestmark = [pytest.mark.real_time, pytest.mark.xdist_group("localcloud")]


@pytest.fixture
def refusing():
    """A server that refuses whatever is posted: its address, and the signatures it was sent."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            asked.append(self.headers["Authorization"])
            self.send_error(403)

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()
        thread.join()


def test_a_service_has_another_address(template, refusing):
    address, asked = refusing
    with Cloud(translate(template), cache=template.parent / "cache", endpoints={"STS": address}) as cloud:
        assert cloud.invoke("Step", {"name": "everything"}).failed
        operations = {one.operation for one in cloud.requests("Step")}
    (authorization,) = asked
    assert "Credential=AKIASTEP/" in authorization
    assert "GetSecretValue" in operations
    assert "GetCallerIdentity" not in operations


def test_clouds_follow_one_another_and_leave_nothing(template):
    for _ in range(2):
        with Cloud(translate(template), cache=template.parent / "cache") as cloud:
            assert (cloud.executions("Machine"), cloud.events_seen(), cloud.logs("Step")) == ([], [], "")
            cloud.put_event("toy", "Requested", {"name": "again", "rounds": 0}, "Bus")
            cloud.wait_until(lambda: [one for one in cloud.events_seen() if one.source == "toy.machine"], 25)
            pids = [one._process.pid for one in cloud.pool._running["Step"] + cloud.pool._running["Worker"]]
            assert len(pids) >= 2
        for pid in pids:
            with pytest.raises(ProcessLookupError):
                os.kill(pid, 0)
