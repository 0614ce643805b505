"""A key is nowhere: not in a log, an error, a traceback with locals, a recording, a study, a report or a notebook.

Each error path is walked with a canary for a key, at DEBUG level, against servers that give the key back in whatever
they say. `hits` is what looks for it, in plain and in the usual disguises; the first test shows that it finds it.
"""

from __future__ import annotations

import base64
import html
import json
import logging
import os
import sqlite3
import traceback
import urllib.parse
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ipywidgets import Widget
from live_servers import ToneServer, running, serving, shortest_script
from sessions import spoken_script, tone_stage
from websockets.frames import CloseCode

import realtime_lab as rl
from realtime_lab.config import ServerVad, SessionConfig
from realtime_lab.errors import RealtimeLabError
from realtime_lab.protocol import events as ev
from realtime_lab.protocol.items import ErrorDetail
from realtime_lab.recording import recording_to_bytes
from realtime_lab.server.serving.rest import Reply
from realtime_lab.server.serving.serve import RealtimeServer, SocketSession
from realtime_lab.session import run_session
from realtime_lab.session.live.key import Secret
from realtime_lab.session.live.secrets import create_client_secret, create_session, secret_keeper
from realtime_lab.session.targets import live
from realtime_lab.widgets import RunPanel

CANARY = "CANARY4b7f-no-prefix-that-gives-it-away"
SHORT = ((0, 10),)
CONFIG = SessionConfig(model="gpt-realtime", turn_detection=ServerVad(silence_duration_ms=200))


def hits(*things):
    """Which disguises of the canary stand in texts or bytes."""
    whole = b"\n".join(one if isinstance(one, bytes) else str(one).encode("utf-8", "replace") for one in things)
    raw = CANARY.encode()
    disguises = {"plain": raw, "upper": raw.upper(), "reversed": raw[::-1], "hex": raw.hex().encode()}
    disguises["quoted"] = urllib.parse.quote(CANARY, safe="").encode()
    # The middle of its base64 at each of the three places it may begin.
    for shift in range(3):
        coded = base64.b64encode(b"x" * shift + raw)
        disguises[f"base64 {shift}"] = coded[4:-4]
    return [name for name, disguise in disguises.items() if disguise in whole or disguise in whole.lower()]


def content(study):
    """Everything a study holds, unpacked."""
    with closing(sqlite3.connect(study.path)) as db:
        names = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        cells = [str(row) for name in names for row in db.execute(f"SELECT * FROM {name}")]
    frames = [getattr(study, name)().to_csv() for name in ("trials_df", "turns_df", "responses_df", "tokens_df")]
    recordings = [recording_to_bytes(recording) for recording in study.recordings()]
    return [study.path.read_bytes(), *cells, *frames, *recordings, repr(study), repr(study.plan)]


def told(error):
    """An error with its causes, as a traceback that prints locals."""
    lines = traceback.TracebackException.from_exception(error, capture_locals=True).format()
    return "".join(lines), str(error), repr(error), repr(vars(error)), repr(error.__cause__), repr(error.__context__)


def careless(key):
    """Raises with the key among its locals."""
    raise ValueError("canary")


@pytest.fixture(autouse=True)
def _loud(monkeypatch, caplog):
    """The key in its variable with a newline after it, and every logger at its loudest."""
    monkeypatch.setenv("SOME_KEY", CANARY + "\n")
    monkeypatch.setattr("realtime_lab.session.live.run._FIRST_WAIT_S", 0.01)
    monkeypatch.setattr("realtime_lab.session.live.secrets._FIRST_WAIT_S", 0.01)
    secret_keeper.cache_clear()
    caplog.set_level(logging.DEBUG)
    for name in ("websockets", "websockets.client", "websockets.server", "httpx", "httpcore", "asyncio"):
        caplog.set_level(logging.DEBUG, name)


@pytest.mark.parametrize("text", [CANARY, CANARY.upper(), f"a{base64.b64encode(b'ab' + CANARY.encode()).decode()}"])
def test_what_looks_for_the_canary_finds_it(text, caplog):
    assert hits("before", text) and not hits("before", "after")
    logging.getLogger("websockets.client").debug("> Authorization: Bearer %s", CANARY)
    assert hits(caplog.text)
    with pytest.raises(ValueError, match="canary") as caught:
        careless(CANARY)
    assert hits(*told(caught.value))


KEYS = (CANARY, "sk-proj-Ab/cd+Ef==" + "x9" * 70, 'a"b\\c&d<e>f%g/h123456', "0123456789abcdef0123456789abcdef")
"""Without a prefix, a service's own of 160 characters, with everything that is escaped somewhere, in hex."""


def _forms(key):
    """What a body can make of a key."""
    escaped = "".join(f"\\u{ord(character):04x}" for character in key)
    yield from (key, key.upper(), key[::-1], key[:30], repr(key), repr(key.encode()), key.encode().hex())
    yield from (json.dumps(key), json.dumps(json.dumps(key)), key.replace("/", "\\/"), escaped, escaped[:90] + key[15:])
    yield from (urllib.parse.quote(key, safe=""), urllib.parse.quote(urllib.parse.quote(key, safe=""), safe=""))
    yield from (html.escape(key), "".join(f"&#{ord(character)};" for character in key))
    for before in ("", "x", "xy", "xyz"):
        for after in ("", "z", "zz"):
            coded = base64.b64encode(f"{before}{key}{after}".encode()).decode()
            yield from (coded, coded.replace("/", "\\/"), coded.translate(str.maketrans("+/", "-_")))


@pytest.mark.parametrize("key", KEYS, ids=("plain", "service", "escaped", "hex"))
def test_a_key_is_hidden_in_every_encoding_a_body_can_carry(key):
    secret = Secret(key)
    for form in _forms(key):
        text = f'{{"before": 1, "it": {form} , "after": "é"}}'
        assert "***" in secret.hide(text) and secret.hide(text).encode() == secret.hide_bytes(text.encode()), form
        left = secret.hide(text).partition(" , ")
        assert left[0].startswith('{"before": 1') and left[2] == '"after": "é"}', form
        assert len(left[0]) < 60, (form, left)  # of the longest forms hardly a letter is left
    for text in ("", "plain", '{"type": "x", "text": "100 % \\u0041 &amp; \\\\ \\""}'):
        assert secret.hide(text) == text


@given(st.text(), st.text(), st.sampled_from(KEYS))
def test_nothing_but_the_key_is_hidden(before, after, key):
    secret = Secret(key)
    assert secret.hide(f"{before} {key} {after}").count("***") >= 1
    if key[:12].lower() not in f"{before}{after}".lower():
        assert secret.hide(f"{before} {after}") == f"{before} {after}"


class Echo(SocketSession):
    """Says the key in every way a session can: `server.how`."""

    async def deliver(self, event):
        key, how = self.request.key, ECHO["how"]
        detail = ErrorDetail(type="invalid_request_error", code="x", message=f"no: {key}", param=key)
        if isinstance(event, ev.SessionCreated):
            if how == "error at once":
                event = ev.ErrorEvent(event_id="e", error=detail)
            elif how == "close":
                self._protocol.send_close(CloseCode.POLICY_VIOLATION, f"bad {key}")
                return
            elif how == "session":
                event.session = {**event.session, "instructions": f"you are {key}", "note": {"a": [key]}}
            elif how == "unreadable":
                self._protocol.send_text(f'{{"type": "{key}'.encode())
        if isinstance(event, ev.ResponseCreated) and how == "error":
            await super().deliver(ev.ErrorEvent(event_id="e", error=detail))
        if isinstance(event, ev.ResponseCreated) and how == "unknown":
            self._protocol.send_text(f'{{"type": "new.{key}", "{key}": 1}}'.encode())
        await super().deliver(event)


ECHO = {"how": "", "status": 0}


class EchoServer(ToneServer):
    def refusal(self, request):
        if not ECHO["status"] or not request.upgrades:
            return super().refusal(request)
        headers = {"Retry-After": "0", "x-request-id": str(request.key)}
        return Reply(ECHO["status"], {"error": {"message": f"Incorrect: {request.key}", "code": "x"}}, headers)

    def _answer(self, request):
        if ECHO["how"] != "rest":
            return super()._answer(request)
        body = {"error": {"message": f"Incorrect: {request.key}", "code": request.key, "param": request.key}}
        return Reply(401, body, {"x-request-id": str(request.key)})

    def session(self, reader, writer, engine, request):
        return Echo(reader, writer, engine, request, self.key)


@pytest.fixture
def echo(monkeypatch):
    monkeypatch.setitem(ECHO, "how", "")
    monkeypatch.setitem(ECHO, "status", 0)
    with serving(EchoServer) as server:
        yield server


def hold(target):
    script = spoken_script("one")
    return run_session(CONFIG, script, target, stage=tone_stage(script, SHORT))


WAYS = ["error at once", "error", "close", "session", "unreadable", "unknown"]


@pytest.mark.parametrize("header", ["authorization", "api-key"])
@pytest.mark.parametrize("how", [*WAYS, "401", "403", "404", "429", "500"])
def test_a_server_that_gives_the_key_back_puts_it_nowhere(echo, caplog, header, how):
    ECHO["how"], ECHO["status"] = how, int(how) if how.isdigit() else 0
    target = live(echo.url, api_key_env="SOME_KEY")
    object.__setattr__(target, "key_header", header)
    recording = hold(target)
    assert recording.header.connections >= 1
    if how in ("error", "session", "unknown", "unreadable"):
        assert recording.header.outcome == "complete"
        assert any("***" in str(entry.event) for entry in recording.events)
    assert not hits(recording_to_bytes(recording), repr(recording), recording._repr_html_(), repr(target), caplog.text)


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/v1", "https://127.0.0.1:{}/v1", "https://no-such-host.invalid/v1"])
def test_a_service_that_is_not_there_leaves_the_key_nowhere(echo, caplog, url):
    """Nobody listens; something that speaks no TLS; a name that does not exist."""
    target = live(url.format(echo.port), api_key_env="SOME_KEY")
    recording = hold(target)
    assert recording.header.fault in ("refused", "tls", "dns")
    assert not hits(recording_to_bytes(recording), repr(target), caplog.text)


@pytest.mark.parametrize("create", [create_client_secret, create_session])
@pytest.mark.parametrize("how", ["rest", "nobody"])
def test_a_rest_error_leaves_the_key_nowhere(echo, caplog, create, how):
    ECHO["how"] = how
    url = echo.url if how == "rest" else "http://127.0.0.1:9/v1"
    with pytest.raises(RealtimeLabError) as caught:
        create(live(url, api_key_env="SOME_KEY"), CONFIG)
    assert not hits(*told(caught.value), caplog.text)


def test_a_client_secret_that_is_refused_leaves_the_key_nowhere(echo, caplog):
    ECHO["how"] = "rest"
    with pytest.raises(RealtimeLabError) as caught:
        hold(live(echo.url, api_key_env="SOME_KEY", client_secrets=True))
    assert not hits(*told(caught.value), caplog.text)


@pytest.mark.parametrize(
    "make",
    [
        lambda: live(f"https://example.com/v1?api_key={CANARY}"),
        lambda: live(f"https://user:{CANARY}@example.com/v1"),
        lambda: live("https://example.com/v1", headers={"Authorization": f"Bearer {CANARY}"}),
        lambda: live("https://example.com/v1", headers={"X-Key": f"{CANARY}\nX: y"}),
        lambda: live("https://example.com/v1", api_key_env=CANARY),
        lambda: rl.openai(api_key_env=f"sk-{CANARY}"),
        lambda: rl.azure("https://a.openai.azure.com", "d", api_key_env=CANARY),
        lambda: rl.openai(api_key_env="a1b2c3d4e5f6a7b8c9d0e1f2a3b4c5d6"),
    ],
)
def test_a_key_given_as_an_argument_is_refused_and_not_said(make):
    with pytest.raises(RealtimeLabError) as caught:
        make()
    shown = str(caught.value) + repr(caught.value) + repr(caught.value.errors)
    assert not hits(shown) and "a1b2c3" not in shown


UNSENDABLE = (f"{CANARY}\nsecond", f"{CANARY} two", f"{CANARY}é", "")


@pytest.mark.parametrize("number", range(len(UNSENDABLE)))  # a value would stand among this test's own locals
def test_a_key_that_no_header_can_carry_is_not_said(monkeypatch, number, caplog):
    monkeypatch.setenv("SOME_KEY", UNSENDABLE[number])
    with pytest.raises(RealtimeLabError) as caught:
        hold(live("http://127.0.0.1:9/v1", api_key_env="SOME_KEY"))
    assert not hits(*told(caught.value), caplog.text)


class EchoSpeech(EchoServer):
    """The same with a real ear, for scripts that are spoken."""

    def listener(self, rate_hz):
        return RealtimeServer.listener(self, rate_hz)


@pytest.mark.parametrize(
    "how", ["session", *(pytest.param(how, marks=pytest.mark.full) for how in ("error", "close", "401"))]
)
def test_a_sweep_its_study_report_and_panel_hold_no_key(monkeypatch, tmp_path, caplog, how):
    monkeypatch.setitem(ECHO, "how", how)
    monkeypatch.setitem(ECHO, "status", int(how) if how.isdigit() else 0)
    monkeypatch.chdir(tmp_path)
    base = CONFIG.with_values({"transcription": {"model": "gpt-4o-transcribe"}})
    plan = rl.SweepPlan(base, {"silence_duration_ms": [200]}, [shortest_script()])
    with serving(EchoSpeech) as server:
        target = rl.live(server.url, api_key_env="SOME_KEY", sessions=1)
        panel = RunPanel(plan, target, "s.sqlite", workers=1)
        panel.run.click()
        assert panel.running.wait(60)
    study = rl.Study("s.sqlite")
    things = [*content(study), caplog.text, repr(panel), str(panel.running.state)]
    things.append(str(Widget.get_manager_state(drop_defaults=False)))
    if how in ("session", "error"):
        things.append(rl.report(study, "r.html", private=True).read_text(encoding="utf-8"))
    assert not hits(*things)


NOTEBOOK = [
    "%xmode Verbose\nimport logging\nlogging.basicConfig(level=logging.DEBUG)",
    "import realtime_lab as rl\nbase = rl.SessionConfig(model='gpt-realtime', turn_detection=rl.ServerVad())\n"
    "plan = rl.SweepPlan(base, {'threshold': [0.5]}, rl.load_scripts('orders')[:1])\n"
    "wrong = rl.live(URL, api_key_env='SOME_KEY')\nwrong",
    "rl.run_session(base, plan.scripts[0], wrong)",
    "rl.run_sweep(plan, target=wrong, store='a.sqlite', workers=1)",
    "panel = rl.RunPanel(plan, wrong, store='b.sqlite', workers=1)\npanel",
    "panel.run.click()\npanel.running.wait(60)\npanel.study",
    "rl.run_session(base, plan.scripts[0], rl.live(URL, api_key_env='SOME_KEY', client_secrets=True))",
    "rl.run_session(base, plan.scripts[0], rl.live(URL, api_key_env='NO_SUCH_VARIABLE'))",
    "1 / 0",
]


@pytest.mark.full
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_notebook_with_verbose_tracebacks_holds_no_key(root, tmp_path, monkeypatch):
    """Its outputs, its logs at DEBUG, its saved widget state and its studies."""
    import nbformat
    from nbclient import NotebookClient

    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")]))
    with running(EchoServer(key="another")) as server:
        first, *others = NOTEBOOK
        cells = [first + f"\nURL = {server.url!r}", *others]
        book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        resources = {"metadata": {"path": str(tmp_path)}}
        NotebookClient(book, timeout=120, resources=resources, kernel_name="python3", allow_errors=True).execute()
    text = nbformat.writes(book)
    assert "RemoteError" in text and "ArgumentError" in text and "ZeroDivisionError" in text
    assert "DEBUG" in text and "application/vnd.jupyter.widget-state+json" in text
    assert not hits(text, *content(rl.Study(tmp_path / "a.sqlite")), *content(rl.Study(tmp_path / "b.sqlite")))
