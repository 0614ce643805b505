"""The lock on a study: one writer, named to the others, gone with its process."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from realtime_lab.errors import StudyError, StudyLockedError
from realtime_lab.sweep.store.lock import StudyLock, check_local, is_locked


def test_a_second_lock_is_refused_and_names_this_process(tmp_path):
    first, second = StudyLock(tmp_path / "s.sqlite"), StudyLock(tmp_path / "s.sqlite")
    first.acquire()
    assert is_locked(tmp_path / "s.sqlite")
    with pytest.raises(StudyLockedError, match=rf"this very process \({os.getpid()}\)"):
        second.acquire()
    first.release()
    first.release()
    assert list(tmp_path.iterdir()) == [] and not is_locked(tmp_path / "s.sqlite")
    second.acquire()
    second.release()


def test_another_process_is_named_and_its_death_frees_the_lock(tmp_path):
    code = (
        "import sys; from pathlib import Path; from realtime_lab.sweep.store.lock import StudyLock;"
        "StudyLock(Path(sys.argv[1])).acquire(); print(flush=True); sys.stdin.read()"
    )
    study = tmp_path / "s.sqlite"
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(study)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )  # fmt: skip
    with holder:
        holder.stdout.readline()
        with pytest.raises(StudyLockedError, match=f"process {holder.pid} on"):
            StudyLock(study).acquire()
        holder.kill()
    assert (tmp_path / "s.sqlite.lock").exists()
    assert not is_locked(study)
    lock = StudyLock(study)
    lock.acquire()
    lock.release()


@pytest.mark.parametrize("text", ["", "<script> 1 2 3", "host notapid", "\x00\xff"])
def test_a_lock_file_that_names_nobody_still_refuses(tmp_path, text):
    lock = StudyLock(tmp_path / "s.sqlite")
    lock.acquire()
    lock.path.write_text(text)
    with pytest.raises(StudyLockedError, match="another process"):
        StudyLock(tmp_path / "s.sqlite").acquire()
    lock.release()


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(StudyError, match="cannot be written"):
        StudyLock(tmp_path / "none" / "s.sqlite").acquire()


def test_network_file_systems_are_refused(tmp_path):
    mounts = tmp_path / "mounts"
    far = tmp_path / "far away"
    far.mkdir()
    shown = str(far).replace(" ", "\\040")
    mounts.write_text(f"dev / ext4 rw 0 0\nserver:/x {shown} nfs4 rw 0 0\nbroken\n")
    check_local(tmp_path / "s.sqlite", mounts)
    with pytest.raises(StudyError, match=r"network file system \(nfs4\)"):
        check_local(far / "deep" / "s.sqlite", mounts)
    mounts.write_text(f"server:/x {shown} nfs4 rw 0 0\ntmpfs {shown} tmpfs rw 0 0\n")
    check_local(far / "s.sqlite", mounts)
    check_local(far / "s.sqlite", tmp_path / "no such table")


def test_a_child_that_was_being_started_when_its_parent_was_killed_holds_nobody_up(tmp_path):
    """Between fork and exec a child has its parent's descriptors, the lock among them: that is waited out."""
    code = (
        "import os, sys, time; from pathlib import Path; from realtime_lab.sweep.store.lock import StudyLock;"
        "StudyLock(Path(sys.argv[1])).acquire();"
        "print(flush=True) if os.fork() else time.sleep(0.5)"
    )
    study = tmp_path / "s.sqlite"
    holder = subprocess.Popen([sys.executable, "-c", code, str(study)], stdout=subprocess.PIPE)
    holder.stdout.readline()
    holder.wait()
    holder.stdout.close()
    lock = StudyLock(study)
    lock.acquire()
    with pytest.raises(StudyLockedError):  # it is ours now
        StudyLock(study).acquire()
    lock.release()


def test_a_lock_that_is_a_link_is_refused_and_what_it_points_to_stays(tmp_path):
    other = tmp_path / "other.txt"
    other.write_text("kept")
    (tmp_path / "s.sqlite.lock").symlink_to(other)
    with pytest.raises(StudyError, match="is a link: the lock of a study is a file; remove it"):
        StudyLock(tmp_path / "s.sqlite").acquire()
    assert other.read_text() == "kept"
    assert not is_locked(tmp_path / "s.sqlite")


def test_nobody_else_may_read_a_lock(tmp_path):
    lock = StudyLock(tmp_path / "s.sqlite")
    lock.acquire()
    assert lock.path.stat().st_mode & 0o077 == 0
    lock.release()
