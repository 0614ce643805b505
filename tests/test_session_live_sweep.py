"""Sweeps over live sessions: many side by side, stored like any other, stopped where nothing can get better."""

from __future__ import annotations

import pytest
from live_servers import serving

import realtime_lab as rl
from realtime_lab.audio import Turn, load_scripts
from realtime_lab.audio.script import Script
from realtime_lab.errors import ConfigError, PlanError, RemoteError
from realtime_lab.sweep.plan import script_ms
from realtime_lab.sweep.records import target_from_record, target_to_record
from realtime_lab.sweep.schedule import Schedule
from realtime_lab.sweep.spend import Budget, Price, billed_usd, price_of, trial_ceiling_usd
from realtime_lab.testing import Fault, FaultServer

BASE = rl.SessionConfig(model="gpt-realtime-2.1", turn_detection=rl.ServerVad())


@pytest.fixture(scope="module")
def short_script():
    """The shortest stretch of shipped speech, as a script of one turn."""
    scripts = load_scripts("orders")
    segments = [segment for script in scripts for turn in script.turns for segment in turn.segments]
    shortest = min(segments, key=lambda segment: segment.span_ms.end_ms - segment.span_ms.start_ms)
    return Script("short", (Turn((shortest,), ()),), "test")


def plan_of(script, **options):
    return rl.SweepPlan(BASE, {"silence_duration_ms": [200, 300]}, [script], **options)


def test_live_trials_run_side_by_side_and_their_study_reads_like_a_mocked_one(short_script, tmp_path):
    with serving() as server:
        target = rl.live(server.url, api_key_env=None, sessions=4)
        plan = plan_of(short_script, repeats=2)
        study = rl.run_sweep(plan, target=target, store=tmp_path / "s.sqlite", workers=1, progress=False)
    trials = study.trials_df()
    assert set(trials["state"]) == {"complete"} and set(trials["target"]) == {target.name}
    assert set(study.turns_df()["outcome"]) == {"answered"}
    assert study.recording(trials["trial"].iloc[0]).header.connections == 1
    assert study.plan.target.url == target.url


def test_a_service_that_asks_for_fewer_sessions_gets_fewer_and_no_trial_is_lost(short_script, tmp_path, monkeypatch):
    allowed = []
    back = Schedule.back
    monkeypatch.setattr(Schedule, "back", lambda self, *told: (back(self, *told), allowed.append(self.allowed)))
    refusal = Fault("status", "connect", code=429, retry_after="0")
    with serving(FaultServer, faults=(refusal,), faulty=2) as server:
        target = rl.live(server.url, api_key_env=None, sessions=4)
        plan = plan_of(short_script, repeats=3)
        study = rl.run_sweep(plan, target=target, store=tmp_path / "s.sqlite", workers=0, progress=False)
    assert set(study.trials_df()["state"]) == {"complete"}
    limited = [study.recording(trial.key).header.limited for trial in plan.trials_for(target)]
    assert 1 <= sum(limited) <= 2
    assert min(allowed) < 4 and allowed[-1] > min(allowed)


def test_a_paid_target_needs_a_cap_in_one_clear_line(short_script, tmp_path):
    with pytest.raises(PlanError, match=r"max_usd = None: .*openai:api\.openai\.com costs money") as caught:
        rl.run_sweep(plan_of(short_script), target=rl.openai(), store=tmp_path / "s.sqlite")
    assert len(caught.value.errors) == 1
    assert not (tmp_path / "s.sqlite").exists()


@pytest.mark.parametrize("cap", [0, -1, float("nan"), float("inf"), True, "3"])
def test_a_cap_is_an_amount_of_money(short_script, tmp_path, cap):
    with pytest.raises(PlanError, match="max_usd"):
        rl.run_sweep(plan_of(short_script), target=rl.openai(), store=tmp_path / "s.sqlite", max_usd=cap)


def test_a_model_of_unknown_price_is_never_free(short_script, tmp_path):
    plan = rl.SweepPlan(BASE.with_values({"model": "gpt-new"}), {"threshold": [0.5]}, [short_script])
    with pytest.raises(PlanError, match=r"gpt-new.*price is known"):
        rl.run_sweep(plan, target=rl.openai(), store=tmp_path / "s.sqlite", max_usd=3)
    assert price_of(None) is None


def test_trials_that_the_cap_does_not_cover_are_left_out_and_said_so(short_script, tmp_path):
    with serving() as server:
        target = rl.live(server.url, api_key_env=None, paid=True, sessions=1)
        plan = plan_of(short_script)
        cap = trial_ceiling_usd(price_of(BASE.model), BASE, short_script, script_ms(short_script)) + 1e-6
        with pytest.warns(RuntimeWarning, match="1 of 2 trials were left out"):
            study = rl.run_sweep(
                plan, target=target, store=tmp_path / "s.sqlite", workers=0, progress=False, max_usd=cap
            )
    assert sorted(study.trials_df()["state"]) == ["complete", "planned"]


def test_a_refused_key_stops_the_sweep_after_one_round(short_script, tmp_path, monkeypatch):
    monkeypatch.setenv("SOME_KEY", "CANARY-55")
    with serving(key="another") as server:
        target = rl.live(server.url, api_key_env="SOME_KEY", sessions=1)
        with pytest.raises(RemoteError, match="invalid_key") as caught:
            rl.run_sweep(plan_of(short_script), target=target, store=tmp_path / "s.sqlite", workers=0, progress=False)
        assert server.sessions == 1
    assert "CANARY" not in str(caught.value)
    assert b"CANARY" not in (tmp_path / "s.sqlite").read_bytes()


def test_a_target_travels_through_a_study_without_its_headers_secrets():
    target = rl.live("https://example.com/v1", model="m", headers={"X-Api-Key-2": "CANARY", "X-Team": "a"}, stall_s=9)
    record = target_to_record(target)
    assert "CANARY" not in str(record)
    back = target_from_record(record)
    assert (back.url, back.model, back.stall_s, dict(back.headers)["X-Team"]) == (target.url, "m", 9.0, "a")
    with pytest.raises(ValueError, match="live target"):
        target_from_record({"kind": "live"})
    with pytest.raises(ValueError, match="url"):
        target_from_record({"kind": "live", "live": {**record["live"], "url": "nowhere"}})


def test_a_live_target_stands_in_a_plan_file_by_url_and_variable(tmp_path):
    target = rl.live("https://example.com/v1", api_key_env="MY_KEY", model="m")
    plan = rl.SweepPlan(BASE, {"threshold": [0.3, 0.5]}, "orders", target=target)
    assert rl.SweepPlan.load(plan.save(tmp_path / "plan.toml")) == plan
    assert 'api_key_env = "MY_KEY"' in (tmp_path / "plan.toml").read_text()
    (tmp_path / "plan.toml").write_text((tmp_path / "plan.toml").read_text().replace("api_key_env", "api_key"))
    with pytest.raises(ConfigError, match="api_key"):
        rl.SweepPlan.load(tmp_path / "plan.toml")


def test_money_is_reserved_before_and_settled_from_usage():
    price = Price(4.0, 0.4, 24.0, 32.0, 0.4, 64.0)
    budget = Budget(1.0, dict.fromkeys(range(3), (price, 0.4)))
    assert budget.reserve(0) and budget.reserve(1) and not budget.reserve(2)
    budget.release(1)
    row = {"input_tokens": 300, "output_tokens": 150, "input_text_tokens": 100, "input_audio_tokens": 200}
    row |= {"cached_text_tokens": 50, "cached_audio_tokens": 100, "output_text_tokens": 50, "output_audio_tokens": 100}
    budget.settle(0, [row])
    usd = (50 * 4 + 50 * 0.4 + 100 * 32 + 100 * 0.4 + 50 * 24 + 100 * 64) / 1e6
    assert budget.spent_usd == pytest.approx(usd)
    assert budget.reserve(2)
    budget.settle(2, None)
    assert budget.spent_usd == pytest.approx(usd + 0.4)
    assert billed_usd(price, [{"input_tokens": None}]) is None
