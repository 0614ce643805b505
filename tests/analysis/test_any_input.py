"""Every public analysis on every kind of study that holds too little: its result, or one clear sentence.

Functions are found by name in the package, so that a new one is held to this too.
"""

from __future__ import annotations

import inspect
import math
import re

import pandas as pd
import pytest
from bad_sources import KINDS, source_of

from realtime_lab import analysis
from realtime_lab.analysis.deciding.check import check_frames
from realtime_lab.analysis.deciding.choose import choose
from realtime_lab.analysis.deciding.worst import worst_turns
from realtime_lab.analysis.summary.settings import summary
from realtime_lab.errors import RealtimeLabError
from realtime_lab.report.findings import findings

FUNCTIONS = [name for name in analysis.__all__ if inspect.isfunction(getattr(analysis, name))]
OF_NUMBERS = {
    "benjamini_hochberg": ([math.nan],),
    "exact_interval": (0, 0),
    "holm": ([math.nan],),
    "holds_cut_by_silence": ([], 500.0),
    "kaplan_meier": ([], []),
    "quantile": ([], 0.5),
    "wilson_interval": (0, 0),
}
"""Functions of plain numbers, with the emptiest there are."""
MORE = {
    "aa_check": {"rounds": 2},
    "interaction": {"x": "silence_duration_ms", "y": "threshold"},
    "plan_power": {"difference": 50.0},
    "versus": {"control": {"silence_duration_ms": 300, "threshold": 0.3}},
}
GIVEN = {
    "source": lambda source: (source,),
    "pilot": lambda source: (source,),
    "recording": lambda source: (source.recording(),),
    "words": lambda source: (source.words_df(),),
    "turns": lambda source: (source.turns_df(),),
}


def arguments(name, source):
    """What a user would give; a function whose first argument is none of these must be added here."""
    function = getattr(analysis, name)
    names = list(inspect.signature(function).parameters)
    more = (source.tokens_df(),) if "tokens" in names[:2] else ()
    return *GIVEN[names[0]](source), *more


def result_or_sentence(call):
    """Its result; the text of the error when there is none."""
    try:
        return call()
    except RealtimeLabError as error:
        said = str(error)
    assert re.search(r"[a-z]{2,} [a-z]+", said) and len(said) < 1_500
    return said


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", [name for name in FUNCTIONS if name not in OF_NUMBERS])
def test_an_analysis_gives_its_result_or_says_why_not(name, kind):
    source = source_of(kind)
    call = lambda: getattr(analysis, name)(*arguments(name, source), **MORE.get(name, {}))  # noqa: E731
    found = result_or_sentence(call)
    assert found is not None
    if isinstance(found, pd.DataFrame):
        assert len(found.columns) and found.columns.is_unique
    elif hasattr(found, "sentence"):
        assert len(found.sentence) > 20 and "nan" not in found.sentence


@pytest.mark.parametrize("name", OF_NUMBERS)
def test_numbers_that_say_nothing_give_none_their_n_of_0_or_a_clear_error(name):
    assert name in FUNCTIONS
    try:
        said = repr(getattr(analysis, name)(*OF_NUMBERS[name]))
    except ValueError as error:
        said = str(error)
    assert re.search(r"None|nan|n too small|allowed: |denominator=0|n=0", said), said


@pytest.mark.parametrize("kind", KINDS)
def test_summaries_choices_and_checks_have_their_sentence(kind):
    source = source_of(kind)
    frames = source.turns_df(), source.responses_df()
    assert len(summary(*frames, trials=source.trials_df(), by=[])) == 1
    assert "why" in worst_turns(frames[0]).columns
    best = result_or_sentence(lambda: choose(*frames))
    sentence = best if isinstance(best, str) else best.sentence
    assert len(sentence) > 20 and isinstance(best, str) == (kind == "empty study")
    checked = result_or_sentence(lambda: check_frames(frames, ["cutoff_rate <= 5 %", "wer <= 20 %"], baseline=frames))
    assert isinstance(checked, str) or checked.verdict in ("pass", "fail", "inconclusive")


@pytest.mark.parametrize("kind", KINDS)
def test_each_finding_of_a_report_is_a_sentence_over_a_table_that_fits(kind):
    source = source_of(kind)
    turns = source.turns_df()
    condition = "clean" if turns.empty else str(turns["condition"].iloc[0])
    setting = {"silence_duration_ms": 300, "threshold": 0.3}
    found = result_or_sentence(lambda: findings(source, condition, "response_latency_ms_p50", setting))
    if isinstance(found, str):
        assert kind == "empty study"
        return
    for one in found:
        assert one.title and re.fullmatch(r".{15,}[.…]", one.sentence, re.DOTALL), one
        assert "nan" not in one.sentence and all(len(row) == len(one.head) for row in one.rows)
