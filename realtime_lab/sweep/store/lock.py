"""Who may write a study: one process at a time, held by the operating system and named for everybody else.

The lock is an advisory lock on `<study>.lock`, so it ends with its process, however that ends: nothing stale is left
to clear by hand. The file's text names the holder for the refusal message. What is written is not decided here.
"""

from __future__ import annotations

import fcntl
import os
import socket
import time
from pathlib import Path

from realtime_lab.errors import StudyError, StudyLockedError

NETWORK_FILE_SYSTEMS = frozenset(
    "nfs nfs3 nfs4 cifs smb3 smbfs afs ceph glusterfs lustre beegfs gpfs "
    "fuse.sshfs fuse.glusterfs fuse.ceph fuse.s3fs fuse.rclone fuse.gcsfuse".split()
)
"""File systems whose locks and shared memory SQLite cannot rely on."""

GONE_PATIENCE_S = 3.0
"""How long the lock of a process that has ended is waited for."""


class StudyLock:
    """The right to write one study, from `acquire` until `release` or the end of the process."""

    def __init__(self, study: Path) -> None:
        self.path = study.with_name(study.name + ".lock")
        self._fd: int | None = None

    def acquire(self) -> None:
        """Take the lock, or refuse at once.

        Raises:
            StudyLockedError: If another sweep holds it; the message names host and process.
            StudyError: If the folder cannot be written.
        """
        while self._fd is None:
            try:
                # Never through a link, whose target would be emptied.
                fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
            except OSError as error:
                if self.path.is_symlink():
                    raise StudyError(
                        f"{self.path} is a link: the lock of a study is a file; remove it", self.path
                    ) from None
                raise StudyError(f"{self.path.parent} cannot be written: {error.strerror}", self.path) from None
            if not _lock_soon(fd):
                holder = _holder(fd)
                # A process killed while it started another may leave the lock with that one until it has begun.
                gone = holder is not None and _is_gone(*holder)
                if not (gone and _lock_soon(fd, GONE_PATIENCE_S)):
                    os.close(fd)
                    raise StudyLockedError(_refusal(self.path, holder), self.path)
            # Whoever held it before may have removed the file between our open and our lock.
            if _same_file(fd, self.path):
                self._fd = fd
            else:
                os.close(fd)
        os.ftruncate(self._fd, 0)
        os.lseek(self._fd, 0, os.SEEK_SET)
        os.write(self._fd, f"{socket.gethostname()} {os.getpid()}\n".encode())

    def release(self) -> None:
        """Give the lock back and remove its file; harmless when it is not held."""
        if self._fd is None:
            return
        # Removed while it is still held: a second later it might be another's file.
        self.path.unlink(missing_ok=True)
        os.close(self._fd)
        self._fd = None


def is_locked(study: Path) -> bool:
    """Whether some process is writing `study` right now."""
    try:
        fd = os.open(study.with_name(study.name + ".lock"), os.O_RDWR | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        return not _try_lock(fd)
    finally:
        os.close(fd)


def _lock_soon(fd: int, patience_s: float = 0.04) -> bool:
    """Lock within a moment: a reader that asks `is_locked` holds the lock for some microseconds."""
    until_s = time.monotonic() + patience_s
    while not (locked := _try_lock(fd)) and time.monotonic() < until_s:
        time.sleep(0.01)
    return locked


def _same_file(fd: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), os.stat(path))
    except FileNotFoundError:
        return False


def _holder(fd: int) -> tuple[str, str] | None:
    os.lseek(fd, 0, os.SEEK_SET)
    words = os.read(fd, 400).decode(errors="replace").split()
    return (words[0], words[1]) if len(words) == 2 and words[1].isdigit() else None


def _refusal(path: Path, holder: tuple[str, str] | None) -> str:
    study = path.with_suffix("")
    if holder is None:
        return f"{study} is being written by another process; wait for it, or give another store"
    host, pid = holder
    if (host, pid) == (socket.gethostname(), str(os.getpid())):
        return f"{study} is being written by a sweep of this very process ({pid}); wait for it, or cancel it"
    return f"{study} is being written by process {pid} on {host!r}; wait for it, or give another store"


def _is_gone(host: str, pid: str) -> bool:
    """Whether a holder was on this machine and has ended."""
    if host != socket.gethostname():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return False


def _try_lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def check_local(path: Path, mounts: Path = Path("/proc/mounts")) -> None:
    """Refuse a path on a network file system, where the system says which those are.

    Args:
        path: A study file, existing or not.
        mounts: The system's table of mounts.

    Raises:
        StudyError: If `path` lies on one.
    """
    try:
        lines = mounts.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return
    real = path.resolve()
    best, kind = -1, ""
    for line in lines:
        fields = line.split()
        if len(fields) < 3:
            continue
        # The table writes blanks in names as octal codes.
        point = fields[1].replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\")
        # A later line of the same mount point lies on top of an earlier one.
        if real.is_relative_to(point) and len(point) >= best:
            best, kind = len(point), fields[2]
    if kind in NETWORK_FILE_SYSTEMS:
        raise StudyError(
            f"{path} is on a network file system ({kind}), where a crash can damage a study: "
            "write it to a local disk and copy the closed file",
            path,
        )
