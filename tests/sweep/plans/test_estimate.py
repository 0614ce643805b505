"""What a plan will cost, against what mocked sessions are billed."""

from __future__ import annotations

import pytest

import realtime_lab as rl
from realtime_lab.analysis.columns import TRIALS
from realtime_lab.audio import load_scripts
from realtime_lab.sweep.plans import estimate as module

BASE = rl.SessionConfig(model="gpt-realtime-2.1", turn_detection=rl.ServerVad())
ORDERS = load_scripts("orders")


def bill(plan, folder):
    return rl.run_sweep(plan, store=folder / "s.sqlite", workers=0, progress=False).trials_df()


@pytest.mark.parametrize(
    ("changes", "space", "scripts", "options"),
    [
        ({}, {"silence_duration_ms": [200, 700]}, ORDERS[:2], {}),
        ({"output_modalities": ["text"]}, {"silence_duration_ms": [200, 700]}, ORDERS[:2], {}),
        ({}, {"max_output_tokens": [64, "inf"], "output_modalities": [["audio"], ["text"]]}, ORDERS[:1], {}),
        ({"transcription": {"model": "gpt-4o-transcribe"}}, {"threshold": [0.3, 0.7]}, ORDERS[1:2], {}),
        ({}, {"silence_duration_ms": [300]}, ORDERS[:1], {"conditions": [rl.babble(snr_db=3)], "repeats": 80}),
    ],
    ids=["audio", "text", "limits", "transcribed", "babble"],
)
def test_the_estimate_is_within_15_percent_of_the_mocked_bill(changes, space, scripts, options, tmp_path):
    """The bill is that of another seed: other answers, of other lengths, in another order."""
    plan, other = (
        rl.SweepPlan(BASE.with_values(changes), space, scripts, seed=seed, **{"repeats": 16, **options})
        for seed in (5, 6)
    )
    estimate, trials = plan.estimate(rl.openai()), bill(other, tmp_path)
    assert estimate.usd == pytest.approx(float(trials["usd"].sum()), rel=0.15)
    assert estimate.audio_minutes == pytest.approx(trials["audio_s"].sum() / 60, rel=0.15)
    for name in ("input_tokens", "output_tokens"):
        assert estimate.tokens[name] == pytest.approx(int(trials[name].sum()), rel=0.15)


def test_a_small_plan_is_held_whole_as_the_mocked_sweep_would(tmp_path):
    plan = rl.SweepPlan(BASE, {"silence_duration_ms": [200, 700]}, ORDERS[:1], seed=5)
    assert plan.estimate(rl.openai()).usd == pytest.approx(float(bill(plan, tmp_path)["usd"].sum()))


def test_a_sample_of_a_large_plan_is_as_good(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MOST_SESSIONS", 48)
    space = {"silence_duration_ms": [200, 500, 1000], "output_modalities": [["audio"], ["text"]]}
    plan = rl.SweepPlan(BASE, space, ORDERS[:2], repeats=12, seed=5)
    estimate = plan.estimate(rl.openai())
    assert "48 mocked sessions" in str(estimate) and estimate.trials == 144
    assert estimate.usd == pytest.approx(float(bill(plan, tmp_path)["usd"].sum()), rel=0.15)


def test_the_whole_conversation_is_billed_again_at_each_response():
    one, four = (
        rl.SweepPlan(BASE, {"threshold": [0.5]}, [rl.Script("s", (ORDERS[0].turns[0],) * turns, "t")], repeats=6)
        for turns in (1, 4)
    )
    grown = four.estimate(rl.openai()).tokens["input_tokens"] / one.estimate(rl.openai()).tokens["input_tokens"]
    assert grown > 8  # 1 + 2 + 3 + 4 turns, and the answers between


def test_tokens_are_told_by_kind_under_the_names_of_the_trials_frame():
    tokens = rl.SweepPlan(BASE, {"threshold": [0.5]}, ORDERS[:1]).estimate(rl.openai()).tokens
    assert set(tokens) <= {entry.name for entry in TRIALS}
    assert tokens["input_tokens"] == tokens["input_text_tokens"] + tokens["input_audio_tokens"]
    assert tokens["output_tokens"] == tokens["output_text_tokens"] + tokens["output_audio_tokens"]


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"model": "gpt-new"}, "model 'gpt-new'"),
        ({"transcription": {"model": "ears-1"}}, "transcription model 'ears-1'"),
    ],
)
def test_a_price_that_is_not_known_leaves_the_cost_unknown(changes, named):
    estimate = rl.SweepPlan(BASE.with_values(changes), {"threshold": [0.5]}, ORDERS[:1]).estimate(rl.openai())
    assert estimate.usd is None and estimate.tokens["input_tokens"] > 0
    assert "cost not known" in str(estimate) and f"no price of {named} is known" in str(estimate)


def test_what_the_mocked_server_refuses_cannot_be_estimated():
    plan = rl.SweepPlan(BASE, {"tracing": ["auto"]}, ORDERS[:1])
    assert plan.estimate(rl.openai()).usd is not None
    remote = BASE.with_values({"tools": [{"type": "mcp", "server_label": "files"}]})
    refused = rl.SweepPlan(remote, {"threshold": [0.5]}, ORDERS[:1]).estimate(rl.openai())
    assert refused.usd is None and refused.tokens is None and "session.tools[0].type" in str(refused)


def test_what_costs_nothing_is_free_and_counted_at_once():
    plan = rl.SweepPlan(BASE, {"threshold": [0.5]}, ORDERS[:1])
    for target in (None, rl.mocked(), rl.live("http://127.0.0.1:1/v1")):
        assert str(plan.estimate(target)).endswith("minutes of audio or more, free")
