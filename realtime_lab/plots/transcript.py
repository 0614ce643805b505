"""A transcript above its reference, in HTML: each word coloured by how sure the recogniser was of it.

Everything is escaped; nothing is fetched and no script runs. Deep colour is little confidence; a wavy line marks what
nobody said, a struck word of the reference is one that was not recognised. A long transcript is cut, and says so.
"""

from __future__ import annotations

import html
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from realtime_lab.analysis.rows.frames import turns_df
from realtime_lab.analysis.words.aligned import words_df
from realtime_lab.errors import RealtimeLabError
from realtime_lab.recording.events import Recording

if TYPE_CHECKING:
    from realtime_lab.sweep import Study, Trial

MAX_WORDS = 300
"""Words of an alignment that are shown."""
MAX_WORD_CHARACTERS = 80
_TINT = (217, 96, 43)
_MUTED = "color:var(--jp-ui-font-color2, GrayText)"


class WordShown(NamedTuple):
    """One place of the alignment."""

    heard: str | None
    """As the recogniser wrote it; None for a deletion."""
    said: str | None
    """Normalised; None for an insertion, or without a reference."""
    right: bool | None
    confidence: float | None
    """Product over its tokens; None without log-probabilities."""


class TranscriptInfo(NamedTuple):
    """Everything the view shows."""

    words: tuple[WordShown, ...]
    caption: str
    problem: str
    """The sentence in place of the view; empty when there is one."""


class TranscriptView:
    """A transcript to be shown in a notebook or put into a page."""

    def __init__(self, info: TranscriptInfo) -> None:
        self.info = info
        """What it shows."""

    def _repr_html_(self) -> str:
        return "".join(_parts(self.info))

    def __repr__(self) -> str:
        return f"<TranscriptView: {self.info.problem or self.info.caption}>"


def transcript(source: Study | Recording, trial: str | int | Trial | None = None, turn: int = 0) -> TranscriptView:
    """Show what was recognised in one turn above what was said.

    Args:
        source: A study, or one session's recording.
        trial: Of a study: a trial's key or the beginning of it, its number in the plan, or a Trial.
        turn: Position of the turn in its script, from 0.

    Raises:
        StudyError: If there is no such trial, or it has no recording.
        RealtimeLabError: If there is no such turn, or a study is given without a trial.
    """
    if isinstance(source, Recording):
        return TranscriptView(transcript_info(source, turn))
    if trial is None:
        raise RealtimeLabError("trial = None: allowed: a trial's key, its number, or a Trial of this study")
    return TranscriptView(transcript_info(source.recording(trial), turn))


def transcript_info(recording: Recording, turn: int = 0) -> TranscriptInfo:
    """Gather what `transcript` shows; arguments and errors as there."""
    turns = turns_df(recording)
    found = turns[turns["turn"] == turn]
    if not len(found):
        raise RealtimeLabError(f"turn = {turn}: allowed: {', '.join(map(str, turns['turn'].tolist())) or 'none'}")
    row = found.iloc[0]
    if pd.isna(row["transcript"]):
        reason = row["wer_reason"] if not pd.isna(row["wer_reason"]) else "nobody speaks in it"
        return TranscriptInfo((), "", f"Turn {turn} has no transcript: {str(reason).removeprefix('no transcript: ')}.")
    words = words_df(recording)
    here = words[words["turn"] == turn]
    text = str(row["transcript"])
    shown = tuple(_shown(word, text) for word in here.head(MAX_WORDS).itertuples())
    return TranscriptInfo(shown, _caption(row, len(here)), "" if len(here) else f"Turn {turn}: no word was recognised.")


def _shown(word: object, text: str) -> WordShown:
    def value(name: str) -> object | None:
        found = getattr(word, name)
        return None if pd.isna(found) else found

    start, end, said = value("char_start"), value("char_end"), value("reference_word")
    right, sure = value("right"), value("confidence")
    return WordShown(
        heard=None if start is None else text[int(str(start)) : int(str(end))],
        said=None if said is None else str(said),
        right=None if right is None else bool(right),
        confidence=None if sure is None else float(str(sure)),
    )


def _caption(row: pd.Series, n_words: int) -> str:
    parts = []
    if not pd.isna(row["wer"]):
        errors = sum(int(row[name]) for name in ("n_substitutions", "n_deletions", "n_insertions"))
        parts.append(f"word error rate {row['wer']:.0%} ({errors} of {row['n_ref_words']} words)")
    elif not pd.isna(row["cer"]):
        parts.append(f"character error rate {row['cer']:.0%}")
    elif not pd.isna(row["wer_reason"]):
        parts.append(f"not scored: {row['wer_reason']}")
    parts.append(
        f"log-probabilities {row['logprobs']}"
        if pd.isna(row["mean_logprob"])
        else f"mean log-probability {row['mean_logprob']:.2f}"
    )
    if n_words > MAX_WORDS:
        parts.append(f"the first {MAX_WORDS} of {n_words:,} words")
    return ", ".join(parts)


def _parts(info: TranscriptInfo) -> Iterator[str]:
    if info.problem:
        yield f'<p class="rl-transcript" style="{_MUTED}">{_text(info.problem, 300)}</p>'
        return
    yield '<figure class="rl-transcript" style="margin:0"><div style="display:flex;flex-wrap:wrap;gap:4px 6px">'
    for word in info.words:
        yield (
            '<span style="display:inline-flex;flex-direction:column;align-items:flex-start">'
            f"{_heard(word)}{_said(word)}</span>"
        )
    yield f'</div><figcaption style="{_MUTED}">{_text(info.caption, 300)}</figcaption></figure>'


def _heard(word: WordShown) -> str:
    if word.heard is None:
        return '<span title="not recognised">&nbsp;</span>'
    style = ["padding:0 2px", "border-radius:2px"]
    told = "no log-probability"
    if word.confidence is not None:
        told = f"confidence {word.confidence:.2f}"
        doubt = 1.0 - min(max(word.confidence, 0.0), 1.0)
        style.append("background:rgba({},{},{},{:.2f})".format(*_TINT, 0.75 * doubt))
    if word.right is False:
        style.append("text-decoration:underline wavy")
        told += ", wrong"
    return f'<span style="{";".join(style)}" title="{told}">{_text(word.heard, MAX_WORD_CHARACTERS)}</span>'


def _said(word: WordShown) -> str:
    if word.said is None:
        return f'<small style="{_MUTED}">&nbsp;</small>'
    said = _text(word.said, MAX_WORD_CHARACTERS)
    if word.heard is None:
        return f'<small style="{_MUTED}"><s title="not recognised">{said}</s></small>'
    return f'<small style="{_MUTED}">{said}</small>'


def _text(value: str, limit: int) -> str:
    shown = value if len(value) <= limit else value[: limit - 1] + "…"
    return html.escape("".join(char if char.isprintable() else "�" for char in shown))
