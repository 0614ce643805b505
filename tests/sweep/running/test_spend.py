"""Caps in money and time: reserved, settled, learned from, counted over resumed runs, and never much passed."""

from __future__ import annotations

import msgspec
import pytest
from live_servers import serving, shortest_script
from sweep_fakes import database

import realtime_lab as rl
from realtime_lab.analysis.cost import PriceTable
from realtime_lab.errors import PlanError
from realtime_lab.protocol import events as ev
from realtime_lab.server.serving.serve import RealtimeServer, SocketSession
from realtime_lab.sweep.running.spend import NOTHING, Budget, Cap, Used, trial_ceiling_s, trial_ceiling_usd

BASE = rl.SessionConfig(model="gpt-realtime-2.1", turn_detection=rl.ServerVad(silence_duration_ms=200))
PRICE = rl.load_prices().price("gpt-realtime-2.1")


def plan_of(repeats=1, **changes):
    return rl.SweepPlan(
        BASE.with_values(changes), {"silence_duration_ms": [200, 300]}, [shortest_script()], repeats=repeats
    )


def paid(server, **options):
    return rl.live(server.url, **{"api_key_env": None, "paid": True, **options})


def run(plan, target, folder, **options):
    options = {"workers": 0, "progress": False, **options}
    return rl.run_sweep(plan, target=target, store=folder / "s.sqlite", **options)


def ceiling():
    return trial_ceiling_usd(PRICE, BASE, shortest_script())


def test_a_paid_target_needs_a_cap_in_one_clear_line(tmp_path):
    with pytest.raises(PlanError, match=r"max_usd = None: .*openai:api\.openai\.com costs money") as caught:
        run(plan_of(), rl.openai(), tmp_path)
    assert len(caught.value.errors) == 1
    assert not (tmp_path / "s.sqlite").exists()


@pytest.mark.parametrize("cap", [0, -1, float("nan"), float("inf"), True, "3"])
@pytest.mark.parametrize("name", ["max_usd", "max_seconds"])
def test_a_cap_is_an_amount(tmp_path, name, cap):
    with pytest.raises(PlanError, match=name):
        run(plan_of(), rl.openai(), tmp_path, **{"max_usd": 3, name: cap})


def test_a_model_of_unknown_price_is_never_free_and_is_capped_by_time(tmp_path):
    plan = plan_of(model="gpt-new")
    with pytest.raises(PlanError, match=r"gpt-new.*price is known.*max_seconds"):
        run(plan, rl.openai(), tmp_path, max_usd=3)
    with serving() as server:
        seconds = trial_ceiling_s(shortest_script()) + 0.001
        with pytest.warns(RuntimeWarning, match=r"1 of 2 trials were left out.*max_seconds"):
            study = run(plan, paid(server, sessions=1), tmp_path, max_seconds=seconds)
    trials = study.trials_df()
    assert sorted(trials["state"]) == ["complete", "planned"]
    assert trials["usd"].isna().all() and trials["audio_s"].sum() < seconds


def test_a_price_list_of_ones_own_makes_a_model_known(tmp_path):
    own = PriceTable("2027", "me", {"gpt-new": PRICE})
    with serving() as server:
        study = run(plan_of(model="gpt-new"), paid(server), tmp_path, max_usd=3, prices=own)
    assert study.states() == {"complete": 2}
    assert (study.trials_df(prices=own)["usd"] > 0).all()


def test_a_deployment_whose_name_has_no_price_is_priced_by_the_configurations_model(tmp_path):
    with serving() as server:
        study = run(plan_of(), paid(server, model="deployed"), tmp_path, max_usd=3)
    assert (study.trials_df()["usd"] > 0).all()


def test_trials_that_wait_for_money_are_run_once_others_have_come_back(tmp_path):
    """Reservations are far above bills: a cap of two reservations is enough for all six trials."""
    with serving() as server:
        study = run(plan_of(repeats=3), paid(server, sessions=4), tmp_path, max_usd=2 * ceiling())
    assert study.states() == {"complete": 6}
    assert 0 < study.trials_df()["usd"].sum() < ceiling()


def test_trials_that_the_cap_does_not_cover_are_left_out_and_said_so(tmp_path):
    with serving() as server:
        with pytest.warns(RuntimeWarning, match=r"1 of 2 trials were left out.*max_usd = .*planned in trials_df"):
            study = run(plan_of(), paid(server, sessions=1), tmp_path, max_usd=ceiling() + 1e-6)
        assert server.sessions == 1
        assert sorted(study.trials_df()["state"]) == ["complete", "planned"]
        with pytest.warns(RuntimeWarning, match="1 of 2 trials were left out"):
            run(plan_of(), paid(server, sessions=1), tmp_path, max_usd=ceiling() + 1e-6)
        assert server.sessions == 1  # what the first run spent counts
        run(plan_of(), paid(server, sessions=1), tmp_path, max_usd=2 * ceiling())
        assert server.sessions == 2


class DearSession(SocketSession):
    """Bills a thousand times what it should."""

    async def deliver(self, event):
        if isinstance(event, ev.ResponseDone):
            usage = event.response.usage
            details = msgspec.structs.replace(
                usage.output_token_details, audio_tokens=1000 * usage.output_token_details.audio_tokens
            )
            usage = msgspec.structs.replace(usage, output_tokens=10**6, output_token_details=details)
            event = msgspec.structs.replace(event, response=msgspec.structs.replace(event.response, usage=usage))
        await super().deliver(event)


class DearServer(RealtimeServer):
    def session(self, reader, writer, engine, request):
        return DearSession(reader, writer, engine, request, self.key)


def test_a_service_that_bills_more_than_anybody_thought_passes_the_cap_by_one_trial_a_worker(tmp_path):
    cap, workers = 3 * ceiling(), 2
    with serving(DearServer) as server:
        with pytest.warns(RuntimeWarning, match="trials were left out"):
            study = run(plan_of(repeats=8), paid(server, sessions=4), tmp_path, max_usd=cap, workers=workers)
        assert server.sessions <= workers
    trials = study.trials_df()
    assert trials["usd"].max() > ceiling()
    assert trials["usd"].sum() <= cap + workers * trials["usd"].max()


def test_sessions_that_never_sent_audio_cost_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr("realtime_lab.session.live.run._FIRST_WAIT_S", 0.01)
    nobody = rl.live("http://127.0.0.1:9/v1", api_key_env=None, paid=True)
    for _ in range(3):
        with pytest.warns(RuntimeWarning, match="2 of 2 trials failed"):
            run(plan_of(), nobody, tmp_path, max_usd=ceiling() + 1e-6)


def test_what_was_running_when_the_sweep_was_killed_counts_as_spent(tmp_path):
    with serving() as server:
        target = paid(server, sessions=1)
        with pytest.warns(RuntimeWarning, match="1 of 2"):
            study = run(plan_of(), target, tmp_path, max_usd=ceiling() + 1e-6)
        left = study.trials_df()["state"].tolist().index("planned")
        with database(study.path) as db:  # as kill -9 leaves it
            db.execute("UPDATE trials SET state = 'running' WHERE trial = ?", (left,))
        spent = study.trials_df()["usd"].sum()
        with pytest.warns(RuntimeWarning, match="1 of 2"):
            run(plan_of(), target, tmp_path, max_usd=float(spent) + 1.9 * ceiling())
        assert server.sessions == 1
        run(plan_of(), target, tmp_path, max_usd=float(spent) + 2.1 * ceiling())
        assert server.sessions == 2


def cap_of(limit, ceilings, name="max_usd"):
    return Cap(name, limit, dict(enumerate(ceilings)), lambda _, used: used.trial.get("usd"))


def test_a_reservation_is_settled_by_the_bill_and_later_ones_grow_with_it():
    budget = Budget([cap_of(1.0, [0.4] * 5)])
    assert [budget.reserve(n, alone=True) for n in range(3)] == ["now", "now", "later"]
    budget.settle(0, Used(trial={"usd": 0.1}))
    assert budget.reserve(2, alone=False) == "now"
    budget.settle(1, Used(trial={"usd": 0.6}))
    assert budget.caps[0].spent == pytest.approx(0.7)
    assert budget.reserve(3, alone=True) == "never"
    budget.settle(2, None)
    assert budget.caps[0].spent == pytest.approx(1.1)


def test_until_one_trial_has_come_back_a_worker_holds_one():
    budget = Budget([cap_of(10.0, [0.1] * 3)])
    assert [budget.reserve(0, alone=True), budget.reserve(1, alone=False)] == ["now", "later"]
    budget.settle(0, NOTHING)
    assert budget.reserve(1, alone=False) == "now"


def test_both_caps_hold():
    budget = Budget([cap_of(1.0, [0.4] * 2), cap_of(50.0, [30.0] * 2, "max_seconds")])
    assert budget.reserve(0, alone=True) == "now"
    assert budget.reserve(1, alone=True) == "later"
    budget.settle(0, None)
    assert budget.reserve(1, alone=True) == "never"
