"""The report: what it holds, what it keeps out, that it is one file, and that the same study gives the same bytes."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from report_payloads import PAYLOADS
from report_study import Overheard, made_study

import realtime_lab as rl
from realtime_lab.errors import ConfigError, PlanError, RealtimeLabError
from realtime_lab.plots.tradeoff import tradeoff_info
from realtime_lab.report import page as writing
from realtime_lab.report.method import limits
from realtime_lab.report.page import Page as ReportPage
from realtime_lab.report.page import Question, report, report_html
from realtime_lab.report.sounds import SoundRoom
from realtime_lab.server import PROFILES, Calibration

TAGS = set(
    "html head meta title style body main section h1 h2 h3 p span b strong code pre q br ul li dl dt dd div figure "
    "figcaption details summary table thead tbody tr th td wbr audio s small "
    "svg defs g path use text clippath rect tspan".split()
)


class Page(HTMLParser):
    """Every element of a page with its attributes."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.elements, self.texts = [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.texts.append(data)

    def handle_comment(self, data):
        self.elements.append(("comment", {}))

    @property
    def tags(self):
        return [tag for tag, _ in self.elements]


def assert_harmless(text):
    page = Page(text)
    assert set(page.tags) <= TAGS
    for tag, attrs in page.elements:
        assert not [name for name in attrs if name.startswith("on") or name in ("srcdoc", "action", "srcset", "target")]
        for name in ("src", "href", "xlink:href", "data"):
            value = attrs.get(name)
            assert value is None or (tag == "audio" and value.startswith("data:audio/")) or value.startswith("#")
        assert "javascript:" not in "".join(value or "" for name, value in attrs.items() if name != "aria-label")
        assert all(found.startswith("#") for found in re.findall(r"url\(([^)]*)", attrs.get("style") or ""))
    return page


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return made_study(tmp_path_factory.mktemp("study"), scripts=2)


@pytest.fixture(scope="module")
def text(study):
    return report_html(study, Question(), private=False)


@pytest.fixture(scope="module")
def attacked(tmp_path_factory):
    """The report of a study in which every text is all forty payloads."""
    joined = " ".join(PAYLOADS)
    made = made_study(tmp_path_factory.mktemp("attacked"), text=joined, name="a';\"><svg onload=alert(1)>&.sqlite")
    study = Overheard(made.path)
    study.text = joined
    return report_html(study, Question(), private=True)


def test_every_part_is_there(text):
    sections = re.findall(r'<section id="([a-z]+)">', text)
    assert sections == [
        "recommendation",
        "hear",
        "settings",
        "findings",
        "plots",
        "worst",
        "method",
        "limits",
        "environment",
        "repeat",
    ]
    page = assert_harmless(text)
    plots = Page(text[text.index('<section id="plots">') : text.index('<section id="worst">')])
    assert plots.tags.count("svg") == 7  # trade-off, waiting and its parts, two maps, the turn at both settings
    assert page.tags.count("audio") >= 4
    for said in (
        "Not verified against a live service",
        "95 % Wilson",
        "realtime-lab report study.sqlite",
        "silero-vad",
    ):
        assert said in text


def test_the_recommendation_is_under_120_words(text):
    part = text[text.index('<section id="recommendation">') : text.index('<section id="hear">')]
    assert len(" ".join(Page(part).texts).split()) < 120


def test_it_fetches_nothing(text):
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy is not None and policy[1].startswith("default-src 'none'; img-src data:; media-src data:;")
    outside = re.findall(r"(?:src|href|url)\s*[=(]\s*['\"]?(https?:|//)", text)
    assert outside == []
    assert "@import" not in text


def test_it_is_light_and_dark_and_prints(text):
    assert "prefers-color-scheme: dark" in text and "@media print" in text
    assert '<meta name="color-scheme" content="light dark">' in text
    assert "var(--ink,#22282e)" in text


def test_the_same_study_gives_the_same_bytes_in_another_process(study, tmp_path):
    code = "import sys, realtime_lab as rl; rl.report(rl.Study.open(sys.argv[1]), sys.argv[2])"
    paths = [tmp_path / "first.html", tmp_path / "second.html"]
    rl.report(study, paths[0])
    subprocess.run([sys.executable, "-c", code, str(study.path), str(paths[1])], check=True)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert paths[0].stat().st_size < 10_000_000


def test_no_place_and_no_machine_is_named(text, study):
    import getpass
    import socket

    assert str(study.path.parent) not in text and "/home/" not in text
    assert f"{socket.gethostname()}" not in text or len(socket.gethostname()) < 4
    assert f"/{getpass.getuser()}/" not in text


def test_forty_payloads_in_every_text_change_no_element(attacked):
    page = assert_harmless(attacked)
    assert "pwned" not in {attrs.get("id") for _, attrs in page.elements}
    shown = "".join(page.texts)
    assert "<img src=x onerror=" in shown  # as text
    assert "{{ 7 * 7 }}" in shown  # and not 49
    assert "\x00" not in attacked


@pytest.mark.full
@pytest.mark.parametrize("payload", PAYLOADS)
def test_each_payload_alone_changes_no_element(payload, tmp_path):
    made = Overheard(made_study(tmp_path, text=payload).path)
    made.text = payload
    assert_harmless(report_html(made, Question(), private=True))


def test_private_calls_are_neither_heard_nor_read_nor_named(tmp_path):
    words = "what callers said in confidence"
    made = made_study(tmp_path, words=words, private=True)
    closed = report_html(made, Question(where="cutoff_rate <= 1"), private=False)
    assert words not in closed
    assert "audio" not in assert_harmless(closed).tags
    assert "private script 1" in closed and "write the report with private=True" in closed
    assert "path/to/your/calls" in closed or "plan.toml</summary>" not in closed
    opened = report_html(made, Question(where="cutoff_rate <= 1"), private=True)
    assert words in opened and "audio" in Page(opened).tags and "--private" in opened


def test_automatic_labels_are_called_provisional(study, monkeypatch):
    scripts = [replace(script, reference_source="automatic") for script in study.plan.scripts]
    monkeypatch.setitem(study.plan.__dict__, "scripts", tuple(scripts))
    page = ReportPage(study, Question(where="cutoff_rate <= 1"), False)
    assert "provisional" in " ".join(page.recommendation().sentences)
    assert any("found automatically" in limit for limit in limits(page.plan, page.trials, page.turns, True))


@pytest.mark.parametrize(
    ("changes", "latency"),
    [
        ({}, "response_latency_ms"),
        ({"output_modalities": ["text"]}, "first_byte_latency_ms"),
        ({"create_response": False}, "endpoint_delay_ms"),
    ],
)
def test_what_waiting_is_follows_what_the_sessions_answer(tmp_path, changes, latency):
    page = ReportPage(made_study(tmp_path, changes=changes), Question(), False)
    assert page.wait.latency == latency
    assert ("truncated_rate" in page.where) is ("create_response" not in changes)
    assert page.recommendation().words <= 120


def test_one_setting_is_kept(tmp_path):
    text = report_html(
        made_study(tmp_path, space={"silence_duration_ms": [500]}), Question(where="cutoff_rate <= 1"), False
    )
    page = assert_harmless(text)
    assert "New setting" not in text and "Closest setting" not in text and "svg" in page.tags


def test_an_oracle_is_a_bound_in_the_plot_and_no_setting_anywhere_else(tmp_path):
    text = report_html(made_study(tmp_path, oracle=True, scripts=2), Question(), False)
    assert_harmless(text)
    plot = text[text.index("trade") :]
    assert "oracle, 0 ms commit delay" in plot and "2 settings" in text and "3 settings" not in text
    assert "commit_delay_ms" not in re.sub("oracle = true", "", text) and "oracle = true" in text


def test_sessions_whose_clips_are_gone_are_reported_without_sound(study, monkeypatch):
    def gone(self, *index):
        raise rl.errors.AudioError("the clip is not there")

    monkeypatch.setattr("realtime_lab.audio.render.Renderer.turn", gone)
    monkeypatch.setattr("realtime_lab.audio.render.Renderer.idle", gone)
    text = report_html(study, Question(), private=False)
    assert "its audio is not on this machine" in text
    assert "audio" not in assert_harmless(text).tags


def test_the_budget_of_sound_is_kept(study):
    room = SoundRoom(study, False, left_bytes=1000)
    trial = study.trials_df()["trial"].iloc[0]
    assert room.sound(trial, 0) is None and room.silent == "left out to keep this file small"


def test_an_older_report_is_replaced_whole(study, tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "report_html", lambda *asked: "<!DOCTYPE html>")
    path = tmp_path / "report.html"
    path.write_text("old")
    assert report(study, path) == path
    assert path.read_text().startswith("<!DOCTYPE html>")
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.html"]


def test_what_cannot_be_answered_is_one_clear_error(study):
    with pytest.raises(ConfigError, match="did you mean cutoff_rate"):
        report_html(study, Question(where="cutof_rate <= 1"), False)
    with pytest.raises(PlanError, match="a setting of the grid"):
        report_html(study, Question(old={"silence_duration_ms": 5}), False)


def test_a_study_without_complete_sessions_is_refused(study, monkeypatch):
    frame = study.turns_df().iloc[:0]
    monkeypatch.setattr(type(study), "turns_df", lambda self: frame)
    with pytest.raises(RealtimeLabError, match="nothing to report"):
        report_html(study, Question(), False)


def test_the_command_writes_it_and_says_where(study, tmp_path):
    from typer.testing import CliRunner

    from realtime_lab.cli import app

    out = tmp_path / "r.html"
    ended = CliRunner().invoke(app, ["report", str(study.path), "--out", str(out), "--where", "cutoff_rate <= 0.3"])
    assert (ended.exit_code, ended.stdout) == (0, f"Writing the report ...\nWritten:\n  {out}\n")
    assert "cutoff rate at most 30 %" in out.read_text()
    missing = CliRunner().invoke(app, ["report", str(tmp_path / "none.sqlite")])
    assert missing.exit_code == 3 and len(missing.stderr.splitlines()) == 1
    wrong = CliRunner().invoke(app, ["report", str(study.path), "--where", "x <= 1", "--out", str(out)])
    assert wrong.exit_code == 3


def test_the_function_named_as_its_room_is_the_function_whatever_was_imported(study, tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "report_html", lambda *asked: "text")
    assert rl.report is writing.report
    assert rl.report(study, tmp_path / "x.html") == tmp_path / "x.html"


@pytest.mark.browser
def test_a_browser_runs_nothing_of_a_hostile_report(attacked, tmp_path):
    import shutil

    chromium = shutil.which("chromium")
    assert chromium is not None
    page = tmp_path / "attacked.html"
    page.write_text(attacked)
    flags = (
        "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking".split()
    )
    flags += ["--disable-component-update", "--disable-sync", f"--user-data-dir={tmp_path / 'profile'}"]
    ended = subprocess.run([chromium, *flags, "--dump-dom", page.as_uri()], capture_output=True, text=True, timeout=120)
    assert "<title>pwned" not in ended.stdout and 'id="pwned"' not in ended.stdout
    assert 'id="repeat"' in ended.stdout
    # A page that does run scripts would be seen to.
    page.write_text("<body><script>document.body.id='pwned'</script>")
    ended = subprocess.run([chromium, *flags, "--dump-dom", page.as_uri()], capture_output=True, text=True, timeout=120)
    assert 'id="pwned"' in ended.stdout


def test_a_study_with_a_calibrated_profile_says_what_was_calibrated_when_and_against_whom(tmp_path):
    """The sentence that nothing was verified gives way; what was measured and what is a prior still stands below."""
    calibration = Calibration("api.example.com", "2026-05-01", 12, 9.5, ("create",), ("first_byte",), ("hysteresis",))
    profile = replace(PROFILES["documented"], name="twin", note=calibration.statement, calibration=calibration)
    study = made_study(tmp_path, profile=profile)
    text = report(study, tmp_path / "report.html").read_text()
    assert "calibrated 2026-05-01 against api.example.com" in text
    assert "roughly first_byte; still priors hysteresis" in text
    assert "Not verified" not in text
    assert "Mocked server, calibrated 2026-05-01 against api.example.com." in tradeoff_info(study).caption[-1]
