"""The session view: what is opened, what the log lets through, what is heard, and that nothing from data is HTML."""

import dataclasses

import msgspec
import numpy as np
import pytest
from sessions import spoken_script, tone_stage

from realtime_lab.analysis.rows.frames import events_df, turns_df
from realtime_lab.audio import Interval, load_scripts
from realtime_lab.config import ServerVad, SessionConfig, Transcription
from realtime_lab.errors import RealtimeLabError
from realtime_lab.protocol import events as ev
from realtime_lab.recording import RecordedEvent
from realtime_lab.report import listen
from realtime_lab.session import run_session
from realtime_lab.widgets.configure.effective import comparison_html, mocked_session, sides, sides_of_wire
from realtime_lab.widgets.look.event_log import MOST_LINES, EventLog, LogFilter, log_html
from realtime_lab.widgets.look.opened import open_session
from realtime_lab.widgets.look.session_view import SessionView, player_html, transcript_html, turn_figures, wait_html

BASE = SessionConfig(model="m", turn_detection=ServerVad(), transcription=Transcription(model="w"))
EVIL = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def script():
    return spoken_script("hello there", "and then")


@pytest.fixture(scope="module")
def stage(script):
    """The first turn has a pause of 480 ms, the second none."""
    return tone_stage(script, ((0, 30), (45, 60)), ((0, 30),))


def held(script, stage, silence_ms=500):
    return run_session(BASE.with_values({"silence_duration_ms": silence_ms}), script, stage=stage)


@pytest.fixture(scope="module")
def opened(script, stage):
    return open_session(held(script, stage), script=script, stage=stage)


# --- what is opened -------------------------------------------------------------------------------------------------


def test_turns_are_named_by_how_they_went_and_the_worst_comes_first(script, stage):
    """A silence that fits into the pause cuts turn 0, which is then the one to open on."""
    cut = open_session(held(script, stage, 300), script=script, stage=stage)
    assert [turn for _, turn in cut.choices] == [0, 1, None]
    assert cut.choices[0][0] == "turn 0: cut off in 1 of 1 pauses"
    assert cut.choices[1][0].startswith("turn 1: answered after ")
    assert cut.worst == 0


def test_the_parts_of_the_wait_add_up_to_the_latency_of_the_turns_frame(opened):
    wait = opened.wait(1)
    assert [name for name, _ in wait.parts][:2] == ["endpoint delay", "endpoint lag"]
    assert wait.total_ms == pytest.approx(turns_df(opened.recording)["response_latency_ms"][1], abs=1e-9)


def test_a_cut_turn_has_no_wait_and_says_why(script, stage):
    cut = open_session(held(script, stage, 300), script=script, stage=stage)
    assert cut.wait(0).parts == () and "cut off" in cut.wait(0).why_not
    assert "cut off" in turn_figures(cut.row(0)) and "cut off" in wait_html(cut.wait(0))


def test_what_is_heard_is_as_long_as_the_stretch_the_timeline_shows(opened):
    for turn in (0, 1, None):
        window, sound = opened.timeline(turn).window, opened.sound(turn)
        assert sound.length_s * 1000 == pytest.approx(window.length_ms, abs=0.1)
    caller = opened.sound(0).samples[:, 0]
    assert np.abs(caller).max() > 1_000


def test_a_shipped_script_is_found_by_its_hash_and_heard_as_listen_hears_it():
    spoken = load_scripts("orders")[0]
    recording = run_session(BASE, dataclasses.replace(spoken, id="anything"))
    opened = open_session(recording)
    assert opened.replay is not None and opened.replay.script.content_hash == spoken.content_hash

    class Studied:
        plan = type("Plan", (), {"scripts": [spoken], "conditions": [opened.replay.condition]})

        def recording(self, trial):
            return recording

    assert np.array_equal(opened.sound(0).samples, listen(Studied(), 0, 0).samples)


def test_without_its_script_a_session_is_seen_and_not_heard(script, stage):
    opened = open_session(held(script, stage))
    assert opened.sound(0) is None and "script=" in opened.why_silent(0)
    shown = player_html(opened, 0)
    assert "<svg" in shown and "<audio" not in shown and "cannot be heard" in shown


def test_what_is_not_there_is_refused_in_words(opened):
    with pytest.raises(RealtimeLabError, match="turn = 7: the session's turns are 0, 1"):
        opened.row(7)
    with pytest.raises(RealtimeLabError, match="trial = None"):
        open_session(object())


# --- requested against effective ------------------------------------------------------------------------------------


def test_both_sides_of_every_field_and_what_differs_first():
    asked = {"type": "realtime", "audio": {"input": {"turn_detection": {"type": "server_vad", "threshold": 0.5}}}}
    says = {"type": "realtime", "audio": {"input": {"turn_detection": {"type": "server_vad", "threshold": 0.8}}}}
    rows = {row.name: row for row in sides_of_wire(asked, says | {"voice": "marin"})}
    assert rows["threshold"] == ("threshold", "0.5", "0.8", True)
    assert rows["voice"] == ("voice", None, "marin", False)
    shown = comparison_html(list(rows.values()))
    assert "1 not as asked" in shown and shown.index("threshold") < shown.index("voice")


def test_secrets_and_hostile_words_of_a_configuration_are_not_shown():
    config = SessionConfig(instructions=f"{EVIL} sk-abcdefghijkl", tools=[{"type": "function", "name": "x"}])
    shown = comparison_html(sides(config, config))
    assert "sk-abc" not in shown and "<img" not in shown and "&lt;img" in shown


def test_the_mocked_servers_session_is_the_one_a_session_reports(script, stage):
    recording = held(script, stage)
    asked = SessionConfig.from_wire(recording.header.requested)
    assert sides(asked, mocked_session(asked, "documented")) == sides_of_wire(
        recording.header.requested, recording.header.effective
    )


# --- the log --------------------------------------------------------------------------------------------------------


def test_every_event_is_in_the_log_once(opened):
    log = EventLog(opened.recording)
    found = log.matching(LogFilter(fold=False))
    assert len(found) == len(log) == len(opened.recording.events) + len(opened.recording.appends)
    times = [line.t_ms for line in found]
    assert times == sorted(times)
    spoken = events_df(opened.recording)
    kinds = spoken[spoken["type"] != "input_audio_buffer.append"]["type"].value_counts().to_dict()
    mine = [line.type for line in found if line.type != "input_audio_buffer.append"]
    assert {kind: mine.count(kind) for kind in set(mine)} == kinds


def test_filters_narrow_by_words_direction_and_time(opened):
    log = EventLog(opened.recording)
    stopped = log.matching(LogFilter("SPEECH_stopped"))
    assert {line.type for line in stopped} == {"input_audio_buffer.speech_stopped"}
    assert {line.direction for line in log.matching(LogFilter(direction="client"))} == {"client"}
    window = Interval(stopped[0].t_ms, stopped[0].t_ms)
    assert all(line.t_ms == stopped[0].t_ms for line in log.matching(LogFilter(window=window)))
    assert log.matching(LogFilter("speech_stopped nothing-has-this")) == []


def test_folding_keeps_the_number_of_events(opened):
    log = EventLog(opened.recording)
    folded = log.matching(LogFilter())
    assert sum(line.times for line in folded) == len(log) > len(folded)


def test_a_long_log_is_cut_and_says_so(opened):
    lines = EventLog(opened.recording).matching(LogFilter(fold=False)) * 50
    shown = log_html(lines, 0.0, len(lines))
    assert shown.count("<details") == MOST_LINES and "narrow the filter" in shown


def test_a_log_without_clocks_is_shown_in_its_own_order(opened):
    timeless = tuple(entry._replace(t_ms=None) for entry in opened.recording.events)
    log = EventLog(msgspec.structs.replace(opened.recording, events=timeless))
    assert all(line.t_ms is None for line in log.matching(LogFilter(fold=False)))


# --- the panel ------------------------------------------------------------------------------------------------------


def hostile(recording):
    """The same session, in which everything that a server or a file can say is markup."""
    said = [
        RecordedEvent(900.0, "server", ev.UnknownEvent(type=EVIL, raw=b'{"type": "x"}')),
        RecordedEvent(901.0, "server", ev.SpeechStarted(item_id=EVIL, audio_start_ms=800)),
    ]
    header = msgspec.structs.replace(
        recording.header, script_id=EVIL, condition=EVIL, target=EVIL, failure=EVIL, engine={EVIL: EVIL}
    )
    reference = tuple(msgspec.structs.replace(turn, text=EVIL) for turn in recording.reference)
    events = tuple(sorted((*recording.events, *said), key=lambda entry: entry.t_ms))
    return msgspec.structs.replace(recording, header=header, reference=reference, events=events)


def values_of(panel):
    parts = [panel.heading, panel.figures, panel.player, panel.error_strip, *panel.parts.values()]
    return "".join(part.value for part in parts)


def test_the_panel_follows_its_turn_and_its_filter(script, stage):
    panel = SessionView(held(script, stage), script=script, stage=stage, turn=0)
    before = panel.parts["Events"].value
    panel.turns.set_state({"index": 1})
    assert panel.turns.value == 1 and panel.parts["Events"].value != before
    panel.words.set_state({"value": "speech_stopped"})
    panel._pace.flush()
    assert panel.parts["Events"].value.count("<details") == 1
    panel.here.set_state({"value": False})
    panel._pace.flush()
    assert panel.parts["Events"].value.count("<details") == 2
    panel.turns.set_state({"index": 2})
    assert "Choose a turn" in panel.parts["Wait"].value and panel.error_strip.value == ""


def test_what_is_looked_at_is_named_also_when_it_is_the_whole_session(script, stage):
    """A list whose value is None shows nothing unless its place is said."""
    silent = open_session(held(script, stage, 300), script=script, stage=stage)
    silent.__dict__["choices"] = (("the whole session", None),)
    panel = SessionView(silent)
    assert panel.turns.index == 0 and panel.turns.label == "the whole session" and "<svg" in panel.player.value


def test_nothing_from_a_recording_becomes_markup(script, stage):
    panel = SessionView(hostile(held(script, stage)), script=script, condition=None, turn=0)
    shown = values_of(panel)
    assert "<img" not in shown and "&lt;img" in shown
    assert shown.count("onerror") == shown.count("onerror=alert(1)&gt;")


def test_a_session_whose_log_has_no_clocks_is_read_and_the_strip_says_what_is_missing(script, stage):
    recording = held(script, stage)
    timeless = tuple(entry._replace(t_ms=None) for entry in recording.events)
    panel = SessionView(msgspec.structs.replace(recording, events=timeless), script=script, stage=stage)
    assert "no timeline" in panel.error_strip.value
    assert "speech_stopped" in panel.parts["Events"].value


def test_a_transcript_stands_beside_its_reference(opened):
    shown = transcript_html(opened, 0)
    assert "hello" in shown and "there" in shown and "little confidence" in shown
    assert transcript_html(opened, None).count("rl-transcript") == 2
