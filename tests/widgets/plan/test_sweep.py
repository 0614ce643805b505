"""The sweep panel: what is typed, what is wrong with it, and the plan it makes."""

import json

import pytest

from realtime_lab.audio import babble, clean, load_scripts, telephone
from realtime_lab.config import ServerVad, SessionConfig, Transcription
from realtime_lab.errors import PlanError, ScriptError
from realtime_lab.session import azure, mocked, openai
from realtime_lab.session.targets import live
from realtime_lab.sweep import SweepPlan
from realtime_lab.sweep.plans.estimate import Estimate
from realtime_lab.widgets.configure.panel import ConfigPanel
from realtime_lab.widgets.plan.sweep_form import AXIS_NAMES, MOST_SETTINGS, Axis, SweepForm
from realtime_lab.widgets.plan.sweep_panel import SweepPanel
from realtime_lab.widgets.plan.target_form import AZURE, MOCKED, OPENAI, OTHER, TargetForm

BASE = SessionConfig(
    model="gpt-realtime-2.1", turn_detection=ServerVad(), transcription=Transcription(model="whisper-1")
)
SPACE = {"silence_duration_ms": [200, 500], "max_output_tokens": [64, "inf"]}


def form(**more):
    return SweepForm(BASE, "orders", **{"space": SPACE, **more})


def typed(*axes, **more):
    made = form(**more)
    made.axes = [Axis(*axis) for axis in axes]
    made.check()
    return made


def test_what_is_given_comes_out_as_the_same_plan():
    conditions = [clean(), babble(3), telephone()]
    made = form(conditions=conditions, repeats=2, seed=7).plan
    assert made == SweepPlan(BASE, SPACE, "orders", conditions, 2, 7)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("200, 350,500", [200, 350, 500]),
        ("64, inf", [64, "inf"]),
        ('[64, "inf"]', [64, "inf"]),
        (" 100 ,", [100]),
    ],
)
def test_values_are_read_between_commas_or_as_json(text, values):
    assert list(typed(("max_output_tokens", text)).plan.space["max_output_tokens"]) == values


def test_an_axis_of_lists_is_a_json_list():
    made = typed(("output_modalities", '[["audio"], ["text"]]'))
    assert made.plan.space["output_modalities"] == (("audio",), ("text",))


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("clean, babble 3, telephone", ["clean", "babble_3dB", "telephone"]),
        ("Pink 10 dB,white -5dB", ["pink_10dB", "white_-5dB"]),
        ("babble_3dB", ["babble_3dB"]),
    ],
)
def test_conditions_are_read_as_they_are_spoken(text, names):
    made = form()
    made.conditions = text
    assert [condition.name for condition in made.plan.conditions] == names


def test_mistakes_come_all_at_once_each_at_its_place():
    made = typed(("silense_duration_ms", "200"), ("threshold", "0.5, 7"), ("max_output_tokens", ""))
    made.conditions, made.repeats = "clean, rain 3, babble", 0
    with pytest.raises(PlanError):
        _ = made.plan
    assert "did you mean silence_duration_ms" in made.wrong("silense_duration_ms")
    assert "7" in made.wrong("threshold") and "0 to 1" in made.wrong("threshold")
    assert "at least one value" in made.wrong("max_output_tokens")
    assert "rain 3" in made.wrong("conditions") and "babble" in made.wrong("conditions")
    assert made.wrong("repeats") and made.numbers == ()


@pytest.mark.parametrize("text", ["[200", "[" * 3_000, '[{"a": }]'])
def test_values_that_are_no_json_list_are_a_mistake_at_their_axis(text):
    assert "JSON" in typed(("threshold", text)).wrong("threshold")


def test_an_axis_given_twice_is_a_mistake():
    assert "each field once" in typed(("threshold", "0.3"), ("threshold", "0.5")).wrong("threshold")


def test_a_grid_too_large_to_check_at_every_change_is_refused_at_once():
    many = ", ".join(map(str, range(100, 100 + MOST_SETTINGS + 1)))
    assert "in a cell" in typed(("silence_duration_ms", many)).wrong("space")


def test_no_axes_is_a_mistake_of_the_grid():
    assert "empty" in typed().wrong("space")


def test_scripts_of_ones_own_can_be_chosen_beside_the_shipped_sets():
    scripts = load_scripts("orders")[:2]
    made = SweepForm(BASE, scripts, SPACE)
    assert made.plan.scripts == scripts and made.script_set == "orders (2 scripts)"
    made.script_set = "holds"
    assert {script.set_name for script in made.plan.scripts} == {"holds"}


def test_a_target_is_part_of_the_plan_and_is_what_is_estimated():
    made = form(target=mocked("observed"))
    assert made.plan.target == mocked("observed")
    assert SweepPanel(BASE, space=SPACE, target=mocked("observed")).plan == made.plan


def test_a_folder_that_is_not_there_is_one_clear_error():
    with pytest.raises(ScriptError):
        SweepForm(BASE, "no such folder", SPACE)


def test_a_long_wrong_name_is_a_mistake_at_its_axis_too():
    assert "path of a field" in typed(("x" * 300, "1")).wrong("x" * 300)


def test_every_mistake_is_shown_somewhere():
    made = typed(("threshold", "0.5"), ("x" * 300, "1"), ("silence_duration_ms", ""))
    made.repeats = -1
    made.check()
    places = [axis.name for axis in made.axes] + ["repeats"]
    assert len(made.problems) == 3 and made.elsewhere() == ""
    assert [bool(made.wrong(place)) for place in places] == [False, True, True, True]


def every_frame():
    return lambda pcm: False


def test_the_clients_axes_and_the_oracle_are_the_plans():
    push_to_talk = BASE.with_values({"turn_detection": None})
    for space in ({"commit_delay_ms": [0, 200]}, {"endpointer": [every_frame]}):
        made = SweepForm(push_to_talk, space=space, oracle=True)
        assert made.plan == SweepPlan(push_to_talk, space, "orders", oracle=True)
        assert set(space) <= set(AXIS_NAMES) and made.axes[0].meaning
    assert made.plan.space["endpointer"][0].make is every_frame


def test_an_endpointer_is_typed_by_the_place_it_is_imported_from():
    push_to_talk = BASE.with_values({"turn_detection": None})
    made = SweepForm(push_to_talk, space={"endpointer": [every_frame]})
    made.axes = [Axis("endpointer", f"{every_frame.__module__}:every_frame, json:dumps")]
    assert [value.make for value in made.plan.space["endpointer"]] == [every_frame, json.dumps]
    made.axes = [Axis("endpointer", "nowhere:at_all")]
    made.check()
    assert "module:name" in made.wrong("endpointer")


def test_a_clients_axis_says_that_it_needs_turn_detection_to_be_null():
    made = typed(("commit_delay_ms", "0, 200"))
    assert "turn_detection is null" in made.wrong("commit_delay_ms") and "commits" in made.axes[0].meaning


def test_the_oracle_is_one_setting_more():
    panel = SweepPanel(BASE, space=SPACE)
    before = len(panel.plan.settings)
    panel.oracle.set_state({"value": True})
    assert panel.plan.oracle and len(panel.plan.settings) == before + 1


# --- the panel ------------------------------------------------------------------------------------------------------


def test_the_panel_counts_trials_as_the_plan_does():
    panel = SweepPanel(BASE, space=SPACE)
    assert f">{len(panel.plan.trials)}<" in panel.numbers.value
    panel.repeats.set_state({"value": 3})
    assert panel.plan.repeats == 3 and f">{len(panel.plan.trials)}<" in panel.numbers.value


def test_axes_are_added_changed_and_removed():
    panel = SweepPanel(BASE, space={"silence_duration_ms": [200, 500]})
    panel.add.click()
    assert "rl-wrong" in panel._axis_notes[1].value
    name, values, drop, _ = panel.axes.children[1].children
    name.set_state({"value": "threshold"})
    values.set_state({"value": "0.3, 0.5"})
    assert dict(panel.plan.space) == {"silence_duration_ms": (200, 500), "threshold": (0.3, 0.5)}
    assert "modelled" in panel._axis_notes[1].value
    drop.click()
    assert dict(panel.plan.space) == {"silence_duration_ms": (200, 500)}


def test_a_mistake_is_shown_beside_its_control_and_goes_away():
    panel = SweepPanel(BASE, space=SPACE)
    panel.conditions.set_state({"value": "rain"})
    assert "rl-wrong" in panel.notes["conditions"].value and "mistakes" in panel.numbers.value
    panel.conditions.set_state({"value": "clean, babble 3"})
    assert panel.notes["conditions"].value == "" and len(panel.plan.conditions) == 2


def test_it_follows_the_configuration_panel_it_is_made_of():
    config = ConfigPanel(BASE)
    panel = SweepPanel(config, space=SPACE)
    config.rows["audio.input.turn_detection.threshold"].control.set_state({"value": 0.7})
    assert panel.plan.base.turn_detection.threshold == 0.7
    config.rows["audio.output.speed"].control.set_state({"value": 1.2})
    config.rows["audio.input.transcription.model"].control.set_state({"value": ""})
    assert "mend its panel first" in panel.space_note.value and "1 mistake" in panel.space_note.value


def test_hostile_names_are_shown_as_names():
    panel = SweepPanel(BASE, space=SPACE)
    name = panel.axes.children[0].children[0]
    name.set_state({"value": "<img src=x onerror=alert(1)>"})
    panel.conditions.set_state({"value": "<script>alert(1)</script>"})
    shown = panel._axis_notes[0].value + panel.notes["conditions"].value + panel.space_note.value
    assert "<img" not in shown and "<script" not in shown and "&lt;" in shown


# --- what it is held against ----------------------------------------------------------------------------------------

KEY = "sk-proj-Canary0123456789abcdefghijklmnopqrstuvwxyz"


def chosen(kind, **typed):
    made = TargetForm()
    made.kind = kind
    for name, value in typed.items():
        made.write(name, value)
    return made


@pytest.mark.parametrize(
    ("form", "target"),
    [
        (chosen(MOCKED), None),
        (chosen(MOCKED, profile="observed"), mocked("observed")),
        (chosen(OPENAI), openai()),
        (chosen(OPENAI, api_key_env="TEAM_KEY"), openai(api_key_env="TEAM_KEY")),
        (chosen(AZURE, url="https://a.openai.azure.com", deployment="d"), azure("https://a.openai.azure.com", "d")),
        (chosen(OTHER, url="http://127.0.0.1:1/v1"), live("http://127.0.0.1:1/v1", api_key_env=None)),
    ],
)
def test_every_kind_of_target_can_be_chosen(form, target):
    assert form.target() == target


def test_a_target_of_ones_own_stays_as_it_was_given():
    given = live("http://127.0.0.1:1/v1", api_key_env=None, headers={"x-team": "a"})
    made = form(target=given)
    assert made.plan.target == given and made.answering.kind == "as given: live:127.0.0.1:1"


def test_a_paid_target_needs_a_cap_and_the_cap_is_an_amount():
    made = form(target=openai())
    assert "costs money" in made.wrong("max_usd")
    for typed_in, good in (("three", False), ("-1", False), ("nan", False), ("3", True)):
        made.answering.write("max_usd", typed_in)
        made.check()
        assert bool(made.wrong("max_usd")) is not good
    assert made.answering.limit("max_usd") == 3.0 and made.plan.target == openai()
    assert dict(made.numbers)["Cost"] == "not estimated"


def test_a_service_that_wants_a_model_is_told_before_anything_runs():
    made = SweepForm(SessionConfig(turn_detection=ServerVad()), space=SPACE, target=openai(), max_usd=3.0)
    assert "model = None: allowed: the name of a model" in made.elsewhere()
    with pytest.raises(PlanError, match="the name of a model"):
        _ = made.plan
    for target in (openai(model="gpt-realtime-2.1"), live("http://127.0.0.1:1/v1", api_key_env=None)):
        assert SweepForm(SessionConfig(turn_detection=ServerVad()), space=SPACE, target=target, max_usd=3.0).plan


def test_a_paid_plan_is_priced_on_demand(monkeypatch):
    made = form(target=openai(), max_usd=3.0)
    monkeypatch.setattr(SweepPlan, "estimate", lambda plan: Estimate(4, 1.0, {}, 0.5, True, "n"))
    made.price()
    assert dict(made.numbers)["Cost"] == "0.50 USD"
    made.repeats = 2
    made.check()
    assert dict(made.numbers)["Cost"] == "not estimated"


def test_the_panel_names_the_variable_and_says_whether_it_is_set(monkeypatch):
    monkeypatch.setenv("TEAM_API_KEY", KEY)
    panel = SweepPanel(BASE, space=SPACE)
    panel.against["kind"].value = OPENAI
    assert "TEAM_API_KEY" in panel.against["api_key_env"].options
    panel.against["api_key_env"].set_state({"value": "TEAM_API_KEY"})
    panel.against["max_usd"].set_state({"value": "3"})
    assert "TEAM_API_KEY is set" in panel.against_notes["api_key_env"].value
    assert panel.plan.target == openai(api_key_env="TEAM_API_KEY") and panel.max_usd == 3.0


@pytest.mark.parametrize("typed_in", [KEY, f"{KEY}\n", "Bearer " + KEY, "0123456789abcdef0123456789abcdef"])
def test_a_key_typed_in_place_of_a_name_is_forgotten_at_once(typed_in, monkeypatch):
    """It is in no widget's state, no note, no error and no repr; nor is the value of a variable that is named."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY + "-of-the-environment")
    panel = SweepPanel(BASE, space=SPACE)
    panel.against["kind"].value = OPENAI
    panel.against["api_key_env"].set_state({"value": typed_in})
    assert "forgotten" in panel.against_notes["api_key_env"].value
    with pytest.raises(PlanError) as raised:
        _ = panel.plan
    states = json.dumps([widget.get_state() for widget in all_widgets(panel.widget)], default=str)
    assert typed_in.strip() not in states + repr(raised.value) + repr(vars(panel.form.answering))
    assert KEY not in states


def all_widgets(widget):
    yield widget
    for child in getattr(widget, "children", ()):
        yield from all_widgets(child)
