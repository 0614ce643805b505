"""scripts.toml: reading a script set, and one clear line for every mistake."""

import contextlib
from pathlib import Path
from typing import Any

import pytest
from audio_folders import SCRIPTS, script_folder
from hypothesis import given
from hypothesis import strategies as st

from realtime_lab.audio import load_scripts, script_sets, sets
from realtime_lab.audio.script import Script
from realtime_lab.errors import ScriptError


def refused(folder: Path) -> str:
    with pytest.raises(ScriptError) as caught:
        load_scripts(folder)
    message = str(caught.value)
    assert str(folder) in message and "\n" not in message
    return message


def test_a_folder_becomes_scripts(tmp_path: Path) -> None:
    (script,) = load_scripts(script_folder(tmp_path))
    first, second = script.turns
    assert (script.id, script.set_name, script.timing, script.private) == ("order", tmp_path.name, "closed", True)
    assert [segment.clip.file for segment in first.segments] == ["one.wav", "two.wav"]
    assert (first.hold_ms, first.gap_ms, first.text, first.speaker) == ((250.5,), 500.0, "one two", "tone")
    assert (second.hold_ms, second.gap_ms, second.text, second.barge_in_ms) == ((), 700.0, None, None)
    assert second.segments[0].speech_ms == ((100, 160),)


def test_the_least_trusted_clip_speaks_for_the_script(tmp_path: Path) -> None:
    (script,) = load_scripts(script_folder(tmp_path, reference_source="automatic"))
    assert script.reference_source == "automatic"


def test_clips_may_lie_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "sound").mkdir()
    (tmp_path / "set").mkdir()
    script_folder(tmp_path / "sound")
    for name in ("scripts.toml", "clips.csv"):
        (tmp_path / "sound" / name).rename(tmp_path / "set" / name)
    (script,) = load_scripts(tmp_path / "set", clips_root=tmp_path / "sound")
    assert script.clips[0].path == tmp_path / "sound" / "one.wav"


def test_shipped_sets() -> None:
    assert script_sets() == ("edges", "holds", "orders")
    assert all(not script.private for script in load_scripts("orders"))


def test_an_unknown_name_names_the_nearest() -> None:
    with pytest.raises(ScriptError, match="no script set or folder 'order'; did you mean 'orders'"):
        load_scripts("order")
    with pytest.raises(ScriptError, match="shipped sets are edges, holds, orders"):
        load_scripts("zzz")


def test_a_folder_without_scripts(tmp_path: Path) -> None:
    assert "is not a script set (no scripts.toml) and holds no audio" in refused(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("format_version = 1", "format_version = 2", "format_version: 2 is not known"),
        ("format_version = 1", "", "format_version: None is not known"),
        ("format_version = 1", "format_version = true", "format_version: True is not known"),
        ('id = "order"', "", "script 1: it needs an id"),
        ('id = "order"', 'id = " "', "script 1: it needs an id"),
        (
            'id = "order"',
            'id = "order"\ntming = "fixed"',
            "script 'order': unknown key 'tming'; did you mean 'timing'?",
        ),
        ('id = "order"', 'id = "order"\ntiming = "open"', "script 'order': timing = 'open': allowed: closed, fixed"),
        ("hold_ms = [250.5]", "hold_ms = []", "turn 1: hold_ms needs one pause between each two segments: 1, not []"),
        ("hold_ms = [250.5]", "hold_ms = [0]", "turn 1: hold_ms = 0: allowed: more than 0 to 60000 ms"),
        ("hold_ms = [250.5]", "hold_ms = [-1]", "turn 1: hold_ms = -1"),
        ("hold_ms = [250.5]", "hold_ms = [nan]", "turn 1: hold_ms = nan"),
        ("hold_ms = [250.5]", "hold_ms = [true]", "turn 1: hold_ms = True"),
        ("hold_ms = [250.5]", "hold_ms = [0x" + "f" * 5_000 + "]", "hold_ms = a int too large to show"),
        ("gap_ms = 500", "gap_ms = 1e9", "turn 1: gap_ms = 1000000000.0: allowed: 0 to 60000 ms"),
        ("gap_ms = 500", "barge_in_ms = -2", "turn 1: barge_in_ms = -2"),
        ('text = "one two"', "text = 5", "turn 1: text = 5: it is text, or left out"),
        (
            'clip = "one.wav"',
            'clip = "on.wav"',
            "segment 1: there is no clip 'on.wav' in clips.csv; did you mean 'one.wav'?",
        ),
        ('clip = "one.wav"', "klip = 5", "segment 1: unknown key 'klip'; did you mean 'clip'?"),
        ("start_ms = 100", "start_ms = 220", "turn 2, segment 1: it ends at 220 ms, not after its start at 220 ms"),
        ("start_ms = 100", "start_ms = 190", "no speech of 'two.wav' lies between 190 and 220 ms"),
        ("start_ms = 100", "start_ms = -1", "segment 1: start_ms = -1: allowed: 0 to 60000 ms"),
        ("[[scripts]]", "[[scripts]", "not TOML"),
        ("[[scripts.turns]]\nsegments", "[[scripts.turns]]\nsegmets", "turn 2: unknown key 'segmets'"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_entry(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in SCRIPTS
    assert said in refused(script_folder(tmp_path, SCRIPTS.replace(old, new)))


def test_two_scripts_of_one_name(tmp_path: Path) -> None:
    doubled = SCRIPTS + SCRIPTS.replace("format_version = 1", "")
    assert "two scripts have the id 'order'" in refused(script_folder(tmp_path, doubled))


@pytest.mark.parametrize("scripts", ["scripts = []", "scripts = 3", "scripts = [1]", "", 'scripts = [{id = "a"}]'])
def test_a_file_without_turns(tmp_path: Path, scripts: str) -> None:
    assert "must be a list of one table or more" in refused(script_folder(tmp_path, f"format_version = 1\n{scripts}\n"))


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (script_folder(tmp_path) / "scripts.toml").write_bytes(b"\xff\xfe")
    assert "not TOML" in refused(tmp_path)


def test_a_file_too_large_to_be_a_script_set(tmp_path: Path) -> None:
    with (script_folder(tmp_path) / "scripts.toml").open("r+b") as stream:
        stream.truncate(9_000_000)
    assert "larger than 8000000 bytes" in refused(tmp_path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return script_folder(tmp_path_factory.mktemp("set"))


@given(st.integers(0, len(SCRIPTS)), st.integers(0, 30), st.text(max_size=20))
def test_a_damaged_file_is_scripts_or_an_error(folder: Path, at: int, gone: int, instead: str) -> None:
    damaged = SCRIPTS[:at] + instead + SCRIPTS[at + gone :]
    (folder / "scripts.toml").write_bytes(damaged.encode("utf-8", "surrogatepass"))
    with contextlib.suppress(ScriptError):
        assert all(isinstance(script, Script) for script in load_scripts(folder))


KEYS = st.sampled_from(
    ["id", "turns", "segments", "hold_ms", "gap_ms", "clip", "start_ms", "end_ms", "text", "timing", "x"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("one.wav"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=20,
)


@given(st.lists(st.dictionaries(KEYS, VALUES, max_size=4), max_size=3))
def test_any_tables_are_scripts_or_an_error(folder: Path, tables: list[dict[str, Any]]) -> None:
    reader = sets._Reader(folder / "scripts.toml", {}, "set", private=True)
    with pytest.raises(ScriptError):
        reader.scripts({"format_version": 1, "scripts": tables})
