"""Frames: declared types, expanded appends, secrets masked, no pandas where workers are."""

from __future__ import annotations

import json

import msgspec
import pandas as pd
import pyarrow as pa
import pytest

from realtime_lab import analysis
from realtime_lab.analysis.columns import EVENTS, METRICS_VERSION, TOKENS, TRIALS, TURNS, column
from realtime_lab.analysis.rows.frames import (
    events_df,
    frame_of_arrow,
    frame_of_rows,
    responses_df,
    tokens_df,
    trials_df,
    turns_df,
)
from realtime_lab.errors import RecordingError
from realtime_lab.protocol import events as ev
from realtime_lab.recording.events import AppendRun
from tests.analysis.rows.test_handmade import Hand, one_turn
from tests.analysis.rows.test_session import rich

DTYPES = {"float": "Float64", "int": "Int64", "bool": "boolean", "str": "string"}


def test_frames_have_the_declared_columns_and_types_also_without_rows():
    recording, empty = rich().build(), Hand([]).build()
    for made, columns in ((turns_df, TURNS), (tokens_df, TOKENS), (trials_df, TRIALS)):
        for frame in (made(recording), made(empty)):
            assert list(frame.columns)[-len(columns) :] == [entry.name for entry in columns]
            assert [str(frame[entry.name].dtype) for entry in columns] == [DTYPES[entry.dtype] for entry in columns]


def test_frames_carry_script_condition_target_and_version():
    frame = responses_df(rich().build())
    assert frame[["script", "condition", "target"]].iloc[0].tolist() == ["s", "clean", "mocked:documented"]
    assert frame["metrics_version"].unique().tolist() == [METRICS_VERSION]


def test_equal_recordings_give_equal_frames():
    pd.testing.assert_frame_equal(turns_df(rich().build()), turns_df(rich().build()))


def test_an_arrow_table_becomes_a_frame_with_nullable_types():
    table = pa.table(
        {
            "a": pa.array([1.5, None]),
            "b": pa.array([1, None], pa.int64()),
            "c": pa.array([True, None]),
            "d": pa.array(["NA", None]),
            "e": pa.array([1, 2], pa.int32()),
        }
    )
    frame = frame_of_arrow(table)
    assert [str(dtype) for dtype in frame.dtypes] == ["Float64", "Int64", "boolean", "string", "Int64"]
    assert frame["d"].tolist()[0] == "NA" and frame.iloc[1, :4].isna().all()


def test_rows_may_leave_columns_out():
    frame = frame_of_rows([{"turn": 1}], TURNS)
    assert frame["turn"].tolist() == [1] and frame["outcome"].isna().all()


def appends(recording):
    frame = events_df(recording)
    return frame[frame["type"] == "input_audio_buffer.append"]


def test_events_are_in_time_order_with_every_append():
    frame = events_df(one_turn(audio_ms=6000.0).build())
    assert frame["t_ms"].is_monotonic_increasing
    sent = frame[frame["type"] == "input_audio_buffer.append"]
    assert len(sent) == 300 and sent["direction"].unique().tolist() == ["client"]
    assert sent["t_ms"].tolist() == [20.0 * (frame_number + 1) for frame_number in range(300)]
    assert sent["audio_ms"].tolist() == sent["t_ms"].tolist()
    stopped = frame[frame["type"] == "input_audio_buffer.speech_stopped"].iloc[0]
    assert (stopped["item_id"], stopped["audio_ms"], stopped["t_ms"]) == ("a", 3560.0, 3570.0)
    assert [str(frame[entry.name].dtype) for entry in EVENTS] == [DTYPES[entry.dtype] for entry in EVENTS]


def test_a_frame_that_spans_two_passages_holds_a_piece_of_each_and_no_sample_is_lost():
    runs = [
        AppendRun(start_ms=0.0, samples=768, sha256="p", offset_samples=0, frame_ms=20.0),
        AppendRun(start_ms=32.0, samples=1536, sha256="q", offset_samples=100, frame_ms=20.0),
    ]
    hand = Hand([], audio_ms=96.0)
    recording = msgspec.structs.replace(hand.build(), appends=tuple(runs))
    audio = [json.loads(text)["audio"] for text in appends(recording)["event"]]
    assert audio[1] == [
        {"sha256": "p", "offset_samples": 480, "samples": 288},
        {"sha256": "q", "offset_samples": 100, "samples": 192},
    ]
    pieces = [piece for entry in audio for piece in (entry if isinstance(entry, list) else [entry])]
    assert sum(piece["samples"] for piece in pieces) == 768 + 1536
    assert appends(recording)["t_ms"].tolist() == [20.0, 40.0, 60.0, 80.0, 100.0]
    assert appends(recording)["audio_ms"].tolist()[-1] == 96.0


def test_logged_send_times_are_kept():
    run = AppendRun(
        start_ms=0.0, samples=1440, sha256="p", offset_samples=0, frame_ms=20.0, sent_ms=(21.5, 40.25, 61.0)
    )
    recording = msgspec.structs.replace(Hand([], audio_ms=60.0).build(), appends=(run,))
    assert appends(recording)["t_ms"].tolist() == [21.5, 40.25, 61.0]


def test_more_appends_than_a_session_can_have_are_not_laid_out(monkeypatch):
    """A few bytes of a file claim any number of them, in one run or between two."""
    monkeypatch.setattr("realtime_lab.analysis.rows.frames._MOST_FRAMES", 1_000)
    near = AppendRun(start_ms=0.0, samples=480_000, sha256="p", offset_samples=0, frame_ms=20.0)
    long = msgspec.structs.replace(near, samples=1 << 40)
    far = msgspec.structs.replace(near, start_ms=80_000_000.0)
    for runs, fit in [((near,), True), ((long,), False), ((near, far), False)]:
        recording = msgspec.structs.replace(Hand([], audio_ms=20_000.0).build(), appends=runs)
        if fit:
            assert len(appends(recording)) == 1_000
            continue
        with pytest.raises(RecordingError, match="claims more than 1,000 appends"):
            events_df(recording)


def test_a_log_without_clocks_keeps_its_order():
    recording = one_turn(audio_ms=100.0, header={"has_send_clock": False}).build()
    frame = events_df(recording)
    assert frame["t_ms"].isna().sum() == 5
    assert frame["type"].tolist()[5:] == [ev.event_type(entry.event) for entry in recording.events]


@pytest.mark.parametrize(
    "session",
    [
        {"tools": [{"type": "mcp", "headers": {"Authorization": "Bearer CANARY-1"}}]},
        {"tools": [{"type": "mcp", "authorization": "CANARY-1"}]},
        {"instructions": "use sk-CANARY-1 please"},
    ],
)
def test_a_secret_in_a_session_is_masked(session):
    hand = one_turn()
    hand.say(0.0, ev.SessionUpdate(session=session), "client")
    assert not events_df(hand.build())["event"].str.contains("CANARY").any()


def test_tokens_of_a_transcript_are_not_masked():
    events = events_df(rich().build())["event"]
    assert events.str.contains('"token": "wor"', regex=False).sum() == 1


def test_public_names_are_sorted_and_exist():
    assert analysis.__all__ == sorted(analysis.__all__)
    assert all(hasattr(analysis, name) for name in analysis.__all__)
    with pytest.raises(AttributeError, match="nothing"):
        analysis.nothing  # noqa: B018


def test_a_column_is_found_by_name_and_a_setting_is_not():
    assert column("response_latency_ms").axis_label == "response latency (ms)"
    assert column("silence_duration_ms") is None
