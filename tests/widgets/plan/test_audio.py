"""The audio panel: what is chosen, uploaded and heard, and where it rests; and the lab made of all panels."""

import numpy as np
import pytest
import soundfile

from realtime_lab.audio import Interval, babble, clean, load_scripts
from realtime_lab.config import ServerVad, SessionConfig
from realtime_lab.errors import AudioError, ConfigError, ScriptError
from realtime_lab.widgets.configure.panel import ConfigPanel
from realtime_lab.widgets.lab import Lab
from realtime_lab.widgets.plan.audio_choice import AudioChoice, turn_sound
from realtime_lab.widgets.plan.audio_panel import AudioPanel
from realtime_lab.widgets.plan.sweep_panel import SweepPanel

EVIL = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def call(tmp_path_factory):
    """A WAV of one channel in which somebody speaks, as bytes."""
    path = tmp_path_factory.mktemp("call") / "call.wav"
    pcm = AudioChoice().hearing().pcm
    soundfile.write(path, np.asarray(pcm), 24_000)
    return path.read_bytes()


def test_a_set_a_script_and_a_turn_are_chosen():
    choice = AudioChoice("orders")
    assert choice.scripts == load_scripts("orders") and choice.script == choice.scripts[0]
    choice.choose_script(1)
    choice.turn = 1
    assert choice.hearing().script == load_scripts("orders")[1] and choice.hearing().turn == 1
    choice.choose_set("holds")
    assert choice.scripts == load_scripts("holds") and (choice.place, choice.turn) == (0, 0)


def test_an_upload_is_a_script_like_any_recording_of_ones_own(call, tmp_path):
    choice = AudioChoice(uploads=tmp_path / "up")
    choice.upload([{"name": "my call.wav", "content": call}])
    (script,) = choice.scripts
    assert script.private and script.id == "my-call"
    assert choice.sets[0] == choice.set_name and "1 script" in choice.set_name
    (kept,) = (tmp_path / "up").glob("*/*")
    assert kept.name == "my-call.wav" and kept.read_bytes() == call


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/evil.wav",
        "/abs/evil.wav",
        "..\\evil.wav",
        "%2e%2e/evil.wav",
        "a\0evil.wav",
        "x" * 300 + ".wav",
        EVIL + ".wav",
        "..wav",
    ],
)
def test_no_name_of_an_upload_leads_out_of_its_folder(name, call, tmp_path):
    choice = AudioChoice(uploads=tmp_path / "up")
    choice.upload([{"name": name, "content": call}])
    kept = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(kept) == 1 and kept[0].parent.parent == tmp_path / "up"
    assert kept[0].resolve().is_relative_to(tmp_path / "up") and len(kept[0].name) <= 70


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("notes.txt", b"hello", ConfigError),
        ("none", b"hello", ConfigError),
        ("call.wav", b"RIFF no audio at all", AudioError),
    ],
)
def test_what_is_no_recording_is_refused_and_the_choice_stays(name, content, error, tmp_path):
    choice = AudioChoice(uploads=tmp_path)
    with pytest.raises(error):
        choice.upload([{"name": name, "content": content}])
    assert choice.scripts == load_scripts("orders")


def test_two_channels_are_never_mixed(tmp_path):
    path = tmp_path / "two.wav"
    pcm = AudioChoice().hearing().pcm
    soundfile.write(path, np.stack([pcm, np.zeros_like(pcm)], axis=1), 24_000)
    choice = AudioChoice(uploads=tmp_path / "up")
    with pytest.raises(ScriptError, match="2 channels"):
        choice.upload([{"name": "two.wav", "content": path.read_bytes()}])
    choice.upload([{"name": "two.wav", "content": path.read_bytes()}], caller=0)
    assert choice.scripts[0].id == "two"


def test_what_is_played_is_what_the_microphone_sends():
    hearing = AudioChoice().hearing()
    sound = turn_sound(hearing, Interval(100.0, 600.0))
    assert sound.samples.shape == (12_000, 2)
    assert np.array_equal(sound.samples[:, 0], hearing.pcm[2_400:14_400])
    late = hearing.pcm.size / 24.0
    assert turn_sound(hearing, Interval(late - 10.0, late + 10.0)).length_s == 0.02  # silence after the end


# --- the panel ------------------------------------------------------------------------------------------------------


def test_the_panel_shows_speech_and_pauses_and_plays():
    panel = AudioPanel("orders")
    assert panel.error_strip.value == ""
    assert "<audio" in panel.picture.value and "rl-hold" in panel.picture.value and "rl-endpoint" in panel.picture.value
    before = panel.picture.value
    panel.turns.set_state({"index": 1})
    assert panel.picture.value != before
    panel.kind.set_state({"index": panel.kind.options.index("babble")})
    assert panel.condition == babble(3) and panel.level.layout.display == ""
    panel.kind.set_state({"index": 0})
    assert panel.condition == clean() and panel.level.layout.display == "none"


def send(panel, name, content):
    """What a front end sends when a file is chosen."""
    file = {"name": name, "type": "x", "size": len(content), "last_modified": 0, "content": memoryview(content)}
    panel.upload.set_state({"value": [file]})


def test_an_uploaded_file_leaves_the_widget_at_once(call, tmp_path):
    panel, told = AudioPanel(uploads=tmp_path), []
    panel.on_change(lambda: told.append(panel.scripts))
    send(panel, "a.wav", call)
    assert panel.error_strip.value == "" and panel.upload.value == ()
    assert [script.id for script in panel.scripts] == ["a"] and told == [panel.scripts]


def test_channels_say_what_they_are_before_one_is_chosen():
    panel = AudioPanel("orders")
    assert (panel.caller.label, panel.agent.label) == ("one channel", "no agent")
    assert panel.caller.value is None and panel.agent.value is None


def test_what_cannot_be_read_is_said_in_the_strip_as_words(tmp_path):
    panel = AudioPanel(uploads=tmp_path)
    send(panel, EVIL, b"x")
    assert "&lt;img" in panel.error_strip.value and "<img" not in panel.error_strip.value


def test_it_draws_the_turn_detection_of_the_configuration_panel():
    config = ConfigPanel(SessionConfig(turn_detection=ServerVad(silence_duration_ms=500)))
    panel = AudioPanel("orders", base=config)
    before = panel.figures.value
    config.rows["audio.input.turn_detection.silence_duration_ms"].control.set_state({"value": 900})
    panel.pace.flush()
    assert panel.figures.value != before
    config.rows["max_output_tokens"].control.set_state({"value": "9000"})
    panel.pace.flush()
    assert panel.error_strip.value == ""


def test_a_sweep_panel_takes_the_scripts_that_are_chosen_there():
    audio = AudioPanel("orders")
    sweep = SweepPanel(None, audio, space={"silence_duration_ms": [200, 500]})
    assert sweep.plan.scripts == load_scripts("orders")
    audio.sets.value = "holds"
    assert sweep.plan.scripts == load_scripts("holds")
    sweep.scripts.value = "orders"
    assert sweep.plan.scripts == load_scripts("orders")


# --- the lab --------------------------------------------------------------------------------------------------------


def test_the_lab_runs_what_its_tabs_say_and_shows_the_results(tmp_path):
    """Configure, plan, run in worker processes, read: each tab builds on the one before."""
    one = load_scripts("orders")[:1]
    lab = Lab(scripts=one, space={"silence_duration_ms": [200, 500]}, store=tmp_path / "study.sqlite", workers=1)
    lab.configure.rows["audio.input.turn_detection.threshold"].control.set_state({"value": 0.6})
    assert lab.plan.base == lab.config and lab.plan.scripts == lab.scripts == one
    assert lab.study is None and lab.results is None
    lab.run.run.click()
    assert lab.run.wait(60) and lab.run.running.state == "finished", lab.run.error_strip.value
    assert lab.results is not None and lab.error_strip.value == ""
    assert lab.tabs.titles[-1] == "5 Results (2)"
    assert list(lab.study.trials_df()["state"]) == ["complete", "complete"]
    assert lab.study.plan.base.turn_detection.threshold == 0.6
    assert [row.cells["silence_duration_ms"] for row in lab.results.results.rows] == [200, 500]
