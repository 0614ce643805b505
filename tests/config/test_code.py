"""to_code and repr: a cell that builds an equal session, whatever stands in its texts."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from strategies_config import configs

import realtime_lab
from realtime_lab.config import SemanticVad, ServerVad, SessionConfig, Transcription


def run_cell(code):
    names: dict = {}
    exec(compile(code, "cell", "exec"), names)
    return names


@given(configs)
def test_the_cell_builds_an_equal_session(config):
    assert run_cell(config.to_code())["config"] == config


def test_the_cell_reads_well():
    config = SessionConfig(
        model="gpt-realtime-2.1",
        turn_detection=ServerVad(silence_duration_ms=350, threshold=0.5),
        transcription=Transcription(model="gpt-4o-transcribe"),
        logprobs=True,
        max_output_tokens="inf",
        tools=[{"type": "function", "name": "look_up_an_order", "description": "Find an order by its number, please."}],
    )
    assert config.to_code("base") == (
        "import realtime_lab as rl\n"
        "\n"
        "base = rl.SessionConfig(\n"
        '    model="gpt-realtime-2.1",\n'
        "    turn_detection=rl.ServerVad(threshold=0.5, silence_duration_ms=350),\n"
        '    transcription=rl.Transcription(model="gpt-4o-transcribe"),\n'
        "    logprobs=True,\n"
        '    max_output_tokens="inf",\n'
        "    tools=[\n"
        "        {\n"
        '            "type": "function",\n'
        '            "name": "look_up_an_order",\n'
        '            "description": "Find an order by its number, please.",\n'
        "        },\n"
        "    ],\n"
        ")"
    )


def test_an_empty_session_is_one_call():
    assert SessionConfig().to_code().endswith("config = rl.SessionConfig()")


def test_null_and_semantic_vad_are_written_out():
    assert "turn_detection=None" in SessionConfig(turn_detection=None).to_code()
    code = SessionConfig(turn_detection=SemanticVad(eagerness="low")).to_code()
    assert 'rl.SemanticVad(eagerness="low")' in code


def test_the_cell_uses_public_names_only():
    config = SessionConfig(turn_detection=ServerVad(), transcription={}, noise_reduction={}, output_format="g711_alaw")
    used = {node.attr for node in ast.walk(ast.parse(config.to_code())) if isinstance(node, ast.Attribute)}
    assert used <= set(realtime_lab.__all__)


@pytest.mark.parametrize("text", ['"', "'", "\\", "\n", "a'b\"c", "{name}", "\ud800", '"""', "é\u2028"])
def test_awkward_texts_survive(text):
    config = SessionConfig(instructions=text, transcription={"prompt": text * 40})
    assert run_cell(config.to_code())["config"] == config
    assert "\n" not in repr(config)


def test_a_repr_is_short_and_shows_what_is_set():
    config = SessionConfig(model="m", turn_detection=ServerVad(threshold=0.5), instructions="x" * 1000, speed=1)
    assert repr(config) == (
        f'SessionConfig(model="m", instructions="{"x" * 57}...", turn_detection=ServerVad(threshold=0.5), speed=1.0)'
    )
