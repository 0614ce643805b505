"""Profiles: what a server is like, its limits, and its file, which may be anything."""

import json
from dataclasses import asdict, fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_lab.errors import ProfileError
from realtime_lab.server import PROFILES, Calibration, LogNormal, Profile
from realtime_lab.server.engine.profile import find_profile
from realtime_lab.server.engine.settings import Settings
from realtime_lab.session import calibrated_against, mocked

CALIBRATION = Calibration("host.example", "2026-05-01", 12, 9.5, ("create", "event_ms"), (), ("hysteresis",))
FITTED = Profile(
    name="fitted",
    note="measured",
    threshold_bias=0.12,
    onset_late_ms=64,
    create=LogNormal(80.0, 0.2, 0.4),
    calibration=CALIBRATION,
)


@pytest.mark.parametrize("profile", [*PROFILES.values(), FITTED], ids=lambda profile: profile.name)
def test_a_profile_comes_back_from_its_file_equal(profile, tmp_path):
    assert Profile.load(profile.save(tmp_path / "p.json")) == profile
    assert mocked(tmp_path / "p.json").profile == mocked(str(tmp_path / "p.json")).profile == profile


def test_a_target_names_its_profile_and_what_it_was_calibrated_against():
    assert mocked("observed").name == "mocked:observed"
    assert mocked(FITTED).name == "mocked:fitted (calibrated 2026-05-01 against host.example)"


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize(
    ("model", "silence_ms", "voice"),
    [
        ("gpt-realtime", 200, "alloy"),
        ("gpt-realtime-2", 500, "marin"),
        ("gpt-realtime-2.1", 500, "marin"),
        ("gpt-realtime-2.1-mini", 500, "marin"),
        ("another", 500, "marin"),
    ],
)
def test_a_session_starts_as_its_model_was_seen_to_or_as_documented(profile, model, silence_ms, voice):
    """By model with `openai` and `azure`; with the others as the profile says, whatever the model."""
    seen = profile in ("openai", "azure")
    given = Settings(PROFILES[profile], model)
    fixed_ms = 200 if profile == "observed" else 500
    assert given.turn_detection().rule.silence_duration_ms == (silence_ms if seen else fixed_ms)
    assert given.effective["audio"]["output"]["voice"] == (voice if seen else "marin")
    assert bool(given.effective["instructions"]) == (seen and model == "gpt-realtime")
    off, on = (
        {"type": "realtime", "audio": {"input": {"turn_detection": way}}} for way in (None, {"type": "server_vad"})
    )
    assert given.update(off) is None and given.update(on) is None
    assert given.turn_detection().rule.silence_duration_ms == (silence_ms if seen else fixed_ms)


def test_the_statement_says_what_when_against_whom_and_what_is_still_a_prior():
    assert CALIBRATION.statement == (
        "calibrated on 2026-05-01 against host.example (12 sessions, 9.5 minutes of audio): create, event_ms; "
        "still priors hysteresis"
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "two\nlines"),
        ("threshold", 1.5),
        ("threshold", float("nan")),
        ("event_ms", -1.0),
        ("onset_late_ms", 50.0),
        ("offset_late_ms", 2000.0),
        ("onset_late_ms", -32),
        ("offset_late_ms", -64),
        ("create", LogNormal(0.0, 0.1)),
        ("create", LogNormal(10.0, float("inf"))),
        ("audio_delta_ms", 0),
        ("calibration", replace(CALIBRATION, measured=("no_field",))),
    ],
)
def test_a_figure_that_no_server_can_have_is_refused_by_name(field, value):
    with pytest.raises(ProfileError, match=field):
        replace(PROFILES["documented"], **{field: value})


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff\xfe",
        b"[" * 5000,
        b'{"format_version": 2, "profile": {"name": "x"}}',
        b'{"format_version": 1, "profile": {"name": "x", "creat": 3}}',
        b'{"format_version": 1, "profile": {"name": "x", "create": [1, 2]}}',
        b'{"format_version": 1, "profile": {"name": "x", "create": {"median": -1, "sigma": 0.1}}}',
        b'{"format_version": 1, "profile": {"threshold": 0.5}}',
        b" " * 200_000,
    ],
)
def test_a_file_that_is_no_profile_is_refused(content, tmp_path):
    path = tmp_path / "p.json"
    path.write_bytes(content)
    with pytest.raises(ProfileError):
        Profile.load(path)


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(max_size=8), st.lists, max_leaves=6), st.data())
def test_a_damaged_field_is_a_profile_error_or_a_profile(tmp_path_factory, value, data):
    name = data.draw(st.sampled_from([entry.name for entry in fields(Profile)]))
    path = tmp_path_factory.mktemp("profiles") / "p.json"
    path.write_text(json.dumps({"format_version": 1, "profile": {**asdict(FITTED), name: value}}))
    try:
        assert isinstance(Profile.load(path), Profile)
    except ProfileError:
        pass


@pytest.mark.parametrize("name", ["documentd", "/no/such/file", "", "a\0b", ".", 3])
def test_a_name_that_is_no_profile_is_refused_with_those_that_are(name):
    with pytest.raises(ProfileError, match="'documented' or 'observed'"):
        find_profile(name)


def test_a_heavier_tail_leaves_the_median_and_what_is_below_it():
    """Of 20,000 draws, the half below the median is the plain one's; the 99th percentile is exp(.4 * 2.326) higher."""
    draws = [LogNormal(100.0, 0.2, 0.4).draw(np.random.default_rng([1, n])) for n in range(20_000)]
    plain = [LogNormal(100.0, 0.2).draw(np.random.default_rng([1, n])) for n in range(20_000)]
    assert [d for d in draws if d < 100] == [p for p in plain if p < 100]
    assert np.quantile(draws, 0.99) == pytest.approx(100 * np.exp(0.4 * 2.326), rel=0.05)


def test_targets_tell_what_their_servers_were_calibrated_against_unless_one_was_not():
    fitted, plain = mocked(FITTED).name, mocked().name
    assert calibrated_against([fitted, fitted]) == "2026-05-01 against host.example"
    assert calibrated_against([f"replay:{fitted}"]) == "2026-05-01 against host.example"
    assert calibrated_against([fitted, plain]) is None
    assert calibrated_against(["live:host.example"]) is None
    assert calibrated_against([fitted, "live:host.example"]) == "2026-05-01 against host.example"
