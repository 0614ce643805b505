"""Results kept in files: whole or not at all, shared by processes, the least recently used thrown away first."""

import os

from realtime_lab.audio.file_cache import FileCache, prune_cache


def test_what_is_put_is_got_by_any_cache_on_the_folder(tmp_path):
    FileCache(tmp_path, "segments/engine-1", ".json").put("ab12", b"{}")
    assert FileCache(tmp_path, "segments/engine-1", ".json").get("ab12") == b"{}"
    assert FileCache(tmp_path, "segments/engine-2", ".json").get("ab12") is None
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["ab12.json"]  # no half-written files


def test_without_a_folder_or_on_one_that_cannot_be_made_nothing_is_kept(tmp_path):
    blocked = tmp_path / "a file"
    blocked.write_text("in the way")
    for cache in (FileCache(None, "vad/1", ".f32"), FileCache(blocked, "vad/1", ".f32")):
        cache.put("ab12", b"data")
        assert cache.get("ab12") is None


def test_pruning_keeps_what_was_used_last_and_everything_that_is_not_a_cache_file(tmp_path):
    cache = FileCache(tmp_path, "vad/1", ".f32")
    mine = tmp_path / "notes.txt"
    mine.write_bytes(bytes(500))
    for age, name in enumerate(["aa", "bb", "cc"]):
        cache.put(name, bytes(100))
        os.utime(tmp_path / "vad" / "1" / name / f"{name}.f32", (1000 - age, 1000 - age))
    assert cache.get("cc") == bytes(100)  # the oldest file, used again
    prune_cache(tmp_path, max_bytes=100)
    assert [cache.get(name) is not None for name in ("aa", "bb", "cc")] == [False, False, True]
    assert mine.exists()
