"""Clipped onsets and first tokens as a frame: bands by definition, groups, repeats, and nothing to compare."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import scipy

from realtime_lab.analysis import onset_df, quantile, turns_df
from realtime_lab.analysis.words.onsets import ONSETS
from realtime_lab.errors import RealtimeLabError
from tests.analysis.rows.test_session import rich


def clipped(n=200, seed=3, **columns):
    rng = np.random.default_rng(seed)
    clip = rng.choice([0.0, 20.0, 50.0, 120.0, 400.0], n)
    turns = pd.DataFrame({"script": "s", "turn": range(n), "condition": "clean", "onset_clip_ms": clip, **columns})
    return turns.assign(first_token_logprob=-clip / 200 - rng.random(n))


def test_each_band_has_its_turns_their_medians_and_an_interval():
    turns = clipped()
    frame = onset_df(turns, by=[])
    assert list(frame.columns) == [entry.name for entry in ONSETS]
    assert frame["over_ms"].tolist()[1:] == [0.0, 50.0, 300.0] and pd.isna(frame["over_ms"].iloc[0])
    assert frame["upto_ms"].tolist() == [0.0, 50.0, 150.0, math.inf]
    for row in frame.itertuples():
        low = -math.inf if pd.isna(row.over_ms) else row.over_ms
        here = turns[(turns["onset_clip_ms"] > low) & (turns["onset_clip_ms"] <= row.upto_ms)]
        expected = quantile(here["first_token_logprob"], 0.5)
        assert (row.n_turns, row.median_clip_ms) == (len(here), here["onset_clip_ms"].median())
        found = (row.median_logprob, row.median_logprob_low, row.median_logprob_high)
        assert found == pytest.approx((expected.value, expected.low, expected.high), abs=1e-12)
    rho = scipy.stats.spearmanr(turns["onset_clip_ms"], turns["first_token_logprob"]).statistic
    assert set(frame["rho"]) == {rho} and set(frame["n_group"]) == {200}


def test_groups_are_conditions_and_targets_unless_asked_and_repeats_count_once():
    both = pd.concat([clipped(), clipped(60, seed=4).assign(condition="babble")] * 2, ignore_index=True)
    frame = onset_df(both.assign(target="mocked"))
    assert frame.groupby("condition")["n_turns"].sum().to_dict() == {"babble": 60, "clean": 200}
    assert frame["target"].unique().tolist() == ["mocked"]
    assert set(onset_df(both.assign(prefix_padding_ms=[100, 300] * 260), by="prefix_padding_ms")["n_group"]) == {130}
    with pytest.raises(RealtimeLabError, match=r"onset_df by \['nope'\]"):
        onset_df(both, by="nope")


def test_few_turns_have_no_interval_and_what_never_varies_no_correlation():
    frame = onset_df(clipped(4).assign(onset_clip_ms=0.0))
    assert (len(frame), frame["n_turns"].iloc[0], frame["rho"].isna().all()) == (1, 4, True)
    assert frame["median_logprob_low"].isna().all() and frame["median_logprob"].notna().all()


@pytest.mark.parametrize(
    "turns",
    [
        clipped(0),
        clipped().assign(first_token_logprob=np.nan),
        clipped().drop(columns="first_token_logprob"),
        turns_df(rich().build()).assign(first_token_logprob=pd.array([None] * 3, dtype="Float64")),
    ],
)
def test_without_both_figures_there_are_no_rows(turns):
    frame = onset_df(turns)
    assert len(frame) == 0 and "median_logprob" in frame.columns
