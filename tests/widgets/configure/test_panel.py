"""The configuration panel: every field, what unset means, mistakes at their fields, secrets, presets."""

import json

import hypothesis
import pytest
from strategies_config import configs

from realtime_lab.config import FIELDS, ServerVad, SessionConfig, Transcription
from realtime_lab.errors import ConfigError
from realtime_lab.widgets.configure.form import ConfigForm
from realtime_lab.widgets.configure.panel import PRESETS, ConfigPanel
from realtime_lab.widgets.configure.rows import ROWS, SECTIONS, kinds_of

TD = "audio.input.turn_detection"
TRANSCRIPTION = "audio.input.transcription"
CANARY = "sk-canary1234567890"


@pytest.fixture(scope="module")
def shared():
    return ConfigPanel()


@pytest.fixture
def panel(shared):
    """A panel with server_vad, everything else unset."""
    shared.form.load(SessionConfig(turn_detection=ServerVad()))
    shared._refresh()
    return shared


def choose(panel, path, mode):
    """What a front end sends when an entry of the list is chosen."""
    panel.rows[path].mode.set_state({"index": [value for _, value in panel.rows[path].row.options].index(mode)})


def write(panel, path, raw):
    panel.rows[path].control.set_state({"value": raw})


def shown(panel):
    return {path for path, view in panel.rows.items() if view.box.layout.display != "none"}


# --- the rows -------------------------------------------------------------------------------------------------------


def test_every_field_has_a_row_or_is_the_kind_of_one():
    kinds = {f"{row.path}.type" for row in ROWS if row.control == "group" and kinds_of(row.path)}
    assert {row.path for row in ROWS} | kinds == {field.path for field in FIELDS}


def test_every_row_says_path_meaning_range_and_treatment(panel):
    for row in ROWS:
        assert row.path in row.tip and row.field.doc in row.tip and row.field.allowed in row.tip
        assert row.field.treatment in panel.rows[row.path].side.value or row.path not in shown(panel)
        assert row.section in SECTIONS


def test_a_panel_starts_with_server_vad_and_nothing_else():
    assert ConfigPanel().config == SessionConfig(turn_detection=ServerVad())


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_comes_out_as_it_went_in(panel, name):
    panel.presets.set_state({"index": [value for _, value in panel.presets.options].index(name)})
    assert panel.config == PRESETS[name]
    assert panel.error_strip.value == ""


@hypothesis.example(SessionConfig(model="{"))
@hypothesis.example(SessionConfig(transcription=Transcription(model="m", keywords=("", " x", "[", "a,b"))))
@hypothesis.given(config=configs)
def test_any_configuration_comes_out_as_it_went_in(config):
    assert ConfigForm(config).config == config


# --- unset, null, value ---------------------------------------------------------------------------------------------


def test_unset_null_and_a_value_are_three_things(panel):
    path = f"{TD}.idle_timeout_ms"
    assert "idle_timeout_ms" not in panel.wire.value
    choose(panel, path, "null")
    assert panel.config.to_wire()["audio"]["input"]["turn_detection"]["idle_timeout_ms"] is None
    choose(panel, path, "set")
    assert panel.config.turn_detection.idle_timeout_ms == 5000
    choose(panel, path, "unset")
    assert panel.config == SessionConfig(turn_detection=ServerVad())


def test_moving_a_slider_sets_its_field_and_unset_ones_look_unset(panel):
    view = panel.rows[f"{TD}.threshold"]
    assert "rl-unset" in view.control._dom_classes and "default: 0.5" in view.side.value
    write(panel, f"{TD}.threshold", 0.7)
    assert panel.config.turn_detection == ServerVad(threshold=0.7)
    assert view.mode.value == "set" and "rl-unset" not in view.control._dom_classes


def test_a_slider_reaches_values_beyond_its_usual_range(panel):
    panel.form.load(SessionConfig(turn_detection=ServerVad(silence_duration_ms=7_000)))
    panel._refresh()
    slider = panel.rows[f"{TD}.silence_duration_ms"].control
    assert (slider.value, slider.max) == (7_000, 7_000)
    choose(panel, f"{TD}.silence_duration_ms", "unset")
    assert panel.config == SessionConfig(turn_detection=ServerVad())


def test_kinds_of_turn_detection_swap_their_fields(panel):
    def fields():
        return {path.rpartition(".")[2] for path in shown(panel) if path.startswith(TD + ".")}

    both = {"create_response", "interrupt_response"}
    assert fields() == both | {"threshold", "prefix_padding_ms", "silence_duration_ms", "idle_timeout_ms"}
    choose(panel, TD, "semantic_vad")
    assert fields() == both | {"eagerness"}
    choose(panel, f"{TD}.eagerness", '"low"')
    assert panel.config.turn_detection.eagerness == "low"
    choose(panel, TD, "null")
    assert fields() == set() and panel.config == SessionConfig(turn_detection=None)
    choose(panel, TD, "unset")
    assert panel.config == SessionConfig()


def test_fields_of_a_kind_that_was_left_are_not_sent(panel):
    write(panel, f"{TD}.threshold", 0.7)
    choose(panel, TD, "semantic_vad")
    assert "threshold" not in panel.wire.value
    choose(panel, TD, "server_vad")
    assert panel.config.turn_detection == ServerVad(threshold=0.7)


def test_texts_lists_and_numbers_are_read_as_what_they_are(panel):
    choose(panel, TRANSCRIPTION, "set")
    write(panel, f"{TRANSCRIPTION}.model", "whisper-1")
    write(panel, f"{TRANSCRIPTION}.keywords", "latte, flat white")
    write(panel, "max_output_tokens", "64")
    write(panel, "audio.output.voice", '{"id": "voice_1"}')
    write(panel, "tool_choice", "required")
    write(panel, "tools", '[{"type": "function", "name": "order", "parameters": {"type": "object"}}]')
    config = panel.config
    assert config.transcription == Transcription(model="whisper-1", keywords=("latte", "flat white"))
    assert (config.max_output_tokens, config.tool_choice, config.tools[0].name) == (64, "required", "order")
    assert config.voice.id == "voice_1"
    write(panel, "max_output_tokens", "inf")
    assert panel.config.max_output_tokens == "inf"


# --- mistakes -------------------------------------------------------------------------------------------------------


def test_mistakes_are_shown_at_their_fields_all_at_once(panel):
    write(panel, "max_output_tokens", "9000")
    write(panel, "tools", '[{"type": "function"}]')
    choose(panel, TRANSCRIPTION, "set")
    write(panel, f"{TRANSCRIPTION}.model", "")
    choose(panel, f"{TRANSCRIPTION}.model", "set")
    sides = {path: panel.rows[path].side.value for path in ("max_output_tokens", "tools", f"{TRANSCRIPTION}.model")}
    assert all("rl-wrong" in side for side in sides.values())
    assert "1 to 4096" in sides["max_output_tokens"] and "[0].name" in sides["tools"]
    assert panel.sections.titles[SECTIONS.index("Tools")] == "Tools (1)"
    with pytest.raises(ConfigError) as caught:
        _ = panel.config
    assert len(caught.value.errors) == 3
    write(panel, "max_output_tokens", "90")
    assert "rl-wrong" not in panel.rows["max_output_tokens"].side.value


@pytest.mark.parametrize(
    ("raw", "said"),
    [('[{"type": "function", ', "column"), ("[" * 5_000, "allowed: JSON"), ('{"a": 1}', "list"), ("NaN", "list")],
)
def test_tools_that_are_no_json_list_say_so(panel, raw, said):
    write(panel, "tools", raw)
    assert said in panel.rows["tools"].side.value and "rl-wrong" in panel.rows["tools"].side.value


@pytest.mark.parametrize("raw", ["many", "", "1.5", "1e400", "-3", "nan"])
def test_a_number_that_is_none_is_a_mistake_at_its_field(panel, raw):
    choose(panel, "max_output_tokens", "set")
    write(panel, "max_output_tokens", raw)
    assert "rl-wrong" in panel.rows["max_output_tokens"].side.value


def test_a_session_the_shape_cannot_carry_says_so_in_place_of_the_json(panel):
    choose(panel, "temperature", "set")
    assert "temperature" in panel.wire.value and "shape" in panel.wire.value
    panel.shape.set_state({"index": 2})
    assert "&quot;temperature&quot;: 0.8" in panel.wire.value
    panel.shape.set_state({"index": 0})


def test_a_likely_slip_is_a_note_and_no_mistake(panel):
    choose(panel, "include", '["item.input_audio_transcription.logprobs"]')
    assert "rl-note" in panel.note.value and panel.config.logprobs


# --- what is shown --------------------------------------------------------------------------------------------------


def test_json_and_code_say_what_the_config_is(panel):
    write(panel, f"{TD}.silence_duration_ms", 350)
    assert json.loads(panel.form.wire()) == panel.config.to_wire("ga")
    namespace = {}
    exec(panel.form.code("mine"), namespace)
    assert namespace["mine"] == panel.config


def test_secrets_of_a_configuration_never_reach_a_widget():
    tool = {"type": "mcp", "server_label": "crm", "authorization": CANARY, "headers": {"x-key": CANARY}}
    config = SessionConfig(tools=[tool], instructions=f"use {CANARY}")
    panel = ConfigPanel(config)
    assert panel.config == config
    assert CANARY not in _state(panel) and "***" in panel.code.value
    choose(panel, "instructions", "unset")
    assert panel.config.tools == config.tools


def test_a_secret_that_is_typed_is_a_mistake_and_is_taken_out_of_the_notebook(panel):
    write(panel, "tools", json.dumps([{"type": "mcp", "server_label": "crm", "authorization": CANARY}]))
    assert CANARY not in _state(panel)
    assert "add it in a cell" in panel.rows["tools"].side.value
    with pytest.raises(ConfigError) as caught:
        _ = panel.config
    assert CANARY not in str(caught.value)


def test_hostile_texts_are_shown_as_texts(panel):
    evil = "</pre><img src=x onerror=alert(1)><script>alert(1)</script>"
    write(panel, "instructions", evil)
    write(panel, "max_output_tokens", evil)
    for part in (panel.wire, panel.code, panel.rows["max_output_tokens"].side):
        assert "<script" not in part.value and "<img" not in part.value
    write(panel, "max_output_tokens", "64")
    assert "&lt;script" in panel.wire.value


def test_who_builds_on_a_panel_hears_of_every_change(panel):
    heard = []
    panel.on_change(lambda: heard.append(panel.config.turn_detection.threshold))
    write(panel, f"{TD}.threshold", 0.3)
    assert heard == [0.3]
    panel._changed.clear()


def _state(panel):
    """Everything a notebook would keep of the panel."""
    return json.dumps([part.get_state() for part in _all(panel.widget)], default=str)


def _all(widget):
    yield widget
    for child in getattr(widget, "children", ()):
        yield from _all(child)


# --- requested against effective ------------------------------------------------------------------------------------


def test_the_panel_shows_what_the_mocked_server_makes_of_it():
    """The documented profile waits 500 ms where nothing is said, the observed one 200 ms."""
    panel = ConfigPanel(SessionConfig(turn_detection=ServerVad()))
    assert panel.server.value == "mocked: documented" and ">500<" in panel.effective.value
    panel.server.set_state({"index": panel.servers.names.index("mocked: observed")})
    assert ">200<" in panel.effective.value and "everything is as asked" in panel.effective.value


def test_what_a_server_said_otherwise_is_marked_and_follows_the_controls():
    panel = ConfigPanel(SessionConfig(turn_detection=ServerVad(threshold=0.4)))
    panel.hold_against({"type": "realtime", "turn_detection": {"type": "server_vad", "threshold": 0.8}})
    assert "1 not as asked" in panel.effective.value and panel.server.value == "a server (1)"
    panel.rows["audio.input.turn_detection.threshold"].control.set_state({"value": 0.8})
    assert "everything is as asked" in panel.effective.value


def test_a_configuration_the_server_refuses_says_why():
    panel = ConfigPanel(SessionConfig(turn_detection=ServerVad(), input_format="audio/pcmu"))
    assert "rl-table" in panel.effective.value and panel.error_strip.value == ""
    panel.rows["max_output_tokens"].control.set_state({"value": "9000"})
    assert "mend the mistakes" in panel.effective.value


def test_a_hostile_servers_words_are_shown_as_words():
    panel = ConfigPanel(SessionConfig())
    panel.hold_against(
        {"type": "realtime", "instructions": "<img src=x onerror=alert(1)>", "api_key": "sk-abcdefghijk"}
    )
    assert "&lt;img" in panel.effective.value and "<img" not in panel.effective.value
    assert "sk-abc" not in panel.effective.value
