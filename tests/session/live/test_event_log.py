"""What a live session keeps: known events until there are too many, of others a share and then their number."""

from __future__ import annotations

from realtime_lab.protocol import events as ev
from realtime_lab.session.live import event_log
from realtime_lab.session.live.event_log import EventLog

DELTA = ev.TextDelta(response_id="r", item_id="i", output_index=0, content_index=0, delta="a")


def unknown(kind="x", raw=b"{}"):
    return ev.UnknownEvent(type=kind, raw=raw)


def test_events_are_told_in_ms_after_zero():
    log = EventLog()
    log.add(2.0, "client", DELTA)
    log.add(2.5, "server", DELTA, 10)
    assert [(entry.t_ms, entry.direction) for entry in log.events(2.0)] == [(0.0, "client"), (500.0, "server")]
    assert log.overflow is None


def test_unknown_events_beyond_a_share_are_counted_by_type(monkeypatch):
    monkeypatch.setattr(event_log, "_UNKNOWN_EVENTS", 3)
    log = EventLog()
    for number in range(10):
        log.add(float(number), "server", unknown("x" if number % 2 else "y"), 2)
    kept = log.events(0.0)
    assert [entry.event.problem for entry in kept] == ["", "", "", "4 more were not kept", "3 more were not kept"]
    assert [entry.event.type for entry in kept[3:]] == ["x", "y"] and kept[-1].t_ms == 9_000.0


def test_bytes_of_unknown_events_have_a_share_too(monkeypatch):
    monkeypatch.setattr(event_log, "_UNKNOWN_BYTES", 100)
    log = EventLog()
    for kind in ("x", "x", "x"):
        log.add(0.0, "server", unknown(kind, b"a" * 60), 60)
    assert [len(entry.event.raw) for entry in log.events(0.0)] == [60, 0]


def test_of_very_many_types_the_rest_is_counted_together(monkeypatch):
    monkeypatch.setattr(event_log, "_UNKNOWN_EVENTS", 0)
    log = EventLog()
    for number in range(1_000):
        log.add(0.0, "server", unknown(f"kind {number}"), 2)
    assert len(log.events(0.0)) == 101


def test_too_many_events_or_too_much_text_are_said(monkeypatch):
    monkeypatch.setattr(event_log, "MAX_EVENTS", 2)
    monkeypatch.setattr(event_log, "_UNKNOWN_EVENTS", 1)
    log = EventLog()
    for _ in range(3):
        assert log.overflow is None
        log.add(0.0, "server", DELTA, 10)
    assert log.overflow == "more than 2 events came"
    log = EventLog()
    log.add(0.0, "server", DELTA, event_log.MAX_TEXT_BYTES + 1)
    assert log.overflow == "more than 33,554,432 bytes of text came"
    log = EventLog()
    monkeypatch.setattr(event_log, "MAX_MESSAGES", 5)
    for _ in range(6):
        log.add(0.0, "server", unknown())
    assert log.overflow == "more than 5 messages came"


def test_audio_counts_as_little_as_it_is_in_a_recording():
    log = EventLog()
    sound = ev.AudioDelta(response_id="r", item_id="i", output_index=0, content_index=0, delta="AAAA")
    log.add(0.0, "server", sound, event_log.MAX_TEXT_BYTES + 1)
    assert log.overflow is None
