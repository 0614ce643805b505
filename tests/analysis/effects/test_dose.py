"""Does the knob work: known slopes are found, no effect is said, and a server that ignored a setting is caught."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from choice_frames import turns_frame
from report_study import made_study

from realtime_lab.analysis.effects.dose import dose_response
from realtime_lab.errors import RealtimeLabError
from realtime_lab.plots.dose import dose_info, draw_dose
from realtime_lab.plots.style import new_axes

AXIS = (200, 350, 500, 700)


def swept(slope=1.0, noise=20.0, seed=0, cut=None, scripts=15, **more):
    """Endpoint delays on a line over whole frames; turns differ much more among themselves than the settings do."""
    turns = turns_frame(AXIS, scripts=scripts, n_turns=3, seed=seed, cut=cut or (lambda *_: 0), **more)
    rng = np.random.default_rng(seed)
    hard = {key: rng.exponential(800) for key in turns.groupby(["script", "turn"]).groups}
    own = [hard[key] for key in zip(turns["script"], turns["turn"], strict=True)]
    frames = np.ceil(turns["silence_duration_ms"].astype(float) / 32)
    delay = slope * 32 * frames + own + rng.normal(0, noise, len(turns))
    turns["endpoint_delay_ms"] = pd.array(
        np.where(turns["cut"] | (turns["outcome"] == "missed"), np.nan, delay), dtype="Float64"
    )
    return turns


def test_the_slope_of_the_silence_is_one_whatever_the_turns_are_like():
    found = dose_response(swept()).of("silence_duration_ms", "endpoint_delay_ms")
    assert found.verdict == "works" and found.slope.low < 1.0 < found.slope.high
    assert found.slope.high - found.slope.low < 0.1
    assert found.sentence == (
        "silence_duration_ms moves endpoint delay: +0.99 ms (+0.97 to +1.01 ms) per ms, expected 1."
    )


def test_cutting_the_hard_turns_at_low_values_does_not_pass_for_a_slope():
    """At 200 ms every turn with a long delay is cut: means of what is left would rise far steeper than 1."""
    turns = swept(seed=3)
    hard = turns["endpoint_delay_ms"] - turns["silence_duration_ms"] > 500
    lost = (turns["silence_duration_ms"] == 200) & hard
    turns.loc[lost, "endpoint_delay_ms"] = pd.NA
    turns.loc[lost, "cut"] = True
    naive = np.polyfit(*zip(*turns.groupby("silence_duration_ms")["endpoint_delay_ms"].mean().items(), strict=True), 1)
    assert naive[0] > 1.4
    found = dose_response(turns).of("silence_duration_ms", "endpoint_delay_ms")
    assert found.slope.value == pytest.approx(1.0, abs=0.05) and found.verdict == "works"


@pytest.mark.parametrize(
    ("slope", "verdict"), [(0.0, "no effect"), (0.5, "other slope"), (1.6, "other slope"), (-1.0, "no effect")]
)
def test_another_slope_and_none_are_told_apart(slope, verdict):
    found = dose_response(swept(slope)).of("silence_duration_ms", "endpoint_delay_ms")
    assert found.verdict == verdict
    said = {"no effect": "has no effect on", "other slope": "otherwise than expected"}[verdict]
    assert said in found.sentence


def test_the_interval_of_a_slope_covers_as_stated(full):
    sets = 1000 if full else 150
    hits = 0
    for seed in range(sets):
        slope = dose_response(swept(noise=150, seed=seed, scripts=12)).of("silence_duration_ms").slope
        hits += slope.low <= 1.0 <= slope.high
    print(f"slopes: {hits / sets:.3f} of {sets}")
    assert (0.93 if full else 0.91) <= hits / sets <= (0.97 if full else 0.99)


def test_a_setting_that_moves_nothing_is_never_said_to_work_more_than_one_time_in_twenty():
    false = sum(dose_response(swept(0.0, 200, seed)).of("silence_duration_ms", "cutoff_rate").verdict == "works"
                for seed in range(100, 160))  # fmt: skip
    assert false <= 7


def test_a_server_that_ignored_the_value_is_caught_by_its_effective_configuration():
    turns = swept(0.0)
    trials = pd.DataFrame(
        {
            "silence_duration_ms": pd.array([200, 350, 500, 700], dtype="Int64"),
            "effective.audio.input.turn_detection.silence_duration_ms": pd.array([500] * 4, dtype="Int64"),
        }
    )
    found = dose_response(turns, trials=trials).of("silence_duration_ms")
    assert found.verdict == "ignored"
    assert found.sentence == (
        "silence_duration_ms: the server did not take it (asked 200, used 500; in 3 of 4 sessions)."
    )
    taken = trials.assign(**{trials.columns[1]: trials["silence_duration_ms"]})
    assert dose_response(turns, trials=taken).of("silence_duration_ms").verdict == "no effect"


def test_infinite_values_have_a_shift_and_no_slope():
    turns = turns_frame((500,), scripts=12, n_turns=3).drop(columns=["silence_duration_ms"])
    rng = np.random.default_rng(0)
    both = pd.concat([turns.assign(max_output_tokens=limit, output_tokens=np.minimum(rng.integers(40, 200, len(turns)),
                      limit)) for limit in (64.0, np.inf)], ignore_index=True)  # fmt: skip
    found = dose_response(both).of("max_output_tokens", "output_tokens")
    assert found.slope.value is None and found.shift.low > 0 and "from 64 to inf" in found.sentence


def test_texts_are_levels_and_missed_turns_are_counted_beside():
    turns = swept(missed=lambda silence_ms, rng: rng.random() < 0.1)
    turns["eagerness"] = turns["silence_duration_ms"].map({200: "high", 350: "high", 500: "low", 700: "low"})
    turns = turns.drop(columns="silence_duration_ms")
    found = dose_response(turns).of("eagerness", "endpoint_delay_ms")
    assert [level.value for level in found.levels] == ["high", "low"]
    assert found.slope.value is None and found.n_missed > 0 and "left out" in found.sentence


@pytest.mark.parametrize(
    ("turns", "why"),
    [(swept(scripts=1), "n too small: 3 turns of 6"), (swept(missed=lambda *_: True), "no turn has two values")],
)
def test_too_little_to_tell_is_said(turns, why):
    found = dose_response(turns).of("silence_duration_ms", "endpoint_delay_ms")
    assert found.sentence == f"silence_duration_ms on endpoint delay: {why}."


def test_without_turns_it_says_so_and_without_a_sweep_there_is_nothing():
    with pytest.raises(RealtimeLabError, match="no session is complete"):
        dose_response(swept().iloc[:0])
    alone = swept().query("silence_duration_ms == 500")
    assert dose_response(alone).doses == () and dose_response(alone).frame.empty
    assert dose_info(alone).problem == "No setting was swept: there is no dose to respond to."


def test_the_mocked_server_moves_by_exactly_the_silence(tmp_path):
    study = made_study(tmp_path, scripts=2)
    found = dose_response(study).of("silence_duration_ms", "endpoint_delay_ms")
    assert found.ignored == "" and found.verdict == "works"
    assert found.slope.value == pytest.approx(1.0, abs=0.02)


def test_the_plot_shows_changes_from_the_first_value_and_the_expected_line():
    info = dose_info(swept())
    assert [point.place for point in info.points] == list(AXIS) and info.points[0].change == 0.0
    assert info.points[-1].low < 480 < info.points[-1].high and info.expected == 1.0  # 22 frames after 7
    axes = draw_dose(info, new_axes(5, 4))
    assert axes.lines[-1].get_ydata().tolist() == [0.0, 128.0, 288.0, 480.0]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["200", "350", "500", "700"]
    with pytest.raises(RealtimeLabError, match="there are silence_duration_ms on endpoint_delay_ms"):
        dose_info(swept(), setting="threshold")


def test_hostile_texts_are_escaped():
    turns = swept().rename(columns={"silence_duration_ms": "<b>x</b>"})
    assert "<b>" not in dose_response(turns)._repr_html_()
    draw_dose(dose_info(turns.assign(**{"<b>x</b>": ["$\\frac{", "a"] * (len(turns) // 2)})), new_axes(5, 4))
