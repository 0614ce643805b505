"""What `realtime-lab serve` does: hold a RealtimeServer open until it is interrupted."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable

from realtime_lab.errors import ConfigError, RealtimeLabError
from realtime_lab.server.engine.profile import find_profile
from realtime_lab.server.plugged import find_plugged
from realtime_lab.server.recogniser.transcriber import default_transcriber, transcriber_problem
from realtime_lab.server.serving.serve import RealtimeServer


def serve_until_interrupted(
    port: int,
    profile: str,
    seed: int,
    key_env: str | None,
    transcriber: str | None,
    end_of_turn: str | None,
    say: Callable[[str], object],
) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        port: Where to listen; 0: any free port.
        profile: A shipped profile's name, or a profile file.
        seed: Decides what its sessions draw.
        key_env: Name of the environment variable that holds the only key to accept; None: any key, or none.
        transcriber: "whisper", "simulated" (none), or a folder of Whisper weights; None: what is installed.
        end_of_turn: Where to import what estimates the end of a turn from, "module:name"; None: the recogniser's
            punctuation, where there is one.
        say: Prints a line.

    Raises:
        ProfileError: If the profile is unknown or its file has mistakes.
        MissingExtraError: If the transcriber needs the extra `whisper`, which is not installed.
        ConfigError: If the transcriber is neither a name nor a folder of weights, or the estimate is not found.
        RealtimeLabError: If the variable is not set, or the port cannot be listened on.
    """
    found = find_profile(profile)
    key = None
    if key_env is not None:
        key = os.environ.get(key_env, "").strip()
        if not key:
            raise RealtimeLabError(f"--key-env {key_env}: no environment variable of that name is set")
    chosen = default_transcriber() if transcriber is None else transcriber
    problem = transcriber_problem(chosen)
    if problem is not None:
        raise ConfigError([problem])
    estimate = None if end_of_turn is None else find_plugged("end_of_turn", end_of_turn).make
    server = RealtimeServer(found, seed, port, key, transcriber=chosen, end_of_turn=estimate)
    asyncio.run(_hold(server, say))


async def _hold(server: RealtimeServer, say: Callable[[str], object]) -> None:
    over = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, over.set)
    try:
        await server.__aenter__()
    except OSError as error:
        raise RealtimeLabError(f"cannot listen on 127.0.0.1:{server.port}: {error.strerror or error}") from None
    try:
        say(f"Realtime server ({server.profile.name}), Ctrl-C ends it, base URL: {server.url}")
        await over.wait()
    finally:
        await server.__aexit__(None, None, None)
    say(f"Ended after {server.sessions} sessions.")
