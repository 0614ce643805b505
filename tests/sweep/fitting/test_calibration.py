"""Calibrating: the protocol recovers a hidden server, keeps the cap, says what it could not do; over a socket too."""

import json

import pytest
from hidden_servers import HIDDEN, far_off
from live_servers import serving

import realtime_lab as rl
from realtime_lab.audio import load_scripts
from realtime_lab.cli import app
from realtime_lab.errors import PlanError, RemoteError
from realtime_lab.server import Profile
from realtime_lab.session import mocked, run_session
from realtime_lab.session.targets import live
from realtime_lab.sweep.fitting.calibration import calibrate, protocol

FREE = live("http://127.0.0.1:1/v1", api_key_env=None)
PAID = live("http://127.0.0.1:1/v1", api_key_env=None, paid=True)


def on_the_virtual_clock(profile, most=None):
    """Holds the sessions a calibration asks for with a mocked server, and counts them."""
    held = []

    def hold(requests):
        done = []
        for request in requests:
            if most is not None and len(held) >= most:
                done.append(RemoteError("no more"))
                continue
            held.append(request)
            done.append(
                run_session(
                    request.config,
                    request.script,
                    mocked(profile, transcriber="simulated"),
                    condition=request.condition,
                    seed=request.seed,
                    stage=request.stage,
                )
            )
        return done

    hold.held = held
    return hold


@pytest.fixture(scope="module")
def done(stage):
    return calibrate(FREE, on="2026-05-01", minutes=3, stage=stage, hold=on_the_virtual_clock(HIDDEN))


def test_the_protocol_recovers_a_hidden_server_or_says_it_cannot(done):
    print(done.fit)
    print(done.table())
    assert far_off(done.fit, HIDDEN) == []
    surely = ("onset_late_ms", "offset_late_ms", "silence_duration_ms", "prefix_padding_ms", "event_ms")
    assert [name for name in surely if done.fit.finding(name).verdict != "told"] == []


def test_it_stops_when_the_minutes_are_sent(done):
    minutes = sum(recording.audio_ms for recording in done.recordings) / 60_000
    assert 3 <= minutes < 4
    assert done.stopped == "3 minutes of audio were sent" and done.spent_usd is None


def test_predicted_and_observed_stand_side_by_side_and_agree_on_what_is_heard(done):
    """The fitted profile hears what the hidden server heard: equal medians of the endpoint delay, equal cut rates."""
    assert {entry.setting for entry in done.comparisons} == {step.setting for step in _steps(len(done.recordings))}
    for entry in done.comparisons:
        observed, predicted = entry.endpoint_delay_ms
        assert observed == pytest.approx(predicted, abs=32)
        assert entry.cut_holds[0] * 5 == entry.cut_holds[1] and entry.holds[0] * 5 == entry.holds[1]
        assert entry.setting in done.table()


def _steps(count):
    return [step for step, _ in zip(protocol("gpt-realtime-2.1"), range(count), strict=False)]


def test_every_setting_meets_every_script_in_the_long_run():
    met = {(step.setting, step.script.id) for step in _steps(40)}
    assert len(met) == 8 * len(load_scripts("orders"))


def test_a_paid_target_needs_a_cap_and_a_known_price(stage):
    with pytest.raises(PlanError, match="costs money"):
        calibrate(PAID, on="2026-05-01", stage=stage)
    with pytest.raises(PlanError, match="whose price is known"):
        calibrate(PAID, on="2026-05-01", stage=stage, max_usd=1, model="never-heard-of")
    with pytest.raises(PlanError, match="enough for one session"):
        calibrate(PAID, on="2026-05-01", stage=stage, max_usd=0.01, hold=on_the_virtual_clock(HIDDEN))


def test_the_cap_is_kept_and_the_rest_is_said_not_to_have_been_held(stage):
    """One dollar: what is spent and what the next session might cost never add up to more."""
    hold = on_the_virtual_clock(HIDDEN)
    done = calibrate(PAID, on="2026-05-01", stage=stage, max_usd=1, minutes=60, hold=hold)
    assert 0.4 < done.spent_usd <= 1
    assert done.stopped == "the cap would not cover another session"
    assert len(hold.held) == len(done.recordings)


def test_when_every_session_of_a_go_fails_it_stops_with_the_reason(stage):
    with pytest.raises(RemoteError, match="no more"):
        calibrate(FREE, on="2026-05-01", stage=stage, hold=on_the_virtual_clock(HIDDEN, most=4))


def test_nothing_listens_there(stage):
    with pytest.raises(RemoteError, match="nothing listens there"):
        calibrate(FREE, on="2026-05-01", stage=stage, minutes=0.1)


@pytest.mark.full
def test_a_server_behind_a_socket_is_calibrated_by_the_command(tmp_path, monkeypatch):
    """Ten minutes of audio over 127.0.0.1 with a key: hidden figures come back within a tenth, or it says it cannot."""
    from typer.testing import CliRunner

    monkeypatch.setenv("TWIN_KEY", "sk-secret-of-the-test")
    # Without a recogniser, whose own time would come on top of the hidden delay.
    with serving(profile=HIDDEN, same_seed=False, key="sk-secret-of-the-test", transcriber="simulated") as server:
        arguments = ["calibrate", "--target", server.url, "--max-usd", "1", "--api-key-env", "TWIN_KEY"]
        arguments += ["--out", str(tmp_path / "p.json"), "--recordings", str(tmp_path / "kept"), "--date", "2026-05-01"]
        result = CliRunner().invoke(app, arguments)
    print(result.output)
    assert result.exit_code == 0, result.output
    written = "".join(path.read_text("utf-8", "replace") for path in tmp_path.rglob("*.json")) + result.output
    assert "sk-secret" not in written
    profile = Profile.load(tmp_path / "p.json")
    assert f"calibrated on 2026-05-01 against 127.0.0.1:{server.port}" in profile.note
    assert json.loads((tmp_path / "p.json").read_text())["format_version"] == 1
    from realtime_lab.recording import load_recording

    kept = [load_recording(path) for path in sorted((tmp_path / "kept").iterdir())]
    fit = rl.fit_profile(kept)
    assert far_off(fit, HIDDEN) == []
    told = {finding.name for finding in fit.findings if finding.verdict == "told"}
    heard = {"threshold_bias", "onset_late_ms", "offset_late_ms", "prefix_padding_ms", "silence_duration_ms"}
    assert heard <= told
    assert fit.finding("transcription.median").said == "cannot be told: every transcription failed"
    assert fit.finding("first_byte.median").value == pytest.approx(900, rel=0.1)
    assert fit.finding("response_s.median").value == pytest.approx(2.0, rel=0.1)
