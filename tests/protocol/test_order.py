"""The order checker: silent on a documented turn, one sentence for each thing out of place."""

import json

import pytest
from real_sessions import real_logs

from realtime_lab.protocol import check_order, decode_server
from realtime_lab.protocol import events as ev
from realtime_lab.protocol.items import ContentPart, Item, Response

USER = Item(id="u", type="message", role="user")
BOT = Item(id="b", type="message", role="assistant")
IDS = {"response_id": "r", "item_id": "b"}


def documented_turn():
    return [
        ev.SessionCreated(session={}),
        ev.SpeechStarted(item_id="u", audio_start_ms=0),
        ev.SpeechStopped(item_id="u", audio_end_ms=900),
        ev.InputAudioCommitted(item_id="u"),
        ev.ItemAdded(item=USER),
        ev.ItemDone(item=USER),
        ev.ResponseCreated(response=Response(id="r")),
        ev.OutputItemAdded(response_id="r", output_index=0, item=BOT),
        ev.ItemAdded(item=BOT),
        ev.ContentPartAdded(**IDS, part=ContentPart(type="audio")),
        ev.AudioTranscriptDelta(**IDS, delta="hi"),
        ev.AudioDelta(**IDS, delta=""),
        ev.AudioDone(**IDS),
        ev.AudioTranscriptDone(**IDS, transcript="hi"),
        ev.ContentPartDone(**IDS, part=ContentPart(type="audio")),
        ev.TranscriptionCompleted(item_id="u", transcript="hello"),
        ev.OutputItemDone(response_id="r", output_index=0, item=BOT),
        ev.ItemDone(item=BOT),
        ev.ResponseDone(response=Response(id="r", status="completed")),
    ]


def test_a_documented_turn_has_no_violations():
    assert check_order(documented_turn()) == []


def test_the_recorded_order_has_none_either_with_text_streamed_while_the_caller_speaks():
    """Today's API in recorded sessions: items are done before output items, limits are told last."""
    events = documented_turn()
    events.insert(16, events.pop(17))
    events.insert(2, ev.TranscriptionDelta(item_id="u", delta=" hel"))
    events.append(ev.RateLimitsUpdated(rate_limits=[]))
    assert [type(event) for event in events[17:19]] == [ev.ItemDone, ev.OutputItemDone]
    assert check_order(events) == []


def test_the_recorded_sessions_themselves_have_no_violations():
    for log in real_logs():
        events = [decode_server(json.dumps(event)) for side, event in log if side == "server"]
        assert len(events) > 30 and check_order(events) == []


@pytest.mark.parametrize(
    ("move", "to", "complaint"),
    [
        (2, 1, "speech_stopped"),
        (3, 2, "'stopped' out of order"),
        (15, 2, "before its commit"),
        (11, 6, "before response.created"),
        (18, 10, "open item"),
        (9, 7, "content of b"),
    ],
)
def test_an_event_out_of_place_is_named(move, to, complaint):
    events = documented_turn()
    events.insert(to, events.pop(move))
    assert any(complaint in violation for violation in check_order(events))


@pytest.mark.parametrize(
    ("at", "event", "complaint"),
    [
        (0, ev.SpeechStarted(item_id="v", audio_start_ms=0), "before session.created"),
        (2, ev.SpeechStarted(item_id="v", audio_start_ms=10), "speech_started while u still has speech"),
        (3, ev.SpeechStopped(item_id="u", audio_end_ms=10), "audio time runs back from 900 to 10 ms"),
        (8, ev.ResponseCreated(response=Response(id="r")), "response r created twice"),
        (6, ev.OutputItemAdded(response_id="x", output_index=0, item=BOT), "x"),
    ],
)
def test_an_event_too_many_is_named(at, event, complaint):
    events = documented_turn()
    events.insert(at, event)
    assert any(complaint in violation for violation in check_order(events))


def test_what_a_client_sent_and_what_nobody_knows_is_passed_over():
    events = documented_turn()
    assert check_order([events[0], ev.InputAudioCommit(), ev.UnknownEvent(type="x", raw=b"{}"), *events[1:]]) == []


def test_nothing_may_follow_the_end_of_a_response():
    late = ev.AudioDelta(**IDS, delta="")
    assert check_order([*documented_turn(), late])


def test_a_cancelled_response_may_end_anywhere():
    events = documented_turn()[:12] + [ev.ResponseDone(response=Response(id="r", status="cancelled"))]
    assert check_order(events) == []
