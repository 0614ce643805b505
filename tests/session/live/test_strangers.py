"""Servers that mean harm, as the client meets them over raw sockets: the key comes back, or an answer never ends."""

from __future__ import annotations

import base64
import gzip
import json
import socket
import threading
import time
import traceback

import pytest

import realtime_lab as rl
from realtime_lab.errors import RemoteError
from realtime_lab.session.live import secrets
from realtime_lab.session.live.secrets import create_client_secret

KEY = "CANARY4b7f/no+prefix=that-gives-it-away"
CONFIG = rl.SessionConfig(model="gpt-realtime")


class RawServer:
    """Reads a request's head and does with the connection what it is told, on a thread of its own."""

    def __init__(self, act):
        self._act, self._listener = act, socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/v1"
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._listener.close()
        self._thread.join(5)

    def _serve(self):
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return
        with connection:
            connection.settimeout(5)
            try:
                while b"\r\n\r\n" not in connection.recv(65536):
                    pass
                self._act(connection)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65536):  # else the unread rest of the request would reset the connection
                    pass
            except OSError:
                pass  # the client has gone, as it should


def _send(*parts):
    return lambda connection: [connection.sendall(part) for part in parts]


def _reply(status, body, *head):
    lines = [f"HTTP/1.1 {status} X", *head, f"Content-Length: {len(body)}", "", ""]
    return _send("\r\n".join(lines).encode() + body)


def _drip(connection):
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while True:
        connection.sendall(b"a")
        time.sleep(0.02)


def _drip_head(connection):
    connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
    while True:
        connection.sendall(b"a")
        time.sleep(0.02)


def _endless(connection):
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        connection.sendall(b"100000\r\n" + b"a" * 0x100000 + b"\r\n")


def _failed(act, monkeypatch, timeout_s=0.5):
    monkeypatch.setenv("SOME_KEY", KEY)
    monkeypatch.setattr(secrets, "TIMEOUT_S", timeout_s)
    with RawServer(act) as server, pytest.raises(RemoteError) as caught:
        create_client_secret(rl.live(server.url, api_key_env="SOME_KEY"), CONFIG)
    return caught.value


@pytest.mark.parametrize("act", [_drip, _drip_head], ids=["body", "head"])
def test_an_answer_that_drips_ends_at_the_deadline(act, monkeypatch):
    assert _failed(act, monkeypatch).code == "timeout"


@pytest.mark.parametrize(
    "act",
    [_endless, _reply(200, gzip.compress(b"a" * 100_000_000), "Content-Encoding: gzip"), _reply(200, b"[" * 3_000_000)],
    ids=["endless", "packed", "deep"],
)
def test_an_answer_beyond_its_bound_is_unreadable(act, monkeypatch):
    assert _failed(act, monkeypatch, 20).code == "unreadable_answer"


_ESCAPED = "".join(f"\\u{ord(letter):04x}" for letter in KEY)
_SAID = {
    "status line": _send(f"HTTP/1.1 {KEY} hello\r\n\r\n".encode()),
    "header line": _send(f"HTTP/1.1 200 OK\r\n{KEY}\r\n\r\n".encode()),
    "escaped": _reply(401, f'{{"error": {{"message": "k {_ESCAPED}", "code": "{_ESCAPED}"}}}}'.encode()),
    "base64": _reply(401, json.dumps({"error": {"message": base64.b64encode(KEY.encode()).decode()}}).encode()),
    "request id": _reply(401, b"{}", f"x-request-id: {KEY}"),
    "cut": _reply(401, json.dumps({"error": {"message": "x" * 480 + KEY}}).encode()),
}


@pytest.mark.parametrize("act", _SAID.values(), ids=_SAID)
def test_what_a_rest_answer_says_holds_no_key(act, monkeypatch):
    error = _failed(act, monkeypatch, 20)
    told = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    for shown in (told, repr(vars(error))):
        assert KEY[:12] not in shown and base64.b64encode(KEY.encode())[:16].decode() not in shown


@pytest.mark.parametrize("padding", [250, 270, 290, 299, 480])
@pytest.mark.parametrize("form", [KEY, KEY.replace("/", "\\/"), base64.b64encode(KEY.encode()).decode()])
def test_a_refused_handshake_is_cut_after_it_was_scrubbed(padding, form, monkeypatch):
    monkeypatch.setenv("SOME_KEY", KEY)
    with RawServer(_reply(401, b"<html>" + b"x" * padding + form.encode())) as server:
        recording = rl.run_session(CONFIG, rl.load_scripts("orders")[0], rl.live(server.url, api_key_env="SOME_KEY"))
    assert recording.header.fault == "handshake_401"
    assert KEY[:8] not in recording.header.failure and form[:8] not in recording.header.failure
