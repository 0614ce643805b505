"""Passages: where speech is, what they open with, and what noise does."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from audio_folders import clip_row, script_folder, tone_clip, write_rows

from realtime_lab.audio import (
    Clip,
    Condition,
    Renderer,
    Script,
    babble,
    clean,
    load_scripts,
    pcm_key,
    pink,
    telephone,
    white,
)
from realtime_lab.audio import noise as noise_module
from realtime_lab.audio.pcm import GRID_SAMPLES, as_float, level_dbfs
from realtime_lab.audio.render import FLOOR_DBFS, IDLE_FRAMES, LEAD_IN_FRAMES, SPEECH_DBFS, TAIL_FRAMES
from realtime_lab.audio.sets import read_clips
from realtime_lab.errors import ScriptError

CONDITIONS = [clean(), white(5), pink(5), babble(3), telephone()]


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Script:
    return load_scripts(script_folder(tmp_path_factory.mktemp("set")))[0]


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> tuple[Clip, ...]:
    folder = tmp_path_factory.mktemp("pool")
    clips = [tone_clip(folder / f"{n}.wav", "20-480", 900.0 + 130 * n) for n in range(7)]
    write_rows(folder / "clips.csv", [clip_row(path, "20-480") for path in clips])
    return tuple(read_clips(folder / "clips.csv", folder).values())


@pytest.fixture(scope="module")
def rendered(script: Script, pool: tuple[Clip, ...]) -> Callable[[Condition], Renderer]:
    made: dict[Condition, Renderer] = {}
    return lambda condition: made.setdefault(condition, Renderer(script, condition, pool))


@pytest.mark.parametrize("condition", CONDITIONS, ids=lambda condition: condition.name)
def test_every_passage_opens_with_one_frame_that_no_other_repeats(
    rendered: Callable[[Condition], Renderer], condition: Condition
) -> None:
    renderer = rendered(condition)
    passages = [renderer.turn(0), renderer.turn(1), renderer.idle(), renderer.fixed()[0]]
    anchor = passages[0].pcm[:GRID_SAMPLES]
    for passage in passages:
        same = (passage.pcm.reshape(-1, GRID_SAMPLES) == anchor).all(axis=1)
        assert np.flatnonzero(same).tolist() == [0]


@pytest.mark.parametrize("condition", CONDITIONS, ids=lambda condition: condition.name)
def test_speech_is_where_the_passage_says_to_the_sample(
    rendered: Callable[[Condition], Renderer], condition: Condition
) -> None:
    spoken = rendered(condition).turn(0).speech_ms
    assert spoken == ((256, 556), (806.5, 906.5), (1026.5, 1146.5))
    assert rendered(condition).turn(1).speech_ms == ((256, 316),)
    assert rendered(condition).idle().speech_ms == ()


@pytest.mark.parametrize("condition", CONDITIONS, ids=lambda condition: condition.name)
def test_passages_are_whole_frames_and_never_fall_silent(
    rendered: Callable[[Condition], Renderer], condition: Condition
) -> None:
    for passage in (rendered(condition).turn(0), rendered(condition).idle()):
        assert len(passage.pcm) % GRID_SAMPLES == 0 and passage.pcm.dtype == np.int16
        assert (np.abs(passage.pcm.astype(int).reshape(-1, GRID_SAMPLES)).sum(axis=1) > 0).all()
        assert np.abs(passage.pcm.astype(int)).max() < 32_767
        assert passage.key == pcm_key(passage.pcm) and not passage.pcm.flags.writeable


def test_lead_in_and_tail_are_whole_frames(rendered: Callable[[Condition], Renderer]) -> None:
    turn = rendered(clean()).turn(0)
    assert turn.speech_ms[0].start_ms == LEAD_IN_FRAMES * 32
    last_frame = int(-(-turn.speech_ms[-1].end_ms // 32))
    assert turn.n_frames == last_frame + TAIL_FRAMES and rendered(clean()).idle().n_frames == IDLE_FRAMES


def test_the_tone_starts_and_ends_with_the_reference(rendered: Callable[[Condition], Renderer]) -> None:
    """Half-millisecond windows just inside an edge are loud, those beyond the 10 ms fade are not."""
    pcm = rendered(clean()).turn(0).pcm
    for edge, inward in ((256, 1), (556, -1), (806.5, 1), (906.5, -1), (1026.5, 1), (1146.5, -1)):
        position = round(edge * 24)
        inside = pcm[position : position + 48] if inward > 0 else pcm[position - 48 : position]
        outside = pcm[position - 288 : position - 240] if inward > 0 else pcm[position + 240 : position + 288]
        assert level_dbfs(as_float(inside)) > -35 and level_dbfs(as_float(outside)) < -50


def test_speech_has_one_level_whatever_the_condition(rendered: Callable[[Condition], Renderer]) -> None:
    for condition in (clean(), white(30)):
        turns = [rendered(condition).turn(index) for index in range(2)]
        speech = [turn.pcm[round(a * 24) : round(b * 24)] for turn in turns for a, b in turn.speech_ms]
        assert level_dbfs(as_float(np.concatenate(speech))) == pytest.approx(SPEECH_DBFS, abs=0.1)


@pytest.mark.parametrize("snr_db", [10, 0])
@pytest.mark.parametrize("kind", [white, pink, babble])
def test_noise_is_as_far_below_the_speech_as_asked(
    script: Script, pool: tuple[Clip, ...], kind: Callable[[float], Condition], snr_db: float
) -> None:
    """Over the whole loop, and for tones whose peaks leave room: a gain that holds peaks is the same for both."""
    renderer = Renderer(script, kind(snr_db), pool)
    speech_dbfs = renderer._active_dbfs + 20 * np.log10(renderer._gain)
    assert speech_dbfs - level_dbfs(renderer._loop) == pytest.approx(snr_db, abs=0.2)


def test_the_floor_of_clean_sound_is_quiet_but_there(rendered: Callable[[Condition], Renderer]) -> None:
    level = level_dbfs(as_float(rendered(clean()).idle().pcm))
    assert FLOOR_DBFS[0] - 1 < level < FLOOR_DBFS[1] + 1


def test_rendering_depends_on_script_and_condition_alone(script: Script, pool: tuple[Clip, ...]) -> None:
    """Another renderer, asked in another order, makes the same passages; another level makes others."""
    first, second = Renderer(script, babble(3), pool), Renderer(script, babble(3), pool)
    keys = [first.idle().key, first.turn(0).key, first.turn(1).key, first.fixed()[0].key]
    assert [second.fixed()[0].key, second.turn(1).key, second.turn(0).key, second.idle().key] == keys[::-1]
    assert Renderer(script, babble(4), pool).idle().key not in keys


def test_the_whole_script_in_one_passage(rendered: Callable[[Condition], Renderer]) -> None:
    passage, turns = rendered(clean()).fixed()
    assert turns == (((256, 556), (806.5, 906.5), (1026.5, 1146.5)), ((1846.5, 1906.5),))
    assert passage.speech_ms == turns[0] + turns[1]


def test_babble_never_uses_the_scripts_own_clips(
    script: Script, pool: tuple[Clip, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[int] = []
    original = noise_module.babble_loop

    def listening(rng: np.random.Generator, speech: list[np.ndarray], *rest: int) -> np.ndarray:
        heard.append(len(speech))
        return original(rng, speech, *rest)

    monkeypatch.setattr(noise_module, "babble_loop", listening)
    with_own = Renderer(script, babble(3), (*pool, *script.clips)).idle().key
    without = Renderer(script, babble(3), pool).idle().key
    assert with_own == without and heard == [len(pool), len(pool)]


def test_too_small_a_pool_is_said(script: Script, pool: tuple[Clip, ...]) -> None:
    few = Renderer(script, babble(3), (*pool[:5], *script.clips))
    with pytest.raises(ScriptError, match="needs at least 6 clips that the script does not use, and the pool has 5"):
        few.idle()


def test_shipped_speech_is_the_default_pool(script: Script, tmp_path: Path) -> None:
    assert Renderer(script, babble(3)).idle().n_frames == IDLE_FRAMES
