"""A log of the mocked server agrees with it, whatever was left out of the log; and each planted difference is told."""

from __future__ import annotations

import base64
import copy
import json
import warnings
from dataclasses import replace

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from logged_service import LoggedService, Words, is_append, silence, untimed, without_audio, write_log
from typer.testing import CliRunner

import realtime_lab as rl
from realtime_lab import cli
from realtime_lab.audio import read_audio
from realtime_lab.audio.g711 import encode_ulaw
from realtime_lab.errors import AudioError, ProfileError, RecordingError
from realtime_lab.protocol.codec import FLAT_NAMES
from realtime_lab.server import PROFILES
from realtime_lab.server.engine.profile import LogNormal

VAD = {"type": "server_vad", "silence_duration_ms": 400}
HEARING = {"audio": {"input": {"turn_detection": VAD, "transcription": {"model": "gpt-4o-transcribe"}}}}
TOOL = {"type": "function", "name": "weather", "parameters": {"type": "object", "properties": {}}}


@pytest.fixture(scope="module")
def clip(root):
    """Two words with a pause of half a second after them."""
    spoken = read_audio(root / "data" / "speech" / "librivox" / "sense-and-sensibility-0880.flac")
    return np.concatenate([silence(500), spoken, silence(1000)])


@pytest.fixture(scope="module")
def clip_path(clip, tmp_path_factory):
    path = tmp_path_factory.mktemp("clip") / "clip.pcm"
    path.write_bytes(clip.astype("<i2").tobytes())
    return path


@pytest.fixture(scope="module")
def voice_lines(clip):
    """One spoken turn, sent in bulk, and its answer."""
    return LoggedService().update(**HEARING).say(clip).wait(20_000).lines


def differing(tmp_path, lines, **options):
    """What differs, as (aspect, what): (recorded, mocked)."""
    found = rl.agree(write_log(tmp_path / "log.jsonl", lines), **options)
    return {(row.aspect, row.what): (row.recorded, row.mocked) for _, row in found.differences}


def row_of(found, aspect, what):
    (row,) = (row for one in found.sessions for row in one.rows if (row.aspect, row.what) == (aspect, what))
    return row


def conversation(clip):
    """Two spoken turns, in bulk, the second when the first was answered."""
    service = LoggedService().update(**HEARING).say(clip).wait(20_000)
    return service.say(clip).wait(20_000)


def interrupted(clip):
    """The caller speaks again while the answer is given."""
    service = LoggedService(replace(PROFILES["openai"], name="slow", response_s=LogNormal(60, 0)))
    service.update(**HEARING).say(clip).wait(1_500).say(clip).wait(3_000)
    item = service.last("response.output_item.added")["item"]["id"]
    service.send("conversation.item.truncate", item_id=item, content_index=0, audio_end_ms=200)
    return service.wait(50)


def by_client(clip):
    """The client commits and asks."""
    off = {"audio": {"input": {"turn_detection": None}}}
    service = LoggedService().update(**off).say(clip[:48_000]).send("input_audio_buffer.commit")
    return service.send("response.create").wait(20_000)


def typed(clip):
    """Text in, text out; one answer is limited, one cancelled, one refused."""
    service = LoggedService(replace(PROFILES["openai"], name="long", text_tokens=LogNormal(200, 0)))
    service.update(output_modalities=["text"])
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Say something."}]}
    service.send("conversation.item.create", item=item)
    service.send("response.create", response={"max_output_tokens": 20}).wait(20_000)
    service.send("response.create").wait(1_000).send("response.create").wait(15).send("response.cancel")
    return service.wait(50)


def tool_round(clip):
    """The model calls, hears the output, and answers."""
    service = LoggedService(replace(PROFILES["openai"], name="caller", tool_call_rate=1.0))
    service.update(output_modalities=["text"], tools=[TOOL])
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Is it wet?"}]}
    service.send("conversation.item.create", item=item).send("response.create").wait(20_000)
    call = service.last("response.function_call_arguments.done")["call_id"]
    output = {"type": "function_call_output", "call_id": call, "output": "yes"}
    return service.send("conversation.item.create", item=output).send("response.create").wait(20_000)


def telephone(clip):
    """8 kHz mu-law."""
    narrow = {"audio": {"input": {"format": {"type": "audio/pcmu"}, "turn_detection": VAD}}}
    # Every third sample, unfiltered: what matters is that both sides hear the same bytes.
    return LoggedService().update(**narrow).say(clip, encode=lambda piece: encode_ulaw(piece[::3])).wait(20_000)


def untranscribed(clip):
    """The transcription fails."""
    return LoggedService(options={"transcriber": Words(None)}).update(**HEARING).say(clip).wait(20_000)


SESSIONS = [conversation, interrupted, by_client, typed, tool_round, telephone, untranscribed]


@pytest.mark.parametrize("session", SESSIONS, ids=lambda session: session.__name__)
@pytest.mark.parametrize("timed", [True, False], ids=["timed", "untimed"])
def test_a_log_of_the_mocked_server_agrees_with_it(tmp_path, clip, session, timed):
    lines = session(clip).lines
    found = rl.agree(write_log(tmp_path / "log.jsonl", lines if timed else untimed(lines)))
    assert found.differences == ()
    assert found.agrees and found.exit_code == 0
    recorded = [line["event"]["type"] for line in lines if line["direction"] == "server"]
    for kind in ("response.created", "input_audio_buffer.speech_started"):
        if kind in recorded:
            assert row_of(found, "count", kind)[2:5] == (recorded.count(kind), recorded.count(kind), "agrees")
    assert row_of(found, "order", "events in their place").recorded >= 7


@pytest.mark.parametrize("session", [conversation, interrupted, untranscribed], ids=lambda session: session.__name__)
def test_the_clip_stands_in_for_audio_that_a_cassette_left_out(tmp_path, clip, clip_path, session):
    lines = without_audio(session(clip).lines)
    found = rl.agree(write_log(tmp_path / "log.jsonl", lines), audio=clip_path)
    assert found.differences == ()
    assert row_of(found, "audio", "of the caller").recorded == "the clip, by the number of appends"
    started = [line["event"]["audio_start_ms"] for line in lines if "audio_start_ms" in line["event"]]
    assert started and all(
        row_of(found, "offset", f"audio_start_ms of speech {k}")[2:5] == (at, at, "agrees")
        for k, at in enumerate(started, 1)
    )


def test_a_wav_of_the_clip_does_as_well(tmp_path, clip, voice_lines):
    soundfile.write(tmp_path / "clip.wav", clip, 24_000, subtype="PCM_16")
    assert differing(tmp_path, without_audio(voice_lines), audio=tmp_path / "clip.wav") == {}


def test_telephone_audio_is_made_of_the_clip(tmp_path, clip, clip_path):
    """Filtered on the way to 8 kHz, so it is heard, if not at the same frame as samples that were merely left out."""
    found = rl.agree(write_log(tmp_path / "log.jsonl", without_audio(telephone(clip).lines)), audio=clip_path)
    assert {row.aspect for _, row in found.differences} <= {"offset", "token"}
    recorded, mocked = row_of(found, "offset", "audio_start_ms of speech 1")[2:4]
    assert abs(recorded - mocked) <= 64


@pytest.mark.parametrize(
    "left_out",
    [without_audio, lambda lines: [line for line in untimed(lines) if not is_append(line)]],
    ids=["no audio", "no appends"],
)
@pytest.mark.parametrize("session", [conversation, by_client], ids=lambda session: session.__name__)
def test_without_audio_and_clip_the_offsets_say_what_was_heard_and_are_not_compared(tmp_path, clip, session, left_out):
    found = rl.agree(write_log(tmp_path / "log.jsonl", left_out(session(clip).lines)))
    assert found.differences == ()
    assert row_of(found, "audio", "of the caller").recorded == "told by the service's own offsets"
    offsets = [row for row in found.sessions[0].rows if row.aspect == "offset"]
    assert {row.verdict for row in offsets} == ({"not compared"} if session is conversation else set())
    tokens = row_of(found, "token", "input audio of response 1")
    assert tokens.verdict == ("agrees" if session is conversation else "not compared")


@pytest.mark.parametrize("session", [conversation, tool_round], ids=lambda session: session.__name__)
def test_a_log_of_the_servers_side_alone_is_enough(tmp_path, clip, session):
    lines = [line for line in untimed(session(clip).lines) if line["direction"] == "server"]
    found = rl.agree(write_log(tmp_path / "log.jsonl", lines))
    assert found.differences == ()
    assert row_of(found, "audio", "of the client").recorded == "none of its events is in the log"
    assert row_of(found, "count", "response.created")[2:4] == (2, 2)


def test_audio_inside_an_item_is_the_clip_too(tmp_path, clip, clip_path):
    said = base64.b64encode(clip.astype("<i2").tobytes()).decode()
    item = {"type": "message", "role": "user", "content": [{"type": "input_audio", "audio": said}]}
    service = LoggedService().update(output_modalities=["text"]).send("conversation.item.create", item=item)
    lines = untimed(service.send("response.create").wait(20_000).lines)
    assert differing(tmp_path, lines) == {}
    for line in lines:
        if line["event"]["type"] == "conversation.item.create":
            line["event"]["item"]["content"][0]["audio"] = ""
    assert differing(tmp_path, lines, audio=clip_path) == {}
    assert ("token", "input audio of response 1") in differing(tmp_path, lines)


def test_a_turn_detection_that_is_not_the_same_here_is_said_beside_its_offsets(tmp_path, voice_lines):
    for kind, note in (("semantic_vad", "semantic_vad is approximated"), ("azure_semantic_vad", "is not known here")):
        other = copy.deepcopy(untimed(voice_lines))
        for line in other:
            if line["event"]["type"] in ("session.update", "session.updated"):
                line["event"]["session"]["audio"]["input"]["turn_detection"] = {"type": kind}
        found = rl.agree(write_log(tmp_path / "log.jsonl", other))
        row = row_of(found, "offset", "audio_end_ms of speech 1")
        assert row.verdict == "differs" and note in row.note
        assert row_of(found, "count", "response.done")[2:4] == (1, 1)


def test_an_idle_timeout_is_waited_for(tmp_path, clip):
    idle = {"audio": {"input": {"turn_detection": {**VAD, "idle_timeout_ms": 5_000}}}}
    service = LoggedService().update(**idle).say(clip).wait(3_000)
    service.say(silence(12_000), pace=1.0).wait(50)
    assert service.last("input_audio_buffer.timeout_triggered")
    for lines in (service.lines, untimed(service.lines)):
        found = rl.agree(write_log(tmp_path / "log.jsonl", lines))
        assert found.differences == ()
        assert row_of(found, "count", "input_audio_buffer.timeout_triggered")[2:4] == (1, 1)
        end = row_of(found, "offset", "audio_end_ms of timeout 1")
        assert end[4:] == ("not compared", "it moves with the answer's delay")


def test_several_sessions_in_one_file_are_held_one_by_one(tmp_path, voice_lines):
    found = rl.agree(write_log(tmp_path / "log.jsonl", untimed(voice_lines) * 2))
    assert [one.log for one in found.sessions] == ["log.jsonl (1)", "log.jsonl (2)"]
    assert found.agrees


def changed(lines, kind, change):
    """A copy of the log with its last event of a type changed."""
    lines = copy.deepcopy(untimed(lines))
    place = max(k for k, line in enumerate(lines) if line["event"]["type"] == kind)
    change(lines, place, lines[place]["event"])
    return lines


def put(path, value):
    """A change that puts a value at a path."""

    def change(lines, place, event):
        for name in path[:-1]:
            event = event[name]
        event[path[-1]] = value

    return change


def swap(lines, place, event):
    """A change that swaps the event with the one before it."""
    lines[place - 1 : place + 1] = lines[place : place - 2 : -1] if place > 1 else lines[1::-1]


def drop(lines, place, event):
    del lines[place]


def unknown_event(lines, place, event):
    lines.insert(place, {"direction": "server", "event": {"type": "response.thought.added", "event_id": "e"}})


DONE = "response.output_item.done"
PLANTED = {
    "an end one frame later": (
        "input_audio_buffer.speech_stopped",
        lambda lines, place, event: event.update(audio_end_ms=event["audio_end_ms"] + 32),
        {("offset", "audio_end_ms of speech 1")},
    ),
    "a token less": (
        "response.done",
        lambda lines, place, event: event["response"]["usage"]["input_token_details"].update(audio_tokens=1),
        {("token", "input audio of response 1")},
    ),
    "cached tokens in no blocks": (
        "response.done",
        put(("response", "usage", "input_token_details", "cached_tokens"), 7),
        {("token", "cached of response 1"), ("token", "cached of response 1 in blocks of 64")},
    ),
    "two events swapped": (DONE, swap, {("order", "conversation.item.done (assistant)")}),
    "an event left out": (
        DONE,
        drop,
        {("order", "response.output_item.done (message)")},
    ),
    "an event nobody knows": ("response.done", unknown_event, {("order", "response.thought.added")}),
    "a field nobody knows": (
        DONE,
        put(("item", "phase"), "final_answer"),
        {("field", f"item.phase of {DONE} (message)")},
    ),
    "a field left out": (
        DONE,
        lambda lines, place, event: event["item"].pop("status"),
        {("field", f"item.status of {DONE} (message)")},
    ),
    "null in place of text": (
        DONE,
        put(("item", "id"), None),
        {("field", f"item.id of {DONE} (message)")},
    ),
    "another status": (
        DONE,
        put(("item", "status"), "incomplete"),
        {("field", f"item.status of {DONE} (message)")},
    ),
    "a default": (
        "session.created",
        put(("session", "audio", "output", "voice"), "marin"),
        {("setting", "session.created: audio.output.voice"), ("setting", "session.updated: audio.output.voice")},
    ),
    "a setting that the service made of it": (
        "session.updated",
        put(("session", "audio", "input", "turn_detection", "prefix_padding_ms"), 400),
        {
            ("setting", "session.updated: audio.input.turn_detection.prefix_padding_ms"),
            # Heard with the padding that is reported, from where the log has it with the padding that was.
            ("offset", "audio_start_ms of speech 1"),
            ("token", "input audio of response 1"),
            ("token", "input tokens of transcript 1"),
        },
    ),
    "a transcript before the answer is created": (
        "conversation.item.input_audio_transcription.completed",
        lambda lines, place, event: lines.insert(
            next(k for k, line in enumerate(lines) if line["event"]["type"] == "response.created"), lines.pop(place)
        ),
        {("transcript", "end of transcript 1")},
    ),
    "another bill for the transcript": (
        "conversation.item.input_audio_transcription.completed",
        put(("usage", "input_tokens"), 1),
        {("token", "input tokens of transcript 1")},
    ),
    "an error": (
        "response.done",
        lambda lines, place, event: lines.insert(
            place, {"direction": "server", "event": {"type": "error", "event_id": "e", "error": {"code": "odd"}}}
        ),
        {("order", "error (odd)"), ("count", "error")},
    ),
    "a setting that only the service takes": (
        "session.update",
        put(("session", "sampling"), 1),
        {("setting", "session.update: sampling")},
    ),
}


@pytest.mark.parametrize("name", PLANTED)
def test_each_planted_difference_is_told_and_nothing_else(tmp_path, voice_lines, name):
    kind, change, expected = PLANTED[name]
    assert set(differing(tmp_path, changed(voice_lines, kind, change))) == expected


def test_what_both_sides_say_of_a_difference_stands_beside_it(tmp_path, voice_lines):
    lines = changed(voice_lines, "input_audio_buffer.speech_stopped", put(("audio_end_ms",), 9_999))
    found = rl.agree(write_log(tmp_path / "log.jsonl", lines))
    row = row_of(found, "offset", "audio_end_ms of speech 1")
    (own,) = (line["event"]["audio_end_ms"] for line in voice_lines if line["event"]["type"].endswith("speech_stopped"))
    assert row[2:5] == (9_999, own, "differs")


def test_what_comes_after_the_logs_end_is_named_and_no_difference(tmp_path, voice_lines):
    kinds = [line["event"]["type"] for line in voice_lines]
    cut = untimed(voice_lines)[: kinds.index("response.output_item.added") + 1]
    found = rl.agree(write_log(tmp_path / "log.jsonl", cut))
    assert found.differences == ()
    assert row_of(found, "order", "after the log's end").mocked.startswith("conversation.item.added (assistant)")


def test_the_older_dialect_is_read_as_todays(tmp_path, voice_lines):
    older = {new: old for old, new in FLAT_NAMES.items()} | {"conversation.item.added": "conversation.item.created"}
    lines = copy.deepcopy(untimed(voice_lines))
    for line in lines:
        event = line["event"]
        event["type"] = older.get(event["type"], event["type"])
        if "session" in event:
            session = {name: value for name, value in event["session"].items() if name not in ("truncation", "prompt")}
            event["session"] = rl.SessionConfig.from_wire(session, strict=False).to_wire("flat")
    found = rl.agree(write_log(tmp_path / "log.jsonl", lines))
    assert row_of(found, "field", "names").recorded == "the older dialect"
    assert {row.aspect for _, row in found.differences} <= {"setting"}  # the flat shape has no place for some
    assert row_of(found, "count", "conversation.item.added")[2:5] == (2, 2, "agrees")


@pytest.mark.parametrize(
    ("created_after_ms", "verdict"), [(30.0, "agrees"), (100.0, "differs")], ids=["usual", "unheard of"]
)
def test_a_recorded_delay_agrees_where_it_is_among_the_middle_95_percent(tmp_path, created_after_ms, verdict):
    profile = replace(PROFILES["openai"], name="sure", create=LogNormal(30.0, 0.1), event_ms=0.0)
    service = LoggedService().update(output_modalities=["text"]).send("response.create").wait(9_000)
    asked = next(k for k, line in enumerate(service.lines) if line["event"]["type"] == "response.create")
    for line in service.lines[asked + 1 :]:
        line["t_ms"] = service.lines[asked]["t_ms"] + created_after_ms
    found = rl.agree(write_log(tmp_path / "log.jsonl", service.lines), profile=profile)
    row = row_of(found, "time", "response.create to response.created")
    assert row[2:] == (created_after_ms, 30.0, verdict, "n 1; 25 to 36 ms")


def test_a_found_agreement_prints_saves_and_shows_itself(tmp_path, voice_lines):
    voice = "<b>\x1b[31mme</b>"
    path = write_log(tmp_path / "log.jsonl", changed(voice_lines, "session.created", put(("session", "x"), voice)))
    found = rl.agree([path, path])
    assert len(found.sessions) == 2 and repr(found).startswith("<Agreement of 2 sessions: 2 differs")
    told = str(found).splitlines()
    assert told[0].startswith("mocked: profile openai (")
    assert told[2].startswith("log.jsonl: 1 differ, ") and told[4].split()[:2] == ["differs", "setting"]
    assert "\x1b" not in str(found) + found._repr_html_() and "<b>" not in found._repr_html_()
    frame = found.to_frame()
    assert list(frame) == ["log", "verdict", "aspect", "what", "recorded", "mocked", "note"]
    assert (frame["verdict"] == "differs").sum() == 2
    saved = json.loads(found.to_json())
    assert (saved["agrees"], saved["exit_code"]) == (False, 1)
    (odd,) = (row for row in saved["sessions"][0]["rows"] if row["verdict"] == "differs")
    assert (odd["what"], odd["recorded"], odd["mocked"]) == ("session.created: x", voice, "not sent")


def test_secrets_of_a_log_are_not_shown(tmp_path, voice_lines):
    secret = {
        "client_secret": {"value": "ek_0123456789abcdef"},
        "tools": [{"type": "mcp", "authorization": "Bearer x1"}],
    }
    lines = changed(voice_lines, "session.created", lambda lines, place, event: event["session"].update(secret))
    text = rl.agree(write_log(tmp_path / "log.jsonl", lines)).to_json()
    assert "client_secret" in text and "ek_0123456789abcdef" not in text and "Bearer x1" not in text


def test_what_cannot_be_read_is_refused_in_one_line(tmp_path, voice_lines):
    path = write_log(tmp_path / "log.jsonl", untimed(voice_lines))
    (tmp_path / "empty.jsonl").write_text("nothing\n")
    for name in ("none.jsonl", "empty.jsonl"):
        with pytest.raises(RecordingError, match=name):
            rl.agree([path, tmp_path / name])
    with pytest.raises(AudioError, match=r"none\.pcm"):
        rl.agree(path, audio=tmp_path / "none.pcm")
    with pytest.raises(ProfileError):
        rl.agree(path, profile="nobody")


def test_the_command_ends_with_0_1_or_3(tmp_path, voice_lines):
    run = CliRunner()
    good = write_log(tmp_path / "good.jsonl", untimed(voice_lines))
    bad = write_log(tmp_path / "bad.jsonl", changed(voice_lines, DONE, drop))
    ended = run.invoke(cli.app, ["agree", str(good)])
    assert ended.exit_code == 0 and "good.jsonl: 0 differ" in ended.stdout
    ended = run.invoke(cli.app, ["agree", str(good), str(bad), "--json"])
    assert ended.exit_code == 1
    assert [one["differs"] for one in json.loads(ended.stdout)["sessions"]] == [0, 1]
    for words in ([tmp_path / "none.jsonl"], [good, "--profile", "nobody"], [good, "--audio", "none.wav"]):
        ended = run.invoke(cli.app, ["agree", *map(str, words)])
        assert ended.exit_code == 3 and len(ended.stderr.splitlines()) == 1 and ended.stdout == ""


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-9, 9_999)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
NAMES = (
    "session item response audio item_id response_id audio_start_ms audio_end_ms delta error part id role content usage"
)
KINDS = (
    "session.created session.update session.updated input_audio_buffer.append input_audio_buffer.speech_started "
    "input_audio_buffer.speech_stopped input_audio_buffer.committed input_audio_buffer.commit conversation.item.added "
    "conversation.item.create conversation.item.created response.create response.created response.audio.delta "
    "response.output_item.added response.done response.cancel conversation.item.input_audio_transcription.completed "
    "input_audio_buffer.timeout_triggered a.b error"
)
bodies = st.dictionaries(st.sampled_from(NAMES.split()), json_values, max_size=5)
events = st.builds(lambda body, kind: {**body, "type": kind}, bodies, st.sampled_from(KINDS.split()))


@given(st.lists(events, max_size=12), st.integers(0, 5_000))
def test_whatever_a_log_holds_it_is_compared_or_one_clear_error(tmp_path_factory, log, samples):
    folder = tmp_path_factory.mktemp("logs")
    (folder / "clip.pcm").write_bytes(b"\0\0" * samples)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            found = rl.agree(write_log(folder / "log.jsonl", log), audio=folder / "clip.pcm" if samples else None)
        except RecordingError:
            assert not log
            return
    assert str(found) and json.loads(found.to_json()) and found._repr_html_()


ODD = (None, "x", -1, [], {"type": []})
HEARD = (
    "speech_started",
    "speech_stopped",
    "input_audio_buffer.committed",
    "transcription.completed",
    "session.updated",
)


@pytest.mark.parametrize("session", [tool_round, conversation], ids=lambda session: session.__name__)
def test_a_real_log_with_one_odd_value_is_compared_all_the_same(tmp_path, clip, session):
    """Each field of each event in turn; of the spoken session, those that say what was heard."""
    lines = untimed(session(clip).lines)
    tried = 0
    for place, line in enumerate(lines):
        if is_append(line) or (session is conversation and not line["event"]["type"].endswith(HEARD)):
            continue
        for number, name in enumerate(sorted(set(line["event"]) - {"type", "event_id"})):
            odd = copy.deepcopy(without_audio(lines))
            odd[place]["event"][name] = ODD[(place + number) % len(ODD)]
            assert rl.agree(write_log(tmp_path / "log.jsonl", odd)).sessions
            tried += 1
    assert tried > 20
