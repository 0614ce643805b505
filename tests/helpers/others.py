"""Environments of their own for software that is tried against this package: made on demand, kept between runs.

A Python environment has exactly what `tests/helpers/environments/NAME.txt` pins, which `.ci/pin` writes from `NAME.in`.
They lie in `.ci/environments`; a folder there may be deleted at any time.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path

import pytest
from waiting import end, until_listening

HERE = Path(__file__).resolve().parent
KEPT = HERE.parent.parent / ".ci" / "environments"
INSTALL_TIMEOUT_S = 400


def python_with(name, *alone):
    """The Python of an environment with what `NAME.txt` pins, and the packages `alone` without what they ask for."""
    pins = HERE / "environments" / f"{name}.txt"
    folder = _folder(name, pins.read_bytes(), repr(alone).encode(), sys.version.encode())
    python = folder / "bin" / "python"
    setup = _setup()
    environ = setup.clean_env()
    uv = setup.find_uv(environ)
    if uv is None:
        pytest.skip(f"no uv here to make the environment of {name}")
    install = [uv, "pip", "install", "-q", "--no-deps", "--python", str(python), "-r", str(pins), *alone]
    _make(folder, [[uv, "venv", "-q", "--python", sys.executable, str(folder)], install], environ)
    return python


def node_with(package):
    """The folder with an npm package in its node_modules."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        pytest.skip("no node and npm on this machine")
    folder = _folder("node", package.encode())
    install = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(folder), package]
    _make(folder, [install], dict(os.environ))
    return folder


def run_client(python, script, *words, timeout_s=60):
    """Run one of the scripts beside this file in an environment; what it printed as JSON on its last line."""
    plain = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    ran = subprocess.run(
        [str(python), str(HERE / script), *map(str, words)],
        capture_output=True,
        text=True,
        env=plain,
        timeout=timeout_s,
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    return json.loads(ran.stdout.splitlines()[-1])


def check_strictly(python, frames, folder):
    """Put a server's frames through the openai package's strict union: (how many, the types seen, the problems)."""
    path = folder / "frames.jsonl"
    path.write_bytes(b"\n".join(frames))
    said = run_client(python, "strict_events.py", path)
    return said["checked"], set(said["types"]), said["problems"]


def _setup():
    """`.ci/up`, which knows where packages come from on this machine."""
    loader = SourceFileLoader("ci_up", str(HERE.parent.parent / ".ci" / "up"))
    spec = spec_from_loader("ci_up", loader)
    module = module_from_spec(spec)
    sys.dont_write_bytecode, before = True, sys.dont_write_bytecode
    try:
        loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = before
    return module


def _folder(name, *inputs):
    return KEPT / f"{name}-{hashlib.sha256(b'|'.join(inputs)).hexdigest()[:12]}"


@contextmanager
def _locked():
    KEPT.mkdir(parents=True, exist_ok=True)
    with open(KEPT / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _make(folder, commands, environ):
    """Run `commands`, which fill `folder`, unless that is done; when one fails, skip the test and say why."""
    with _locked():
        if (folder / "complete").exists():
            return
        shutil.rmtree(folder, ignore_errors=True)
        for command in commands:
            made = subprocess.run(command, capture_output=True, text=True, env=environ, timeout=INSTALL_TIMEOUT_S)
            if made.returncode:
                pytest.skip(f"{folder.name} could not be made: {made.stderr[-300:]}")
        (folder / "complete").touch()


@contextmanager
def started(command, port, seconds=60):
    """A server's process, once it listens on `port` of 127.0.0.1; ended afterwards."""
    plain = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=plain) as process:
        try:
            until_listening(port, process, seconds)
            yield process
        finally:
            end(process)
