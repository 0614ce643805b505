"""The server behind its socket: a small WebSocket client and plain HTTP against it, over loopback."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress

import httpx
import numpy as np
import plugs
import pytest
from live_servers import append_all, client, receive_until, send, serving, spoken_pcm
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.protocol import State

from realtime_lab.audio.vad import FrameVad
from realtime_lab.config import SessionConfig
from realtime_lab.protocol import check_order, decode_server
from realtime_lab.server.serving.serve import SocketSession
from realtime_lab.server.serving.shared_vad import SharedProbabilities, SharedVad

SESSION = {"type": "realtime", "audio": {"input": {"turn_detection": {"type": "server_vad"}}}}


@pytest.fixture(scope="module")
def server():
    with serving() as running:
        yield running


def kinds(events):
    return [event["type"] for event in events]


def test_a_voice_turn_is_heard_and_answered_in_the_documented_order(server):
    with client(server) as socket:
        send(socket, "session.update", session=SESSION)
        events = receive_until(socket, "session.updated")
        append_all(socket, spoken_pcm())
        events += receive_until(socket, "response.done")
    seen = kinds(events)
    for kind in ("speech_started", "speech_stopped", "committed"):
        assert f"input_audio_buffer.{kind}" in seen
    assert "response.output_audio.delta" in seen
    assert check_order([decode_server(json.dumps(event)) for event in events]) == []
    audio = [event["delta"] for event in events if event["type"] == "response.output_audio.delta"]
    assert sum(len(base64.b64decode(delta)) for delta in audio) > 4800


def test_a_text_turn_is_answered_with_text(server):
    with client(server) as socket:
        send(socket, "session.update", session={"type": "realtime", "output_modalities": ["text"]})
        content = [{"type": "input_text", "text": "hello"}]
        send(socket, "conversation.item.create", item={"type": "message", "role": "user", "content": content})
        send(socket, "response.create")
        events = receive_until(socket, "response.done")
    assert "response.output_text.delta" in kinds(events)
    assert events[-1]["response"]["status"] == "completed"


def test_g711_comes_back_as_g711(server):
    pcmu = {"type": "audio/pcmu"}
    with client(server) as socket:
        send(socket, "session.update", session={"type": "realtime", "audio": {"output": {"format": pcmu}}})
        send(socket, "response.create")
        events = receive_until(socket, "response.output_audio.delta")
    assert len(base64.b64decode(events[-1]["delta"])) == 8 * 250


@pytest.mark.parametrize("headers", [{"Host": "example.com"}, {"Origin": "https://example.com"}])
def test_other_hosts_and_pages_are_refused(server, headers):
    reply = httpx.post(f"{server.url}/realtime/client_secrets", json={}, headers=headers, trust_env=False)
    assert (reply.status_code, reply.json()["error"]["code"][:8]) == (403, "foreign_")


def test_a_foreign_page_gets_no_websocket(server):
    with pytest.raises(InvalidStatus) as caught, client(server, additional_headers={"Origin": "https://example.com"}):
        pass
    assert caught.value.response.status_code == 403


def test_a_page_of_this_machine_may_come_in(server):
    with client(server, additional_headers={"Origin": "http://localhost:8888"}) as socket:
        assert kinds(receive_until(socket, "session.created")) == ["session.created"]


def test_a_wrong_key_is_let_in_and_closed_with_3000():
    with serving(key="right") as server:
        with client(server, additional_headers={"Authorization": "Bearer wrong"}) as socket:
            with pytest.raises(ConnectionClosed) as caught:
                socket.recv(timeout=5)
            assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (
                3000,
                "invalid_request_error.invalid_api_key",
            )
        for header in ({"Authorization": "Bearer right"}, {"api-key": "right"}):
            with client(server, additional_headers=header) as socket:
                receive_until(socket, "session.created")
        assert "right" not in repr(server)


def test_the_beta_header_gets_an_error_frame_and_close_4000(server):
    with client(server, additional_headers={"OpenAI-Beta": "realtime=v1"}) as socket:
        (event,) = receive_until(socket, "error")
        with pytest.raises(ConnectionClosed) as caught:
            socket.recv(timeout=5)
    assert event["error"]["code"] == "beta_api_shape_disabled"
    assert caught.value.rcvd.code == 4000


FLAT = {
    "modalities": ["text", "audio"],
    "voice": "alloy",
    "input_audio_format": "pcm16",
    "output_audio_format": "pcm16",
    "input_audio_transcription": {"model": "whisper-1"},
    "input_audio_noise_reduction": {"type": "near_field"},
    "turn_detection": {"type": "server_vad", "silence_duration_ms": 300},
    "max_response_output_tokens": 128,
}
"""A session as the beta's clients, and those of many other services, ask for it."""


@pytest.mark.parametrize("name", FLAT)
def test_each_flat_name_is_refused_with_todays_name_for_it_and_changes_nothing(server, name):
    with client(server) as socket:
        before = receive_until(socket, "session.created")[-1]["session"]
        send(socket, "session.update", event_id="mine", session={"type": "realtime", name: FLAT[name]})
        error = receive_until(socket, "error")[-1]["error"]
        assert (error["code"], error["param"], error["event_id"]) == ("unknown_parameter", f"session.{name}", "mine")
        today = SessionConfig.from_wire({name: FLAT[name]}).to_wire("ga")
        place = error["message"].partition("Today it is 'session.")[2].partition("'")[0]
        for step in place.split("."):
            today = today[step]
        assert today is not None
        send(socket, "session.update", session={"type": "realtime"})
        assert receive_until(socket, "session.updated")[-1]["session"] == before


def test_a_client_of_the_beta_is_told_what_is_wrong_and_can_go_on(server):
    """As many generic clients: no type, flat names, and then speech all the same."""
    with client(server) as socket:
        send(socket, "session.update", session=FLAT)
        assert receive_until(socket, "error")[-1]["error"]["param"] == "session.type"
        send(socket, "session.update", session=SESSION)
        receive_until(socket, "session.updated")
        append_all(socket, spoken_pcm())
        assert receive_until(socket, "response.done")[-1]["response"]["status"] == "completed"


def test_semantic_turns_behind_the_socket_wait_for_the_plugged_estimate():
    """No recogniser is there: without the estimate semantic_vad is refused, with it the turn ends."""
    semantic = {"type": "realtime", "audio": {"input": {"turn_detection": {"type": "semantic_vad"}}}}
    with serving(transcriber="simulated") as server, client(server) as socket:
        send(socket, "session.update", session=semantic)
        assert "turn_detection.type" in receive_until(socket, "error")[-1]["error"]["param"]
    with serving(transcriber="simulated", end_of_turn=plugs.Sure) as server, client(server) as socket:
        send(socket, "session.update", session=semantic)
        receive_until(socket, "session.updated")
        append_all(socket, spoken_pcm())
        assert "input_audio_buffer.speech_stopped" in kinds(receive_until(socket, "response.done"))


def test_the_command_imports_an_estimate_from_where_it_is_called(tmp_path):
    (tmp_path / "mine.py").write_text("class Sure:\n    name = 'sure'\n    def __init__(self, heard): pass\n")
    for name, code in (("mine:Sure", 0), ("mine:Nobody", 3), ("nowhere", 3)):
        command = [sys.executable, "-m", "realtime_lab.cli", "serve", "--port", "0", "--end-of-turn", name]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path
        ) as process:
            if code == 0:
                assert "base URL" in process.stdout.readline()
                process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=30)
        assert process.returncode == code and ("end_of_turn" in err) == (code == 3)


def post(server, path, **options):
    return httpx.post(f"{server.url}/realtime/{path}", trust_env=False, **options)


def test_client_secrets_answer_with_a_secret_and_the_whole_session(server):
    body = {"expires_after": {"anchor": "created_at", "seconds": 60}, "session": {"model": "m", "audio": {}}}
    reply = post(server, "client_secrets", json=body).json()
    assert reply["value"].startswith("ek_")
    assert reply["session"]["model"] == "m" and reply["session"]["audio"]["input"]["turn_detection"]


def test_sessions_answers_in_the_older_shape_with_turn_detection_in_both_places(server):
    detection = {"type": "server_vad", "silence_duration_ms": 321}
    reply = post(server, "sessions", json={"model": "m", "turn_detection": detection}).json()
    assert reply["object"] == "realtime.session" and "type" not in reply
    assert reply["turn_detection"]["silence_duration_ms"] == 321
    assert reply["audio"]["input"]["turn_detection"] == reply["turn_detection"]


@pytest.mark.parametrize(
    ("path", "content", "status", "param"),
    [
        ("client_secrets", b"{", 400, None),
        ("client_secrets", b"[]", 400, None),
        ("client_secrets", b"\xff\0", 400, None),
        ("client_secrets", b"[" * 100_000, 400, None),
        ("client_secrets", b'{"session": 3}', 400, "session"),
        ("client_secrets", b'{"session": {"audio": {"input": null}}}', None, None),
        ("client_secrets", b'{"expires_after": {"seconds": 1}}', 400, "expires_after.seconds"),
        ("client_secrets", b'{"session": {"voices": 1}}', 400, "session.voices"),
        ("sessions", b'{"max_output_tokens": 0}', 400, "max_output_tokens"),
        ("elsewhere", b"{}", 404, None),
    ],
)
def test_a_bad_request_is_named_in_the_services_error_shape(server, path, content, status, param):
    reply = post(server, path, content=content)
    assert reply.status_code in ((status,) if status else (200, 400))
    if status:
        assert reply.json()["error"]["param"] == param


def test_get_is_not_allowed(server):
    assert httpx.get(f"{server.url}/realtime/sessions", trust_env=False).status_code == 405


ODD_FRAMES = {
    "binary": b"\x00\x01\x02",
    "broken JSON": '{"type": "session.upd',
    "no object": "[1, 2]",
    "no type": "{}",
    "unknown type": '{"type": "session.explode"}',
    "a server's event": '{"type": "session.created", "session": {}}',
    "huge": json.dumps({"type": "x" * 2_000_000}),
    "deep": '{"type": "session.update", "session": ' + '{"a":' * 50_000 + "1" + "}" * 50_001,
    "deep list": "[" * 100_000,
    "null-filled": json.dumps({"type": "session.update", "session": None}),
    "null audio": json.dumps({"type": "session.update", "session": {"type": "realtime", "audio": None}}),
    "null input": json.dumps({"type": "session.update", "session": {"type": "realtime", "audio": {"input": None}}}),
    "null item": json.dumps({"type": "conversation.item.create", "item": None}),
    "no modalities": json.dumps({"type": "response.create", "response": {"output_modalities": []}}),
    "odd limit": json.dumps({"type": "response.create", "response": {"max_output_tokens": {}}}),
    "audio no base64": json.dumps({"type": "input_audio_buffer.append", "audio": "***"}),
    "audio a number": json.dumps({"type": "input_audio_buffer.append", "audio": 7}),
    "lone surrogate": '{"type": "\\ud800"}',
}


@pytest.mark.parametrize("name", ODD_FRAMES)
def test_an_odd_frame_gets_a_named_error_and_leaves_the_session_open(server, name):
    with client(server) as socket:
        receive_until(socket, "session.created")
        socket.send(ODD_FRAMES[name])
        if name not in ("null audio", "null input"):
            error = receive_until(socket, "error")[-1]["error"]
            assert error["code"] and error["message"] and len(error["message"]) < 5_000
        send(socket, "input_audio_buffer.clear")
        assert receive_until(socket, "input_audio_buffer.cleared")


def test_a_frame_over_the_protocols_limit_closes_the_session_with_1009(server):
    with client(server, max_size=None) as socket:
        with suppress(ConnectionClosed):
            socket.send("x" * 24_000_000)
        with pytest.raises(ConnectionClosed) as caught:
            receive_until(socket, "never")
        assert caught.value.rcvd.code == 1009


def test_what_is_no_http_is_refused(server):
    import socket as plain

    with plain.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
        connection.sendall(b"\x16\x03\x01 hello\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 400")


def test_a_shared_detector_says_frame_by_frame_what_its_own_would():
    """Speech, digital silence, the first frame again, and a second session that hears part of it."""
    pcm = np.frombuffer(spoken_pcm(), np.int16)
    frames = [*pcm[: 768 * 60].reshape(-1, 768), *np.zeros((20, 768), np.int16), *pcm[: 768 * 30].reshape(-1, 768)]
    shared = SharedProbabilities()
    alone = FrameVad(24_000)
    expected = [alone.feed(frame) for frame in frames]
    for _ in range(2):
        vad = SharedVad(shared, 24_000)
        assert [vad.feed(frame) for frame in frames] == expected
    other = frames[:40] + frames[90:]
    alone, vad = FrameVad(24_000), SharedVad(shared, 24_000)
    assert [vad.feed(frame) for frame in other] == [alone.feed(frame) for frame in other]


def test_the_command_prints_its_address_and_ends_cleanly_on_an_interrupt():
    command = [sys.executable, "-m", "realtime_lab.cli", "serve", "--profile", "observed", "--key-env", "TEST_KEY"]
    environment = {**os.environ, "TEST_KEY": "CANARY-42"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        address = process.stdout.readline().split()[-1]
        options = {"json": {}, "trust_env": False, "headers": {"Authorization": "Bearer CANARY-42"}}
        reply = httpx.post(f"{address}/realtime/client_secrets", **options).json()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=10)
    assert reply["session"]["audio"]["input"]["turn_detection"]["silence_duration_ms"] == 200
    assert process.returncode == 0
    assert "CANARY" not in out + err and err == ""


def test_tracing_can_be_turned_on_once_and_then_stays():
    with serving() as server, client(server) as socket:
        receive_until(socket, "session.created")
        for tracing, answer in (
            ({"group_id": "a"}, "session.updated"),
            ({"group_id": "a"}, "session.updated"),
            ({"group_id": "b"}, "error"),
            (None, "error"),
            ("auto", "error"),
        ):
            send(socket, "session.update", session={"type": "realtime", "tracing": tracing})
            event = receive_until(socket, answer)[-1]
        assert event["error"]["param"] == "session.tracing" and "once it is on" in event["error"]["message"]
        send(socket, "session.update", session={"type": "realtime", "instructions": "go on"})
        assert receive_until(socket, "session.updated")[-1]["session"]["tracing"] == {"group_id": "a"}


def test_what_is_sent_to_a_client_that_is_gone_is_no_noise_in_the_log(caplog):
    async def send_to_nobody():
        here, there = socket.socketpair()
        reader, writer = await asyncio.open_connection(sock=here)
        session = SocketSession(reader, writer, engine=None, request=None, key=None)
        session._protocol.state = State.OPEN
        there.close()
        for _ in range(20):
            session._protocol.send_text(b"{}")
        with suppress(ConnectionError):
            await session._flush()
        writer.close()

    with caplog.at_level("WARNING", "asyncio"):
        asyncio.run(send_to_nobody())
    assert [record.getMessage() for record in caplog.records] == []


def test_a_message_in_very_many_fragments_ends_its_session_and_nobody_elses(server):
    with client(server) as good, client(server) as socket:
        with suppress(ConnectionClosed, ConnectionError):
            socket.send("a" for _ in range(20_000))
        with suppress(ConnectionClosed):
            for _ in range(10):
                socket.recv(timeout=10)
        assert socket.close_code == 1009
        send(good, "session.update", session=SESSION)
        assert receive_until(good, "session.updated")
