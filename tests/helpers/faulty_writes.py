"""A library that kills its process at a chosen write to a study, tears that write, or lets writes fail for a while."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

SOURCE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/types.h>

enum { COUNT, KILL, TEAR, FULL, BROKEN };
enum { FULL_FOR = 5 };  /* writes until there is room again */
static long chosen = -1, seen = 0, failed = 0;
static int mode = COUNT;

void fault_arm(long n, int how) { chosen = n; seen = 0; failed = 0; mode = how; }
long fault_seen(void) { return seen; }
long fault_failed(void) { return failed; }

static int of_study(int fd) {
    char name[64], path[4096];
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(name, path, sizeof path - 1);
    if (n <= 0) return 0;
    path[n] = 0;
    return strstr(path, ".sqlite") != NULL && strstr(path, ".lock") == NULL && strstr(path, "-shm") == NULL;
}

/* 0: go on; -1: fail */
static int faulty(int fd, const void *data, size_t size, off_t at, int placed) {
    if (chosen < 0 || !of_study(fd)) return 0;
    seen++;
    if (mode == FULL && seen >= chosen && seen < chosen + FULL_FOR) { failed++; errno = ENOSPC; return -1; }
    if (mode == BROKEN && seen == chosen) { failed++; errno = EIO; return -1; }
    if (seen != chosen || mode == COUNT || mode == FULL || mode == BROKEN) return 0;
    if (mode == TEAR && size > 1) {
        if (placed) {
            ssize_t (*real)(int, const void *, size_t, off_t) = dlsym(RTLD_NEXT, "pwrite64");
            real(fd, data, size / 2, at);
        } else {
            ssize_t (*real)(int, const void *, size_t) = dlsym(RTLD_NEXT, "write");
            real(fd, data, size / 2);
        }
    }
    kill(getpid(), SIGKILL);
    return -1;
}

ssize_t write(int fd, const void *data, size_t size) {
    static ssize_t (*real)(int, const void *, size_t);
    if (!real) real = dlsym(RTLD_NEXT, "write");
    return faulty(fd, data, size, 0, 0) ? -1 : real(fd, data, size);
}
ssize_t pwrite(int fd, const void *data, size_t size, off_t at) {
    static ssize_t (*real)(int, const void *, size_t, off_t);
    if (!real) real = dlsym(RTLD_NEXT, "pwrite");
    return faulty(fd, data, size, at, 1) ? -1 : real(fd, data, size, at);
}
ssize_t pwrite64(int fd, const void *data, size_t size, off_t at) {
    static ssize_t (*real)(int, const void *, size_t, off_t);
    if (!real) real = dlsym(RTLD_NEXT, "pwrite64");
    return faulty(fd, data, size, at, 1) ? -1 : real(fd, data, size, at);
}
"""


def built(folder: Path) -> Path | None:
    """The library; None where this machine has no C compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return None
    (folder / "faulty.c").write_text(SOURCE)
    library = folder / "faulty.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, folder / "faulty.c", "-ldl"], check=True)
    return library
