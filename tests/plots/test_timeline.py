"""The timeline: what a session shows, in its lanes; hostile event types; sessions without sound or clocks."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import matplotlib as mpl
import pytest
from matplotlib.figure import Figure
from sessions import spoken_script, tone_stage

from realtime_lab.audio import clean, load_scripts
from realtime_lab.config import ServerVad, SessionConfig
from realtime_lab.errors import RecordingError
from realtime_lab.plots import timeline, timeline_info
from realtime_lab.protocol import events as ev
from realtime_lab.recording import Header, RecordedEvent, Recording
from realtime_lab.session import mocked, run_session
from realtime_lab.session.replay_audio import AudioReplay

SCRIPT = spoken_script("one two", "three")
STAGE = tone_stage(SCRIPT, ((0, 20), (40, 50)), ((0, 15),))


@pytest.fixture(scope="module")
def session():
    config = SessionConfig(model="m", turn_detection=ServerVad(threshold=0.4, silence_duration_ms=300))
    return run_session(config, SCRIPT, stage=STAGE)


@pytest.fixture(scope="module")
def replay(session):
    return AudioReplay(session, SCRIPT, clean(), STAGE)


def strange(*events):
    header = Header(target="t", script_id="s", script_hash="h", condition="clean", seed=0, requested={})
    log = tuple(RecordedEvent(t_ms, "server", event) for t_ms, event in events)
    return Recording(header=header, reference=(), appends=(), events=log, audio_ms=1000.0)


def test_reference_detected_speech_answers_and_events_of_the_whole_session(session, replay):
    info = timeline_info(session, replay)
    assert info.reference_ms == tuple(part for turn in session.reference for part in turn.speech_ms)
    assert info.threshold == 0.4
    assert len(info.detected) == 3  # the long pause is cut
    assert all(part.end_ms - part.heard_ms == 320.0 for part in info.detected)
    kinds = [event.kind for event in info.events]
    assert kinds.count("speech started") == kinds.count("speech stopped") == 3
    assert info.played_ms and info.played_ms == tuple(sorted(info.played_ms))
    assert {value for _, value in info.probability} == {0.0, 1.0}
    assert max(info.caller.high) > 0.2 and max(info.answer.high) > 0.1


def test_the_plan_is_enough_to_find_the_sound(session):
    whole = load_scripts("orders")[1]
    script = replace(whole, turns=whole.turns[:1])
    held = run_session(SessionConfig(model="m", turn_detection=ServerVad()), script, mocked(transcriber="simulated"))
    plan = SimpleNamespace(scripts=[script], conditions=[clean()])
    assert timeline_info(held, plan) == timeline_info(held, AudioReplay(held, script, clean()))
    with pytest.raises(RecordingError, match="not in its plan"):
        timeline_info(session, plan)


def test_one_turn_is_a_window_of_it(session, replay):
    info = timeline_info(session, replay, turn=1)
    start_ms = session.reference[1].speech_ms[0].start_ms
    assert info.window.start_ms == start_ms - 300.0
    assert info.reference_ms == session.reference[1].speech_ms
    assert all(info.window.start_ms <= event.at_ms <= info.window.end_ms for event in info.events)
    assert info.title == "tones, turn 1, clean"


def test_without_sound_there_are_no_waveforms_and_the_lane_says_so(session):
    info = timeline_info(session)
    assert info.caller is None and info.answer is None and info.probability == ()
    labels = [label.get_text() for label in timeline(session).get_yticklabels()]
    assert "caller\n(no audio)" in labels


def test_it_is_drawn_on_the_callers_axes(session, replay):
    ax = Figure().add_subplot()
    assert timeline(session, replay, ax) is ax
    assert ax.get_xlabel() == "seconds from the start of the session"


def test_a_session_in_which_nothing_happened_is_drawn():
    axes = timeline(strange())
    axes.figure.draw_without_rendering()
    assert axes.has_data() or axes.texts


def test_a_log_without_clocks_is_refused():
    log = strange((None, ev.SpeechStarted(item_id="i", audio_start_ms=0)))
    with pytest.raises(RecordingError, match="does not say when"):
        timeline_info(log)


def test_a_turn_that_is_not_there_is_refused(session):
    with pytest.raises(RecordingError, match="turn 9"):
        timeline_info(session, turn=9)


@pytest.mark.parametrize("name", [r"$\frac{", "<script>alert(1)</script>", "_hidden", "x" * 4000, "a\nb\x00☃"])
def test_hostile_event_types_are_marked_as_they_stand(name):
    ax = timeline(strange((10.0, ev.UnknownEvent(type=name, raw=b"{}"))))
    ax.figure.draw_without_rendering()
    found = [text for text in ax.figure.findobj(mpl.text.Text) if text.get_text()]
    assert any(text.get_text().startswith("unknown: ") for text in found)
    assert all(len(text.get_text()) < 100 for text in found)
    assert all(not text.get_parse_math() for text in ax.get_legend().get_texts())


def test_thousands_of_kinds_of_events_do_not_flood_the_legend():
    log = strange(*((float(n), ev.UnknownEvent(type=f"kind {n}", raw=b"{}")) for n in range(900)))
    info = timeline_info(log)
    assert len(info.events) == 400
    assert len(timeline(log).get_legend().get_texts()) <= 9


@pytest.mark.parametrize("threshold", [None, "0.5", True, 7.0, {"a": 1}])
def test_a_threshold_that_is_none_is_not_drawn(threshold):
    requested = {"audio": {"input": {"turn_detection": {"threshold": threshold}}}}
    header = Header(target="t", script_id="s", script_hash="h", condition="c", seed=0, requested=requested)
    made = Recording(header=header, reference=(), appends=(), events=(), audio_ms=1.0)
    assert timeline_info(made).threshold is None
