"""Sessions with hostile servers in all their modes: a named end, no traceback, bounded memory, and the key nowhere.

The servers are a script that is not part of this project: $REALTIME_LAB_CASES names the folder that holds
`trust/hostile_server.py`, or it lies beside this one as `shared/cases`.
"""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
import urllib.parse
from pathlib import Path

import pytest
from real_sessions import REAL

SERVER = REAL.parent / "trust" / "hostile_server.py"
FLOODS = ("manyframes", "pingflood", "frag0", "frag1", "hugedeltas", "gigframe", "bigbody401", "hugehead", "deflbomb")
WORDS = (
    "silent slowhead redirect html401 esc401 garbage keystatus deflate nocreate close1011 close3000 echo_raw echo_esc "
    "echo_slash echo_b64 wrongjson session_tdlist session_tdstr session_rate session_nan session_big session_other "
    "session_type session_typeint session_model session_instr drip dripevents rest_silent rest_drip rest_redirect "
    "rest_keystatus rest_keyheader rest_keyjson rest_keysession rest_crlfsecret rest_deep rest_html rest_bomb "
    "rest_endless"
).split()
KEYS = {
    "plain": "sk-CANARY4b7f9d21c0aa55e8",
    "slashes": "sk-proj/CANARY+4b7f9d21==/c0aa55e8",
    "base64": base64.b64encode(b"CANARY4b7f9d21c0aa55e8-more-of-it").decode(),
    "quoted": "sk-CANARY'4b7f\"9d21&c0<aa>55e8%41",
}
MAX_PEAK_MB = 1_000


def disguises(key):
    """What would give the key away: itself, escaped, quoted, in hex and in base64 at its three places."""
    escaped = "".join(f"\\u{ord(letter):04x}" for letter in key)
    yield from (key, key[:16], key[::-1], key.encode().hex(), escaped, key.replace("/", "\\/"))
    yield from (json.dumps(key)[1:-1], urllib.parse.quote(key, safe=""), repr(key)[1:-1])
    for shift in range(3):
        yield base64.b64encode(b"x" * shift + key.encode()).decode()[4:-4]


def attack(tmp_path, key, seconds, modes):
    """Hold all modes at once; what was printed and what is in files."""
    if not SERVER.is_file():
        pytest.skip(f"no hostile server here: {SERVER.name} is not beside the source tree")
    program = Path(__file__).resolve().parents[2] / "helpers" / "hostile_modes.py"
    done = subprocess.run(
        [sys.executable, program, SERVER, seconds, "SOME_KEY", tmp_path, *modes],
        env={**os.environ, "SOME_KEY": key, "XDG_CACHE_HOME": str(tmp_path / "cache")},
        capture_output=True,
        timeout=240,
        check=False,
    )
    said = (done.stdout + done.stderr).decode("utf-8", "replace")
    assert done.returncode == 0, said[-3_000:]
    kept = [path.read_bytes().decode("utf-8", "replace") for path in tmp_path.rglob("*.jsonl")]
    return said, "\n".join([said, *kept])


def judge(said, everything, key, modes):
    ended = dict(re.findall(r"^ENDED (\w+): (.*)$", said, re.MULTILINE))
    assert set(ended) == set(modes)
    assert not [line for line in ended.values() if "AttributeError" in line or "TypeError" in line]
    assert "Traceback" not in said
    assert [form for form in disguises(key) if form in everything] == []
    assert int(said.splitlines()[-1]) < MAX_PEAK_MB


@pytest.mark.parametrize(
    "shape", [pytest.param(name, marks=[] if name == "base64" else pytest.mark.full) for name in KEYS]
)
def test_whatever_a_server_says_the_end_is_named_and_the_key_is_nowhere(tmp_path, shape):
    said, everything = attack(tmp_path, KEYS[shape], "3", WORDS)
    judge(said, everything, KEYS[shape], WORDS)


@pytest.mark.parametrize(
    "flood",
    [pytest.param(name, marks=[] if name in FLOODS[:3] else pytest.mark.full) for name in FLOODS],
)
def test_a_flood_ends_within_bounds(tmp_path, flood, full):
    said, everything = attack(tmp_path, KEYS["slashes"], "30" if full else "2", [flood])
    judge(said, everything, KEYS["slashes"], [flood])
