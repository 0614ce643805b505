"""The two REST endpoints: against the local server, and against answers no service should give."""

from __future__ import annotations

import logging
import pickle
import traceback
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
from live_servers import serving

from realtime_lab.config import ServerVad, SessionConfig
from realtime_lab.errors import RemoteError
from realtime_lab.session.live.secrets import create_client_secret, create_session
from realtime_lab.session.targets import live

CANARY = "sk-CANARY-91f2c7"
CONFIG = SessionConfig(model="gpt-realtime", turn_detection=ServerVad(silence_duration_ms=321))


@pytest.mark.parametrize("create", [create_client_secret, create_session])
def test_a_secret_comes_with_its_session_and_shows_nothing(create):
    with serving() as server:
        made = create(live(server.url, api_key_env=None), CONFIG)
    assert made.value.reveal().startswith("ek_")
    assert made.session.config.get("silence_duration_ms") == 321
    assert "ek_" not in repr(made) + str(made.value)
    with pytest.raises(TypeError, match="never pickled"):
        pickle.dumps(made)


def test_a_secret_near_its_end_says_so():
    with serving() as server:
        made = create_client_secret(live(server.url, api_key_env=None), CONFIG, seconds=60)
    assert not made.near_expiry(made.expires_at - 40)
    assert made.near_expiry(made.expires_at - 20)
    assert not made.near_expiry()


def test_a_refusal_is_told_with_status_code_and_parameter():
    with serving() as server, pytest.raises(RemoteError, match="expires_after") as caught:
        create_client_secret(live(server.url, api_key_env=None), CONFIG, seconds=1)
    assert (caught.value.status, caught.value.code) == (400, "invalid_value")
    assert caught.value.param == "expires_after.seconds"


def test_nobody_there_is_unreachable():
    with pytest.raises(RemoteError, match="cannot be reached") as caught:
        create_session(live("http://127.0.0.1:1/v1", api_key_env=None), CONFIG)
    assert (caught.value.code, caught.value.__context__, caught.value.__cause__) == ("unreachable", None, None)


@contextmanager
def answering(status, body, headers=()):
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            key = self.headers.get("Authorization", "") + self.headers.get("api-key", "")
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            for name, value in headers:
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body.replace(b"KEY", key.encode()))

        def log_message(self, *args):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, b'{"error": {"message": "Incorrect API key provided: KEY", "code": "invalid_api_key"}}'),
        (500, b"<html>KEY</html>"),
        (503, b""),
        (200, b"KEY"),
        (200, b"[]"),
        (200, b"{}"),
        (200, b'{"value": "KEY", "session": 3}'),
        (200, b'{"value": "", "session": {}}'),
        (400, b'{"error": "KEY"}'),
        (400, b'{"error": {"message": ["KEY"], "code": {"KEY": 1}, "param": "KEY"}}'),
        (400, b"[" * 100_000),
    ],
)
@pytest.mark.parametrize("header", ["authorization", "api-key"])
def test_the_key_appears_in_no_message_repr_cause_traceback_or_log(monkeypatch, caplog, status, body, header):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("SOME_KEY", CANARY)
    with answering(status, body, [("x-request-id", "req_7")]) as url:
        target = live(url, api_key_env="SOME_KEY")
        object.__setattr__(target, "key_header", header)
        with pytest.raises(RemoteError) as caught:
            create_client_secret(target, CONFIG)
    error = caught.value
    assert error.status == status
    assert error.request_id == ("req_7" if status != 200 else None)
    shown = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    for text in (shown, str(error), repr(vars(error)), caplog.text, repr(error.__context__), repr(error.__cause__)):
        assert CANARY not in text
