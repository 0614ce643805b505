"""The conformance table: current, its tests there, its refusals as said, and complete."""

import ast
import re
from collections import Counter
from pathlib import Path

import pytest
from engine_talk import Talk, kinds
from real_sessions import real_logs, real_table
from typer.testing import CliRunner

from realtime_lab.cli import app
from realtime_lab.config import FIELDS, SessionConfig
from realtime_lab.protocol import codec
from realtime_lab.protocol.codec import CLIENT_TYPES, SERVER_TYPES
from realtime_lab.server.serving import conformance
from realtime_lab.server.serving.conformance import (
    NOT_SENT,
    NOT_SUPPORTED,
    RECORDED,
    SEEN_EVENTS,
    SEEN_FIELDS,
    conformance_rows,
    conformance_table,
)

PROTOCOL_CODES = (
    "missing_required_parameter unknown_parameter invalid_type invalid_value integer_below_min_value "
    "input_audio_buffer_commit_empty conversation_already_has_active_response response_cancel_not_active "
    "item_create_duplicate_item_id item_retrieve_invalid_item_id model_not_found rate_limit_exceeded "
    "insufficient_quota session_expired beta_api_shape_disabled invalid_api_key"
).split()
IGNORED = {
    "instructions": "be brief",
    "prompt": {"id": "pmpt_1", "version": "2", "variables": {"a": "b"}},
    "truncation": {"type": "retention_ratio", "retention_ratio": 0.5, "token_limits": {"post_instructions": 8000}},
    "reasoning": {"effort": "low"},
    "parallel_tool_calls": False,
    "tracing": {"workflow_name": "w", "group_id": "g", "metadata": {"a": "b"}},
}
GUIDANCE = {"model": "gpt-4o-transcribe", "language": "en", "prompt": "names", "languages": ["en"], "keywords": ["a"]}


def test_the_file_beside_the_module_is_what_the_command_prints():
    printed = CliRunner().invoke(app, ["serve", "--conformance"])
    written = Path(conformance.__file__).with_name("CONFORMANCE.md").read_text(encoding="utf-8")
    assert printed.exit_code == 0 and printed.stdout == written == conformance_table()


def test_every_test_it_names_exists(root):
    named = {row.evidence for row in conformance_rows() if row.evidence.startswith("tests/")}
    assert len(named) >= 30
    for evidence in named:
        file, name = evidence.split("::")
        tree = ast.parse((root / file).read_text(encoding="utf-8"))
        assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, evidence


def test_every_row_has_a_test_or_says_that_it_is_not_supported():
    for row in conformance_rows():
        assert row.evidence.startswith("tests/") != (row.how == "not supported"), row


def test_every_event_field_and_code_has_its_row():
    names = {(row.kind, row.name) for row in conformance_rows()}
    assert {("client event", kind) for kind in CLIENT_TYPES} <= names
    assert {("server event", kind) for kind in SERVER_TYPES} <= names
    assert {("field", field.path) for field in FIELDS} <= names
    assert {("error code", code) for code in PROTOCOL_CODES} <= names


def test_every_code_the_server_may_send_has_its_row(root):
    """The codes that stand in the server's own source, as the second argument of an error or a Problem's code."""
    listed = {row.name for row in conformance_rows() if row.kind == "error code"}
    pattern = re.compile(r'(?:error\(\w+, |code=|Refusal\(|_invalid_item_id", |, hint, )"([a-z_]+)"')
    found = set()
    for path in (root / "realtime_lab" / "server").rglob("*.py"):
        found |= set(pattern.findall(path.read_text(encoding="utf-8")))
    own = found - {"internal_error", "not_found", "invalid_token"}
    assert len(own) >= 10 and own <= listed | {"method_not_allowed", "foreign_host", "foreign_origin"}, own - listed


@pytest.mark.parametrize("what", NOT_SUPPORTED, ids=lambda what: what[1])
def test_what_is_not_supported_answers_with_the_named_error(what):
    refusal = NOT_SUPPORTED[what]
    frame = dict(refusal.frame)
    error = Talk().error(frame.pop("type"), event_id="mine", **frame)
    assert (error["code"], error["param"], error["event_id"]) == (refusal.code, refusal.param, "mine")
    assert len(error["message"]) > 20


def test_what_is_never_sent_is_not_among_what_a_busy_session_says():
    talk = Talk()
    talk.say(20, True)
    talk.say(60, False)
    assert not set(kinds(talk.events)) & NOT_SENT.keys()


def test_what_is_ignored_is_accepted_and_reported_back():
    talk = Talk()
    answer = talk.update(**IGNORED, audio={"input": {"transcription": GUIDANCE}, "output": {"voice": "ash"}})
    assert answer["type"] == "session.updated"
    assert IGNORED.items() <= answer["session"].items()
    assert answer["session"]["audio"]["input"]["transcription"] == GUIDANCE
    answer = talk.update(
        audio={"input": {"transcription": {"delay": "low"}, "noise_reduction": {"type": "near_field"}}}
    )
    assert answer["session"]["audio"]["input"]["transcription"] == {**GUIDANCE, "delay": "low"}


# --- what is seen in recordings -------------------------------------------------------------------------------------

TIMED = {
    "session.update sent": "session.update",
    "response.create sent": "response.create",
    "first transcript delta": "response.output_audio_transcript.delta",
    "audio delta 1": "response.output_audio.delta",
    "output_audio.done": "response.output_audio.done",
    "transcription.completed": "conversation.item.input_audio_transcription.completed",
}


def events_seen():
    """Per recorded session: the types of its events, under today's names."""
    for log in real_logs():
        yield {codec.FLAT_NAMES.get(event["type"], event["type"]) for _, event in log}
    timed = {TIMED.get(row["event"], row["event"]) for row in real_table("timed_2.1-mini.csv")}
    idle = any("timeout_triggered" in row["source"] for row in real_table("segments.csv"))
    known = CLIENT_TYPES | SERVER_TYPES
    yield (timed | ({"input_audio_buffer.timeout_triggered"} if idle else set())) & known


def fields_seen():
    """Per recorded session: the paths of the fields that its server reported."""
    for log in real_logs():
        reported = [event["session"] for side, event in log if side == "server" and "session" in event]
        trees = [SessionConfig.from_wire(session, strict=False).to_wire("ga") for session in reported]
        paths = {field.path for field in FIELDS if any(stands(tree, field.path) for tree in trees)}
        yield paths if any("type" in session for session in reported) else paths - {"session_type"}


def stands(tree, path):
    for name in ("type" if path == "session_type" else path).split("."):
        if not isinstance(tree, dict) or name not in tree:
            return False
        tree = tree[name]
    return True


def test_what_is_said_to_be_seen_is_in_so_many_of_the_recordings():
    sessions = list(events_seen())
    assert len(sessions) == RECORDED
    assert Counter(kind for session in sessions for kind in session) == SEEN_EVENTS
    assert Counter(path for session in fields_seen() for path in session) == SEEN_FIELDS


def test_only_events_and_fields_that_there_are_are_said_to_be_seen():
    assert SEEN_EVENTS.keys() <= CLIENT_TYPES | SERVER_TYPES
    assert SEEN_FIELDS.keys() <= {field.path for field in FIELDS}
    assert all(0 < seen <= RECORDED for seen in (*SEEN_EVENTS.values(), *SEEN_FIELDS.values()))
