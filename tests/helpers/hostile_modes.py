"""Holds a session, or asks for a client secret, with each hostile server named on the command line, all at once.

Run as a program of its own, so that everything it prints and keeps can be looked through: arguments are the server's
script, seconds, the variable that holds the key, a folder, and the modes. The last line is the peak of its memory, MB.
"""

from __future__ import annotations

import logging
import resource
import subprocess
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import realtime_lab as rl
from realtime_lab.audio import load_scripts
from realtime_lab.errors import RealtimeLabError
from realtime_lab.recording import save_recording
from realtime_lab.session.live import secrets, wire
from realtime_lab.session.live.secrets import create_client_secret

CONFIG = rl.SessionConfig(model="gpt-realtime", turn_detection=rl.ServerVad(silence_duration_ms=200))


def try_mode(server: str, seconds: str, variable: str, folder: Path, mode: str) -> str:
    """How it ended, in a line."""
    command = [sys.executable, server, mode, seconds]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as hostile:
        assert hostile.stdout is not None
        target = rl.live(f"http://127.0.0.1:{int(hostile.stdout.readline())}/v1", api_key_env=variable)
        try:
            if mode.startswith("rest_"):
                print(mode, repr(create_client_secret(target, CONFIG)))
                return f"{mode}: answered"
            recording = rl.run_session(CONFIG, load_scripts("orders")[0], target)
            print(mode, repr(recording), recording._repr_html_())
            save_recording(recording, folder / f"{mode}.jsonl")
            return f"{mode}: {recording.header.outcome} {recording.header.fault}"
        except RealtimeLabError as error:
            told = traceback.TracebackException.from_exception(error, capture_locals=True).format()
            print(mode, "".join(told).replace("Traceback", "told"), vars(error))
            return f"{mode}: {type(error).__name__}: {error}"
        finally:
            hostile.kill()


def main() -> None:
    """Every mode in a thread of its own."""
    server, seconds, variable, folder, *modes = sys.argv[1:]
    logging.basicConfig(level=logging.DEBUG, stream=sys.stdout)
    secrets.TIMEOUT_S = float(seconds)
    wire.CONNECT_TIMEOUT_S = float(seconds)
    with ThreadPoolExecutor(len(modes)) as pool:
        ended = pool.map(lambda mode: try_mode(server, seconds, variable, Path(folder), mode), modes)
        print("ENDED " + "\nENDED ".join(line.replace("\n", " ") for line in ended))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)


if __name__ == "__main__":
    main()
