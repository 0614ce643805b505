"""clips.csv: what it must hold, and what is said of one that does not."""

import contextlib
from pathlib import Path

import pytest
from audio_folders import clip_row, tone_clip, write_rows
from hypothesis import given
from hypothesis import strategies as st

from realtime_lab.audio.pcm import Interval
from realtime_lab.audio.sets import COLUMNS, format_intervals, parse_intervals, read_clips
from realtime_lab.errors import ScriptError


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return tone_clip(tmp_path / "one.wav", "50-350", 300)


def refused(tmp_path: Path, rows: list[dict[str, str]]) -> str:
    write_rows(tmp_path / "clips.csv", list(rows))
    with pytest.raises(ScriptError) as caught:
        read_clips(tmp_path / "clips.csv", tmp_path)
    message = str(caught.value)
    assert message.startswith(str(tmp_path / "clips.csv")) and "\n" not in message
    return message


def test_a_row_becomes_a_clip(tmp_path: Path, clip: Path) -> None:
    write_rows(tmp_path / "clips.csv", [clip_row(clip, "50-100.5;200-350", text="", speaker="")])
    read = read_clips(tmp_path / "clips.csv", tmp_path)["one.wav"]
    assert read.path == clip and read.text is None and read.speaker is None and read.reference_source == "human"
    assert read.speech_intervals_ms == ((50, 100.5), (200, 350)) and read.speech_span_ms == (50, 350)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"file": "two.wav"}, "line 2: there is no file 'two.wav'"),
        ({"file": "../one.wav"}, "give a name under"),
        ({"file": "/etc/hostname"}, "give a name under"),
        ({"file": ""}, "give a name under"),
        ({"sha256": "0" * 64}, "line 2: 'one.wav' is not the listed file: its sha256 is"),
        (
            {"reference_source": "guess"},
            "reference_source = 'guess': allowed: human, two_channel, constructed, automatic",
        ),
        ({"speech_intervals_ms": ""}, "'' is not start-end in ms"),
        ({"speech_intervals_ms": "-5-10"}, "'-5-10' is not start-end in ms"),
        ({"speech_intervals_ms": "50-50"}, "'50-50' does not end after it starts"),
        ({"speech_intervals_ms": "50-100;90-200"}, "'90-200' overlaps what stands before it"),
        ({"speech_intervals_ms": "100-200;20-50"}, "'20-50' overlaps what stands before it, or is out of order"),
        ({"speech_intervals_ms": "50-501"}, "'one.wav' ends at 500 ms already"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, clip: Path, changes: dict[str, str], said: str) -> None:
    assert said in refused(tmp_path, [clip_row(clip, "50-350", **changes)])


def test_a_clip_listed_twice(tmp_path: Path, clip: Path) -> None:
    assert "line 3: 'one.wav' is listed twice" in refused(tmp_path, [clip_row(clip, "50-350")] * 2)


def test_a_link_out_of_the_folder(tmp_path: Path, clip: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "one.wav").symlink_to(clip)
    write_rows(tmp_path / "set" / "clips.csv", [clip_row(clip, "50-350")])
    with pytest.raises(ScriptError, match=r"there is no file 'one\.wav' under"):
        read_clips(tmp_path / "set" / "clips.csv", tmp_path / "set")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "line 1: the column file is missing"),
        (b"file,text\n", "line 1: the column speaker is missing"),
        (b"\xff\xfe\x00", "not a CSV text in UTF-8"),
        (b'file,"text', "not a CSV text in UTF-8"),
    ],
)
def test_a_list_that_is_none(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "clips.csv").write_bytes(content)
    with pytest.raises(ScriptError, match=said):
        read_clips(tmp_path / "clips.csv", tmp_path)


def test_no_list_at_all(tmp_path: Path) -> None:
    with pytest.raises(ScriptError, match="cannot be read: No such file"):
        read_clips(tmp_path / "clips.csv", tmp_path)


@pytest.mark.parametrize("line", ["one.wav,only,three", ",".join(["x"] * 9)])
def test_too_few_or_too_many_fields(tmp_path: Path, clip: Path, line: str) -> None:
    write_rows(tmp_path / "clips.csv", [])
    with (tmp_path / "clips.csv").open("a") as stream:
        stream.write(line + "\n")
    with pytest.raises(ScriptError, match="line 2: it has not as many fields as the first line"):
        read_clips(tmp_path / "clips.csv", tmp_path)


@given(st.lists(st.integers(0, 7_000_000_000), min_size=2, max_size=12, unique=True).map(sorted))
def test_intervals_come_back_as_they_were_written(edges_us: list[int]) -> None:
    pairs = zip(edges_us[::2], edges_us[1::2], strict=False)
    intervals = tuple(Interval(start / 1000, end / 1000) for start, end in pairs)
    assert parse_intervals(format_intervals(intervals)) == intervals


@given(st.text(st.sampled_from("0123456789.-; e٣"), max_size=30))
def test_any_text_is_intervals_or_an_error(text: str) -> None:
    try:
        intervals = parse_intervals(text)
    except ValueError:
        return
    edges = [edge for interval in intervals for edge in interval]
    assert edges == sorted(set(edges))


HEADER = ",".join(COLUMNS).encode() + b"\n"


@given(st.binary(max_size=200) | st.binary(max_size=200).map(HEADER.__add__))
def test_any_bytes_are_a_list_or_an_error(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "clips.csv"
    path.write_bytes(data)
    with contextlib.suppress(ScriptError):
        assert read_clips(path, path.parent) == {}
