"""Every column of every frame: its name, unit, type and meaning. This table is the documentation, and drives labels.

Times of turns are in ms. A value that does not exist is null: never 0, never -1. Change a meaning only together with
METRICS_VERSION; results of different versions are never pooled.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

METRICS_VERSION = 2
"""Version of every definition below."""

COMMIT_DELAY = "commit_delay_ms"
"""Column of a swept delay from the end of a turn, which the script knows, to the client's commit, ms; missing wherever
something else ended turns."""

Dtype = Literal["float", "int", "bool", "str"]

OUTCOMES = ("answered", "missed", "censored", "excluded")
"""What becomes of a turn: answered in time, given up on at the deadline, observation ended first, not measurable."""
RESPONSE_CAUSES = ("closing", "cut", "late", "false_start", "timeout", "other")
"""What began a response: the endpoint that closed its turn, one inside the turn, one after its deadline, sound outside
all speech, the idle timeout, or something that is not a turn (such as a client's own response.create)."""


@dataclass(frozen=True)
class Column:
    """One column of a frame."""

    name: str
    dtype: Dtype
    """float, int, bool or str; each nullable."""
    doc: str
    """One line."""
    unit: str = ""
    """ms, s, tokens or nothing."""
    label: str = ""
    """How it is called on an axis; the name when empty."""
    lower_is_better: bool | None = None
    """None where neither direction is better in itself."""
    awaits: tuple[str, ...] = ()
    """For a latency: the boolean columns that must all be true for a null to mean 'not seen before the deadline'
    instead of 'not asked for'."""

    @property
    def axis_label(self) -> str:
        """Its label with its unit, such as `response latency (ms)`."""
        label = self.label or self.name.replace("_", " ")
        return f"{label} ({self.unit})" if self.unit else label


def _ms(name: str, doc: str, awaits: Iterable[str] = (), lower_is_better: bool | None = True) -> Column:
    label = name.removesuffix("_ms").replace("_", " ")
    return Column(name, "float", doc, "ms", label, lower_is_better, tuple(awaits))


def _count(name: str, doc: str, unit: str = "", lower_is_better: bool | None = None) -> Column:
    return Column(name, "int", doc, unit, lower_is_better=lower_is_better)


def _text(name: str, doc: str) -> Column:
    return Column(name, "str", doc)


def _rate(name: str, doc: str, label: str) -> Column:
    return Column(name, "float", doc, label=label, lower_is_better=True)


def _logprob(name: str, doc: str) -> Column:
    return Column(
        name, "float", doc, label=name.replace("logprob", "log-probability").replace("_", " "), lower_is_better=False
    )


def _flag(name: str, doc: str) -> Column:
    return Column(name, "bool", doc)


KEYS = (
    _text("trial", "key of the trial"),
    _count("attempt", "which attempt at the trial, from 1"),
    _text("script", "the script that was spoken"),
    _text("condition", "acoustic condition"),
    _count("repeat", "which repeat of the setting, from 0"),
    _text("target", "what answered"),
    _count("metrics_version", "version of the metrics' definitions"),
)
"""What every frame of a study carries, beside the swept settings."""

_USAGE = (
    _count("input_tokens", "input tokens billed, cached ones included", "tokens", True),
    _count("input_text_tokens", "of these, text", "tokens", True),
    _count("input_audio_tokens", "of these, audio", "tokens", True),
    _count("cached_tokens", "input tokens that were cached: a subset of input_tokens", "tokens"),
    _count("cached_text_tokens", "of these, text", "tokens"),
    _count("cached_audio_tokens", "of these, audio", "tokens"),
    _count("output_tokens", "output tokens billed", "tokens", True),
    _count("output_text_tokens", "of these, text", "tokens", True),
    _count("output_audio_tokens", "of these, audio", "tokens", True),
)

_CLOCKED = "has_clocks"

_SCORES = (
    _text("normaliser", "which spellings count as the same word: its name and version"),
    _count("n_ref_words", "words of the reference, after the normaliser", "words"),
    _count("n_hits", "of these, recognised", "words", False),
    _count("n_substitutions", "of these, recognised as another word", "words", True),
    _count("n_deletions", "of these, not recognised", "words", True),
    _count("n_insertions", "words recognised that nobody said; kept for an empty reference too", "words", True),
    _rate("wer", "word error rate: edits over reference words; null for an empty reference", "word error rate"),
    _count("n_ref_characters", "characters of the normalised reference, one space between words", "characters"),
    _count("n_character_errors", "character edits", "characters", True),
    _rate("cer", "character error rate: character edits over characters", "character error rate"),
    _text("wer_reason", "why there is no word error rate"),
)
_HEARD_TOKENS = (
    _count("n_tokens", "tokens of the turn's transcripts that have a log-probability", "tokens"),
    _logprob("mean_logprob", "mean log-probability of those tokens"),
    _logprob("min_logprob", "lowest log-probability of those tokens"),
    Column("confidence", "float", "exp of the mean log-probability: of the utterance", lower_is_better=False),
    _logprob("first_token_logprob", "log-probability of the first token: what a clipped onset harms"),
)

TURNS = (
    _count("turn", "position of the turn in its script, from 0"),
    _text("outcome", "answered, missed, censored or excluded"),
    _text("outcome_reason", "why it was not answered"),
    _ms("start_ms", "audio time at which the turn's speech starts", lower_is_better=None),
    _ms("end_ms", "audio time at which the turn's speech ends", lower_is_better=None),
    _count("n_holds", "pauses inside the turn that were played out"),
    _count("n_cut_holds", "holds in which the server took the turn", lower_is_better=True),
    _count("n_cuts", "endpoints before the closing one, inside holds or inside speech", lower_is_better=True),
    _flag("cut", "one cut or more: the turn is in no latency quantile, and counted beside them"),
    _flag("merged", "one input item spans this turn and another"),
    _count("false_starts", "speech detected more than 250 ms away from all reference speech", lower_is_better=True),
    _ms(
        "endpoint_delay_ms",
        "closing endpoint's audio_end_ms after the end of the turn, audio time; null on cut turns",
        ("awaits_endpoint",),
    ),
    _ms(
        "endpoint_latency_ms",
        "speech_stopped received after the end of the turn was sent; null on cut turns",
        ("awaits_endpoint", _CLOCKED),
    ),
    _ms(
        "response_latency_ms",
        "first audible audio received after the end of the turn was sent: what the caller waits; null on cut turns",
        ("awaits_audio", _CLOCKED),
    ),
    _ms(
        "first_byte_latency_ms",
        "first output delta of any kind received after the end of the turn was sent; null on cut turns",
        ("awaits_response", _CLOCKED),
    ),
    _ms(
        "transcription_latency_ms",
        "closing item's transcript received after the end of the turn was sent; null on cut turns",
        ("awaits_transcription", _CLOCKED),
    ),
    _ms("endpoint_lag_ms", "endpoint_latency_ms minus endpoint_delay_ms: what the silence does not explain"),
    _ms("commit_lag_ms", "input_audio_buffer.committed received after speech_stopped", lower_is_better=None),
    _ms("created_lag_ms", "response.created received after input_audio_buffer.committed"),
    _ms("first_byte_lag_ms", "first output delta of any kind received after response.created"),
    _ms("audible_lag_ms", "first audible audio received after the first output delta of any kind"),
    _ms("leading_silence_ms", "silence at the start of the response's audio"),
    _ms("from_speech_stopped_ms", "speech_stopped to the first output; blind to the silence window"),
    _ms("from_response_created_ms", "response.created to the first output; blind to the silence window"),
    _ms("observed_ms", "how long after its end an unanswered turn was watched for an answer", lower_is_better=None),
    _ms("onset_clip_ms", "speech lost before the turn's first input item starts, audio time"),
    _ms("yield_latency_ms", "caller's onset during a response, to its cancellation or its last audio"),
    _text("item_id", "input item of the closing endpoint"),
    _text("response_id", "response to the closing endpoint"),
    _text("response_status", "how that response ended: completed, cancelled, failed or incomplete"),
    _flag("truncated", "that response hit max_output_tokens"),
    _count("n_responses", "responses begun by any endpoint of the turn"),
    _count("n_premature", "of these, begun by a cut", lower_is_better=True),
    _count("output_tokens", "output tokens of the response to the closing endpoint", "tokens", True),
    _text("speaker", "who speaks"),
    _text("reference_text", "what was said"),
    _text("transcript", "what was recognised in the turn's items, in order"),
    _text("transcription", "completed, failed, missing or not asked"),
    _text("logprobs", "given, not given or not asked"),
    *_SCORES,
    *_HEARD_TOKENS,
    _count(
        "n_silent_transcripts", "transcripts of items in which, by the reference, nobody speaks, since the turn began"
    ),
    _count("n_hallucinations", "of these, with words in them", lower_is_better=True),
    _flag("awaits_endpoint", "the server was asked to find the end of the turn"),
    _flag("awaits_response", "a response was asked for"),
    _flag("awaits_audio", "a spoken response was asked for"),
    _flag("awaits_transcription", "a transcript was asked for"),
    _flag(_CLOCKED, "send and receive times are known"),
)
"""One row per reference turn."""

RESPONSES = (
    _text("response_id", "the response"),
    _count("turn", "turn of the endpoint that began it"),
    _text("cause", "closing, cut, late, false_start, timeout or other"),
    _text("item_id", "input item that began it"),
    _flag("premature", "begun by a cut"),
    _ms("lead_ms", "premature: response.created before the end of the turn was sent", lower_is_better=None),
    _ms("endpoint_delay_ms", "its endpoint after the end of the turn, audio time; negative for a cut"),
    _ms("latency_ms", "first audible audio after the end of the turn was sent; negative when it came before"),
    _ms("created_ms", "wall time of response.created", lower_is_better=None),
    _ms("leading_silence_ms", "silence before its first audible sample"),
    _ms("from_speech_stopped_ms", "speech_stopped to the first output; blind to the silence window"),
    _ms("from_response_created_ms", "response.created to the first output; blind to the silence window"),
    _ms("audio_ms", "audio received", lower_is_better=None),
    _text("modality", "audio, text or none"),
    _text("status", "completed, cancelled, failed, incomplete; in_progress when it never ended"),
    _text("status_reason", "turn_detected, client_cancelled, max_output_tokens, content_filter, or an error's code"),
    _flag("truncated", "incomplete with reason max_output_tokens"),
    *_USAGE,
)
"""One row per response, premature ones included."""

TOKENS = (
    _count("turn", "turn the item belongs to"),
    _text("item_id", "input item"),
    _count("token_index", "position in its transcript, from 0"),
    _text("token", "the token's text, as given"),
    Column("logprob", "float", "natural logarithm of its probability", lower_is_better=False),
    _text("bytes_hex", "its UTF-8 bytes in hex: a token may be part of a character"),
    _count("char_start", "its first character in the turn's transcript; null when the tokens do not spell it"),
    _count("char_end", "one past its last character; tokens that share a character both have it"),
)
"""One row per token of a transcript that came with log-probabilities."""

WORDS = (
    _count("turn", "turn the word belongs to"),
    _count("word_index", "its place in the alignment, from 0"),
    _text("operation", "equal, substitute, delete or insert; null without a reference to align with"),
    _text("reference_word", "what was said, normalised; null for an insertion"),
    _text("word", "what was recognised, normalised; null for a deletion"),
    _flag("right", "the recognised word is the one that was said; null for a deletion, or without a reference"),
    _count("char_start", "its first character in the turn's transcript"),
    _count("char_end", "one past its last character"),
    _count("n_tokens", "tokens that hold a part of it", "tokens"),
    _logprob("sum_logprob", "sum of their log-probabilities"),
    Column("confidence", "float", "product of their probabilities: how sure the recogniser was", lower_is_better=False),
    Column("confidence_min", "float", "lowest of their probabilities", lower_is_better=False),
    Column("confidence_geometric", "float", "geometric mean of their probabilities", lower_is_better=False),
    _text("speaker", "who speaks"),
    _text("normaliser", "which spellings count as the same word: its name and version"),
)
"""One row per place of the alignment of a turn's transcript with its reference."""

TRIALS = (
    _text("outcome", "how the session ended: complete, failed or cancelled"),
    _text("failure", "why it failed"),
    _text("timing", "closed: each turn waits for its answer; fixed: as recorded"),
    _text("reference_source", "who says where speech is"),
    _text("vad", "voice-activity detector that answered, with its version"),
    _text("transcription_engine", "what transcribed, with its version"),
    _text("segments", "spans a mocked server recognised: equal names, equal samples and equal questions"),
    _text("profile", "latency profile of a mocked server"),
    _text("differences", "where the configuration the server reported is not what was asked; null: nowhere"),
    Column("audio_s", "float", "audio appended", "s"),
    _count("n_turns", "reference turns"),
    _count("n_responses", "responses"),
    _flag("vectorised", "no session was held: turn detection alone was computed from the detector's probabilities"),
    _count("n_false_starts", "speech detected away from all reference speech", lower_is_better=True),
    *_USAGE,
    _count("transcription_input_tokens", "input tokens billed for transcription", "tokens", True),
    _count("transcription_output_tokens", "output tokens billed for transcription", "tokens", True),
    Column("transcription_s", "float", "seconds of audio billed for transcription", "s", lower_is_better=True),
)
"""What one session adds to the row of its trial."""

EVENTS = (
    Column("t_ms", "float", "wall time", "ms"),
    Column("audio_ms", "float", "audio time the event speaks of; an append's end", "ms"),
    _text("direction", "client or server"),
    _text("type", "the event's type"),
    _text("item_id", "conversation item it is about"),
    _text("response_id", "response it is about"),
    _text("event", "the whole event as JSON, audio by reference and secrets masked"),
)
"""One row per event of a recording, each append included."""

LATENCY_METRICS = tuple(entry for entry in TURNS if entry.awaits)
"""What `summary` gives quantiles of, a turn that was not answered counting as later than all."""
OTHER_METRICS = tuple(
    entry
    for entry in TURNS
    if entry.name
    in (
        "leading_silence_ms",
        "from_speech_stopped_ms",
        "from_response_created_ms",
        "onset_clip_ms",
        "yield_latency_ms",
    )
)
"""What `summary` gives a median of, over the turns that have a value."""

_TABLES = (TURNS, RESPONSES, TOKENS, WORDS, TRIALS, EVENTS, KEYS)


def column(name: str) -> Column | None:
    """The declaration of a column by its name (of turns first); None for a swept setting."""
    return next((entry for table in _TABLES for entry in table if entry.name == name), None)


def setting_names(names: Iterable[str], table: Sequence[Column] = TURNS) -> list[str]:
    """Which of a frame's columns are swept settings: those that are declared nowhere."""
    known = {entry.name for entry in (*table, *KEYS)}
    return [str(name) for name in names if name not in known and not str(name).startswith("effective.")]
