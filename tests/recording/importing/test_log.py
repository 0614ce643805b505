"""A session's log, written the way others write logs, gives the frames of the session itself; damage is only named."""

import base64
import gzip
import json
import warnings
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sessions import spoken_script, tone_stage

from realtime_lab.analysis import session_rows
from realtime_lab.audio import Clip, Interval, Script, Segment, Turn, read_audio
from realtime_lab.config import ServerVad, SessionConfig, Transcription
from realtime_lab.errors import ConfigError, RecordingError
from realtime_lab.protocol import AudioRef, UnknownEvent, event_to_builtins
from realtime_lab.protocol import events as ev
from realtime_lab.protocol.codec import FLAT_NAMES
from realtime_lab.recording import ReferenceTurn, import_recording, recording_to_bytes, save_recording
from realtime_lab.recording.importing.clip import appends_of, spoken_in
from realtime_lab.server.engine.responder import voice_piece
from realtime_lab.session import run_session

FLAT = {new: old for old, new in FLAT_NAMES.items()}
HELD = ((0, 30), (45, 60))


@pytest.fixture(scope="module")
def held():
    """A session with a cut hold, a premature answer, two turns, transcripts and spoken answers."""
    script = spoken_script("hello there general kenobi", "one two")
    config = SessionConfig(
        model="gpt-realtime",
        turn_detection=ServerVad(silence_duration_ms=300),
        transcription=Transcription(model="gpt-4o-transcribe"),
    )
    return run_session(config, script, stage=tone_stage(script, HELD, ((0, 20),)))


def base64_of(pcm):
    return base64.b64encode(np.asarray(pcm, dtype="<i2").tobytes()).decode()


def wire(event):
    """An event as it stood on the wire, its audio inline."""
    fields = event_to_builtins(event)
    delta = getattr(event, "delta", None)
    if isinstance(delta, AudioRef):
        fields["delta"] = base64_of(voice_piece(delta.offset_samples, delta.samples))
    return fields


def timeline(recording):
    """(t_ms, direction, fields) of everything that passed, appends of 20 ms included, in order of time."""
    rows = [(entry.t_ms, entry.direction, wire(entry.event)) for entry in recording.events]
    append = {"type": "input_audio_buffer.append", "audio": base64_of(np.zeros(480))}
    rows += [(20.0 * (k + 1), "client", append) for k in range(int(recording.audio_ms // 20))]
    return sorted(rows, key=lambda row: row[0])


def flat(fields):
    """The same event in the older wire shape."""
    fields = {**fields, "type": FLAT.get(fields["type"], fields["type"])}
    session = fields.get("session")
    if session:
        session = {name: value for name, value in session.items() if name != "truncation"}
        fields["session"] = SessionConfig.from_wire(session, strict=False).to_wire("flat")
    return fields


def write(path, entries):
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    return path


def brought_in(path, **options):
    """Imported with no warning at all."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return import_recording(path, **options)


def date(t_ms):
    return (datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC) + timedelta(milliseconds=t_ms)).isoformat()


SHAPES = {
    "t_ms and event": lambda t, who, e: {"t_ms": t, "from": who, "event": e},
    "seconds of 1970 and data as text": lambda t, who, e: {"time": 1.75e9 + t / 1000, "data": json.dumps(e)},
    "milliseconds of 1970": lambda t, who, e: {"timestamp": 1.75e12 + t, "direction": who, "message": e},
    "nanoseconds of 1970 beside the event": lambda t, who, e: {**e, "ts": round((1.75e12 + t) * 1e6)},
    "a date": lambda t, who, e: {"time": date(t), "source": who, "event": e},
    "relative seconds without a unit": lambda t, who, e: (
        {"ts": t / 1000, "dir": {"client": ">"}.get(who, "<"), "e": 1} | {"payload": e}
    ),
    "wrapped twice": lambda t, who, e: {"level": "info", "msg": {"receivedAtMs": t, "data": e}},
    "the older names": lambda t, who, e: {"t_ms": t, "event": flat(e)},
}


def close(rows, others):
    """Rows are equal; times to the microsecond that a log keeps."""
    assert len(rows) == len(others)
    for row, other in zip(rows, others, strict=True):
        assert row.keys() == other.keys()
        for name in row:
            expected = pytest.approx(other[name], abs=0.002) if isinstance(other[name], float) else other[name]
            assert row[name] == expected, name


@pytest.mark.parametrize("shape", SHAPES)
def test_a_log_gives_the_frames_of_the_session_it_is_of(tmp_path, held, shape):
    path = write(tmp_path / "call.jsonl", [SHAPES[shape](*row) for row in timeline(held)])
    recording = brought_in(path, reference=held.reference, reference_source="constructed")
    rows, own = session_rows(recording), session_rows(held)
    close(rows.turns, own.turns)
    close(rows.responses, own.responses)
    close(rows.tokens, own.tokens)
    assert own.turns[0]["cut"] and own.turns[1]["response_latency_ms"] > 0
    assert recording.audio_ms == pytest.approx(held.audio_ms, abs=20)
    assert recording.header.private and recording.header.reference_source == "constructed"


def test_the_frames_are_exactly_equal_when_the_log_keeps_its_numbers(tmp_path, held):
    path = write(tmp_path / "call.jsonl", [{"t_ms": t, "event": e} for t, _, e in timeline(held)])
    assert session_rows(brought_in(path, reference=held.reference)).turns == session_rows(held).turns


def test_an_array_an_object_an_archive_and_a_gzip_read_the_same(tmp_path, held):
    rows = timeline(held)
    plain = brought_in(write(tmp_path / "call.jsonl", [{"t_ms": t, "event": e} for t, _, e in rows]))
    entries = [{"t_ms": t, "event": e} for t, _, e in rows]
    (tmp_path / "array.json").write_text(json.dumps(entries, indent=1))
    (tmp_path / "object.json").write_text(json.dumps({"session": "x", "events": entries}))
    (tmp_path / "packed.jsonl.gz").write_bytes(gzip.compress((tmp_path / "call.jsonl").read_bytes()))
    sockets = [
        {"type": "send" if who == "client" else "receive", "t_ms": t, "data": json.dumps(e)} for t, who, e in rows
    ]
    (tmp_path / "page.har").write_text(json.dumps({"log": {"entries": [{}, {"_webSocketMessages": sockets}]}}))
    for name in ("array.json", "object.json", "packed.jsonl.gz", "page.har"):
        other = brought_in(tmp_path / name)
        assert (other.events, other.appends) == (plain.events, plain.appends), name


def test_a_recording_of_our_own_comes_back_as_it_was(tmp_path, held):
    assert brought_in(save_recording(held, tmp_path / "r.jsonl.gz")) == held


def test_a_damaged_recording_of_our_own_loses_only_what_is_damaged(tmp_path, held):
    lines = recording_to_bytes(held).splitlines()
    broken = 0
    for position, line in enumerate(lines):
        if b'"conversation.item.added"' in line:
            lines[position], broken = line[:-9], position + 1
            break
    (tmp_path / "r.jsonl").write_bytes(b"\n".join(lines))
    with pytest.warns(UserWarning, match=rf"line {broken}: not JSON"):
        recording = import_recording(tmp_path / "r.jsonl")
    assert len(recording.events) == len(held.events) - 1
    assert recording.header == held.header and recording.reference == held.reference
    assert session_rows(recording).turns == session_rows(held).turns


def test_audio_is_measured_and_let_go(tmp_path):
    """Two deltas of one answer, 100 ms of silence and 100 ms of sound, and appends of 20 ms with a short last one."""
    loud = np.full(2400, 8000)
    delta = {"type": "response.audio.delta", "response_id": "r", "item_id": "i", "output_index": 0, "content_index": 0}
    entries = [
        {"t_ms": 5.0, "type": "input_audio_buffer.append", "audio": base64_of(loud[:480])},
        {"t_ms": 25.0, "type": "input_audio_buffer.append", "audio": base64_of(loud[:480])},
        {"t_ms": 45.0, "type": "input_audio_buffer.append", "audio": base64_of(loud[:120])},
        {"t_ms": 60.0, "event": {**delta, "delta": base64_of(np.zeros(2400))}},
        {"t_ms": 61.0, "event": {**delta, "delta": base64_of(loud)}},
    ]
    recording = brought_in(write(tmp_path / "call.jsonl", entries))
    silent, heard = (entry.event.delta for entry in recording.events)
    assert (silent.samples, silent.audible_sample, heard.offset_samples, heard.audible_sample) == (2400, None, 2400, 0)
    assert silent.sha256 == heard.sha256 and len(heard.sha256) == 64
    (run,) = recording.appends
    assert (run.samples, run.frame_ms, run.sent_ms) == (1080, 20.0, (20.0, 40.0, 60.0))
    assert recording.audio_ms == 45.0
    assert recording.sent_at(41.0) == 60.0
    assert base64_of(loud[:480])[:40].encode() not in recording_to_bytes(recording)


@pytest.mark.parametrize(("name", "kind"), [("g711_ulaw", "audio/pcmu"), ("g711_alaw", "audio/pcma")])
@pytest.mark.parametrize("shape", ["flat", "ga"])
def test_telephone_audio_is_one_byte_a_sample(tmp_path, name, kind, shape):
    form = {"type": kind}
    session = {"audio": {"input": {"format": form}, "output": {"format": form}}}
    if shape == "flat":
        session = {"input_audio_format": name, "output_audio_format": name, "modalities": ["text", "audio"]}
    quiet, loud = (b"\xff", b"\x00") if name == "g711_ulaw" else (b"\xd5", b"\x2a")
    delta = {"type": "response.output_audio.delta", "response_id": "r", "item_id": "i"}
    entries = [
        {"t_ms": 0, "event": {"type": "session.created", "session": session}},
        {"t_ms": 20, "event": {"type": "input_audio_buffer.append", "audio": base64.b64encode(quiet * 160).decode()}},
        {"t_ms": 50, "event": {**delta, "delta": base64.b64encode(quiet * 160 + loud * 160).decode()}},
    ]
    recording = brought_in(write(tmp_path / "call.jsonl", entries))
    answer = recording.events[-1].event.delta
    assert (answer.rate_hz, answer.samples, answer.audible_sample) == (8000, 320, 160)
    assert (recording.appends[0].rate_hz, recording.audio_ms) == (8000, 20.0)


def test_a_server_only_log_has_turns_and_no_latency_from_the_end_of_speech(tmp_path, held):
    """WebRTC and SIP: nobody logs when audio left, so only what needs that is null."""
    entries = [{"t_ms": t, "event": e} for t, who, e in timeline(held) if who == "server"]
    with pytest.warns(
        UserWarning, match=r"without a value for it: appends \(response_latency_ms, endpoint_latency_ms\)$"
    ):
        recording = import_recording(write(tmp_path / "call.jsonl", entries), reference=held.reference)
    turns, own = session_rows(recording).turns, session_rows(held).turns
    for row, other in zip(turns, own, strict=True):
        for name in ("outcome", "n_holds", "n_cut_holds", "cut", "endpoint_delay_ms", "transcript"):
            assert row[name] == other[name], name
        assert row["from_speech_stopped_ms"] == pytest.approx(other["from_speech_stopped_ms"], abs=0.002)
        assert row["response_latency_ms"] is row["endpoint_latency_ms"] is None
        assert row["has_clocks"] is False
    assert not recording.header.has_send_clock and recording.appends == ()
    assert held.reference[-1].speech_ms[-1].end_ms < recording.audio_ms <= held.audio_ms + 100


def test_a_log_without_any_times_keeps_what_is_audio_time(tmp_path, held):
    path = write(tmp_path / "call.jsonl", [e for _, _, e in timeline(held)])
    with pytest.warns(UserWarning, match=r"without a value for it: times \(every latency and lag\)$"):
        recording = import_recording(path, reference=held.reference)
    assert {entry.t_ms for entry in recording.events} == {None}
    turns, own = session_rows(recording).turns, session_rows(held).turns
    assert [row["endpoint_delay_ms"] for row in turns] == [row["endpoint_delay_ms"] for row in own]
    assert all(row["response_latency_ms"] is None for row in turns)


def test_a_unit_that_cannot_be_told_is_asked_for(tmp_path):
    entries = [{"ts": 1.5, "event": {"type": "input_audio_buffer.committed", "item_id": "a"}}]
    path = write(tmp_path / "call.jsonl", entries)
    with pytest.warns(UserWarning, match="unit of 'ts' is not clear: give time_unit"):
        assert import_recording(path).events[0].t_ms is None
    late = [*entries, {"ts": 2.5, "event": {"type": "input_audio_buffer.cleared"}}]
    with pytest.warns(UserWarning, match=r"jsonl': missing, and without a value for it: appends"):
        assert [e.t_ms for e in import_recording(write(path, late), time_unit="s").events] == [0.0, 1000.0]


def test_redacted_appends_leave_audio_time_unknown(tmp_path, held):
    entries = [{"t_ms": t, "event": {**e, "audio": "<redacted>"} if "audio" in e else e} for t, _, e in timeline(held)]
    with pytest.warns(UserWarning, match=r"the audio of \d+ appends \(response_latency_ms, .* audio= gives it back\)$"):
        recording = import_recording(write(tmp_path / "call.jsonl", entries), reference=held.reference)
    assert recording.appends == () and not recording.header.has_send_clock
    assert session_rows(recording).turns[1]["outcome"] == "answered"


def cassette(tmp_path, turns, appends, *, t_ms=None):
    """A log of some turns whose appends lost their audio: each heard from 860 to 1,984 ms after the turn began."""
    entries, heard = [], 0
    for turn in range(turns):
        begun_ms = heard * 100.0
        entries += [{"type": "input_audio_buffer.append", "audio": ""}] * appends
        heard += appends
        item = {"item_id": f"i{turn}"}
        entries += [
            {"type": "input_audio_buffer.speech_started", "audio_start_ms": begun_ms + 860, **item},
            {"type": "input_audio_buffer.speech_stopped", "audio_end_ms": begun_ms + 1_984, **item},
            {"type": "input_audio_buffer.committed", **item},
            {"type": "response.done", "response": {"id": f"r{turn}", "status": "completed"}},
        ]
    stamped = [{"event": entry} | ({} if t_ms is None else {"t_ms": t_ms * k}) for k, entry in enumerate(entries)]
    return write(tmp_path / "cassette.jsonl", stamped)


@pytest.fixture(scope="module")
def clip_path(root, tmp_path_factory):
    """A second of speech, two seconds of clip."""
    spoken = read_audio(root / "data" / "speech" / "librivox" / "sense-and-sensibility-0880.flac")[: 24 * 1000]
    pcm = np.concatenate([np.zeros(24 * 900), spoken, np.zeros(24 * 100)]).astype("<i2")
    path = tmp_path_factory.mktemp("clip") / "clip.pcm"
    path.write_bytes(pcm.tobytes())
    return path


def test_the_clip_gives_a_cassette_its_timeline_and_endpoint_delays_without_clocks(tmp_path, clip_path):
    """Each turn is the clip, in 20 appends, and half a second of silence."""
    with pytest.warns(UserWarning, match=r"^'cassette.jsonl': missing, and without a value for it: times \(") as caught:
        recording = import_recording(cassette(tmp_path, 3, 25), audio=clip_path)
    assert len(caught) == 1
    assert [(run.start_ms, run.samples / 24) for run in recording.appends] == [
        (start, length) for turn in (0.0, 2_500.0, 5_000.0) for start, length in ((turn, 2_000), (turn + 2_000, 500))
    ]
    assert {run.frame_ms for run in recording.appends} == {100.0}
    assert (recording.audio_ms, recording.header.reference_source) == (7_500.0, "automatic")
    first, second, third = recording.reference
    (speech,) = first.speech_ms
    assert 1_100 < speech.start_ms < 1_200 and 1_850 < speech.end_ms < 1_950
    assert second.speech_ms == (speech.shifted(2_500.0),) and third.speech_ms == (speech.shifted(5_000.0),)
    rows = session_rows(recording).turns
    assert [row["endpoint_delay_ms"] for row in rows] == [1_984 - speech.end_ms] * 3
    assert {row["response_latency_ms"] for row in rows} == {None} and not recording.header.has_send_clock


def test_with_times_a_cassette_says_when_its_audio_was_sent(tmp_path, clip_path):
    recording = brought_in(cassette(tmp_path, 1, 20, t_ms=100.0), audio=clip_path)
    (run,) = recording.appends
    assert len(run.sent_ms) == 20 and recording.header.has_send_clock
    assert recording.sent_at(1_850.0) == run.sent_ms[18]
    assert recording.sent_at(1_850.0) - recording.sent_at(50.0) == 1_800.0


def test_a_reference_of_ones_own_stands_above_the_clips(tmp_path, clip_path):
    own = ReferenceTurn(index=0, speech_ms=(Interval(1_000.0, 1_500.0),), deadline_ms=6_500.0, complete=False)
    with pytest.warns(UserWarning, match="times"):
        recording = import_recording(cassette(tmp_path, 1, 20), audio=clip_path, reference=[own])
    assert recording.reference == (own,) and recording.header.reference_source == "human"
    assert session_rows(recording).turns[0]["endpoint_delay_ms"] == 484.0


def test_a_clip_that_does_not_fit_or_is_not_needed_is_said(tmp_path, clip_path, held):
    with pytest.warns(UserWarning, match="30 appends do not hold the clip: when what was said is a guess"):
        import_recording(cassette(tmp_path, 1, 30), audio=tmp_path / clip_of(tmp_path, 24 * 90_000))
    path = write(tmp_path / "call.jsonl", [{"t_ms": t, "event": e} for t, _, e in timeline(held)])
    with pytest.warns(UserWarning, match="audio= is not used"):
        assert import_recording(path, audio=clip_path).appends == brought_in(path).appends


def clip_of(folder, samples):
    (folder / "long.pcm").write_bytes(bytes(2 * samples))
    return "long.pcm"


@pytest.mark.parametrize(
    ("kinds", "clip_ms", "heard_ms", "each_ms", "begins"),
    [
        ("a" * 55, 5_488, [1_460], 100, [0]),
        ("a" * 275, 5_488, [1_460], 20, [0]),
        ("a", 5_488, [1_460], 5_488, [0]),
        ("adada", 5_488, [1_460, 6_948, 12_436], 5_488, [0, 1, 2]),
        ("aadaad", 5_488, [1_460, 12_436], 5_488, [0, 2]),
        ("a" * 75, 5_488, [1_460], 100, [0]),
        ("a" * 375, 5_488, [1_460], 20, [0]),
        (("a" * 75 + "d") * 3, 5_488, [1_460, 8_948, 16_436], 100, [0, 75, 150]),
        ("a" * 60 + "d" + "a" * 15, 5_488, [1_460], 100, [0]),
        ("a" * 55 + "x" + "a" * 55, 5_488, [1_460, 6_948], 100, [0, 55]),
        ("a" * 110, 5_488, [1_460, 6_948], 100, [0, 55]),
        ("a" * 20 + "c" + "a" * 20 + "c", 2_000, [], 100, [0, 20]),
    ],
    ids=[
        "once",
        "in 20 ms",
        "at once",
        "three times at once",
        "twice at once, with as much silence behind it",
        "and two seconds of silence",
        "in 20 ms, and two seconds of silence",
        "three times, each after an answer",
        "an answer before the silence ends",
        "again, into the answer",
        "back to back",
        "committed twice",
    ],
)
def test_how_long_an_append_is_and_where_the_clip_begins_is_told(kinds, clip_ms, heard_ms, each_ms, begins):
    names = {"a": "input_audio_buffer.append", "d": "response.done", "c": "input_audio_buffer.commit", "x": "error"}
    clip = np.arange(clip_ms * 24).astype(np.int16)
    spoken = spoken_in(appends_of(names[kind] for kind in kinds), clip, heard_ms)
    assert (spoken.each / 24, list(spoken.begins), spoken.whole) == (each_ms, begins, True)
    pieces = list(spoken.pieces())
    assert [len(piece) for piece in pieces] == list(spoken.counts) and len(pieces) == kinds.count("a")
    sent = np.concatenate(pieces)
    for start in spoken.starts_ms():
        assert (sent[round(start * 24) :][: len(clip)] == clip).all()


def test_what_voice_live_says_is_kept(tmp_path):
    """The flat session with its own settings, the older names, and events of its own."""
    detection = {"type": "azure_semantic_vad", "end_of_utterance_detection": {"model": "semantic_detection_v1"}}
    session = {"modalities": ["audio"], "turn_detection": detection, "voice": {"name": "alloy", "type": "openai"}}
    entries = [
        {"type": "session.updated", "session": {**session, "input_audio_echo_cancellation": {"type": "server"}}},
        {"type": "conversation.item.created", "item": {"type": "message", "id": "a", "role": "user", "content": []}},
        {"type": "response.audio_transcript.delta", "item_id": "b", "delta": "Hi"},
        {"type": "response.animation_viseme.delta", "item_id": "b", "viseme_id": 3},
    ]
    recording = brought_in(write(tmp_path / "call.jsonl", [{"t_ms": k, "event": e} for k, e in enumerate(entries)]))
    effective = recording.header.effective
    assert effective["audio"]["input"]["turn_detection"] == detection
    assert effective["audio"]["output"]["voice"] == {"name": "alloy", "type": "openai"}
    assert effective["input_audio_echo_cancellation"] == {"type": "server"}
    kept = [type(entry.event) for entry in recording.events]
    assert kept == [ev.SessionUpdated, ev.ItemCreated, ev.AudioTranscriptDelta, UnknownEvent]
    assert b'"viseme_id":3' in recording.events[-1].event.raw


def test_broken_lines_are_named_and_left_out(tmp_path, held):
    lines = [json.dumps({"t_ms": t, "event": e}) for t, _, e in timeline(held)]
    lines[1:1] = ['{"t_ms": 1, "event": {"type"', "", "null", '{"note": "connected"}', "[" * 5000, '"text"']
    (tmp_path / "call.jsonl").write_text("\n".join(lines))
    with pytest.warns(UserWarning, match="line 2: not JSON") as caught:
        recording = import_recording(tmp_path / "call.jsonl")
    (message,) = (str(entry.message) for entry in caught)
    assert "\n" not in message
    for part in (
        "line 2: not JSON",
        "line 4",
        "line 5: no event in it",
        "line 6: not JSON",
        "line 7: not a JSON object",
    ):
        assert part in message
    assert len(recording.events) == len(held.events)


def test_an_array_cut_short_is_read_line_by_line(tmp_path):
    event = {"t_ms": 1, "type": "input_audio_buffer.cleared"}
    (tmp_path / "call.json").write_text("[\n" + ",\n".join([json.dumps(event)] * 3) + ',\n{"t_ms": 2, "ty')
    with pytest.warns(UserWarning, match="line 5: not JSON"):
        assert len(import_recording(tmp_path / "call.json").events) == 3


@pytest.mark.parametrize(
    "content", [b"", b"\n \n", b"{}", b"RIFF\x00\x01", b"[1, 2]", b"\xff\xfe{\x00}\x00", b"[" * 9999]
)
def test_a_file_without_any_event_is_refused_in_one_line(tmp_path, content):
    (tmp_path / "call.jsonl").write_bytes(content)
    with pytest.raises(RecordingError, match="no line of it holds a Realtime event") as caught:
        import_recording(tmp_path / "call.jsonl")
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_folder_are_refused_in_one_line(tmp_path):
    for path in (tmp_path / "none.jsonl", tmp_path):
        with pytest.raises(RecordingError, match="cannot be read"):
            import_recording(path)


def test_a_gzip_bomb_is_refused_and_a_damaged_gzip_read_as_far_as_it_goes(tmp_path, monkeypatch):
    monkeypatch.setattr("realtime_lab.recording.importing.entries.MAX_BYTES", 1_000_000)
    (tmp_path / "bomb.gz").write_bytes(gzip.compress(b" " * 4_000_000))
    with pytest.raises(RecordingError, match="unpacks to more than 1,000,000 bytes"):
        import_recording(tmp_path / "bomb.gz")
    monkeypatch.setattr("realtime_lab.recording.importing.entries._DENSE_BYTES", 500_000)
    with pytest.raises(RecordingError, match="unpacks to more than 500,000 bytes"):
        import_recording(tmp_path / "bomb.gz")
    noise = np.random.default_rng(0).integers(0, 1 << 30, 2_000).tolist()
    lines = [
        json.dumps({"t_ms": t, "type": "input_audio_buffer.cleared", "event_id": str(n)}) for t, n in enumerate(noise)
    ]
    whole = gzip.compress("\n".join(lines).encode())
    (tmp_path / "cut.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.warns(UserWarning, match="not JSON"):
        assert 100 < len(import_recording(tmp_path / "cut.gz").events) < 2_000


def test_a_huge_line_is_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr("realtime_lab.recording.importing.entries._MAX_ENTRY_BYTES", 1_000)
    event = {"t_ms": 1, "type": "input_audio_buffer.cleared"}
    path = write(tmp_path / "call.jsonl", [event, {**event, "x": "y" * 2_000}])
    with pytest.warns(UserWarning, match="line 2: 2,058 bytes, more than an event may have"):
        assert len(import_recording(path).events) == 1


def test_secrets_do_not_survive(tmp_path):
    key, ephemeral = "sk-proj-abcdefghijklmnop", "ek_68af296e8e408191a1120ab6383263c2"
    session = {
        "model": "gpt-realtime",
        "client_secret": {"value": ephemeral, "expires_at": 1},
        "tools": [{"type": "mcp", "authorization": "open sesame", "headers": {"X-Auth": "open sesame"}}],
        "instructions": f"say {key} and Bearer open.sesame",
    }
    entries = [
        {"t_ms": 0, "event": {"type": "session.created", "session": session}},
        {"t_ms": 1, "event": {"type": "session.novelty", "url": "wss://h/v1?api-key=opensesame", "k": ephemeral}},
        {"t_ms": 2, "event": {"type": "input_audio_buffer.committed", "item_id": ephemeral, "previous_item_id": 7}},
    ]
    with pytest.warns(UserWarning, match="kept as it is"):
        recording = import_recording(write(tmp_path / "call.jsonl", entries))
    kept = recording_to_bytes(recording).decode() + repr(recording)
    for secret in (key, ephemeral, "open sesame", "opensesame", "open.sesame"):
        assert secret not in kept
    assert isinstance(recording.events[1].event, UnknownEvent)
    assert recording.header.effective["model"] == "gpt-realtime"


def test_log_probabilities_and_long_texts_are_no_secrets(tmp_path):
    event = {
        "type": "conversation.item.input_audio_transcription.completed",
        "item_id": "i",
        "transcript": "well " * 500,
        "logprobs": [{"token": "well", "logprob": -0.5, "bytes": None}],
    }
    (entry,) = brought_in(write(tmp_path / "call.jsonl", [{"t_ms": 0, "event": event}])).events
    assert entry.event.logprobs[0].token == "well" and entry.event.transcript == "well " * 500


def test_media_in_unknown_places_is_left_out(tmp_path):
    item = {"type": "message", "role": "user", "content": [{"type": "input_audio", "audio": base64_of(np.ones(4800))}]}
    image = {"type": "input_image", "image_url": "data:image/png;base64," + "A" * 5000}
    entries = [
        {"t_ms": 0, "event": {"type": "conversation.item.create", "item": item}},
        {"t_ms": 1, "event": {"type": "conversation.item.create", "item": {**item, "content": [image]}}},
        {"t_ms": 2, "event": {"type": "response.novel.delta", "delta": "B" * 5000}},
    ]
    recording = brought_in(write(tmp_path / "call.jsonl", entries))
    part = recording.events[0].event.item.content[0]
    assert part.audio.samples == 4800 and len(part.audio.sha256) == 64
    assert len(recording_to_bytes(recording)) < 3_000


def test_the_last_configuration_counts_and_the_older_shape_becomes_todays(tmp_path):
    created = {
        "modalities": ["text"],
        "turn_detection": {"type": "server_vad", "silence_duration_ms": 200},
        "model": "m",
    }
    update = {"turn_detection": {"type": "server_vad", "silence_duration_ms": 800}}
    entries = [
        {"t_ms": 0, "event": {"type": "session.created", "session": created}},
        {"t_ms": 1, "event": {"type": "session.update", "session": update}},
        {"t_ms": 2, "event": {"type": "session.updated", "session": {**created, **update}}},
    ]
    header = brought_in(write(tmp_path / "call.jsonl", entries)).header
    for config in (header.requested, header.effective):
        assert config["audio"]["input"]["turn_detection"]["silence_duration_ms"] == 800
    assert header.effective["output_modalities"] == ["text"] and header.target == "imported:m"


def own_script(**turn):
    clip = Clip("call.wav", Path("call.wav"), None, None, "private", "own", "0" * 64, (), "two_channel")
    spans = ((256.0, 1216.0), (1696.0, 2176.0)), ((5000.0, 5640.0),)
    clip = replace(clip, speech_intervals_ms=tuple(Interval(*span) for turn in spans for span in turn))
    turns = [Turn((Segment(clip, span[0][0], span[-1][1]),), text="words", **turn) for span in spans]
    return Script("call", tuple(turns), "calls", reference_source="two_channel")


def test_a_script_of_the_callers_channel_is_the_reference(tmp_path, held):
    path = write(tmp_path / "call.jsonl", [{"t_ms": t, "event": e} for t, _, e in timeline(held)])
    recording = brought_in(path, script=own_script(), offset_ms=10.0)
    assert recording.reference[0].speech_ms == (Interval(266.0, 1226.0), Interval(1706.0, 2186.0))
    assert recording.reference[1].deadline_ms == 10_650.0
    assert [turn.complete for turn in recording.reference] == [True, recording.audio_ms >= 10_650.0]
    assert (recording.header.script_id, recording.header.reference_source) == ("call", "two_channel")
    assert session_rows(recording).turns[0]["n_cut_holds"] == 1


def test_without_script_and_reference_there_are_no_turns(tmp_path, held):
    path = write(tmp_path / "call.jsonl", [{"t_ms": t, "event": e} for t, _, e in timeline(held)])
    recording = brought_in(path)
    rows = session_rows(recording)
    assert recording.reference == () and rows.turns == [] and rows.trials[0]["reference_source"] == "none"
    assert len(rows.responses) == len(session_rows(held).responses)


def test_a_pieced_script_says_no_times_of_its_own(tmp_path, held):
    path = write(tmp_path / "call.jsonl", [{"t_ms": 0, "event": {"type": "input_audio_buffer.cleared"}}])
    turn = own_script().turns[0]
    pieced = Script("pieced", (Turn(turn.segments * 2, (100.0,)),), "set")
    with pytest.raises(ConfigError, match="give reference="):
        import_recording(path, script=pieced)
    with pytest.raises(ConfigError, match="no turn begins before the audio does"):
        import_recording(path, script=own_script(), offset_ms=-300)


@pytest.mark.parametrize(
    "options",
    [
        {"offset_ms": float("nan")},
        {"time_unit": "min"},
        {"reference_source": "me"},
        {"reference": (), "script": own_script()},
        {
            "reference": [
                ReferenceTurn(index=i, speech_ms=(Interval(0.0, 9.0),), deadline_ms=9.0, complete=True) for i in (0, 1)
            ]
        },
    ],
)
def test_options_that_make_no_sense_are_refused(tmp_path, options):
    with pytest.raises(ConfigError):
        import_recording(tmp_path / "call.jsonl", **options)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
names = st.sampled_from(
    ["type", "event", "data", "delta", "audio", "session", "item", "response", "t_ms", "ts", "time"]
)
kinds = st.sampled_from(
    [
        "session.created",
        "input_audio_buffer.append",
        "response.audio.delta",
        "response.done",
        "conversation.item.create",
    ]
    + ["input_audio_buffer.speech_started", "a.b", "error"]
)
entries = st.dictionaries(
    names, json_values | kinds | st.dictionaries(names, json_values | kinds, max_size=4), max_size=5
)


@given(st.lists(entries.map(json.dumps) | st.text(max_size=30), max_size=6))
def test_whatever_a_file_holds_it_becomes_a_recording_or_one_clear_error(tmp_path_factory, lines):
    path = tmp_path_factory.mktemp("logs") / "log.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8", errors="replace")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            recording = import_recording(path)
        except RecordingError:
            return
    session_rows(recording)
    recording_to_bytes(recording)
    assert all(isinstance(entry.event, (ev.Event, UnknownEvent)) for entry in recording.events)
