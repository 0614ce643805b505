"""The openai SDK as the server's client, in an environment of its own: it pins versions this package does not use."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from live_servers import serving, spoken_pcm

NEEDS = ["openai[realtime]>=3,<4"]


@pytest.fixture(scope="module")
def sdk_python(tmp_path_factory, root):
    uv = shutil.which("uv") or next(map(str, (root / ".ci" / "tools").glob("**/bin/uv")), None)
    if uv is None:
        pytest.skip("no uv here to make an environment for the openai package")
    folder = tmp_path_factory.mktemp("sdk") / "venv"
    python = folder / "bin" / "python"
    plain = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}
    for command in (
        [uv, "venv", "-q", "--python", sys.executable, str(folder)],
        [uv, "pip", "install", "-q", "--python", str(python), *NEEDS],
    ):
        made = subprocess.run(command, capture_output=True, text=True, env=plain, timeout=120)
        if made.returncode:
            pytest.skip(f"the openai package could not be installed: {made.stderr[-300:]}")
    return python


def test_the_openai_sdk_holds_a_voice_and_a_text_turn_and_every_event_passes_its_strict_union(sdk_python, tmp_path):
    (tmp_path / "speech.pcm").write_bytes(spoken_pcm())
    script = Path(__file__).with_name("sdk_client.py")
    plain = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    with serving() as server:
        command = [str(sdk_python), str(script), server.url, str(tmp_path / "speech.pcm")]
        ran = subprocess.run(command, capture_output=True, text=True, env=plain, timeout=60)
    assert ran.returncode == 0, ran.stderr[-2000:]
    said = json.loads(ran.stdout)
    assert (said["secret"], said["session"]) == ("ek_", "realtime")
    assert [entry for entry in said["events"] if entry[1] is not None] == []
    kinds = {entry[0] for entry in said["events"]}
    assert {"response.output_audio.delta", "response.output_text.delta", "input_audio_buffer.committed"} <= kinds
    assert len(kinds) >= 20
