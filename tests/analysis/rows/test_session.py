"""Rows of one recording: latencies, outcomes, responses, tokens, and what must not change them."""

from __future__ import annotations

import base64
import dataclasses
import math
import subprocess
import sys

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_lab.analysis import session_rows, turns_df
from realtime_lab.analysis.columns import RESPONSES, TOKENS, TRIALS, TURNS
from realtime_lab.analysis.summary.settings import summary
from realtime_lab.audio.pcm import Interval
from realtime_lab.protocol import events as ev
from realtime_lab.protocol.items import TokenLogprob, TranscriptionUsage
from realtime_lab.recording.events import RecordedEvent
from tests.analysis.rows.test_handmade import PREFIX_MS, Hand, one_turn, wire

LOGPROBS = "item.input_audio_transcription.logprobs"
TRANSCRIBING = {"transcription": {"model": "gpt-4o-transcribe"}, "include": [LOGPROBS]}


def rich():
    """Three turns: one cut in its hold with a premature response, one answered, one missed; with transcripts."""
    hand = Hand(
        [[(1000.0, 2000.0), (2800.0, 4000.0)], [(9000.0, 10000.0)], [(15000.0, 16000.0)]],
        wire(500.0, **TRANSCRIBING),
        audio_ms=25_000.0,
    )
    hand.item("a", 1060.0, 2560.0)
    hand.answer("a", 2600.0, audible_ms=0.0, status="cancelled", reason="turn_detected")
    hand.item("b", 2860.0, 4560.0)
    hand.transcript("a", 3100.0, "hello")
    hand.answer("b", 4600.0, silent_ms=200.0, status="incomplete", reason="max_output_tokens")
    hand.transcript(
        "b", 5100.0, "world", [TokenLogprob(token="wor", logprob=-0.1), TokenLogprob(token="ld", logprob=-2.0)]
    )
    hand.item("c", 9060.0, 10560.0)
    hand.answer("c", 10600.0, text=True)
    hand.transcript("c", 11200.0, "bye", [TokenLogprob(token="é"[:1], logprob=-0.5, bytes=[0xC3, 0xA9])])
    return hand


def metrics(rows):
    """Every value but the positions on the two clocks."""
    positions = {"start_ms", "end_ms", "created_ms", "audio_s"}
    return [[{name: value for name, value in row.items() if name not in positions} for row in table] for table in rows]


def test_every_row_has_every_declared_column_in_order():
    rows = session_rows(rich().build())
    for table, columns in zip(rows, (TURNS, RESPONSES, TOKENS, TRIALS), strict=True):
        assert table
        for row in table:
            assert list(row) == [entry.name for entry in columns]


def test_latencies_of_an_answered_turn_start_at_its_end():
    row = session_rows(one_turn().build()).turns[0]
    assert (row["endpoint_delay_ms"], row["endpoint_latency_ms"]) == (560.0, 570.0)
    assert (row["response_latency_ms"], row["first_byte_latency_ms"]) == (1200.0, 1200.0)
    assert (row["from_speech_stopped_ms"], row["from_response_created_ms"]) == (630.0, 600.0)


def test_a_cut_turn_has_its_flag_and_no_latency_and_its_responses_keep_theirs_with_their_sign():
    rows = session_rows(rich().build())
    turn = rows.turns[0]
    assert (turn["cut"], turn["n_cut_holds"], turn["n_premature"], turn["n_responses"]) == (True, 1, 1, 2)
    for name in ("endpoint_delay_ms", "endpoint_latency_ms", "response_latency_ms", "first_byte_latency_ms"):
        assert turn[name] is None
    premature, closing = rows.responses[:2]
    assert (premature["premature"], premature["cause"], premature["lead_ms"]) == (True, "cut", 1400.0)
    assert premature["endpoint_delay_ms"] == -1440.0
    assert (closing["cause"], closing["lead_ms"], closing["latency_ms"]) == ("closing", None, 1250.0)


def test_a_missed_turn_has_null_latencies_and_says_why():
    turn = session_rows(rich().build()).turns[2]
    assert (turn["outcome"], turn["outcome_reason"]) == ("missed", "no endpoint before the deadline")
    assert turn["response_latency_ms"] is None and turn["item_id"] is None


def test_one_answered_turn_and_89_s_of_silence_is_a_response_rate_of_50_percent():
    hand = Hand([[(1000.0, 2000.0)], [(8000.0, 9000.0)]], audio_ms=98_000.0)
    hand.item("a", 1060.0, 2560.0)
    hand.answer("a", 2600.0)
    recording = hand.build()
    assert [row["outcome"] for row in session_rows(recording).turns] == ["answered", "missed"]
    row = summary(turns_df(recording), by=[]).iloc[0]
    assert (row["n_answered"], row["n_decided"], row["answered_rate"]) == (1, 2, 0.5)


@pytest.mark.parametrize("complete", [True, False])
def test_a_tail_of_20_ms_is_a_censored_turn(complete):
    hand = Hand([[(1000.0, 2000.0)]], audio_ms=2020.0, complete=complete)
    hand.item("a", 1060.0, None)
    turn = session_rows(hand.build()).turns[0]
    assert (turn["outcome"], turn["outcome_reason"]) == ("censored", "the observation ended before the endpoint")
    row = summary(turns_df(hand.build()), by=[]).iloc[0]
    assert (row["n_censored"], row["n_decided"], row.isna()["answered_rate"]) == (1, 0, True)


def test_a_turn_without_reference_speech_is_excluded_with_a_reason():
    turn = session_rows(Hand([[]]).build()).turns[0]
    assert (turn["outcome"], turn["outcome_reason"], turn["cut"]) == ("excluded", "the reference has no speech", None)


def test_a_failed_response_is_no_answer():
    hand = Hand([[(1000.0, 2000.0)]])
    hand.item("a", 1060.0, 2560.0)
    hand.answer("a", 2600.0, audible_ms=0.0, status="failed", error={"type": "server", "code": "insufficient_quota"})
    rows = session_rows(hand.build())
    assert rows.turns[0]["outcome"] == "missed"
    assert rows.turns[0]["outcome_reason"] == "response failed before any output: insufficient_quota"
    assert rows.responses[0]["status_reason"] == "insufficient_quota"


def test_no_response_before_the_end_of_a_complete_observation_is_missed():
    hand = Hand([[(1000.0, 2000.0)]])
    hand.item("a", 1060.0, 2560.0)
    turn = session_rows(hand.build()).turns[0]
    assert (turn["outcome"], turn["outcome_reason"]) == ("missed", "no response before the deadline")
    assert turn["endpoint_delay_ms"] == 560.0


def test_where_no_response_is_asked_for_an_endpoint_is_the_answer():
    detection = {"type": "server_vad", "silence_duration_ms": 500, "create_response": False}
    hand = Hand([[(1000.0, 2000.0)]], wire(turn_detection=detection))
    hand.item("a", 1060.0, 2560.0)
    turn = session_rows(hand.build()).turns[0]
    assert (turn["outcome"], turn["awaits_response"], turn["awaits_audio"]) == ("answered", False, False)


def test_a_text_response_has_a_first_byte_and_nothing_audible():
    hand = Hand([[(1000.0, 2000.0)]], wire(output_modalities=["text"]))
    hand.item("a", 1060.0, 2560.0)
    hand.answer("a", 2600.0, text=True)
    rows = session_rows(hand.build())
    turn = rows.turns[0]
    assert (turn["first_byte_latency_ms"], turn["response_latency_ms"], turn["awaits_audio"]) == (1200.0, None, False)
    assert (turn["from_speech_stopped_ms"], rows.responses[0]["modality"]) == (630.0, "text")


def test_truncation_and_tokens_come_from_response_done():
    rows = session_rows(rich().build())
    turn, response = rows.turns[0], rows.responses[1]
    assert (turn["truncated"], turn["response_status"], turn["output_tokens"]) == (True, "incomplete", 30)
    assert response["truncated"] and response["status_reason"] == "max_output_tokens"
    assert (response["input_tokens"], response["cached_tokens"], response["cached_audio_tokens"]) == (100, 50, 30)
    assert (response["output_audio_tokens"], response["output_text_tokens"]) == (20, 10)


def test_a_response_that_never_ended_has_no_tokens_instead_of_zero():
    hand = Hand([[(1000.0, 2000.0)]])
    hand.item("a", 1060.0, 2560.0)
    hand.answer("a", 2600.0)
    hand.log = [entry for entry in hand.log if not isinstance(entry.event, ev.ResponseDone)]
    response = session_rows(hand.build()).responses[0]
    assert (response["status"], response["output_tokens"], response["truncated"]) == ("in_progress", None, False)


def test_transcripts_join_their_turn_by_item_in_any_order():
    """The second turn's transcript arrives before the first's."""
    hand = Hand([[(1000.0, 2000.0)], [(6000.0, 7000.0)]], wire(**TRANSCRIBING))
    for name, onset in (("a", 1060.0), ("b", 6060.0)):
        hand.item(name, onset, onset + 1500.0)
        hand.answer(name, onset + 1540.0)
    hand.transcript("b", 8000.0, "second")
    hand.transcript("a", 9000.0, "first")
    turns = session_rows(hand.build()).turns
    assert [row["transcript"] for row in turns] == ["first", "second"]
    assert [row["transcription_latency_ms"] for row in turns] == [7000.0, 1000.0]
    assert [row["logprobs"] for row in turns] == ["not given", "not given"]


def test_transcripts_of_a_cut_turn_are_joined_and_a_missing_one_is_said():
    turns = session_rows(rich().build()).turns
    assert (turns[0]["transcript"], turns[0]["transcription"], turns[0]["logprobs"]) == (
        "hello world",
        "completed",
        "given",
    )
    assert (turns[2]["transcript"], turns[2]["transcription"]) == (None, "missing")


def test_a_failed_transcription_is_said():
    hand = one_turn(config=wire(**TRANSCRIBING))
    hand.say(5000.0, ev.TranscriptionFailed(item_id="a", error={"code": "audio_unintelligible"}))
    assert session_rows(hand.build()).turns[0]["transcription"] == "failed"


def test_tokens_keep_their_bytes_and_their_turn():
    tokens = session_rows(rich().build()).tokens
    assert [(row["turn"], row["token_index"], row["token"]) for row in tokens] == [
        (0, 0, "wor"),
        (0, 1, "ld"),
        (1, 0, "é"),
    ]
    assert [row["bytes_hex"] for row in tokens] == ["776f72", "6c64", "c3a9"]


def test_the_trial_adds_up_its_responses_and_its_transcriptions():
    hand = rich()
    for entry in hand.log:
        if isinstance(entry.event, ev.TranscriptionCompleted):
            entry.event.usage = TranscriptionUsage(type="duration", seconds=1.5)
    trial = session_rows(hand.build()).trials[0]
    assert (trial["input_tokens"], trial["output_tokens"], trial["n_responses"]) == (300, 90, 3)
    assert (trial["transcription_s"], trial["transcription_input_tokens"], trial["audio_s"]) == (4.5, None, 25.0)


def test_speech_before_an_items_start_is_clipped_onset():
    hand = Hand([[(1000.0, 2000.0)]])
    hand.item("a", 1060.0 + PREFIX_MS, 2560.0)
    assert session_rows(hand.build()).turns[0]["onset_clip_ms"] == 60.0
    assert session_rows(one_turn().build()).turns[0]["onset_clip_ms"] == 0.0


def test_a_barge_in_yields_when_the_response_is_cancelled():
    hand = Hand([[(1000.0, 2000.0)], [(4600.0, 6000.0)]])
    hand.item("a", 1060.0, 2560.0)
    hand.answer("a", 2600.0, first=1900.0, silent_ms=0.0, audible_ms=300.0, status="cancelled", reason="turn_detected")
    hand.log[-1] = hand.log[-1]._replace(t_ms=4750.0)
    hand.item("b", 4660.0, 6560.0)
    assert session_rows(hand.build()).turns[1]["yield_latency_ms"] == 150.0


def test_without_cancellation_a_response_yields_with_its_last_audio():
    hand = Hand([[(1000.0, 2000.0)], [(3220.0, 6000.0)]])
    hand.item("a", 1060.0, 2560.0)
    hand.answer("a", 2600.0, silent_ms=100.0)
    assert session_rows(hand.build()).turns[1]["yield_latency_ms"] == 30.0


def test_responses_at_200_to_220_and_580_to_600_do_not_overlap_speech_at_350_to_370():
    hand = Hand([[(350.0, 370.0)]], config=wire(20.0))
    hand.item("x", -1000.0, 10.0)
    hand.answer("x", 200.0, first=10.0)
    hand.item("a", 350.0, 390.0)
    hand.answer("a", 580.0, first=10.0)
    row = session_rows(hand.build()).turns[0]
    assert (row["yield_latency_ms"], row["item_id"], row["cut"]) == (None, "a", False)


def test_a_log_without_a_send_clock_keeps_its_audio_time_metrics():
    hand = one_turn(header={"has_send_clock": False})
    turn = session_rows(hand.build()).turns[0]
    assert (turn["endpoint_delay_ms"], turn["response_latency_ms"], turn["has_clocks"]) == (560.0, None, False)
    assert turn["from_response_created_ms"] == 600.0


def test_a_log_without_any_times_still_links_responses_by_their_ids():
    recording = one_turn().build()
    events = tuple(entry._replace(t_ms=None) for entry in recording.events)
    rows = session_rows(msgspec.structs.replace(recording, events=events))
    assert (rows.turns[0]["response_id"], rows.turns[0]["from_response_created_ms"]) == ("resp_a", None)


def test_a_response_that_names_no_item_belongs_to_the_commit_before_it():
    hand = Hand([[(1000.0, 2000.0)], [(6000.0, 7000.0)]])
    for name, onset in (("a", 1060.0), ("b", 6060.0)):
        hand.item(name, onset, onset + 1500.0)
        hand.answer(name, onset + 1540.0, linked=False)
    assert [row["response_id"] for row in session_rows(hand.build()).turns] == ["resp_a", "resp_b"]


def test_a_response_that_follows_no_input_item_has_another_cause():
    hand = one_turn()
    hand.answer("out_a", 9000.0)
    response = session_rows(hand.build()).responses[1]
    assert (response["cause"], response["turn"]) == ("other", None)


def test_the_idle_timeout_is_neither_a_turn_nor_a_false_start():
    hand = one_turn()
    hand.say(20_000.0, ev.TimeoutTriggered(item_id="t", audio_start_ms=14_000.0, audio_end_ms=20_000.0))
    hand.commit("t", 20_000.0)
    hand.answer("t", 20_050.0)
    rows = session_rows(hand.build())
    assert (rows.responses[1]["cause"], rows.turns[0]["false_starts"], rows.turns[0]["item_id"]) == ("timeout", 0, "a")


def test_an_empty_recording_gives_empty_tables_and_a_trial():
    hand = Hand([], audio_ms=0.0)
    hand.log = []
    rows = session_rows(hand.build())
    assert (rows.turns, rows.responses, rows.tokens) == ([], [], [])
    assert rows.trials[0]["input_tokens"] is None


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"audio": None},
        {"audio": {"input": {"turn_detection": {"type": "server_vad", "silence_duration_ms": "500"}}}},
        {"audio": {"input": {"turn_detection": [1], "transcription": 3}}, "include": "x", "output_modalities": "audio"},
        {"audio": {"input": {"turn_detection": {"prefix_padding_ms": math.nan, "silence_duration_ms": True}}}},
    ],
)
def test_a_hostile_configuration_is_read_as_unknown(config):
    hand = one_turn(header={"effective": config})
    assert session_rows(hand.build()).turns[0]["endpoint_delay_ms"] in (560.0, None)


def test_audio_that_stands_in_a_delta_itself_is_measured_there():
    """A log that was made by hand, or by another client, may hold the sound: 100 ms of silence, then of a tone."""
    sound = np.concatenate([np.zeros(2_400, "<i2"), np.full(2_400, 9_000, "<i2")])
    hand = Hand([[(1000.0, 2000.0)]])
    hand.item("a", 1060.0, 2560.0)
    hand.answer("a", 2600.0, audible_ms=0.0, text=True)
    payload = base64.b64encode(sound.tobytes()).decode()
    hand.say(3000.0, ev.AudioDelta(response_id="resp_a", item_id="out_a", delta=payload))
    turn = session_rows(hand.build()).turns[0]
    assert (turn["response_latency_ms"], turn["leading_silence_ms"]) == (3000.0 - 2000.0, 100.0)


def test_hostile_audio_in_a_delta_is_no_audio():
    hand = Hand([[(1000.0, 2000.0)]])
    hand.item("a", 1060.0, 2560.0)
    hand.answer("a", 2600.0, audible_ms=0.0, text=True)
    hand.say(3000.0, ev.AudioDelta(response_id="resp_a", item_id="out_a", delta="not base64 ☃"))
    turn = session_rows(hand.build()).turns[0]
    assert turn["response_latency_ms"] is None and turn["outcome"] == "answered"


@given(st.data())
def test_permuting_and_duplicating_events_changes_no_row(data):
    """Events keep the times they were received at; the log lists them in any order, some of them twice."""
    recording = rich().build()
    again = data.draw(st.lists(st.sampled_from(recording.events), max_size=20))
    # A duplicate comes as late as the first, or later.
    late = [entry._replace(t_ms=entry.t_ms + data.draw(st.sampled_from([0.0, 7.0, 900.0]))) for entry in again]
    shuffled = data.draw(st.permutations([*recording.events, *late]))
    assert session_rows(msgspec.structs.replace(recording, events=tuple(shuffled))) == session_rows(recording)


@given(st.integers(1, 500))
def test_shifting_every_time_changes_no_result(frames):
    """By whole append frames of 20 ms, 100 ms among them."""
    recording, by_ms = rich().build(), frames * 20.0
    moved = msgspec.structs.replace(
        recording,
        reference=tuple(
            msgspec.structs.replace(
                turn,
                speech_ms=tuple(Interval(part.start_ms + by_ms, part.end_ms + by_ms) for part in turn.speech_ms),
                deadline_ms=turn.deadline_ms + by_ms,
            )
            for turn in recording.reference
        ),
        appends=tuple(msgspec.structs.replace(run, start_ms=run.start_ms + by_ms) for run in recording.appends),
        events=tuple(RecordedEvent(t + by_ms, way, moved_offsets(event, by_ms)) for t, way, event in recording.events),
        audio_ms=recording.audio_ms + by_ms,
    )
    assert metrics(session_rows(moved)) == metrics(session_rows(recording))


def moved_offsets(event, by_ms):
    changes = {
        name: getattr(event, name) + by_ms for name in ("audio_start_ms", "audio_end_ms") if hasattr(event, name)
    }
    return msgspec.structs.replace(event, **changes) if changes else event


@pytest.mark.parametrize("frame_ms", [10.0, 40.0, 100.0])
def test_the_append_frame_changes_no_audio_time_and_moves_latencies_by_a_frame_at_most(frame_ms):
    base, other = session_rows(rich().build()), session_rows(dataclasses.replace(rich(), frame_ms=frame_ms).build())
    for first, second in zip(base.turns, other.turns, strict=True):
        assert first["endpoint_delay_ms"] == second["endpoint_delay_ms"]
        assert (first["n_cut_holds"], first["onset_clip_ms"]) == (second["n_cut_holds"], second["onset_clip_ms"])
        if first["response_latency_ms"] is not None:
            assert abs(first["response_latency_ms"] - second["response_latency_ms"]) <= max(frame_ms, 20.0)


def test_rows_are_made_without_pandas_scipy_or_matplotlib():
    code = (
        "import sys, realtime_lab.analysis.rows.session; "
        "print(sorted({'pandas', 'scipy', 'matplotlib', 'pyarrow', 'asyncio'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
