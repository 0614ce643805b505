"""Live sessions over loopback: the same as mocked ones, paced exactly, and never hanging."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import pickle
import socket
import threading
import time
from itertools import groupby, pairwise

import pytest
from live_servers import QUICK, ToneServer, serving, undisturbed
from sessions import spoken_script, tone_stage

from realtime_lab import background
from realtime_lab.analysis.rows.session import session_rows
from realtime_lab.config import ServerVad, SessionConfig
from realtime_lab.errors import ConfigError
from realtime_lab.protocol import check_order, event_type
from realtime_lab.protocol import events as ev
from realtime_lab.recording import recording_from_bytes, recording_to_bytes
from realtime_lab.server.engine.engine import Engine
from realtime_lab.session import azure, mocked, openai, run_session
from realtime_lab.session.live.session import LiveConnection
from realtime_lab.session.live.wire import Wire, open_wire
from realtime_lab.session.targets import live

SHORT = ((0, 10),)
HELD = ((0, 6), (15, 21))
CANARY = "CANARY-7b1f"


def config(silence_ms=200, **more):
    return SessionConfig(model="gpt-realtime", turn_detection=ServerVad(silence_duration_ms=silence_ms), **more)


def local(server, **options):
    return live(server.url, **{"api_key_env": None, **options})


def story(recording):
    """Per response or item, in order, every event's type and everything that counts audio."""
    lines = []
    for entry in recording.events:
        event = entry.event
        owner = getattr(event, "response_id", None) or getattr(event, "item_id", None)
        offsets = {name: getattr(event, name) for name in ("audio_start_ms", "audio_end_ms") if hasattr(event, name)}
        if isinstance(event, ev.ItemTruncate | ev.ItemTruncated):
            offsets = {}
        if isinstance(event, ev.AudioDelta):
            offsets = {"samples": event.delta.samples, "audible": event.delta.audible_sample}
        lines.append((entry.direction, event_type(event), owner, offsets))
    return lines


@pytest.mark.parametrize("sent_as", ["audio/pcm", "audio/pcmu"])
def test_a_live_session_is_the_mocked_one_of_the_same_seed(sent_as):
    """One script and seed, on the virtual clock and over a socket: same events in the same order, same offsets."""
    asked = config(input_format=sent_as, output_format=sent_as)
    script = spoken_script("hello there")
    stage = tone_stage(script, SHORT)
    with serving(ToneServer, seed=11) as server:
        over_socket = undisturbed(lambda: run_session(asked, script, local(server), seed=11, stage=stage))
    virtual = run_session(asked, script, mocked(QUICK), seed=11, stage=stage)
    assert over_socket.header.outcome == "complete"
    assert story(over_socket) == story(virtual)
    assert over_socket.reference == virtual.reference
    for name in ("requested", "timing", "script_hash", "reference_source"):
        assert getattr(over_socket.header, name) == getattr(virtual.header, name)


def test_every_turn_of_a_long_script_hears_the_same_relative_to_its_own_start():
    script = spoken_script("one two", "three", "four five", gap_ms=300.0)
    stage = tone_stage(script, HELD, SHORT, HELD)
    with serving(ToneServer, seed=4) as server:
        over_socket = undisturbed(lambda: run_session(config(200), script, local(server), seed=4, stage=stage))
    virtual = run_session(config(200), script, mocked(QUICK), seed=4, stage=stage)

    def by_turn(recording):
        rows = session_rows(recording).turns
        return [(row["outcome"], row["n_cuts"], row["n_responses"], row["endpoint_delay_ms"]) for row in rows]

    assert by_turn(over_socket) == by_turn(virtual)
    kinds = [line[1] for line in story(over_socket) if line[1].startswith("input_audio")]
    assert kinds == [line[1] for line in story(virtual) if line[1].startswith("input_audio")]
    assert check_order(over_socket.server_events()) == []


def test_appends_keep_absolute_deadlines_and_every_send_time_is_logged():
    script = spoken_script("hello")
    with serving(ToneServer) as server:
        recording = run_session(config(), script, local(server), stage=tone_stage(script, SHORT), frame_ms=20.0)
    sent = [at for run in recording.appends for at in run.sent_ms]
    assert sent == sorted(sent)
    assert sum(run.samples for run in recording.appends) == recording.audio_ms * 24
    for before, after in pairwise(recording.appends):
        assert before.end_ms == after.start_ms
    frames = [at for at, _ in groupby(sent)]
    assert len(frames) == recording.audio_ms / 20
    lateness = [at - 20.0 * (number + 1) for number, at in enumerate(frames)]
    assert min(lateness) >= 0
    assert recording.header.pacing_error_ms <= max(lateness) <= recording.header.loop_lag_ms + 5
    middle = len(frames) // 2 * 20.0
    assert recording.sent_at(middle) == frames[len(frames) // 2 - 1]


def test_a_session_that_is_over_is_freed_on_both_sides_without_the_collector():
    """Each holds a detector, audio and its log: a thousand that refer to themselves would be gigabytes."""
    script = spoken_script("hello")
    stage = tone_stage(script, SHORT)
    gc.collect()
    gc.disable()
    try:
        with serving(ToneServer) as server:
            assert run_session(config(), script, local(server), stage=stage).header.outcome == "complete"
        left = [type(one) for one in gc.get_objects() if type(one) in (Engine, LiveConnection, Wire)]
    finally:
        gc.enable()
    assert left == []


def test_a_recording_of_a_live_session_holds_no_audio_and_round_trips():
    script = spoken_script("hello")
    with serving(ToneServer) as server:
        recording = run_session(config(), script, local(server), stage=tone_stage(script, SHORT))
    data = recording_to_bytes(recording)
    assert recording_from_bytes(data) == recording
    assert len(data) < 30_000
    deltas = [entry.event.delta for entry in recording.events if isinstance(entry.event, ev.AudioDelta)]
    assert len({delta.sha256 for delta in deltas}) == 1
    assert [delta.offset_samples for delta in deltas] == [6000 * number for number in range(len(deltas))]


def test_a_row_of_a_live_turn_has_its_latencies():
    script = spoken_script("hello")
    with serving(ToneServer) as server:
        recording = run_session(config(), script, local(server), stage=tone_stage(script, SHORT))
    (row,) = session_rows(recording).turns
    assert row["outcome"] == "answered"
    assert 200 <= row["endpoint_latency_ms"] < row["first_byte_latency_ms"] <= row["response_latency_ms"] < 1500


def test_a_text_session_and_a_session_without_turn_detection_work_live():
    script = spoken_script("one", "two", gap_ms=100.0)
    asked = SessionConfig(model="gpt-realtime", turn_detection=None, output_modalities=["text"])
    with serving(ToneServer) as server:
        recording = run_session(asked, script, local(server), stage=tone_stage(script, SHORT, SHORT))
    assert [row["outcome"] for row in session_rows(recording).turns] == ["answered", "answered"]


def test_a_fixed_script_is_played_as_it_was():
    script = spoken_script("one", "two")
    object.__setattr__(script, "timing", "fixed")
    stage = tone_stage(script, SHORT, SHORT)
    with serving(ToneServer, seed=2) as server:
        over_socket = undisturbed(lambda: run_session(config(), script, local(server), seed=2, stage=stage))
    virtual = run_session(config(), script, mocked(QUICK), seed=2, stage=stage)
    assert story(over_socket) == story(virtual)


def test_a_refused_configuration_fails_with_the_same_words_as_mocked():
    script = spoken_script("one")
    stage = tone_stage(script, SHORT)
    remote = SessionConfig(model="gpt-realtime", tools=[{"type": "mcp", "server_label": "files"}])
    with serving(ToneServer) as server:
        over_socket = run_session(remote, script, local(server), stage=stage)
    virtual = run_session(remote, script, mocked(), stage=stage)
    assert over_socket.header.failure == virtual.header.failure
    assert (over_socket.header.fault, over_socket.header.connections) == ("config_refused", 1)


def test_nothing_listening_is_refused_by_name_after_three_tries(monkeypatch):
    monkeypatch.setattr("realtime_lab.session.live.run._FIRST_WAIT_S", 0.01)
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        target = live(f"http://127.0.0.1:{held.getsockname()[1]}/v1", api_key_env=None)
        script = spoken_script("one")
        recording = run_session(config(), script, target, stage=tone_stage(script, SHORT))
    header = recording.header
    assert (header.outcome, header.fault, header.connections) == ("failed", "refused", 3)
    assert recording.events == () and recording.appends == ()


def test_a_wrong_key_is_fatal_after_one_connection_and_appears_nowhere(monkeypatch, caplog):
    caplog.set_level("DEBUG")
    monkeypatch.setenv("SOME_KEY", CANARY + "\n")
    script = spoken_script("one")
    with serving(ToneServer, key="another") as server:
        target = local(server, api_key_env="SOME_KEY")
        recording = run_session(config(), script, target, stage=tone_stage(script, SHORT))
        assert server.sessions == 1
    assert (recording.header.fault, recording.header.connections) == ("invalid_key", 1)
    for text in (repr(target), str(recording), recording_to_bytes(recording).decode(), caplog.text):
        assert CANARY not in text


@pytest.mark.parametrize("header", ["authorization", "api-key"])
def test_the_key_is_read_from_its_variable_when_connecting(monkeypatch, header):
    monkeypatch.setenv("SOME_KEY", CANARY)
    script = spoken_script("one")
    with serving(ToneServer, key=CANARY) as server:
        target = local(server, api_key_env="SOME_KEY")
        object.__setattr__(target, "key_header", header)
        recording = run_session(config(), script, target, stage=tone_stage(script, SHORT))
    assert recording.header.outcome == "complete"
    assert CANARY.encode() not in recording_to_bytes(recording)


@pytest.mark.parametrize("value", ["", "  \n", f"{CANARY} two words", f"{CANARY}\nsecond line", f"{CANARY}é"])
def test_a_key_that_cannot_be_sent_is_named_by_its_variable_and_not_shown(monkeypatch, value):
    monkeypatch.setenv("SOME_KEY", value)
    with pytest.raises(ConfigError, match="SOME_KEY") as caught:
        run_session(config(), spoken_script("one"), live("http://127.0.0.1:1/v1", api_key_env="SOME_KEY"))
    assert CANARY not in str(caught.value)


def test_targets_are_values_that_name_their_service_and_travel():
    for target, name in (
        (openai(), "openai:api.openai.com"),
        (azure("https://me.openai.azure.com/", "deployed"), "azure:me.openai.azure.com"),
        (live("https://example.com/v1"), "live:example.com"),
    ):
        assert target.name == name
        assert pickle.loads(pickle.dumps(target)) == target and hash(target)
    assert openai().paid and azure("https://a.openai.azure.com", "d").paid and not live("https://example.com/v1").paid
    assert live("https://api.openai.com/v1").paid
    azures = azure("https://me.openai.azure.com", "deployed").socket_url("ignored")
    assert azures == "wss://me.openai.azure.com/openai/v1/realtime?model=deployed"
    assert openai().socket_url("gpt realtime") == "wss://api.openai.com/v1/realtime?model=gpt+realtime"


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("nowhere", {}),
        ("ftp://example.com/v1", {}),
        ("http://example.com/v1", {}),
        ("https://user:pass@example.com/v1", {}),
        ("https://example.com/v1?api-key=1", {}),
        ("https://exa mple.com/v1", {}),
        ("https://[bad/v1", {}),
        ("https://example.com:99999/v1", {}),
        ("https://example.com/v1", {"headers": {"Authorization": "Bearer CANARY"}}),
        ("https://example.com/v1", {"headers": {"X-A": "a\r\nB: CANARY"}}),
        ("https://example.com/v1", {"headers": {"X A": "b"}}),
        ("https://example.com/v1", {"dialect": "xml"}),
        ("https://example.com/v1", {"sessions": 0}),
        ("https://example.com/v1", {"stall_s": 0}),
    ],
)
def test_a_target_that_cannot_be_used_is_refused_at_once_and_shows_no_secret(url, options):
    with pytest.raises(ConfigError) as caught:
        live(url, **options)
    assert "CANARY" not in str(caught.value) and "pass" not in str(caught.value).replace("password", "")


def test_a_proxy_in_the_environment_is_not_asked(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    script = spoken_script("one")
    with serving(ToneServer) as server:
        recording = run_session(config(), script, local(server), stage=tone_stage(script, SHORT))
    assert recording.header.outcome == "complete"


def test_a_blocked_loop_is_flagged_as_tainted():
    """Something holds the loop for 120 ms while the session runs."""

    async def hog():
        time.sleep(0.12)  # noqa: ASYNC251

    script = spoken_script("one")
    stage = tone_stage(script, SHORT)
    with serving(ToneServer) as server:
        timer = threading.Timer(0.5, lambda: background.submit(hog()))
        timer.start()
        recording = run_session(config(), script, local(server), stage=stage)
        timer.join()
    assert recording.header.tainted
    assert recording.header.loop_lag_ms >= 50
    assert recording.header.error_bound_ms >= 50


OPENED = {"group_id": "opened"}


class TracedServer(ToneServer):
    """Opens every session with tracing that is on."""

    def session(self, reader, writer, engine, request):
        engine.settings.effective["tracing"] = OPENED
        return super().session(reader, writer, engine, request)


def test_a_change_of_tracing_that_is_on_is_refused_before_it_is_sent():
    script = spoken_script("one")
    with serving(TracedServer) as server:
        recording = run_session(
            config(tracing={"group_id": "other"}), script, local(server), stage=tone_stage(script, SHORT)
        )
    assert (recording.header.fault, recording.header.connections) == ("config_refused", 1)
    assert "tracing cannot be changed once it is on" in recording.header.failure
    assert not [entry for entry in recording.events if isinstance(entry.event, ev.SessionUpdate)]


@pytest.mark.parametrize("asked", [{}, {"tracing": OPENED}])
def test_tracing_that_a_session_was_opened_with_is_not_sent_again(asked):
    script = spoken_script("one")
    with serving(TracedServer) as server:
        recording = run_session(config(**asked), script, local(server), stage=tone_stage(script, SHORT))
    assert recording.header.outcome == "complete"
    (update,) = (entry.event for entry in recording.events if isinstance(entry.event, ev.SessionUpdate))
    assert "tracing" not in update.session
    assert recording.header.effective["tracing"] == OPENED


@pytest.mark.parametrize("last_words", [b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n", b""])
def test_a_session_given_up_in_its_handshake_leaves_no_socket_and_no_complaint(last_words):
    """Cancelled while the server thinks about it; what it says then, a refusal or a reset, is nobody's to hear."""
    complaints = []

    async def thoughtful(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        await given_up.wait()
        writer.write(last_words)
        if not last_words:
            writer.transport.abort()
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
        writer.close()
        left.set()

    async def scenario():
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context["message"]))
        async with await asyncio.start_server(thoughtful, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            opening = asyncio.create_task(open_wire(f"ws://127.0.0.1:{port}/", [], print, print))
            await asked.wait()
            opening.cancel()
            await asyncio.gather(opening, return_exceptions=True)
            given_up.set()
            async with asyncio.timeout(5):
                await left.wait()
        del opening
        gc.collect()
        await asyncio.sleep(0)

    asked, given_up, left = asyncio.Event(), asyncio.Event(), asyncio.Event()
    asyncio.run(scenario())
    assert complaints == []
