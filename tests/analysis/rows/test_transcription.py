"""What a turn's row says of its transcript: errors, reasons, log-probabilities, and words where nobody speaks."""

from __future__ import annotations

import dataclasses
import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_lab.analysis import session_rows
from realtime_lab.protocol import events as ev
from realtime_lab.protocol.items import TokenLogprob
from tests.analysis.rows.test_handmade import Hand, wire
from tests.analysis.rows.test_session import TRANSCRIBING

SCORES = ("n_ref_words", "n_hits", "n_substitutions", "n_deletions", "n_insertions", "wer")
TOKENS = [TokenLogprob(token=" press", logprob=-0.2), TokenLogprob(token=" to", logprob=-1.2)]


def heard(transcript, said="press two", *, logprobs=None, config=None, **changes):
    """The rows of one turn, taken at its end, with one transcript (None: the transcription fails)."""
    hand = Hand([[(1000.0, 2000.0)]], wire(500.0, **(config or TRANSCRIBING)), texts=[said], **changes)
    hand.item("a", 1060.0, 2560.0)
    hand.answer("a", 2600.0)
    if transcript is not None:
        hand.transcript("a", 3100.0, transcript, logprobs)
    return session_rows(hand.build())


def scores(row):
    return tuple(row[name] for name in SCORES)


def test_a_turn_is_scored_by_the_normalisers_words():
    row = heard("Press 2!").turns[0]
    assert scores(row) == (2, 2, 0, 0, 0, 0.0)
    assert (row["normaliser"], row["cer"], row["wer_reason"]) == ("english-1", 0.0, None)
    row = heard("Please press to now").turns[0]
    assert scores(row) == (2, 1, 1, 0, 2, 1.5)
    assert (row["n_ref_characters"], row["n_character_errors"]) == (7, 13)


def test_trap_insertions_for_an_empty_reference_are_kept_and_are_no_word_error_rate():
    row = heard("thank you", said="").turns[0]
    assert scores(row) == (0, 0, 0, 0, 2, None)
    assert (row["cer"], row["wer_reason"]) == (None, "the reference has no words")


def test_an_empty_transcript_deletes_every_word():
    assert scores(heard("").turns[0]) == (2, 0, 0, 2, 0, 1.0)


def test_a_turn_cut_into_items_is_scored_as_their_transcripts_in_order():
    hand = Hand([[(1000.0, 2000.0), (2800.0, 4000.0)]], wire(500.0, **TRANSCRIBING), texts=["hello world again"])
    hand.item("a", 1060.0, 2560.0)
    hand.item("b", 2860.0, 4560.0)
    hand.transcript("b", 5100.0, "again", [TokenLogprob(token=" again", logprob=-0.3)])
    hand.transcript("a", 5200.0, "Hello word", [TokenLogprob(token="Hello word", logprob=-0.1)])
    rows = session_rows(hand.build())
    row = rows.turns[0]
    assert (row["transcript"], row["cut"]) == ("Hello word again", True)
    assert scores(row) == (3, 2, 1, 0, 0, 1 / 3)
    assert [(token["char_start"], token["char_end"]) for token in rows.tokens] == [(0, 10), (11, 16)]
    assert (row["n_tokens"], row["first_token_logprob"], row["min_logprob"]) == (2, -0.1, -0.3)


@pytest.mark.parametrize(
    ("transcript", "changes", "reason"),
    [
        (None, {}, "no transcript: missing"),
        (None, {"config": {"transcription": None}}, "no transcript: not asked"),
        ("press two", {"said": None}, "no reference text"),
        ("press", {"audio_ms": 1_900.0}, "the turn was not played to its end"),
    ],
)
def test_what_cannot_be_scored_is_null_with_its_reason(transcript, changes, reason):
    row = heard(transcript, **changes).turns[0]
    assert scores(row) == (None,) * 6
    assert row["wer_reason"] == reason


def test_a_failed_transcription_is_no_deletion():
    hand = Hand([[(1000.0, 2000.0)]], wire(500.0, **TRANSCRIBING), texts=["press two"])
    hand.item("a", 1060.0, 2560.0)
    error = {"type": "server_error", "message": "busy"}
    event = msgspec.convert(
        {"type": "conversation.item.input_audio_transcription.failed", "item_id": "a", "error": error},
        ev.TranscriptionFailed,
    )
    hand.say(3000.0, event)
    row = session_rows(hand.build()).turns[0]
    assert (row["transcription"], row["wer"], row["wer_reason"]) == ("failed", None, "no transcript: failed")


def test_a_turn_that_was_never_heard_has_no_transcript_and_says_so():
    hand = Hand([[(1000.0, 2000.0)]], wire(500.0, **TRANSCRIBING), texts=["press two"])
    assert session_rows(hand.build()).turns[0]["wer_reason"] == "no transcript: never heard"


def test_an_item_over_two_turns_scores_neither():
    hand = Hand([[(1000.0, 2000.0)], [(2300.0, 3000.0)]], wire(500.0, **TRANSCRIBING))
    hand.item("a", 1060.0, 3560.0)
    hand.transcript("a", 4000.0, "turn 0 turn 1")
    turns = session_rows(hand.build()).turns
    assert [row["wer"] for row in turns] == [None, None]
    assert turns[1]["wer_reason"] == "one item spans this turn and another"


def test_a_language_without_spaces_has_a_character_error_rate_only():
    config = {**TRANSCRIBING, "transcription": {"model": "gpt-4o-transcribe", "language": "zh"}}
    row = heard("你好世", said="你好，世界", config=config).turns[0]
    assert scores(row) == (None,) * 6
    assert (row["cer"], row["normaliser"]) == (0.25, "characters-1")
    assert row["wer_reason"] == "a language without spaces has a character error rate only"


def test_log_probabilities_of_the_turn():
    row = heard("press to", logprobs=TOKENS).turns[0]
    assert (row["n_tokens"], row["min_logprob"], row["first_token_logprob"]) == (2, -1.2, -0.2)
    assert row["mean_logprob"] == pytest.approx(-0.7)
    assert row["confidence"] == pytest.approx(math.exp(-0.7))


def test_no_log_probabilities_is_an_outcome_with_its_reason():
    row = heard("press to").turns[0]
    assert (row["logprobs"], row["n_tokens"], row["mean_logprob"], row["confidence"]) == ("not given", *[None] * 3)
    config = {"transcription": {"model": "whisper-1"}}
    assert heard("press to", config=config).turns[0]["logprobs"] == "not asked"


def test_a_log_probability_that_is_no_number_is_missing():
    rows = heard("press to", logprobs=[TokenLogprob(token=" press", logprob=math.nan), TOKENS[1]])
    row = rows.turns[0]
    assert (row["n_tokens"], row["mean_logprob"], row["first_token_logprob"]) == (1, -1.2, None)
    assert [token["logprob"] for token in rows.tokens] == [None, -1.2]


def test_tokens_that_do_not_spell_the_transcript_keep_their_values_and_have_no_place():
    rows = heard("Press two.", logprobs=TOKENS)
    assert [(token["char_start"], token["logprob"]) for token in rows.tokens] == [(None, -0.2), (None, -1.2)]


def silence():
    """A turn, a cough afterwards that becomes `thank you`, hum that becomes nothing, then an idle timeout."""
    hand = Hand([[(1000.0, 2000.0)], [(20_000.0, 21_000.0)]], wire(500.0, **TRANSCRIBING), audio_ms=30_000.0)
    hand.item("a", 1060.0, 2560.0)
    hand.transcript("a", 3000.0, "turn 0")
    hand.item("cough", 6000.0, 6800.0)
    hand.transcript("cough", 7000.0, "Thank you.")
    hand.item("hum", 9000.0, 9800.0)
    hand.transcript("hum", 9900.0, " ...")
    hand.item("b", 20_060.0, 21_560.0)
    hand.transcript("b", 22_000.0, "turn 1")
    hand.say(27_000.0, ev.TimeoutTriggered(item_id="t", audio_start_ms=21_600.0, audio_end_ms=27_000.0))
    hand.commit("t", 27_000.0)
    hand.transcript("t", 27_500.0, "Bye.")
    return hand


def test_words_on_silence_are_counted_with_the_turn_they_follow_and_are_no_insertions():
    turns = session_rows(silence().build()).turns
    assert [(row["n_silent_transcripts"], row["n_hallucinations"]) for row in turns] == [(2, 1), (1, 1)]
    assert [row["n_insertions"] for row in turns] == [0, 0]
    assert [row["false_starts"] for row in turns] == [2, 0]


def test_a_script_in_which_nobody_speaks_has_its_hallucinations_in_its_first_row():
    hand = Hand([[]], wire(500.0, **TRANSCRIBING), texts=[None])
    hand.item("a", 1000.0, 2000.0)
    hand.transcript("a", 3000.0, "Thanks for watching!")
    row = session_rows(hand.build()).turns[0]
    assert (row["outcome"], row["n_silent_transcripts"], row["n_hallucinations"]) == ("excluded", 1, 1)


def test_where_no_transcript_was_asked_for_hallucinations_are_unknown_and_not_none():
    hand = dataclasses.replace(silence(), config=wire())
    hand.log = [entry for entry in hand.log if not isinstance(entry.event, ev.TranscriptionCompleted)]
    row = session_rows(hand.build()).turns[0]
    assert (row["n_silent_transcripts"], row["n_hallucinations"]) == (None, None)


@given(st.randoms(use_true_random=False), st.integers(1, 3))
def test_order_and_duplicates_of_events_change_no_row(random, copies):
    recording = silence().build()
    events = list(recording.events) * copies
    random.shuffle(events)
    shuffled = msgspec.structs.replace(recording, events=tuple(events))
    assert session_rows(shuffled) == session_rows(recording)


def test_shifting_every_time_changes_no_score():
    plain, late = heard("press to"), Hand([[(1100.0, 2100.0)]], wire(500.0, **TRANSCRIBING), texts=["press two"])
    late.item("a", 1160.0, 2660.0)
    late.transcript("a", 3200.0, "press to")
    assert scores(session_rows(late.build()).turns[0]) == scores(plain.turns[0])
