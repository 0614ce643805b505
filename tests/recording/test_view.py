"""A recording in a notebook: what it says, and that nothing in it gets out of its place."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from report_payloads import PAYLOADS

from realtime_lab.audio import Interval
from realtime_lab.protocol import events as ev
from realtime_lab.recording import Header, RecordedEvent, Recording, ReferenceTurn


def made(text="x", **header):
    head = Header(
        target=text,
        script_id=text,
        script_hash=text,
        condition=text,
        seed=1,
        requested={},
        engine={text: text},
        **header,
    )
    turn = ReferenceTurn(index=0, speech_ms=(Interval(0.0, 500.0),), deadline_ms=5500.0, complete=True, text=text)
    log = (
        RecordedEvent(1.0, "server", ev.UnknownEvent(type=text, raw=b"{}")),
        RecordedEvent(2.0, "server", ev.SpeechStarted(item_id=text, audio_start_ms=0)),
    )
    return Recording(header=head, reference=(turn,), appends=(), events=log, audio_ms=2500.0)


def tags(text):
    found = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attrs: found.append((tag, tuple(name for name, _ in attrs)))
    parser.feed(text)
    parser.close()
    return found


def test_it_says_what_was_run_and_what_happened():
    shown = made("orders")._repr_html_()
    for said in ("2.5 s of audio", "2 events", "speech_started", "turns with speech: 1", "complete"):
        assert said in shown


def test_a_failure_and_privacy_are_said():
    shown = made(outcome="failed", failure="invalid_api_key: no", private=True)._repr_html_()
    assert "invalid_api_key: no" in shown and "(private)" in shown and ": failed," in shown


def test_forty_payloads_stay_text_and_change_no_element():
    for payload in PAYLOADS:
        assert tags(made(payload, failure=payload)._repr_html_()) == tags(made("x", failure="x")._repr_html_())


def test_long_texts_and_many_types_are_shortened():
    log = tuple(RecordedEvent(float(n), "server", ev.UnknownEvent(type=f"type {n}", raw=b"")) for n in range(500))
    base = made("y" * 9_000)
    shown = Recording(header=base.header, reference=(), appends=(), events=log, audio_ms=1.0)._repr_html_()
    assert len(shown) < 20_000 and "other types" in shown


def test_keys_are_hidden():
    assert "sk-abcdefghijkl" not in made(failure="Incorrect API key: sk-abcdefghijkl")._repr_html_()


def test_nothing_is_fetched():
    assert not re.search(r"src=|href=|url\(", made()._repr_html_())
