"""Price tables: the shipped one, files of a user's own, and studies priced again."""

from __future__ import annotations

import pytest

import realtime_lab as rl
from realtime_lab.analysis.cost import Price
from realtime_lab.audio import load_scripts
from realtime_lab.errors import PlanError

OWN = """
as_of = "2027-02-01"
source = "me"
[models."gpt-realtime-2.1"]
text_in = 8
text_cached = 0.8
text_out = 48
audio_in = 64
audio_cached = 0.8
audio_out = 128
[transcription."gpt-4o-transcribe"]
in = 5
out = 20
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Two models, one of them without a price, and a transcript in every turn."""
    base = rl.SessionConfig(
        model="gpt-realtime-2.1",
        turn_detection=rl.ServerVad(),
        transcription=rl.Transcription(model="gpt-4o-transcribe"),
    )
    plan = rl.SweepPlan(base, {"silence_duration_ms": [300, 700]}, load_scripts("orders")[:1], seed=1)
    return rl.run_sweep(plan, store=tmp_path_factory.mktemp("s") / "s.sqlite", workers=0, progress=False)


def test_the_shipped_table_is_dated_and_names_its_source():
    table = rl.load_prices()
    assert table.as_of.startswith("20") and table.source
    assert table.price("gpt-realtime-2.1") == Price(4.0, 0.4, 24.0, 32.0, 0.4, 64.0)
    assert table.price("gpt-realtime-2.1-mini") == Price(0.6, 0.06, 2.4, 10.0, 0.3, 20.0)
    assert table.price("gpt-new") is None and table.price(None) is None
    assert table.transcription["gpt-realtime-whisper"].per_minute == 0.017


def test_every_frame_has_the_same_cost(study):
    trials, responses, summary = study.trials_df(), study.responses_df(), study.summary()
    assert (responses["usd"] > 0).all() and (trials["transcription_usd"] > 0).all()
    by_trial = responses.groupby("trial")["usd"].sum()
    for row in trials.to_dict("records"):
        assert row["usd"] == pytest.approx(by_trial[row["trial"]] + row["transcription_usd"])
    assert summary["usd"].sum() == pytest.approx(trials["usd"].sum())
    minutes = summary["usd"] / summary["usd_per_minute"]
    assert minutes.sum() == pytest.approx(trials["audio_s"].sum() / 60)


def test_a_response_costs_what_its_tokens_do(study):
    row = study.responses_df().iloc[0]
    usd = (row["input_text_tokens"] - row["cached_text_tokens"]) * 4 + row["cached_text_tokens"] * 0.4
    usd += (row["input_audio_tokens"] - row["cached_audio_tokens"]) * 32 + row["cached_audio_tokens"] * 0.4
    usd += row["output_text_tokens"] * 24 + row["output_audio_tokens"] * 64
    assert row["usd"] == pytest.approx(usd / 1e6)


def test_an_old_study_is_priced_again_by_another_table(study, tmp_path):
    (tmp_path / "own.toml").write_text(OWN)
    prices = rl.load_prices(tmp_path / "own.toml")
    for name in ("trials_df", "responses_df", "summary"):
        now, then = getattr(study, name)(), getattr(study, name)(prices=prices)
        assert then["usd"].sum() == pytest.approx(2 * now["usd"].sum())


def test_a_model_without_a_price_has_no_cost(study, tmp_path):
    (tmp_path / "own.toml").write_text(OWN.replace("gpt-realtime-2.1", "another"))
    prices = rl.load_prices(tmp_path / "own.toml")
    assert study.trials_df(prices)["usd"].isna().all()
    assert study.trials_df(prices)["transcription_usd"].notna().all()
    assert study.summary(prices=prices)["usd"].isna().all()


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("not toml", "TOML"),
        (OWN.replace("text_in = 8", ""), "text_in"),
        (OWN.replace("text_in = 8", "text_in = -1"), "text_in = -1"),
        (OWN.replace("text_in = 8", 'text_in = "8"'), "text_in"),
        (OWN.replace("text_in = 8", "text_in = inf"), "text_in"),
        (OWN.replace("text_in = 8", "text_in = 8\nimage_in = 1"), "image_in"),
        (OWN.replace("in = 5", "per_minute = 5"), "per_minute"),
        (OWN.replace('source = "me"', ""), "source"),
    ],
)
def test_a_mistake_in_a_table_is_named(tmp_path, text, named):
    (tmp_path / "own.toml").write_text(text)
    with pytest.raises(PlanError, match=named):
        rl.load_prices(tmp_path / "own.toml")


def test_a_table_that_is_not_there_is_named(tmp_path):
    with pytest.raises(PlanError, match=r"prices = .*No such file"):
        rl.load_prices(tmp_path / "gone.toml")
