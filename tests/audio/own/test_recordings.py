"""A user's recordings become scripts: turns, holds, channels, texts, labels; one clear line for what cannot be."""

import json
import os
import wave
from itertools import pairwise

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from sessions import loudness_vad

import realtime_lab as rl
from realtime_lab.analysis import session_rows
from realtime_lab.audio import Interval, Label, Renderer, clean, load_scripts, read_audio, save_labels
from realtime_lab.audio.own import recordings as own_module
from realtime_lab.audio.own.speech import speech_intervals
from realtime_lab.audio.own.turns import turns_by_agent, turns_by_pauses
from realtime_lab.audio.vad_cache import VadCache
from realtime_lab.errors import AudioError, ConfigError, ScriptError
from realtime_lab.session import Stage

RATE = 24_000


@pytest.fixture(autouse=True)
def _quick_ears(monkeypatch):
    """A detector that hears what is loud."""
    monkeypatch.setattr(own_module, "VadCache", lambda folder: VadCache(None, loudness_vad))


def sound(*spans_ms, length_ms=None, rate=RATE, seed=0):
    """Floats: a quiet floor, and loud noise in the spans."""
    rng = np.random.default_rng(seed)
    samples = rng.normal(0, 0.0005, (length_ms or spans_ms[-1][1] + 500) * rate // 1000)
    for start, end in spans_ms:
        loud = rng.normal(0, 0.2, (end - start) * rate // 1000)
        samples[start * rate // 1000 : start * rate // 1000 + len(loud)] = np.clip(loud, -0.9, 0.9)
    return samples


def record(path, *spans_ms, rate=RATE, **options):
    soundfile.write(path, sound(*spans_ms, rate=rate), rate, **options)
    return path


def speech(script):
    return [[tuple(part) for part in turn.segments[0].speech_ms] for turn in script.turns]


def near(found, expected, within=7.0):
    assert [len(turn) for turn in found] == [len(turn) for turn in expected]
    assert np.abs(np.concatenate(found) - np.concatenate(expected)).max() <= within


TWO_TURNS = [(300, 900), (1500, 2000), (5000, 5800)]


# --- one channel ---


def test_a_pause_over_two_seconds_ends_a_turn_and_a_shorter_one_is_a_hold(tmp_path):
    record(tmp_path / "call.wav", *TWO_TURNS)
    (script,) = load_scripts(tmp_path)
    near(speech(script), [TWO_TURNS[:2], TWO_TURNS[2:]])
    assert (script.id, script.set_name, script.timing) == ("call", tmp_path.name, "closed")
    assert (script.reference_source, script.private) == ("automatic", True)
    clip = script.clips[0]
    assert (clip.file, clip.licence, clip.text, clip.channel) == ("call.wav", "private", None, None)
    assert [turn.gap_ms for turn in script.turns] == [700.0, 700.0]


@pytest.mark.parametrize(("max_hold_ms", "turns"), [(500, 3), (700, 2), (3500, 1)])
def test_the_longest_hold_is_the_users_to_say(tmp_path, max_hold_ms, turns):
    record(tmp_path / "call.wav", *TWO_TURNS)
    (script,) = load_scripts(tmp_path / "call.wav", max_hold_ms=max_hold_ms)
    assert len(script.turns) == turns


FORMATS = [
    ("a.wav", {"subtype": "PCM_16"}, 8_000),
    ("a.wav", {"subtype": "FLOAT"}, 44_100),
    ("a.wav", {"subtype": "ULAW"}, 8_000),
    ("a.WAV", {"subtype": "PCM_24"}, 48_000),
    ("a.flac", {}, 16_000),
    ("a.mp3", {}, 24_000),
    ("a.ogg", {}, 16_000),
]


@pytest.mark.parametrize(("name", "options", "rate"), FORMATS)
def test_any_usual_format_and_rate_will_do(tmp_path, name, options, rate):
    record(tmp_path / name, *TWO_TURNS, rate=rate, **options)
    (script,) = load_scripts(tmp_path)
    # Lossy coders smear edges by a block.
    near(speech(script), [TWO_TURNS[:2], TWO_TURNS[2:]], within=60.0)


def test_pauses_inside_a_turn_are_the_recordings_own(tmp_path):
    """A click in a hold is still there when the turn is played."""
    samples = sound((300, 900), (1900, 2400))
    samples[int(1.4 * RATE)] = 0.5
    soundfile.write(tmp_path / "call.wav", samples, RATE)
    (script,) = load_scripts(tmp_path)
    passage = Renderer(script, clean()).turn(0)
    first, after = passage.speech_ms
    hold = passage.pcm[int(first.end_ms * 24) + 480 : int(after.start_ms * 24) - 480]
    assert abs(np.argmax(np.abs(hold)) + first.end_ms * 24 + 480 - (256 + 1100) * 24) < 10 * 24
    assert np.abs(hold).max() > 1_000


def test_fixed_turns_lie_as_recorded_with_the_sound_between_them(tmp_path):
    samples = sound(*TWO_TURNS)
    samples[int(3.5 * RATE)] = 0.5
    soundfile.write(tmp_path / "call.wav", samples, RATE)
    (script,) = load_scripts(tmp_path, timing="fixed")
    passage, turns = Renderer(script, clean()).fixed()
    start_ms = script.turns[0].segments[0].span_ms.start_ms
    assert script.timing == "fixed"
    assert [[tuple(part.shifted(start_ms - 256.0)) for part in turn] for turn in turns] == speech(script)
    between = passage.pcm[int((2500 - start_ms + 256) * 24) : int((4500 - start_ms + 256) * 24)]
    assert abs(int(np.argmax(np.abs(between))) - 1000 * 24) < 24


def test_a_long_recording_becomes_parts_and_nothing_is_lost(tmp_path, monkeypatch):
    monkeypatch.setattr(own_module, "MAX_SCRIPT_MS", 3_000.0)
    spans = [(3000 * n + 300, 3000 * n + 1300) for n in range(5)]
    record(tmp_path / "call.wav", *spans)
    scripts = load_scripts(tmp_path, max_hold_ms=1000)
    assert [script.id for script in scripts] == ["call-part1", "call-part2", "call-part3"]
    near([turn for script in scripts for turn in speech(script)], [[span] for span in spans])
    assert len({script.content_hash for script in scripts}) == 3


def test_a_stretch_of_a_file_is_what_lies_there_in_the_whole(tmp_path):
    path = record(tmp_path / "call.wav", *TWO_TURNS, rate=44_100)
    whole = read_audio(path)
    for first, last in ((0, 10), (1_000, 70_001), (140_000, 10**9), (0, 10**9)):
        np.testing.assert_array_equal(read_audio(path, span=(first, last)), whole[first:last])


def test_recordings_are_held_as_sessions_and_rows_say_who_labelled_them(tmp_path):
    record(tmp_path / "call.wav", (300, 900), (1500, 2000), (4500, 5100))
    (script,) = load_scripts(tmp_path)
    config = rl.SessionConfig(turn_detection=rl.ServerVad(silence_duration_ms=300))
    # Sessions bring speech to -26 dBFS.
    stage = Stage(VadCache(None, lambda pcm, rate_hz: loudness_vad(pcm.astype(np.int32) * 8, rate_hz)))
    recording = rl.run_session(config, script, stage=stage)
    rows = session_rows(recording)
    assert recording.header.private
    assert rows.trials[0]["reference_source"] == "automatic"
    assert [row["n_cut_holds"] for row in rows.turns] == [1, 0]
    assert [row["reference_text"] for row in rows.turns] == [None, None]


def test_names_are_only_text(tmp_path):
    hostile = ["<script>alert(1)</script>.wav".replace("/", "\u2215"), "=cmd|'x'!A1.wav", "a\nb.wav", "\u202egnp.wav"]
    for name in hostile:
        record(tmp_path / name, (300, 900))
    with open(os.fsencode(tmp_path) + b"/\xff.wav", "wb") as stream:
        stream.write((tmp_path / hostile[0]).read_bytes())
    scripts = load_scripts(tmp_path)
    assert len({script.id for script in scripts}) == 5
    for script in scripts:
        assert script.id.isprintable() and script.clips[0].file.isprintable()
        json.dumps([script.id, script.set_name]).encode("utf-8")
        Renderer(script, clean()).turn(0)


def test_the_same_stem_twice_gives_two_ids(tmp_path):
    record(tmp_path / "a.wav", (300, 900))
    record(tmp_path / "a.flac", (300, 900))
    assert [script.id for script in load_scripts(tmp_path)] == ["a.flac", "a.wav"]


def test_hidden_files_other_files_and_subfolders_are_left_alone(tmp_path):
    record(tmp_path / "a.wav", (300, 900))
    (tmp_path / "._a.wav").write_bytes(b"\0\5\x16\7")
    (tmp_path / "notes.md").write_text("hello")
    (tmp_path / "b.wav").mkdir()
    assert [script.id for script in load_scripts(tmp_path)] == ["a"]


# --- two channels ---


def stereo(path, caller, agent):
    length_ms = max(caller[-1][1], agent[-1][1]) + 500
    sides = [sound(*spans, length_ms=length_ms, seed=seed) for seed, spans in enumerate((agent, caller))]
    soundfile.write(path, np.stack(sides, axis=1), RATE)
    return path


def test_the_agent_says_what_was_a_hold_and_what_ended_a_turn(tmp_path):
    """A pause of 3 s in which nobody speaks is a hold; one of 1.7 s with an answer is the end of a turn."""
    caller = [(300, 900), (3900, 4500), (6200, 7000)]
    stereo(tmp_path / "call.wav", caller, [(4900, 5800), (7500, 9000)])
    (script,) = load_scripts(tmp_path, caller=1, agent=0)
    near(speech(script), [caller[:2], caller[2:]])
    assert script.reference_source == "two_channel"
    assert script.clips[0].channel == 1
    passage = Renderer(script, clean()).turn(0)
    assert passage.speech_ms[0].start_ms == 256.0 and len(passage.speech_ms) == 2


def test_the_channel_is_part_of_what_is_played(tmp_path):
    spans = [(300, 900)]
    stereo(tmp_path / "call.wav", spans, spans)
    (left,), (right,) = load_scripts(tmp_path, caller=0), load_scripts(tmp_path, caller=1)
    assert left.content_hash != right.content_hash
    assert left.reference_source == "automatic"


@pytest.mark.parametrize("options", [{}, {"timing": "fixed"}, {"max_hold_ms": 900}])
def test_two_channels_without_names_are_refused(tmp_path, options):
    stereo(tmp_path / "call.wav", [(300, 900)], [(1500, 2500)])
    with pytest.raises(ScriptError, match=r"has 2 channels: say who is on which, as in caller=0, agent=1") as caught:
        load_scripts(tmp_path, **options)
    assert "\n" not in str(caught.value)


def test_a_channel_that_is_not_there_is_named(tmp_path):
    record(tmp_path / "a.wav", (300, 900))
    with pytest.raises(ScriptError, match="has one channel: agent=1 is not there"):
        load_scripts(tmp_path, caller=0, agent=1)
    stereo(tmp_path / "a.wav", [(300, 900)], [(1500, 2500)])
    with pytest.raises(ScriptError, match="has 2 channels, numbered from 0: agent=2 is not there"):
        load_scripts(tmp_path, caller=0, agent=2)


@pytest.mark.parametrize(
    "options",
    [
        {"agent": 1},
        {"caller": 1, "agent": 1},
        {"caller": -1},
        {"caller": True},
        {"caller": "left"},
        {"max_hold_ms": 0},
        {"max_hold_ms": float("nan")},
        {"max_hold_ms": 1e9},
        {"timing": "open"},
        {"clips_root": "."},
    ],
)
def test_options_that_make_no_sense_are_refused(tmp_path, options):
    record(tmp_path / "a.wav", (300, 900))
    with pytest.raises(ConfigError):
        load_scripts(tmp_path, **options)


def test_options_of_recordings_do_not_fit_a_script_set():
    with pytest.raises(ConfigError, match="only for recordings"):
        load_scripts("orders", caller=0)


# --- what cannot be read ---


def test_a_folder_without_audio_is_one_clear_line(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(ScriptError, match=r"holds no audio \(WAV, FLAC, MP3\)") as caught:
        load_scripts(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_path_that_is_not_there_is_one_clear_line(tmp_path):
    with pytest.raises(ScriptError, match="there is no script set or folder"):
        load_scripts(tmp_path / "none")


def test_a_recording_of_eight_hours_is_refused_before_it_is_read(tmp_path):
    with wave.open(str(tmp_path / "day.wav"), "wb") as stream:
        stream.setparams((1, 2, 8_000, 0, "NONE", ""))
        stream.writeframes(b"\0\0")
    samples = 8 * 3600 * 8_000
    with open(tmp_path / "day.wav", "r+b") as raw:
        for place, size in ((4, 36 + 2 * samples), (40, 2 * samples)):
            raw.seek(place)
            raw.write(size.to_bytes(4, "little"))
        raw.truncate(44 + 2 * samples)
    with pytest.raises(AudioError, match=r"says it is 8.0 hours long; the limit is 2: cut it into calls"):
        load_scripts(tmp_path)


def test_what_is_not_audio_is_named(tmp_path):
    record(tmp_path / "a.wav", (300, 900))
    (tmp_path / "b.wav").write_bytes(b"not audio at all")
    with pytest.raises(AudioError, match=r"b\.wav is not audio that can be read"):
        load_scripts(tmp_path)


def test_recordings_in_which_nobody_speaks_are_left_out_aloud(tmp_path):
    soundfile.write(tmp_path / "still.wav", sound(length_ms=2000), RATE)
    soundfile.write(tmp_path / "zero.wav", np.zeros(RATE), RATE)
    with pytest.raises(ScriptError, match="nobody speaks in it"):
        load_scripts(tmp_path)
    record(tmp_path / "a.wav", (300, 900))
    with pytest.warns(UserWarning, match=r"nobody speaks in 'still.wav', 'zero.wav': left out \(2 of 3\)"):
        assert [script.id for script in load_scripts(tmp_path)] == ["a"]


# --- texts ---


def test_a_text_beside_a_recording_is_what_is_said_in_its_only_turn(tmp_path):
    record(tmp_path / "a.wav", (300, 900))
    (tmp_path / "a.txt").write_text("\ufeffhello\tthere \n\n general \u0000kenobi\n", encoding="utf-8")
    (script,) = load_scripts(tmp_path)
    assert script.turns[0].text == script.clips[0].text == "hello there general kenobi"


def test_a_text_with_a_line_for_each_turn_is_dealt_out_and_another_left_out_aloud(tmp_path):
    record(tmp_path / "a.wav", *TWO_TURNS)
    (tmp_path / "a.txt").write_text("hello there\ngeneral kenobi\n")
    (script,) = load_scripts(tmp_path)
    assert [turn.text for turn in script.turns] == ["hello there", "general kenobi"]
    (tmp_path / "a.txt").write_text("hello there general kenobi")
    with pytest.warns(UserWarning, match="'a.wav' has 1 line of text and 2 turns: its text is left out"):
        (script,) = load_scripts(tmp_path)
    assert [turn.text for turn in script.turns] == [None, None]


@pytest.mark.parametrize("name", ["transcripts.csv", "elsewhere.csv"])
def test_a_table_names_recordings_and_their_texts(tmp_path, name):
    record(tmp_path / "a.wav", *TWO_TURNS)
    record(tmp_path / "b.wav", (300, 900))
    (tmp_path / name).write_text('file,text\na.wav,hello there\nb,"one, two"\na.wav,\n')
    options = {} if name == "transcripts.csv" else {"transcripts": tmp_path / name}
    first, second = load_scripts(tmp_path, **options)
    assert [turn.text for turn in first.turns] == ["hello there", None]
    assert [turn.text for turn in second.turns] == ["one, two"]


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ("name,text\n", "line 1: the column file is missing"),
        ("file,text\nc.wav,x\n", "there is no recording 'c.wav' in the folder"),
        ("file,text\n,x\n", "line 2: it names no file"),
        ('file,text\na.wav,"x', "not CSV"),
        (b"file,text\na.wav,\xff\n", "not a text in UTF-8"),
    ],
)
def test_mistakes_in_a_table_are_named(tmp_path, table, complaint):
    record(tmp_path / "a.wav", (300, 900))
    (tmp_path / "transcripts.csv").write_bytes(table if isinstance(table, bytes) else table.encode())
    with pytest.raises(ScriptError, match=complaint) as caught:
        load_scripts(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_missing_table_is_named(tmp_path):
    record(tmp_path / "a.wav", (300, 900))
    with pytest.raises(ScriptError, match=r"none\.csv: cannot be read"):
        load_scripts(tmp_path, transcripts=tmp_path / "none.csv")


# --- labels ---


@pytest.mark.parametrize("name", ["labels.csv", "labels.rttm", "marked"])
def test_labels_that_were_saved_give_the_same_script_as_a_persons(tmp_path, name):
    folder = tmp_path / "calls"
    folder.mkdir()
    record(folder / "one call.wav", *TWO_TURNS)
    record(folder / "two.wav", (300, 900))
    scripts = load_scripts(folder)
    again = load_scripts(folder, labels=save_labels(scripts, tmp_path / name))
    assert [speech(script) for script in again] == [speech(script) for script in scripts]
    assert {script.reference_source for script in again} == {"human"}
    assert again[0].content_hash != scripts[0].content_hash


def test_labels_of_one_recording_need_no_name(tmp_path):
    record(tmp_path / "a.wav", *TWO_TURNS)
    labels = [Label(None, 310.0, 905.5), Label(None, 4990.0, 5811.125)]
    (script,) = load_scripts(tmp_path, labels=labels)
    assert speech(script) == [[(310.0, 905.5)], [(4990.0, 5811.125)]]


def test_labels_say_turns_texts_and_voices(tmp_path):
    record(tmp_path / "a.wav", *TWO_TURNS)
    (tmp_path / "l.csv").write_text(
        "file,start,end,turn,text,speaker\na,0.3,0.9,1,hello,Ann\na,1.5,2.0,2,there,Ann\na,5.0,5.8,2,kenobi,Bob\n"
    )
    (script,) = load_scripts(tmp_path, labels=tmp_path / "l.csv")
    assert [turn.text for turn in script.turns] == ["hello", "there kenobi"]
    assert [turn.speaker for turn in script.turns] == ["Ann", None]


def test_stretches_with_no_pause_worth_the_name_between_them_are_one(tmp_path):
    """Words that were marked one by one are no holds."""
    record(tmp_path / "a.wav", *TWO_TURNS)
    words = [Label("a", 300.0, 500.0), Label("a", 500.0, 700.0), Label("a", 799.0, 900.0), Label("a", 1000.0, 1200.0)]
    (script,) = load_scripts(tmp_path, labels=words)
    assert speech(script) == [[(300.0, 900.0), (1000.0, 1200.0)]]


def test_a_recording_without_labels_keeps_what_the_detector_says(tmp_path):
    record(tmp_path / "a.wav", (300, 900))
    record(tmp_path / "b.wav", (300, 900))
    scripts = load_scripts(tmp_path, labels=[Label("b", 310.0, 890.0)])
    assert [script.reference_source for script in scripts] == ["automatic", "human"]


def test_labels_and_the_agents_channel_together_flag_cuts(tmp_path):
    stereo(tmp_path / "a.wav", [(300, 900), (1500, 2500)], [(1300, 2600)])
    labels = [Label("a", 300.0, 900.0, 1), Label("a", 1500.0, 2500.0, 1)]
    (script,) = load_scripts(tmp_path, caller=1, agent=0, labels=labels)
    assert [turn.cut_by_agent for turn in script.turns] == [True]


@pytest.mark.parametrize(
    ("labels", "complaint"),
    [
        ([Label("c", 0.0, 1.0)], "there is no recording 'c' in the folder"),
        ([Label("a", 0.0, 9000.0)], r"a label ends at 9 s, and the recording at 6\.300 s"),
        ([Label("a", 0.0, 500.0), Label("a", 400.0, 900.0)], r"labels: line 3: 0\.4 to 0\.9 s overlaps 0 to 0\.5 s"),
        ([Label("a", 500.0, 500.0)], "line 2: it ends at 0.5 s, not after its start"),
        ([Label("a", -5.0, 500.0)], "line 2: start_ms = -5 is negative"),
    ],
)
def test_labels_that_do_not_fit_are_named(tmp_path, labels, complaint):
    record(tmp_path / "a.wav", *TWO_TURNS)
    record(tmp_path / "b.wav", (300, 900))
    with pytest.raises(ScriptError, match=complaint) as caught:
        load_scripts(tmp_path, labels=labels)
    assert "\n" not in str(caught.value)


# --- the rules ---


def intervals(*spans):
    return [Interval(float(a), float(b)) for a, b in spans]


def divided(caller, agent, longest=10_000.0):
    turns = turns_by_agent(intervals(*caller), intervals(*agent), longest)
    return [[tuple(part) for part in turn.speech_ms] for turn in turns], [turn.cut_by_agent for turn in turns]


A, B = (0, 1000), (3000, 4000)


@pytest.mark.parametrize(
    ("agent", "turns", "cut"),
    [
        ([(9000, 9900)], [[A, B]], [False]),
        ([(1500, 2500)], [[A], [B]], [False, False]),
        ([(1500, 1900)], [[A, B]], [False]),
        ([(1500, 1800), (2200, 2500)], [[A], [B]], [False, False]),
        ([(2100, 3600)], [[A, B]], [True]),
        ([(1500, 3600)], [[A], [B]], [False, False]),
        ([(800, 2500)], [[A], [B]], [False, False]),
        ([(400, 950)], [[A, B]], [True]),
        ([(-500, 600)], [[A, B]], [False]),
        ([(-500, 2900)], [[A], [B]], [False, False]),
        ([(3400, 9000)], [[A, B]], [True]),
        ([(3600, 9000)], [[A, B]], [False]),
    ],
    ids=[
        "the agent speaks later",
        "the agent answers in the pause",
        "the agent says mm-hm",
        "two short words are an answer",
        "the agent begins 0.9 s before the caller goes on",
        "the caller interrupts an answer",
        "the agent begins over the end of the turn and goes on",
        "the agent begins and ends while the caller speaks",
        "the caller interrupts, and the agent yields",
        "the caller interrupts, and the agent does not care",
        "the agent begins 0.6 s before the caller ends",
        "the agent begins 0.4 s before the caller ends",
    ],
)
def test_what_the_agent_does_decides(agent, turns, cut):
    assert divided([A, B], agent) == (turns, cut)


def test_a_caller_who_talks_on_over_the_agent_keeps_short_pauses():
    caller = [(0, 1000), (1400, 2500), (2800, 4000)]
    assert divided(caller, [(1200, 4500)]) == ([caller], [True])


def test_a_callers_backchannel_is_no_turn():
    caller = [(0, 1000), (3000, 3400), (6000, 7000)]
    assert divided(caller, [(1500, 5500)]) == ([caller[:1], caller[2:]], [False, False])


def test_a_silence_of_both_ends_a_turn_at_last():
    assert divided([(0, 1000), (11_000, 12_000)], [])[0] == [[(0, 1000), (11_000, 12_000)]]
    assert divided([(0, 1000), (11_001, 12_000)], [])[0] == [[(0, 1000)], [(11_001, 12_000)]]
    assert divided([], [(0, 1000)]) == ([], [])


spans = st.lists(st.integers(1, 4000), max_size=24).map(
    lambda steps: [Interval(float(a), float(b)) for a, b in np.cumsum(steps)[: len(steps) // 2 * 2].reshape(-1, 2)]
)


@given(spans, spans, st.floats(1, 20_000))
def test_turns_hold_the_callers_speech_in_order_whatever_the_agent_does(caller, agent, longest):
    turns = turns_by_agent(caller, agent, longest)
    kept = [part for turn in turns for part in turn.speech_ms]
    assert kept == [part for part in caller if part in kept]
    assert all(part.length_ms < 500 for part in caller if part not in kept)
    alone = turns_by_pauses(caller, longest)
    assert [part for turn in alone for part in turn.speech_ms] == caller
    for turn in (*turns, *alone):
        holds = [b.start_ms - a.end_ms for a, b in pairwise(turn.speech_ms)]
        assert all(hold <= longest for hold in holds)


@given(
    st.lists(st.sampled_from([0.0, 0.4, 0.6, 1.0]), max_size=60),
    st.lists(st.tuples(st.integers(1, 400), st.sampled_from([0, 3, 300, 9000])), max_size=12),
    st.integers(0, 767),
)
def test_speech_is_in_order_inside_the_recording_and_worth_its_pauses(probabilities, loudness, cut_off):
    """Whatever the detector and the level say."""
    rng = np.random.default_rng(0)
    parts = [rng.normal(0, 1, ms * 24) * level for ms, level in loudness]
    pcm = np.concatenate([np.zeros(0), *parts]).clip(-32_768, 32_767).astype(np.int16)
    pcm = np.resize(pcm, max(len(probabilities) * 768 - cut_off, 0)) if len(pcm) else np.zeros(0, dtype=np.int16)
    frames = -(-len(pcm) // 768)
    found = speech_intervals(pcm, np.array(probabilities[:frames], dtype=np.float32))
    for part in found:
        assert 0 <= part.start_ms < part.end_ms <= len(pcm) / 24
    for before, after in pairwise(found):
        assert after.start_ms - before.end_ms >= 100
