"""Studies that hold too little, or nothing that can be trusted, for tests of whatever takes a study."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd

from realtime_lab.analysis import responses_df, tokens_df, trials_df, turns_df, words_frame
from realtime_lab.analysis.columns import TURNS
from realtime_lab.analysis.summary.settings import summary
from realtime_lab.protocol.items import TokenLogprob
from tests.analysis.rows.test_handmade import Hand, wire
from tests.analysis.rows.test_session import TRANSCRIBING

HOSTILE = r"$\frac{ <script>alert(1)</script> {0}%s"
LONG = "word " * 20_000
"""100,000 characters."""


class Source:
    """What a study is to analyses, plots and reports, over frames that are given.

    Every method that a study has for them is here; `recording` is the first session's.
    """

    def __init__(self, recording, turns, responses, tokens, trials):
        self.first, self.frames = recording, (turns, responses, tokens, trials)
        self.words = None

    def turns_df(self):
        return self.frames[0]

    def responses_df(self):
        return self.frames[1]

    def tokens_df(self):
        return self.frames[2]

    def trials_df(self):
        return self.frames[3]

    def words_df(self):
        if self.words is None:  # 20,000 words take a while to align
            self.words = words_frame(self.turns_df(), self.tokens_df())
        return self.words

    def summary(self, **arguments):
        return summary(self.turns_df(), self.responses_df(), **arguments)

    def recording(self, trial=None):
        return self.first


def session(text="press to", said="press two", *, logprobs=True, answered=True, failed=False):
    """Two turns: answered and transcribed as asked for; a failed session broke off before anything came."""
    hand = Hand(
        [[(1000.0, 2000.0), (2400.0, 3000.0)], [(9000.0, 10_000.0)]],
        wire(500.0, **TRANSCRIBING),
        audio_ms=16_000.0,
        texts=[said, said],
    )
    if failed:
        hand.log.clear()
        hand.audio_ms, hand.complete = 0.0, False
        return hand.build()
    for number, (start, end) in enumerate(((1060.0, 3560.0), (9060.0, 10_560.0))):
        hand.item(f"i{number}", start, end)
        if text is not None:
            tokens = [TokenLogprob(token=text[:5], logprob=-0.1), TokenLogprob(token=text[5:], logprob=-1.5)]
            hand.transcript(f"i{number}", end + 200.0, text, tokens if logprobs else None)
        if answered:
            hand.answer(f"i{number}", end + 40.0)
    return hand.build()


def study(recordings, *, condition="clean", value=None, trials=None):
    """A study of these sessions under two values of two settings; `value` is one of a text setting."""
    frames = [[], [], [], []]
    for number, recording in enumerate(recordings):
        keys = {"script": f"script {number % 3}", "condition": condition, "repeat": number // 12}
        keys |= {"silence_duration_ms": (300, 700)[number // 3 % 2], "threshold": (0.3, 0.7)[number // 6 % 2]}
        keys |= {} if value is None else {"voice": (value, "plain")[number // 3 % 2]}
        for frame, make in zip(frames, (turns_df, responses_df, tokens_df, trials_df), strict=True):
            frame.append(make(recording).assign(**keys))
    whole = [pd.concat(parts, ignore_index=True) for parts in frames]
    whole[3] = whole[3].assign(state="complete", usd=0.01, attempt=1, tainted=False)
    return Source(recordings[0], *whole)


def without_rows(source):
    return Source(source.first, *(frame.iloc[:0] for frame in source.frames))


def without_numbers(source):
    """Every measured figure is missing."""
    turns = source.turns_df().copy()
    for entry in TURNS:
        if entry.dtype == "float":
            turns[entry.name] = pd.array([np.nan] * len(turns), dtype="Float64")
    tokens = source.tokens_df().assign(logprob=np.nan)
    return Source(source.first, turns, source.responses_df(), tokens, source.trials_df())


@cache
def source_of(kind):
    """One of `KINDS`."""
    return {
        "empty study": lambda: without_rows(study([session()])),
        "one trial": lambda: study([session()]),
        "all failed": lambda: study([session(failed=True)] * 3),
        "none answered": lambda: study([session(answered=False)] * 12),
        "no transcripts": lambda: study([session(None)] * 12),
        "no references": lambda: study([session(said=None)] * 12),
        "no log-probabilities": lambda: study([session(logprobs=False)] * 12),
        "one class only": lambda: study([session("press two")] * 12),
        "NaN": lambda: without_numbers(study([session()] * 12)),
        "a transcript of 100,000 characters": lambda: study([session(LONG)]),
        "hostile texts": lambda: study([session(HOSTILE, HOSTILE)] * 12, condition=HOSTILE, value=HOSTILE),
    }[kind]()


KINDS = (
    "empty study",
    "one trial",
    "all failed",
    "none answered",
    "no transcripts",
    "no references",
    "no log-probabilities",
    "one class only",
    "NaN",
    "a transcript of 100,000 characters",
    "hostile texts",
)
