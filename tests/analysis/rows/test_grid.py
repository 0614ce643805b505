"""Fronts, operating points, effects, stability and power of a grid of settings, on data whose truth is known."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from choice_frames import responses_frame, turns_frame

from realtime_lab.analysis.deciding.front import front_metrics, operating_points, pareto
from realtime_lab.analysis.deciding.limits import parse_where
from realtime_lab.analysis.deciding.power import plan_power
from realtime_lab.analysis.deciding.stability import aa_check, split_half
from realtime_lab.analysis.effects.effects import end_effects, interaction, main_effects
from realtime_lab.analysis.summary.columns import SUMMARY
from realtime_lab.analysis.summary.grid import grid_of
from realtime_lab.errors import ConfigError, RealtimeLabError

NAMES = [entry.name for entry in SUMMARY]


class Made:
    """A study of made-up frames."""

    def __init__(self, turns):
        self.turns = turns

    def turns_df(self):
        return self.turns

    def responses_df(self):
        return responses_frame(self.turns)


def ladder(silence_ms, rng):
    """The longer the silence, the fewer holds are cut."""
    return int(rng.random() < {300: 0.6, 500: 0.2, 900: 0.02, 1000: 0.15}[silence_ms])


def swept(axis=(300, 500, 900), scripts=40, cut=ladder, **more):
    return turns_frame(axis, scripts=scripts, n_turns=3, cut=cut, **more)


def crossed(extra=0.0, scripts=24, seed=0):
    """Two settings: +200 ms by silence, +40 ms by threshold, `extra` ms more where both are high."""
    parts = []
    for number, threshold in enumerate((0.3, 0.5, 0.7)):

        def latency(silence_ms, rng, number=number):
            both = extra if number == 2 and silence_ms == 700 else 0.0
            return 600 + silence_ms + 40 * number + both + rng.normal(0, 60)

        frame = turns_frame((500, 700), scripts=scripts, n_turns=4, seed=seed + number, cut=lambda *_: 0,
                            latency=latency)  # fmt: skip
        parts.append(frame.assign(threshold=threshold, trial=frame["trial"] + f"-{threshold}"))
    return pd.concat(parts, ignore_index=True)


def test_a_setting_that_is_beaten_in_everything_is_never_on_the_front():
    turns = swept((300, 500, 900, 1000))
    table = pareto(turns).set_index("silence_duration_ms")
    assert table.loc[[300, 500, 900], "on_front"].all() and (table.loc[[300, 500, 900], "p_front"] > 0.4).all()
    assert table.loc[300, "p_front"] > 0.95  # the fastest by far
    assert not table.loc[1000, "on_front"] and table.loc[1000, "p_front"] < 0.02  # slower than 900 ms, and cuts more


def test_equal_settings_share_the_front_and_none_is_sure_of_it():
    turns = turns_frame(tuple(range(400, 406)), scripts=20, cut=lambda silence_ms, rng: int(rng.random() < 0.2),
                        latency=lambda silence_ms, rng: 1000 + rng.normal(0, 90), n_turns=3)  # fmt: skip
    share = pareto(turns)["p_front"].to_numpy(dtype=float)
    assert share.max() < 0.97 and share.sum() > 1.0


def test_the_front_is_over_what_a_study_has():
    turns = swept()
    assert front_metrics(grid_of(turns)) == ("response_latency_ms_p50", "cutoff_rate")
    assert front_metrics(grid_of(Made(turns)))[-1] == "output_tokens_per_turn"
    text = turns.drop(columns=["response_latency_ms"])
    assert front_metrics(grid_of(text)) == ("endpoint_delay_ms_p50", "cutoff_rate")
    with pytest.raises(ConfigError, match="metric"):
        pareto(turns, metrics=["wind"])


def test_an_operating_point_keeps_the_other_limits_too():
    turns = swept()
    free = operating_points(Made(turns), at=(0.5,)).iloc[0]
    held = operating_points(Made(turns), at=(0.5,), where="endpoint_delay_ms_p50 >= 800").iloc[0]
    assert (free["silence_duration_ms"], held["silence_duration_ms"]) == (300, 900)
    none = operating_points(Made(turns), at=(0.5,), where="endpoint_delay_ms_p50 <= 1").iloc[0]
    assert none.isna()["response_latency_ms_p50"]


class Priced(Made):
    """Its responses cost 1 cent per 100 ms of silence; those of `unknown` have no price."""

    unknown = ()

    def responses_df(self):
        found = super().responses_df()
        usd = found["silence_duration_ms"].astype("Float64") / 10_000
        return found.assign(usd=usd.mask(found["silence_duration_ms"].isin(self.unknown)))


def test_the_front_is_over_money_where_every_price_is_known_and_over_tokens_else():
    priced = Priced(swept())
    assert front_metrics(grid_of(priced))[-1] == "usd_per_turn"
    table = pareto(priced).set_index("silence_duration_ms")["usd_per_turn"]
    assert table.sort_index().tolist() == pytest.approx([0.03, 0.05, 0.09])
    priced.unknown = (500,)
    assert front_metrics(grid_of(priced))[-1] == "output_tokens_per_turn"


def test_a_settings_last_value_against_its_first_holds_the_truth_in_a_wider_interval_for_more_comparisons():
    turns = crossed()
    one, many = (end_effects(turns, comparisons=count).set_index("setting") for count in (1, 12))
    assert one["first"].to_dict() == {"silence_duration_ms": 500, "threshold": 0.3}
    assert one["shift"].tolist() == many["shift"].tolist()
    for name, truth in (("silence_duration_ms", 200), ("threshold", 80)):
        assert many.loc[name, "shift_low"] < one.loc[name, "shift_low"] < truth < one.loc[name, "shift_high"]
        assert one.loc[name, "shift_high"] < many.loc[name, "shift_high"]


def test_the_front_by_hand():
    """Three settings in two metrics, drawn once each: by the definition."""
    turns = swept()
    grid = grid_of(turns)
    found = {name: grid.column(name).estimates for name in front_metrics(grid)}
    wait, cut = found.values()
    by_hand = [
        not any(wait[j] <= wait[i] and cut[j] <= cut[i] and (wait[j], cut[j]) != (wait[i], cut[i]) for j in range(3))
        for i in range(3)
    ]
    table = pareto(grid).sort_values("silence_duration_ms")
    assert table["on_front"].tolist() == by_hand


def test_operating_points_pick_the_fastest_that_keeps_each_limit():
    table = operating_points(swept(), at=(0.001, 0.05, 0.2, 0.9)).set_index("limit")
    assert table["silence_duration_ms"].astype(object).where(table["silence_duration_ms"].notna(), None).tolist() == [
        None, 900, 500, 300]  # fmt: skip
    row = table.loc[0.2]
    assert row["response_latency_ms_p50_low"] <= row["response_latency_ms_p50"] <= row["response_latency_ms_p50_high"]
    assert row["best_low"] <= row["best_high"] and 0 < row["p_same"] <= 1
    assert pd.isna(table.loc[0.001, "best_low"]) and pd.isna(table.loc[0.001, "response_latency_ms_p50"])


def test_below_six_blocks_nothing_is_resampled():
    turns = turns_frame((300, 500), scripts=1, n_turns=4, cut=lambda *_: 0)
    assert operating_points(turns, at=(0.05,))["best_low"].isna().all()
    assert pareto(turns)["p_front"].isna().all()


def test_main_effects_add_up_to_nothing_and_hold_the_truth():
    table = main_effects(crossed())
    assert table.groupby("setting")["effect"].sum().abs().max() < 1e-9
    truth = {("silence_duration_ms", 500): -100, ("silence_duration_ms", 700): 100,
             ("threshold", 0.3): -40, ("threshold", 0.5): 0, ("threshold", 0.7): 40}  # fmt: skip
    for row in table.to_dict("records"):
        assert row["effect_low"] - 6 <= truth[row["setting"], row["value"]] <= row["effect_high"] + 6
        assert row["note"] == ""


def test_without_an_interaction_none_is_shown_and_a_planted_one_is_found():
    quiet = interaction(crossed(), "silence_duration_ms", "threshold")
    assert sum(row["interaction_low"] > 0 or row["interaction_high"] < 0 for row in quiet.to_dict("records")) <= 1
    loud = interaction(crossed(extra=300.0), "silence_duration_ms", "threshold")
    cell = loud[(loud["silence_duration_ms"] == 700) & (loud["threshold"] == 0.7)].iloc[0]
    assert cell["interaction_low"] > 0 and cell["interaction"] == pytest.approx(100, abs=25)
    assert loud["interaction"].sum() == pytest.approx(0.0, abs=1e-6)
    with pytest.raises(ConfigError, match="setting"):
        interaction(crossed(), "silence_duration_ms", "eagerness")


def test_effects_of_too_few_turns_say_so():
    with pytest.raises(RealtimeLabError, match="n too small: no setting has an estimate"):
        main_effects(turns_frame((300, 500), scripts=1, n_turns=2))
    few = main_effects(turns_frame((300, 500), scripts=1, n_turns=5, cut=lambda *_: 0), "cutoff_rate")
    assert few["note"].str.startswith("n too small: 5 turns of 6").all() and few["effect_low"].isna().all()


def test_a_clear_winner_of_a_large_study_is_stable_and_that_of_a_small_one_is_not():
    limits = parse_where("cutoff_rate <= 0.05", NAMES)
    large = swept((300, 900), scripts=400)
    assert split_half(grid_of(large), "response_latency_ms_p50", limits).stable
    small = swept((300, 900), scripts=12, latency=lambda silence_ms, rng: silence_ms + 600 + rng.normal(0, 250))
    found = split_half(grid_of(small), "response_latency_ms_p50", limits)
    assert not found.stable and found.words == f"in {found.kept} of 10 splits"


def test_shuffled_labels_rarely_name_a_winner(full):
    found = aa_check(swept((300, 500, 900)), rounds=400 if full else 60)
    print(found.sentence)
    assert found.false_winners / found.rounds <= (0.06 if full else 0.1)
    with pytest.raises(RealtimeLabError, match="needs two settings"):
        aa_check(swept((500,), cut=lambda *_: 0))


@pytest.mark.parametrize("difference", [20.0, 40.0])
def test_the_planned_number_of_scripts_sees_the_difference_as_often_as_planned(difference, full):
    """Plan with pilots of 40 scripts (the middle of 25), run studies of that size: 80 % see it, give or take 10."""

    def noisy(silence_ms, rng):
        return 1000 + (difference if silence_ms == 501 else 0.0) + rng.normal(0, 80)

    def frame(scripts, seed):
        return turns_frame((500, 501), scripts=scripts, n_turns=3, seed=seed, cut=lambda *_: 0, latency=noisy)

    needed = round(np.median([plan_power(frame(40, seed), difference=difference).n for seed in range(25)]))
    sets = 300 if full else 60
    seen = 0
    for seed in range(1000, 1000 + sets):
        grid = grid_of(frame(max(needed, 10), seed))
        drawn = grid.column("response_latency_ms_p50")
        table = main_effects(grid)
        seen += not table["effect_low"].iloc[1] <= 0 <= table["effect_high"].iloc[1]
        assert len(drawn.estimates) == 2
    print(f"{difference:g} ms: {needed} scripts, seen in {seen / sets:.2f} of {sets}")
    room = 0.0 if full else 0.05
    assert 0.70 - room <= seen / sets <= 0.90 + room


def test_power_for_rates_is_the_textbooks():
    """5 % against 2 %, 80 %, two-sided 5 %: 586 of each (normal approximation, unpooled)."""
    found = plan_power(metric="cutoff_rate", rate=0.05, difference=0.03)
    expected = (1.959964 + 0.841621) ** 2 * (0.05 * 0.95 + 0.02 * 0.98) / 0.03**2
    assert (found.n, found.unit) == (math.ceil(expected), "holds")
    assert found.sentence.startswith("To see a difference of 3 points in cutoff rate 80 times in 100: 586 holds")
    assert repr(found) == f"<PowerPlan: {found.sentence}>"
    assert plan_power(metric="cutoff_rate", rate=0.05, difference=0.03, comparisons=35).n > 1000


def test_a_plan_that_cannot_be_made_names_every_mistake():
    with pytest.raises(ConfigError) as caught:
        plan_power(metric="cutoff_rate", difference=2.0, power=1.0, comparisons=0)
    assert {problem.path for problem in caught.value.errors} == {"difference", "power", "comparisons", "rate"}
    with pytest.raises(RealtimeLabError, match="is known of 1 of the pilot's 1 setting, and it takes two"):
        plan_power(swept((500,), cut=lambda *_: 0), difference=50.0)
    with pytest.raises(RealtimeLabError, match="the pilot has 3 turns, and takes 6"):
        plan_power(swept(scripts=1), difference=50.0)
    with pytest.raises(RealtimeLabError, match="no session is complete"):
        plan_power(swept().iloc[:0], difference=50.0)
