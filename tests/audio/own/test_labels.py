"""Labels survive every form they are written in, to the microsecond; a mistake is one line that names file and line."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_lab.audio import Clip, Interval, Label, Script, Segment, Turn, load_labels, load_scripts, save_labels
from realtime_lab.audio.own.labels import format_labels, parse_labels
from realtime_lab.errors import ScriptError

FORMS = (".txt", ".csv", ".rttm")

texts = st.none() | st.text(min_size=1, max_size=20).map(
    lambda text: " ".join("".join(map(plain, text)).split()) or None
)
steps = st.lists(st.integers(1, 5_000_000), min_size=2, max_size=24)


def plain(ch):
    return ch if ch.isprintable() else " "


@st.composite
def labels(draw, files=texts):
    """Labels of one or more recordings; turns everywhere or nowhere in each."""
    found = []
    for file in draw(st.lists(files, min_size=1, max_size=3, unique=True)):
        edges = [sum(taken) / 1000 for taken in _growing(draw(steps))]
        turn = draw(st.none() | st.integers(1, 3))
        for start, end in zip(edges[::2], edges[1::2], strict=False):
            turn = None if turn is None else turn + draw(st.integers(0, 2))
            found.append(Label(file, start, end, turn, draw(texts), draw(texts)))
    return tuple(found)


def _growing(values):
    return [values[: place + 1] for place in range(len(values))]


@given(labels())
def test_a_csv_keeps_everything(given_labels):
    assert parse_labels(format_labels(given_labels, ".csv"), ".csv") == given_labels


@given(labels())
def test_rttm_keeps_all_but_texts(given_labels):
    kept = tuple(Label(x.file, x.start_ms, x.end_ms, x.turn, None, x.speaker) for x in given_labels)
    assert parse_labels(format_labels(given_labels, ".rttm"), ".rttm") == kept


@given(labels(files=st.none()))
def test_audacity_keeps_times_and_turns_and_the_texts_of_turns(given_labels):
    kept = tuple(
        Label(None, x.start_ms, x.end_ms, x.turn, None if x.turn is None else x.text, None) for x in given_labels
    )
    assert parse_labels(format_labels(given_labels, ".txt"), ".txt") == kept


@given(
    st.text(max_size=200)
    | st.lists(st.sampled_from("0.5 1 -1 nan \t , SPEAKER turn 1 \n \" ' ;;".split(" "))).map("".join)
)
@pytest.mark.parametrize("form", FORMS)
def test_any_text_is_labels_or_one_line_with_its_place(form, text):
    found, complaint = (), "line 0"
    try:
        found = parse_labels(text, form)
    except ValueError as error:
        complaint = str(error)
    assert complaint.startswith("line ") and "\n" not in complaint
    assert all(0 <= label.start_ms < label.end_ms for label in found)


def test_audacitys_own_export_is_read():
    """Six decimals, a label of any kind, one with frequencies in a line of its own, Windows line ends."""
    text = "0.310000\t0.905500\thello\r\n\\\t100.0\t8000.0\r\n1.5\t2\r\n\r\n5.000001\t5.811\tTurn 3\r\n".replace(
        "Turn 3", "x"
    )
    assert parse_labels(text, ".txt") == (
        Label(None, 310.0, 905.5),
        Label(None, 1500.0, 2000.0),
        Label(None, 5000.001, 5811.0),
    )


def test_labels_of_turns_carry_their_text():
    text = "0\t1\tturn 1: hello there\n1.2\t2\tTURN 1\n3\t4\tturn 2:\n"
    assert parse_labels(text, ".txt") == (
        Label(None, 0.0, 1000.0, 1, "hello there"),
        Label(None, 1200.0, 2000.0, 1),
        Label(None, 3000.0, 4000.0, 2),
    )


def test_a_csv_in_seconds_and_in_any_order_is_read():
    text = "end,start,file,mood\n2.5,1.5,b,sad\n0.5,0.25,a,\n1.25,0.75,b,glad\n"
    assert parse_labels(text, ".csv") == (
        Label("b", 750.0, 1250.0),
        Label("b", 1500.0, 2500.0),
        Label("a", 250.0, 500.0),
    )


def test_other_tools_rttm_is_read():
    text = """;; made elsewhere
SPKR-INFO call 1 <NA> <NA> <NA> unknown caller <NA> <NA>
SPEAKER call 1 0.310 0.590 <NA> <NA> caller <NA> <NA>
SPEAKER call 1 1.5 0.5 <NA> <NA> caller <NA>
"""
    expected = (Label("call", 310.0, 900.0, speaker="caller"), Label("call", 1500.0, 2000.0, speaker="caller"))
    assert parse_labels(text, ".rttm") == expected


MISTAKES = [
    (".txt", "0\t1\n0.5\t2\n", "line 2: 0.5 to 2 s overlaps 0 to 1 s of line 1"),
    (".txt", "3\t4\n0\t1\n0.5\t2\n", "line 3: 0.5 to 2 s overlaps 0 to 1 s of line 2"),
    (".txt", "-1\t1\tx\n", "line 1: start = -1 is negative"),
    (".txt", "1\t1\tx\n", "line 1: it ends at 1 s, not after its start at 1 s"),
    (".txt", "2\t1\n", "line 1: it ends at 1 s, not after its start at 2 s"),
    (".txt", "0\tnan\n", "line 1: end = 'nan' is not a number, such as 12.345"),
    (".txt", "0\t1e3\n", "line 1: end = '1e3' is not a number"),
    (".txt", "0\t9000\n", "line 1: it ends at 9000 s; recordings end by 7200 s"),
    (".txt", "hello\n", "line 1: 'hello' is not start, end and label with tabs between them"),
    (".txt", "0\t1\tturn 2\n2\t3\tturn 1\n", "line 2: turn 1 begins after turn 2, which stands in line 1"),
    (".txt", "0\t1\tturn 1\n2\t3\tx\n", "line 2: it says no turn, and other lines do"),
    (".txt", "0\t1\tturn 0\n", "line 1: turns are numbered from 1"),
    (".csv", "", "line 1: it needs the columns start_ms and end_ms, or start and end in seconds"),
    (".csv", "start,end_ms\n1,2\n", "line 1: it needs the columns"),
    (".csv", "start,end\n1\n", "line 2: it has not as many fields as the first line"),
    (".csv", "start,end\n1,2,3\n", "line 2: it has not as many fields as the first line"),
    (".csv", "start,end,turn\n1,2,two\n", "line 2: turn = 'two' is not a whole number, from 1"),
    (".csv", 'start,end\n1,"2\n', "not CSV"),
    (".csv", "file,start,end\na,0,1\nb,0,1\na,0.5,2\n", "line 4: 0.5 to 2 s overlaps 0 to 1 s of line 2"),
    (".rttm", "SPEAKER a 1 0 1\n", "line 1: 'SPEAKER a 1 0 1' has 5 fields; a SPEAKER line has 8 or more"),
    (".rttm", "SPEAKER a 1 0 -1 <NA> <NA> x <NA> <NA>\n", "line 1: duration = -1 is negative"),
]


@pytest.mark.parametrize(("form", "text", "complaint"), MISTAKES)
def test_a_mistake_names_the_file_and_the_line(tmp_path, form, text, complaint):
    path = tmp_path / f"call{form}"
    path.write_text(text)
    with pytest.raises(ScriptError) as caught:
        load_labels(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and complaint in message and "\n" not in message


def test_what_is_no_label_file_is_named(tmp_path):
    (tmp_path / "a.doc").write_text("x")
    (tmp_path / "b.txt").write_bytes(b"0\t1\t\xff\n")
    (tmp_path / "c.rttm").write_text("\n")
    for path, complaint in [
        (tmp_path / "a.doc", "labels are .txt, .csv, .rttm files"),
        (tmp_path / "b.txt", "not a text in UTF-8"),
        (tmp_path / "c.rttm", "holds no labels"),
        (tmp_path / "none.csv", "cannot be read"),
        (tmp_path, r"holds no labels \(NAME\.labels\.txt\)"),
    ]:
        with pytest.raises(ScriptError, match=complaint):
            load_labels(path)


def script(name, *turns, text=None, speaker=None):
    flat = tuple(Interval(*span) for turn in turns for span in turn)
    clip = Clip(f"{name}.wav", Path(name), text, speaker, "private", "own", "0" * 64, flat, "automatic")
    made = [Turn((Segment(clip, turn[0][0], turn[-1][1]),), text=text, speaker=speaker) for turn in turns]
    return Script(name, tuple(made), "calls", private=True)


ONE = [(256.0, 905.5), (1500.125, 2000.0)], [(5000.0, 5811.0)]
LABELS = (
    Label("one.wav", 256.0, 905.5, 1, "hello", "Ann"),
    Label("one.wav", 1500.125, 2000.0, 1, None, "Ann"),
    Label("one.wav", 5000.0, 5811.0, 2, "hello", "Ann"),
)


def test_scripts_are_saved_as_labels_of_their_recordings(tmp_path):
    scripts = [script("one", *ONE, text="hello", speaker="Ann"), script("two", [(0.0, 1.0)])]
    saved = save_labels(scripts, tmp_path / "all.csv")
    assert load_labels(saved) == (*LABELS, Label("two.wav", 0.0, 1.0, 1))
    assert saved.read_text().splitlines()[1] == "one.wav,256,905.5,1,hello,Ann"
    folder = save_labels(scripts, tmp_path / "marked")
    assert [path.name for path in sorted(folder.iterdir())] == ["one.labels.txt", "two.labels.txt"]
    assert [label.file for label in load_labels(folder)] == ["one"] * 3 + ["two"]


def test_turns_of_the_parts_of_one_recording_are_numbered_on(tmp_path):
    parts = [script("one", ONE[0]), script("one", ONE[1])]
    assert [label.turn for label in load_labels(save_labels(parts, tmp_path / "one.txt"))] == [1, 1, 2]


def test_one_recording_in_audacitys_form_is_named_after_its_file(tmp_path):
    saved = save_labels(script("one", *ONE), tmp_path / "hand made.labels.txt")
    assert {label.file for label in load_labels(saved)} == {"hand made"}


def test_what_labels_cannot_hold_is_refused(tmp_path):
    one, two = script("one", *ONE), script("two", *ONE)
    for scripts, name, complaint in [
        ([one, two], "both.txt", "Audacity's form holds one recording, not 2: give a folder"),
        (one, "one.xml", "labels are .txt, .csv, .rttm files, or a folder"),
        ([], "none.csv", "there are no scripts"),
        (load_scripts("orders")[0], "o.csv", "script 'novel' is pieced together from clips"),
        (one, "missing/one.csv", "cannot be written"),
    ]:
        with pytest.raises(ScriptError, match=complaint):
            save_labels(scripts, tmp_path / name)


@pytest.mark.parametrize("text", ["=1+1", "+x", "-x", "@x", "'=1+1", "''+x", "'quoted'", '=HYPERLINK("a")'])
def test_a_spreadsheet_runs_nothing(text):
    label = (Label(text, 0.0, 1.0, 1, text, text),)
    written = format_labels(label, ".csv")
    cells = written.splitlines()[1].replace('"', "").split(",")
    assert not any(cell.startswith(("=", "+", "-", "@")) for cell in cells)
    assert parse_labels(written, ".csv") == label
