"""Client secrets: opened with, renewed near their end, refused when they have ended, and kept nowhere."""

from __future__ import annotations

import pickle

import pytest
from live_servers import ToneServer, client, receive_until, serving, shortest_script
from sessions import spoken_script, tone_stage

import realtime_lab as rl
from realtime_lab.config import ServerVad, Session, SessionConfig
from realtime_lab.errors import RemoteError
from realtime_lab.recording import recording_to_bytes
from realtime_lab.session import run_session
from realtime_lab.session.live.key import Secret
from realtime_lab.session.live.secrets import (
    ClientSecret,
    SecretKeeper,
    create_client_secret,
    create_session,
    secret_keeper,
)
from realtime_lab.session.targets import live

KEY = "sk-the-real-one-77"
CONFIG = SessionConfig(model="gpt-realtime", turn_detection=ServerVad(silence_duration_ms=200))
SHORT = ((0, 10),)


@pytest.fixture(autouse=True)
def _key(monkeypatch):
    monkeypatch.setenv("SOME_KEY", KEY)
    secret_keeper.cache_clear()


class Minting:
    """Gives out secrets of ten minutes on a clock of its own; the first ones may fail."""

    def __init__(self, *failures):
        self.now_s, self.made, self.waits, self.failures = 1000.0, 0, [], list(failures)

    def mint(self, target, config):
        self.made += 1
        if self.failures:
            raise self.failures.pop(0)
        session = Session.from_wire(config.to_wire("ga"))
        return ClientSecret(Secret(f"ek_{self.made}"), int(self.now_s) + 600, session)

    def keeper(self):
        return SecretKeeper(self.mint, lambda: self.now_s, self.waits.append)


TARGET = live("https://example.com/v1", client_secrets=True)


def test_a_secret_is_kept_until_it_is_near_its_end_and_then_renewed():
    minting = Minting()
    keeper = minting.keeper()
    assert [keeper.key_for(TARGET, CONFIG).reveal() for _ in range(3)] == ["ek_1"] * 3
    minting.now_s += 565
    assert keeper.key_for(TARGET, CONFIG).reveal() == "ek_1"
    minting.now_s += 10
    assert keeper.key_for(TARGET, CONFIG).reveal() == "ek_2"


def test_each_configuration_and_target_has_its_own_secret():
    keeper = Minting().keeper()
    other = CONFIG.with_values({"threshold": 0.7})
    elsewhere = live("https://example.org/v1", client_secrets=True)
    keys = [keeper.key_for(*place).reveal() for place in ((TARGET, CONFIG), (TARGET, other), (elsewhere, CONFIG))]
    assert keys == ["ek_1", "ek_2", "ek_3"]


@pytest.mark.parametrize("status", [429, 500, 503, None])
def test_a_fault_that_may_pass_is_tried_three_times_at_most(status):
    minting = Minting(*[RemoteError("no", status=status)] * 2)
    assert minting.keeper().key_for(TARGET, CONFIG).reveal() == "ek_3"
    assert minting.waits == [0.5, 1.0]
    with pytest.raises(RemoteError):
        Minting(*[RemoteError("no", status=status)] * 3).keeper().key_for(TARGET, CONFIG)


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_a_refusal_is_not_tried_again(status):
    minting = Minting(RemoteError("no", status=status))
    with pytest.raises(RemoteError):
        minting.keeper().key_for(TARGET, CONFIG)
    assert minting.made == 1 and minting.waits == []


def test_a_keeper_shows_and_pickles_no_secret():
    keeper = Minting().keeper()
    keeper.key_for(TARGET, CONFIG)
    assert "ek_" not in repr(keeper) + repr(vars(keeper))
    with pytest.raises((TypeError, pickle.PicklingError, AttributeError)):
        pickle.dumps(keeper)


class WatchedServer(ToneServer):
    """Remembers which keys its WebSockets came with."""

    def session(self, reader, writer, engine, request):
        self.__dict__.setdefault("keys", []).append(request.key)
        return super().session(reader, writer, engine, request)


@pytest.mark.parametrize("dialect", ["ga", "flat"])
def test_a_session_is_opened_with_a_secret_and_the_key_stays_out_of_the_socket(dialect):
    script = spoken_script("one")
    with serving(WatchedServer, key=KEY) as server:
        target = live(server.url, api_key_env="SOME_KEY", client_secrets=True, dialect=dialect)
        if dialect == "flat":  # the local server speaks today's dialect on the socket
            object.__setattr__(target, "confirms", False)
        recording = run_session(CONFIG, script, target, stage=tone_stage(script, SHORT))
        (key,) = server.keys
    assert key.startswith("ek_") and KEY not in key
    if dialect == "ga":
        assert recording.header.outcome == "complete"
    data = recording_to_bytes(recording)
    assert key.encode() not in data and KEY.encode() not in data


def test_a_sweep_opens_every_trial_with_a_secret(tmp_path):
    with serving(WatchedServer, key=KEY) as server:
        WatchedServer.listener = lambda self, rate_hz: super(ToneServer, self).listener(rate_hz)
        try:
            target = rl.live(server.url, api_key_env="SOME_KEY", client_secrets=True)
            plan = rl.SweepPlan(CONFIG, {"silence_duration_ms": [200, 300]}, [shortest_script()], repeats=2)
            study = rl.run_sweep(plan, target=target, store=tmp_path / "s.sqlite", workers=0, progress=False)
        finally:
            del WatchedServer.listener
        keys = server.keys
    assert study.states() == {"complete": 4}
    assert len(keys) == 4 and len(set(keys)) == 2
    content = study.path.read_bytes()
    assert all(key.encode() not in content for key in [*keys, KEY])
    assert all(key.encode() not in recording_to_bytes(study.recording(n)) for n in range(4) for key in [*keys, KEY])


def test_a_key_that_is_refused_stops_the_sweep_and_costs_nothing(tmp_path):
    with serving(key="another") as server:
        target = rl.live(server.url, api_key_env="SOME_KEY", client_secrets=True, paid=True)
        plan = rl.SweepPlan(CONFIG.with_values({"model": "gpt-realtime-2"}), {"threshold": [0.5]}, [shortest_script()])
        with pytest.raises(RemoteError, match="401"):
            rl.run_sweep(plan, target=target, store=tmp_path / "s.sqlite", workers=0, progress=False, max_usd=1)
        assert server.sessions == 0


@pytest.mark.parametrize("create", [create_client_secret, create_session])
def test_a_secret_opens_the_session_it_was_given_out_for(monkeypatch, create):
    with serving(key=KEY) as server:
        asked = SessionConfig(model="gpt-realtime", turn_detection=ServerVad(silence_duration_ms=321), tracing="auto")
        made = create(live(server.url, api_key_env="SOME_KEY"), asked)
        headers = {"Authorization": f"Bearer {made.value.reveal()}"}
        with client(server, additional_headers=headers) as socket:
            session = receive_until(socket, "session.created")[0]["session"]
        assert session["audio"]["input"]["turn_detection"]["silence_duration_ms"] == 321
        assert session["tracing"] == "auto"
        monkeypatch.setattr("realtime_lab.server.serving.serve.time.time", lambda: made.expires_at + 1.0)
        with client(server, additional_headers=headers) as socket, pytest.raises(Exception, match="invalid_api_key"):
            socket.recv(timeout=5)


def test_the_rest_endpoints_want_the_key_too():
    with serving(key="another") as server, pytest.raises(RemoteError) as caught:
        create_client_secret(live(server.url, api_key_env="SOME_KEY"), CONFIG)
    assert (caught.value.status, caught.value.code) == (401, "invalid_api_key")
    assert KEY not in str(caught.value)
