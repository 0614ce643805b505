"""The HTML of a session: folded, escaped, without anything to fetch or run."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from strategies_config import configs

from realtime_lab.config import SessionConfig

ALLOWED = {"details", "summary", "table", "thead", "tbody", "tr", "th", "td", "code"}


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag, attrs):
        assert tag in ALLOWED
        assert {name for name, _ in attrs} <= {"class", "style", "title", "open"}
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def read(page):
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    return tags.text


@given(configs)
def test_the_page_is_whole_and_holds_known_tags_only(config):
    assert "SessionConfig:" in read(config._repr_html_())


@pytest.mark.parametrize("payload", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "</details><b>"])
def test_hostile_texts_are_escaped_everywhere(payload):
    config = SessionConfig.from_wire(
        {"instructions": payload, "voice": payload, payload: payload, "tools": [{payload: payload}]}, strict=False
    )
    assert payload in read(config._repr_html_())  # as text


def test_each_row_tells_the_treatment():
    text = read(SessionConfig(voice="ash", max_output_tokens=64)._repr_html_())
    assert 'voice"ash"ignored' in text
    assert "max_output_tokens64modelled" in text


def test_an_empty_session_says_so():
    assert "nothing set" in SessionConfig()._repr_html_()
