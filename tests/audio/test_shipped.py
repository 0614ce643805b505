"""The shipped speech and script sets: licences, hashes, edges, and the 705 holds."""

import csv
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
import soundfile

from realtime_lab.audio import Interval, Renderer, Script, Segment, Turn, clean, load_scripts, script_sets
from realtime_lab.audio.pcm import as_float, level_dbfs, ms_to_samples
from realtime_lab.audio.sets import shipped_clips
from realtime_lab.audio.vad import passage_probabilities
from realtime_lab.resources import data_dir, data_path

CLIPS = {clip.file: clip for clip in shipped_clips()}
LICENCES = {"librivox": "BSD-2-Clause", "cards": "BSD-2-Clause", "commands": "BSD-2-Clause", "asterisk": "CC-BY-SA-3.0"}
# Bins in ms, open below and closed above, with the published number of pauses.
HOLDS = {
    (100, 200): 173, (200, 300): 140, (300, 400): 106, (400, 500): 83, (500, 600): 50, (600, 700): 38, (700, 800): 22,
    (800, 900): 14, (900, 1000): 11, (1000, 1500): 30, (1500, 2000): 20, (2000, 2500): 9, (2500, 3000): 5,
    (3000, 3500): 3, (3500, 5000): 1,
}  # fmt: skip


def folder_of(file: str) -> str:
    return file.split("/")[0]


def test_all_shipped_data_is_under_6_mb() -> None:
    assert sum(path.stat().st_size for path in data_dir().rglob("*") if path.is_file()) < 6_000_000


def test_every_file_is_listed_and_every_listed_file_is_there() -> None:
    root = data_path("speech")
    assert {path.relative_to(root).as_posix() for path in root.rglob("*.flac")} == set(CLIPS)


def test_how_many_clips_of_which_voice() -> None:
    assert Counter(map(folder_of, CLIPS)) == {"librivox": 5, "cards": 5, "commands": 2, "asterisk": 119}
    assert {clip.speaker for clip in CLIPS.values() if folder_of(clip.file) == "asterisk"} == {"Allison Smith"}


@pytest.mark.parametrize("folder", LICENCES)
def test_each_folder_holds_its_licence(folder: str) -> None:
    (licence,) = data_path(f"speech/{folder}").glob("LICENSE*")
    telling = "CREATIVE COMMONS PUBLIC LICENSE" if folder == "asterisk" else "Redistributions in binary form"
    assert telling in licence.read_text()
    assert {clip.licence for clip in CLIPS.values() if folder_of(clip.file) == folder} == {LICENCES[folder]}


def test_the_share_alike_credit_is_beside_the_clips_and_inside_each() -> None:
    assert "Allison Smith (http://www.theivrvoice.com)" in data_path("speech/asterisk/CREDITS.txt").read_text()
    for clip in CLIPS.values():
        if folder_of(clip.file) == "asterisk":
            with soundfile.SoundFile(clip.path) as file:
                assert "Allison Smith" in file.copyright and "CC-BY-SA-3.0" in file.copyright
                assert file.license == "CC-BY-SA-3.0" and file.artist == "Allison Smith"


@pytest.mark.parametrize("clip", CLIPS.values(), ids=CLIPS)
def test_a_clip_is_16_khz_and_its_transcript_is_words(clip) -> None:
    info = soundfile.info(clip.path)
    assert (info.samplerate, info.channels, info.format, info.subtype) == (16_000, 1, "FLAC", "PCM_16")
    assert clip.text and not set(clip.text) & set("[]<>#*@_0123456789") and clip.text == clip.text.strip()
    assert clip.reference_source == "constructed" and clip.source


@pytest.mark.parametrize("clip", CLIPS.values(), ids=CLIPS)
def test_speech_is_far_louder_than_what_lies_outside(clip) -> None:
    samples, _ = soundfile.read(clip.path)
    marks = np.zeros(len(samples), bool)
    for start, end in clip.speech_intervals_ms:
        marks[round(start * 16) : round(end * 16)] = True
    assert level_dbfs(samples[marks]) - level_dbfs(samples[~marks]) > 15
    pauses = [b.start_ms - a.end_ms for a, b in pairwise(clip.speech_intervals_ms)]
    assert all(pause >= 100 for pause in pauses)


@pytest.mark.parametrize("name", script_sets())
def test_a_sets_list_says_what_the_catalogue_says(name: str) -> None:
    for script in load_scripts(name):
        assert all(CLIPS[clip.file] == clip for clip in script.clips)
        assert script.reference_source == "constructed" and script.timing == "closed"


@pytest.mark.parametrize("name", script_sets())
def test_a_set_lists_no_clip_it_does_not_use(name: str) -> None:
    with data_path(f"scripts/{name}/clips.csv").open(newline="") as stream:
        listed = {row["file"] for row in csv.DictReader(stream)}
    assert listed == {clip.file for script in load_scripts(name) for clip in script.clips}


@pytest.mark.parametrize("name", script_sets())
def test_the_text_of_a_turn_is_that_of_its_clips(name: str) -> None:
    for script in load_scripts(name):
        for turn in script.turns:
            whole = [seg.clip.text for seg in turn.segments if seg.start_ms is None and seg.end_ms is None]
            assert turn.text and all(text in turn.text for text in whole)
            assert {segment.clip.speaker for segment in turn.segments} == {turn.speaker}


def test_orders_are_five_conversations_of_three_voices() -> None:
    scripts = load_scripts("orders")
    assert [len(script.turns) for script in scripts] == [4] * 5
    voices = [{turn.speaker for turn in script.turns} for script in scripts]
    assert all(len(voice) == 1 for voice in voices) and len(set.union(*voices)) == 3
    holds = [hold for script in scripts for turn in script.turns for hold in turn.hold_ms]
    assert len(holds) == 28 and min(holds) >= 150 and max(holds) <= 1_500
    assert sum(hold > 500 for hold in holds) / len(holds) == pytest.approx(0.29, abs=0.06)


def test_two_conditions_of_orders_last_under_five_minutes() -> None:
    renderers = [Renderer(script, clean()) for script in load_scripts("orders")]
    frames = sum(r.idle().n_frames + sum(r.turn(i).n_frames for i in range(4)) for r in renderers)
    assert 2 * frames * 0.032 < 300


def test_the_holds_are_all_705_in_their_bins() -> None:
    holds = np.array([hold for script in load_scripts("holds") for turn in script.turns for hold in turn.hold_ms])
    counts = {bin_ms: int(((holds > bin_ms[0]) & (holds <= bin_ms[1])).sum()) for bin_ms in HOLDS}
    assert counts == HOLDS and len(holds) == 705


@pytest.fixture(scope="module")
def spoken_holds() -> list[tuple[Turn, tuple[Interval, ...]]]:
    """Every turn of `holds` with its rendered reference."""
    renderers = [Renderer(script, clean()) for script in load_scripts("holds")]
    return [(turn, r.turn(index).speech_ms) for r in renderers for index, turn in enumerate(r.script.turns)]


def test_pauses_are_rendered_to_the_sample_and_there_are_no_others(
    spoken_holds: list[tuple[Turn, tuple[Interval, ...]]],
) -> None:
    for turn, spoken in spoken_holds:
        pauses = [ms_to_samples(b.start_ms - a.end_ms) for a, b in pairwise(spoken)]
        assert pauses == [ms_to_samples(hold) for hold in turn.hold_ms]


def test_starts_after_a_hold_do_not_favour_a_place_on_the_grid(
    spoken_holds: list[tuple[Turn, tuple[Interval, ...]]],
) -> None:
    """Four quarters of the 32 ms grid, each with a quarter of the starts: 176 of 705, give or take five sigma."""
    places = [part.start_ms % 32 for _, spoken in spoken_holds for part in spoken[1:]]
    counts = np.histogram(places, bins=[0, 8, 16, 24, 32])[0]
    assert counts.sum() == 705 and counts.min() > 118 and counts.max() < 234


def test_edges_are_measured_on_clips_that_holds_does_not_use() -> None:
    held, measured = ({c.file for s in load_scripts(name) for c in s.clips} for name in ("holds", "edges"))
    assert len(held) >= 30 and len(measured) >= 20 and not held & measured


def test_babble_leaves_the_shipped_script_enough_other_voices() -> None:
    for script in load_scripts("orders"):
        own = {clip.sha256 for clip in script.clips}
        assert len([clip for clip in shipped_clips() if clip.sha256 not in own]) > 100


def heard_speech(pcm: np.ndarray) -> list[tuple[float, float]]:
    """Stretches the detector calls speech at threshold .5, ms."""
    stretches: list[tuple[float, float]] = []
    speaking = False
    for frame, probability in enumerate(passage_probabilities(pcm, 24_000)):
        if probability >= (0.35 if speaking else 0.5):
            start = stretches.pop()[0] if speaking else frame * 32.0
            stretches.append((start, (frame + 1) * 32.0))
            speaking = True
        else:
            speaking = False
    return stretches


def bridged(spoken: tuple[Interval, ...], pause_ms: float) -> list[tuple[float, float]]:
    whole = [tuple(spoken[0])]
    for start, end in spoken[1:]:
        near = start - whole[-1][1] < pause_ms
        whole.append((whole.pop()[0], end) if near else (start, end))
    return whole


def latenesses(script: Script) -> tuple[list[float], list[float]]:
    """How late the detector begins and ends each stretch of reference speech, ms; it may bridge pauses under 150 ms."""
    onsets, offsets = [], []
    renderer = Renderer(script, clean())
    for index in range(len(script.turns)):
        passage = renderer.turn(index)
        heard = heard_speech(passage.pcm)
        for start, end in bridged(passage.speech_ms, 150):
            inside = [part for part in heard if part[1] > start + 100 and part[0] < end - 20]
            assert inside, f"{script.id} turn {index}: nothing heard from {start} to {end} ms"
            onsets.append(inside[0][0] - start)
            offsets.append(inside[-1][1] - end)
    return onsets, offsets


@pytest.mark.full
def test_a_detector_finds_the_edges_of_orders_where_the_reference_has_them() -> None:
    both = [latenesses(script) for script in load_scripts("orders")]
    onsets, offsets = (np.concatenate([pair[side] for pair in both]) for side in (0, 1))
    assert -32 <= np.median(onsets) <= 40 and np.percentile(onsets, 95) <= 110
    assert 0 <= np.median(offsets) <= 100 and offsets.min() >= -50 and offsets.max() <= 120


@pytest.mark.full
def test_a_detector_hears_no_pause_inside_the_words_of_holds() -> None:
    clips = {clip.file: clip for script in load_scripts("holds") for clip in script.clips}
    for file, clip in clips.items():
        alone = Renderer(Script("alone", (Turn((Segment(clip),)),), "test"), clean()).turn(0)
        heard = heard_speech(alone.pcm)
        assert max((b[0] - a[1] for a, b in pairwise(heard)), default=0) < 100, file


def test_levels_of_shipped_scripts_are_equal() -> None:
    for script in load_scripts("orders"):
        renderer = Renderer(script, clean())
        speech = [
            as_float(renderer.turn(i).pcm[round(a * 24) : round(b * 24)])
            for i in range(4)
            for a, b in renderer.turn(i).speech_ms
        ]
        assert level_dbfs(np.concatenate(speech)) == pytest.approx(-26, abs=0.2)
