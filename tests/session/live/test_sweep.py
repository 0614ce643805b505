"""Sweeps over live sessions: many side by side, stored like any other, stopped where nothing can get better."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest
from live_servers import serving, shortest_script

import realtime_lab as rl
from realtime_lab.config import Tracing
from realtime_lab.errors import ConfigError, PlanError, RemoteError
from realtime_lab.protocol import events as ev
from realtime_lab.server.serving.serve import RealtimeServer, SocketSession
from realtime_lab.sweep.plans.records import target_from_record, target_to_record
from realtime_lab.sweep.running.schedule import Schedule
from realtime_lab.testing import Fault, FaultServer

BASE = rl.SessionConfig(model="gpt-realtime-2.1", turn_detection=rl.ServerVad())


@pytest.fixture(scope="module")
def short_script():
    return shortest_script()


class StubbornSession(SocketSession):
    async def deliver(self, event):
        if isinstance(event, ev.SessionUpdated):
            self.engine.settings.effective["audio"]["input"]["turn_detection"]["silence_duration_ms"] = 200
            event.session = self.engine.session()
        await super().deliver(event)


class StubbornServer(RealtimeServer):
    def session(self, reader, writer, engine, request):
        return StubbornSession(reader, writer, engine, request, self.key)


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


class OneSlotSession(SocketSession):
    has_slot = False

    async def _turned_away(self):
        self.has_slot = not self.slots.busy
        if self.has_slot:
            self.slots.busy = True
            return False
        self.slots.turned_away += 1
        said = {"type": "session_limit_reached", "message": "All 1 session slots are in use.", "code": None}
        self._protocol.send_text(json.dumps({"type": "error", "event_id": "e", "error": said}).encode())
        await self._close(1008, "All session slots are in use")
        return True

    async def run(self, raw):
        try:
            await super().run(raw)
        finally:
            if self.has_slot:
                self.slots.busy = False


@dataclass
class OneSlotServer(RealtimeServer):
    """Holds one session at a time and turns others away with an error, as small servers do."""

    busy: bool = False
    turned_away: int = 0

    def session(self, reader, writer, engine, request):
        session = OneSlotSession(reader, writer, engine, request, self.key)
        session.slots = self
        return session


def test_a_server_with_room_for_one_session_gets_one_after_the_other(short_script, tmp_path):
    """Trials it turned away beside others wait their turn, and none has failed in the end."""
    with serving(OneSlotServer) as server:
        target = rl.live(server.url, api_key_env=None, sessions=4)
        store = tmp_path / "s.sqlite"
        how = {"workers": 0, "progress": False, "max_trials": 4}
        study = rl.run_sweep(plan_of(short_script, repeats=2), target=target, store=store, **how)
    assert list(study.trials_df()["state"]) == ["complete"] * 4, "none counts twice towards max_trials"
    assert server.turned_away > 0


def test_a_server_with_no_room_at_all_fails_each_trial_in_its_words(short_script, tmp_path):
    with serving(OneSlotServer, busy=True) as server:
        target = rl.live(server.url, api_key_env=None, sessions=2)
        with pytest.warns(
            RuntimeWarning, match=r"2 × rate_limited: session_limit_reached: All 1 session slots are in use"
        ):
            rl.run_sweep(plan_of(short_script), target=target, store=tmp_path / "s.sqlite", workers=0, progress=False)


def test_a_refused_key_stops_the_sweep_after_one_round(short_script, tmp_path, monkeypatch):
    monkeypatch.setenv("SOME_KEY", "CANARY-55")
    with serving(key="another") as server:
        target = rl.live(server.url, api_key_env="SOME_KEY", sessions=1)
        with pytest.raises(RemoteError, match="invalid_key") as caught:
            rl.run_sweep(plan_of(short_script), target=target, store=tmp_path / "s.sqlite", workers=0, progress=False)
        assert server.sessions == 1
    assert "CANARY" not in str(caught.value)
    assert b"CANARY" not in (tmp_path / "s.sqlite").read_bytes()


def test_a_sweep_without_its_key_is_refused_before_it_begins_and_goes_on_with_it(short_script, tmp_path, monkeypatch):
    """Nothing is connected, no trial fails; with the key, the same call runs; what is complete needs none."""
    monkeypatch.delenv("SOME_KEY", raising=False)
    with serving(key="right") as server:
        call = {
            "target": rl.live(server.url, api_key_env="SOME_KEY"),
            "store": tmp_path / "s.sqlite",
            "workers": 0,
            "progress": False,
        }
        with pytest.raises(PlanError, match=r"SOME_KEY.*an environment variable"):
            rl.run_sweep(plan_of(short_script), **call)
        assert server.sessions == 0
        monkeypatch.setenv("SOME_KEY", "right")
        assert set(rl.run_sweep(plan_of(short_script), **call).trials_df()["state"]) == {"complete"}
        monkeypatch.delenv("SOME_KEY")
        assert len(rl.run_sweep(plan_of(short_script), **call).turns_df()) > 0


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


def updates(study, trial):
    """The session objects that a trial's client sent."""
    events = [entry.event for entry in study.recording(trial).events]
    return [event.session for event in events if isinstance(event, ev.SessionUpdate)]


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ("auto", {"workflow_name": "realtime_lab"}),
        (Tracing(workflow_name="orders", metadata={"who": "me"}), {"workflow_name": "orders"}),
    ],
)
def test_tracing_that_is_asked_for_names_study_trial_and_setting(short_script, tmp_path, asked, given):
    plan = rl.SweepPlan(BASE.with_values({"tracing": asked}), {"silence_duration_ms": [200, 300]}, [short_script])
    with serving() as server:
        target = rl.live(server.url, api_key_env=None)
        study = rl.run_sweep(plan, target=target, store=tmp_path / "s.sqlite", workers=0, progress=False)
    trials = study.trials_df()
    for row in trials.to_dict("records"):
        (sent,) = updates(study, row["trial"])
        metadata = {"trial": row["trial"], "setting": {"silence_duration_ms": row["silence_duration_ms"]}}
        metadata |= {"who": "me"} if asked != "auto" else {}
        assert sent["tracing"] == {**given, "group_id": plan.hash, "metadata": metadata}
    assert trials["differences"].isna().all()


@pytest.mark.parametrize("asked", [{}, {"tracing": None}])
def test_nothing_is_traced_that_nobody_asked_for(short_script, tmp_path, asked):
    plan = rl.SweepPlan(BASE.with_values(asked), {"silence_duration_ms": [200]}, [short_script])
    with serving() as server:
        target = rl.live(server.url, api_key_env=None)
        study = rl.run_sweep(plan, target=target, store=tmp_path / "s.sqlite", workers=0, progress=False)
    (sent,) = updates(study, 0)
    assert sent.get("tracing") is None


def test_what_the_server_does_otherwise_stands_in_frames_and_report(short_script, tmp_path):
    """A server that keeps its own silence_duration_ms, whatever is asked."""
    with serving(StubbornServer) as server:
        target = rl.live(server.url, api_key_env=None)
        plan = rl.SweepPlan(BASE, {"silence_duration_ms": [500]}, [short_script])
        study = rl.run_sweep(plan, target=target, store=tmp_path / "s.sqlite", workers=0, progress=False)
    said = "silence_duration_ms asked 500, server says 200"
    assert list(study.trials_df()["differences"]) == [said]
    page = rl.report(study, tmp_path / "r.html").read_text(encoding="utf-8")
    assert f"The server did not do as asked in 1 session: {said}." in page
