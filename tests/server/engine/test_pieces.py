"""Small parts of the server on their own: drawn arguments, kept audio, cut audio, and what a file may not say."""

from __future__ import annotations

import json

import numpy as np
import pytest

from realtime_lab.errors import ConfigError, ProfileError, RealtimeLabError
from realtime_lab.server.engine.profile import find_profile
from realtime_lab.server.engine.tool_calls import tool_call
from realtime_lab.server.hearing.heard import HeardFrames
from realtime_lab.server.recogniser.transcriber import transcriber_problem
from realtime_lab.server.recogniser.whisper import Vocabulary, read_vocabulary
from realtime_lab.server.serving.command import serve_until_interrupted
from realtime_lab.server.serving.shared_vad import SharedProbabilities

NEEDED = ["<|endoftext|>", "<|startoftranscript|>", "<|startofprev|>", "<|notimestamps|>"]


@pytest.mark.parametrize(
    ("schema", "allowed"),
    [
        ({"const": 7}, [7]),
        ({"type": "boolean"}, [True, False]),
        ({"type": "null"}, [None]),
        (3, [None]),
        ({"enum": ["a"]}, ["a"]),
    ],
)
def test_arguments_are_drawn_from_what_the_schema_allows(schema, allowed):
    tool = {"name": "f", "parameters": {"type": "object", "properties": {"x": schema}, "required": ["x"]}}
    assert json.loads(tool_call(np.random.default_rng(0), tool).arguments)["x"] in allowed


def test_audio_of_another_rate_is_not_joined_to_what_was_heard_before():
    heard = HeardFrames()
    heard.append(np.zeros(768, np.int16))
    heard.append(np.ones(256, np.int16))
    assert heard.span(0.0, 64.0) is None
    span = heard.span(32.0, 64.0)
    assert span.rate_hz == 8_000 and [len(piece) for piece in span.pieces] == [256]


def test_of_what_sessions_share_the_oldest_goes_first():
    shared = SharedProbabilities(most=2)
    for name in (b"a", b"b", b"c"):
        shared.put(name, 0.5)
    assert [shared.get(name) for name in (b"a", b"b", b"c")] == [None, 0.5, 0.5]


def test_a_transcriber_that_is_neither_a_name_nor_a_folder_is_refused(tmp_path):
    assert transcriber_problem(str(tmp_path)) is None
    assert "a folder of Whisper weights" in str(transcriber_problem("no-such-folder"))
    with pytest.raises(ConfigError, match="a folder of Whisper weights"):
        serve_until_interrupted(0, "documented", 0, None, "no-such-folder", None, print)


def test_a_server_whose_key_is_not_set_does_not_begin(monkeypatch):
    monkeypatch.setenv("EMPTY_KEY", " \n")
    with pytest.raises(RealtimeLabError, match="--key-env EMPTY_KEY: no environment variable of that name is set"):
        serve_until_interrupted(0, "documented", 0, "EMPTY_KEY", None, None, print)


def test_a_profile_that_is_a_folder_is_refused(tmp_path):
    (tmp_path / "p.toml").mkdir()
    with pytest.raises(ProfileError, match="profile"):
        find_profile(str(tmp_path / "p.toml"))


def test_a_vocabulary_as_json_is_read_and_without_ranks_no_prompt_is_encoded(tmp_path):
    (tmp_path / "vocabulary.json").write_text(json.dumps(["a", *NEEDED]))
    vocabulary = read_vocabulary(tmp_path)
    assert vocabulary.end_of_text == 1 and vocabulary.encode("a") == []
    (tmp_path / "tokenizer.json").write_text("[")
    assert Vocabulary(["a", *NEEDED], tmp_path / "tokenizer.json").encode("a") == []


@pytest.mark.parametrize("tokens", [{"a": 1}, ["a", 3]])
def test_a_vocabulary_that_is_no_list_of_tokens_is_refused(tmp_path, tokens):
    (tmp_path / "vocabulary.json").write_text(json.dumps(tokens))
    with pytest.raises(ValueError, match="no list of tokens"):
        read_vocabulary(tmp_path)
