"""The panels in JupyterLab in a real browser: explore, configure, plan, run, cancel, resume, read, report.

Pictures of every panel go to the folder in REALTIME_LAB_SHOTS, or to pytest's own; they are there to be looked at.
"""

from __future__ import annotations

import os
import statistics
from pathlib import Path

import pytest

pytestmark = pytest.mark.browser

REDRAW_MS = 150
"""How long after a move the picture may change."""

_MOVES = """async ([slider, picture]) => {
  const handle = document.querySelector(`${slider} .noUi-handle`), shown = document.querySelector(picture);
  const times = [];
  for (let move = 0; move < 12; move++) {
    const started = performance.now();
    const changed = new Promise(done => {
      const watch = new MutationObserver(() => { watch.disconnect(); done(performance.now() - started); });
      watch.observe(shown, {childList: true, subtree: true});
    });
    handle.dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowRight', bubbles: true}));
    times.push(await changed);
    await new Promise(done => setTimeout(done, 130));
  }
  return times;
}"""


@pytest.fixture(scope="module")
def lab(root, tmp_path_factory):
    """One JupyterLab and one page for all tests here."""
    pytest.importorskip("playwright.sync_api")
    from browser import lab_in_chromium

    shots = Path(os.environ.get("REALTIME_LAB_SHOTS") or tmp_path_factory.mktemp("shots"))
    shots.mkdir(parents=True, exist_ok=True)
    with lab_in_chromium(root, tmp_path_factory.mktemp("lab"), shots) as opened:
        yield opened
    print(f"pictures: {shots}")


def choose(page, row, label):
    page.locator(f".{row} select").first.select_option(label=label)


def fill(page, selector, text):
    """Type into a field and leave it."""
    field = page.locator(selector).first
    field.fill(text)
    field.press("Tab")


def test_explore_follows_its_sliders(lab):
    """Cuts and figures within 150 ms of a move; "Use this" shows the cell, and the next cell has the config."""
    cells = ["import realtime_lab as rl", "explorer = rl.explore(rl.load_scripts('orders')[0])\nexplorer"]
    with lab.notebook("explore", *cells) as page:
        page.wait_for_selector(".rl-explore svg .rl-endpoint", state="attached")
        lab.shoot("explore", ".rl-explore")
        times = page.evaluate(_MOVES, [".rl-silence_duration_ms", ".rl-picture"])
        print(f"redraw after a move: median {statistics.median(times):.0f} ms, slowest {max(times):.0f} ms")
        assert statistics.median(times) < REDRAW_MS
        page.locator(".rl-silence_duration_ms .noUi-handle").press("Home")
        page.wait_for_selector(".rl-cut", state="attached")
        assert "cut off" in page.locator(".rl-explore-figures .rl-main").inner_text()
        page.locator(".rl-use").click()
        page.wait_for_selector(".rl-code-view pre")
        assert "silence_duration_ms=100" in page.locator(".rl-code-view pre").inner_text()
        lab.shoot("explore_cut", ".rl-explore")
        assert lab.run("print(explorer.config.turn_detection.silence_duration_ms)") == "100\n"
        lab.theme("JupyterLab Dark")
        page.wait_for_timeout(300)
        lab.shoot("explore_dark", ".rl-explore")
        lab.theme("JupyterLab Light")


def test_configure(lab):
    """Fields swap with the kind of turn detection; mistakes stand at their fields and in the sections' titles."""
    with lab.notebook("configure", "import realtime_lab as rl", "panel = rl.ConfigPanel()\npanel") as page:
        page.wait_for_selector(".rl-wire pre")
        handle = page.locator(".rl-audio-input-turn_detection-threshold .noUi-handle")
        handle.press("ArrowRight")
        page.wait_for_function("() => document.querySelector('.rl-wire').innerText.includes('0.51')")
        lab.shoot("configure", ".rl-config-panel")
        choose(page, "rl-audio-input-turn_detection", "semantic_vad")
        page.wait_for_selector(".rl-audio-input-turn_detection-eagerness", state="visible")
        assert not page.locator(".rl-audio-input-turn_detection-threshold").is_visible()
        choose(page, "rl-audio-input-turn_detection", "server_vad")
        page.locator(".rl-sections .lm-TabBar-tab").nth(2).click()
        fill(page, ".rl-max_output_tokens input", "9000")
        page.wait_for_selector(".rl-max_output_tokens .rl-wrong")
        assert "Answering (1)" in page.locator(".rl-sections .lm-TabBar").inner_text()
        lab.shoot("configure_wrong", ".rl-config-panel")
        fill(page, ".rl-max_output_tokens input", "64")
        page.wait_for_selector(".rl-max_output_tokens .rl-wrong", state="detached")
        page.locator(".rl-sections .lm-TabBar-tab").nth(3).click()
        fill(page, ".rl-tools textarea", '[{"type": "function", "name": "order"}]')
        page.wait_for_function("() => document.querySelector('.rl-wire').innerText.includes('order')")
        lab.shoot("configure_tools", ".rl-config-panel")
        said = lab.run("print(panel.config.turn_detection.threshold, panel.config.max_output_tokens)")
        assert said == "0.51 64\n"


def test_plan_run_cancel_resume_read_report(lab):
    """Three clicks are one sweep; what was cancelled goes on; the study is there for the next cells."""
    sweep = (
        "sweep = rl.SweepPanel(None, rl.load_scripts('orders')[:2], space={'silence_duration_ms': [200, 500]})\nsweep"
    )
    run = "run = rl.RunPanel(sweep, store='study.sqlite', workers=1)\nrun"
    # Nothing remembered of these scripts: their speech takes seconds to find, so there is something to cancel.
    start = "import os\nos.environ['REALTIME_LAB_CACHE'] = 'nothing-remembered'\nimport realtime_lab as rl"
    with lab.notebook("run", start, sweep, run) as page:
        page.wait_for_selector(".rl-run-panel .rl-run")
        fill(page, ".rl-axis-values input", "200, 500, 1000")
        page.wait_for_function("() => document.querySelector('.rl-estimate .rl-main').innerText.includes('6')")
        lab.shoot("plan", ".rl-sweep-panel")
        page.evaluate("() => { for (let n = 0; n < 3; n++) document.querySelector('button.rl-run').click(); }")
        page.wait_for_selector(".rl-progress [data-state=running]")
        page.locator("button.rl-cancel").click()
        page.wait_for_selector(".rl-progress [data-state=cancelled]", timeout=15_000)
        lab.shoot("cancelled", ".rl-run-panel")
        page.locator("button.rl-resume").click()
        page.wait_for_selector(".rl-progress [data-state=finished]", timeout=60_000)
        page.wait_for_selector("img.rl-plot", state="visible", timeout=15_000)
        page.wait_for_timeout(300)
        lab.shoot("finished", ".rl-run-panel")
        assert "6" in page.locator(".rl-progress .rl-main .rl-value").inner_text()
        assert page.locator(".rl-run-panel .rl-error").count() == 0
        states = lab.run("print(sorted(run.study.trials_df()['state'].unique()), len(run.study.trials_df()))")
        assert states == "['complete'] 6\n"
        assert lab.run("print(len(run.study.summary()))") == "3\n"
        assert lab.run("print(rl.report(run.study, 'report.html'))") == "report.html\n"
    _look_at_report(lab)


def _look_at_report(lab):
    """The report opens from the disk, raises nothing and fetches nothing."""
    errors, fetched = [], []
    page = lab.page.context.new_page()
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: fetched.append(request.url))
    page.goto((lab.folder / "report.html").as_uri())
    page.screenshot(path=lab.shots / "report.png")
    page.close()
    assert errors == []
    assert [url for url in fetched if not url.startswith(("file:", "data:", "blob:"))] == []


def test_nothing_that_comes_from_data_is_executed(lab):
    """Hostile words as script names, transcripts, settings, file names and errors, in every panel."""
    marks = "document.documentElement.setAttribute('data-hacked', '1')"
    evil = [
        f"<script>{marks}</script>",
        f'<img src=x onerror="{marks}">',
        f'"><svg onload="{marks}">',
        f"</pre></style><iframe srcdoc='<script>parent.{marks}</script>'>",
        f'<details open ontoggle="{marks}">',
        "$\\\\href{javascript:1}{x}$",
    ]
    cells = [
        f"import dataclasses, realtime_lab as rl\nevil = {evil!r}",
        "said = rl.load_scripts('orders')[0]\n"
        "turn = dataclasses.replace(said.turns[0], text=' '.join(evil), speaker=evil[0])\n"
        "script = dataclasses.replace(said, id=' '.join(evil), turns=(turn,), set_name=evil[1])\n"
        "rl.explore(script)",
        "panel = rl.ConfigPanel(rl.SessionConfig(instructions=' '.join(evil), turn_detection=rl.ServerVad()))\n"
        "for word in evil:\n    panel.rows['max_output_tokens'].control.set_state({'value': word})\npanel",
        "sweep = rl.SweepPanel(None, [script], space={word: [word] for word in evil})\nsweep",
        "def start(*where, **more):\n    raise rl.errors.StudyError(' '.join(evil))\n"
        "good = rl.SweepPlan(rl.SessionConfig(), {'silence_duration_ms': [200]}, 'orders')\n"
        "run = rl.RunPanel(good, start=start)\nrun.run.click()\nrun.wait(5)\nrun",
    ]
    with lab.notebook("hostile", *cells) as page:
        page.wait_for_selector(".rl-run-panel .rl-error")
        page.wait_for_selector(".rl-axes .rl-wrong")
        page.wait_for_timeout(500)
        assert page.evaluate("() => document.documentElement.getAttribute('data-hacked')") is None
        assert page.locator(".rl-panel iframe, .rl-panel script, .rl-panel img[src='x']").count() == 0
        lab.shoot("hostile", ".rl-sweep-panel")
