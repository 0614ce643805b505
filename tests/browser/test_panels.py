"""The panels in JupyterLab in a real browser: explore, configure, plan, run, cancel, resume, read, hear, report.

Pictures of every panel go to the folder in REALTIME_LAB_SHOTS, or to pytest's own; they are there to be looked at.
"""

from __future__ import annotations

import os
import shutil
import statistics
from pathlib import Path

import pytest
from hostile_cells import CANARY, HOSTILE

pytestmark = pytest.mark.browser

BOOKS = Path(__file__).resolve().parent.parent.parent / "notebooks"

REDRAW_MS = 150
"""How long after a move the picture may change."""

# Five steps at once: one alone may stay within a frame of 32 ms, and changes no picture then.
_MOVES = """async ([slider, picture]) => {
  const handle = document.querySelector(`${slider} .noUi-handle`), shown = document.querySelector(picture);
  const times = [];
  for (let move = 0; move < 12; move++) {
    const started = performance.now();
    const changed = new Promise(done => {
      const watch = new MutationObserver(() => { watch.disconnect(); done(performance.now() - started); });
      watch.observe(shown, {childList: true, subtree: true});
    });
    handle.dispatchEvent(new KeyboardEvent('keydown', {key: 'PageUp', bubbles: true}));
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


def _look_at_report(lab, name="report.html"):
    """The report opens from the disk, raises nothing, fetches nothing and runs nothing that came from data."""
    errors, fetched = [], []
    page = lab.page.context.new_page()
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: fetched.append(request.url))
    page.goto((lab.folder / name).as_uri())
    page.screenshot(path=lab.shots / f"{name.removesuffix('.html')}.png")
    _assert_nothing_ran(page, "body")
    page.close()
    assert errors == []
    assert [url for url in fetched if not url.startswith(("file:", "data:", "blob:"))] == []


def _assert_nothing_ran(page, inside):
    """No payload marked the page, and none became an element or a handler."""
    assert page.title() != "pwned" and page.locator("#pwned").count() == 0
    tags = "script iframe object embed form base meta link video marquee math img[src=x] input[autofocus]".split()
    handlers = [f"[on{name}]" for name in "error load toggle focus start mouseover".split()]
    found = page.evaluate(
        "([inside, wanted]) => [...document.querySelectorAll(inside)]"
        ".flatMap(part => [...part.querySelectorAll(wanted)].map(one => one.outerHTML.slice(0, 200)))",
        [inside, ",".join([*tags, *handlers])],
    )
    assert found == []


PANELS = "explore audio-panel config-panel sweep-panel run-panel results-panel session-view lab".split()


def test_nothing_that_comes_from_data_is_executed_and_no_key_stays(lab, root):
    """Forty payloads in eight places, in every panel, repr and report; a key typed into a panel is nowhere."""
    first = HOSTILE[0].replace("TESTS", repr(str(root / "tests" / "helpers")))
    with lab.notebook("hostile", first, *HOSTILE[1:]) as page:
        page.wait_for_selector(".rl-lab .rl-results-panel", state="attached", timeout=120_000)
        lab.check()
        for name in PANELS:
            page.wait_for_selector(f".rl-{name}", state="attached")
        page.wait_for_selector(".rl-run-panel .rl-error")
        page.wait_for_selector(".rl-axes .rl-wrong")
        page.wait_for_selector(".rl-results-panel .rl-session-view audio", state="attached", timeout=60_000)
        page.wait_for_selector(".rl-audio-panel audio", state="attached")
        assert page.locator(".jp-OutputArea-output").count() >= len(HOSTILE)
        _assert_nothing_ran(page, ".jp-OutputArea-output")
        page.locator(".rl-sweep-panel .rl-target-kind select").first.select_option(label="OpenAI")
        fill(page, ".rl-sweep-panel .rl-target-api-key-env input", CANARY)
        page.wait_for_function("() => document.querySelector('.rl-api_key_env-row').innerText.includes('forgotten')")
        state = "ipywidgets.Widget.get_manager_state(drop_defaults=False)"
        looks = f"print(os.environ['TEAM_API_KEY'] in str({state}), len(str({state})) > 100_000)"
        assert lab.run(looks) == "False True\n"
        page.evaluate("async () => { await window.jupyterapp.commands.execute('docmanager:save'); }")
        typed = page.evaluate("() => [...document.querySelectorAll('input,textarea')].map(part => part.value).join()")
        written = b"".join(path.read_bytes() for path in lab.folder.rglob("*") if path.is_file())
        assert CANARY not in page.content() + typed and CANARY.encode() not in written
        _look_at_report(lab, "hostile.html")


_FOLLOWED = """() => {
  const view = document.querySelector('.rl-session-view');
  const sound = view.querySelector('audio'), line = view.querySelector('.rl-playhead');
  const frame = line.parentElement.getBoundingClientRect(), at = line.getBoundingClientRect();
  return [sound.currentTime, sound.duration * (at.left - frame.left) / frame.width, sound.paused];
}"""
BEHIND_S = 0.05
"""How far the line over the timeline may stand from where the sound was paused, s."""


def tab(page, bar, number):
    page.locator(f".{bar} > .lm-TabBar .lm-TabBar-tab").nth(number).click()


def test_the_whole_path_in_the_lab(lab):
    """Configure, look at what is said, plan, run, choose a point, open its worst turn, hear it, read it."""
    cells = [
        "import realtime_lab as rl",
        "bench = rl.Lab(None, rl.load_scripts('orders')[:3], space={'silence_duration_ms': [200, 700]},\n"
        "               store='lab.sqlite', workers=1)\nbench",
    ]
    lab.page.set_viewport_size({"width": 1280, "height": 1500})
    with lab.notebook("lab", *cells) as page:
        page.wait_for_selector(".rl-lab .rl-effective table")
        lab.shoot("lab_configure", ".rl-lab")
        tab(page, "rl-lab-tabs", 1)
        page.wait_for_selector(".rl-audio-picture audio", state="visible")
        lab.shoot("lab_audio", ".rl-lab")
        tab(page, "rl-lab-tabs", 2)
        page.locator(".rl-target-kind select").select_option(label="OpenAI")
        page.wait_for_selector(".rl-max_usd-row .rl-wrong")
        page.locator(".rl-target-kind select").select_option(label="the mocked server")
        page.wait_for_function("() => document.querySelector('.rl-estimate .rl-main')?.innerText.includes('6')")
        lab.shoot("lab_plan", ".rl-lab")
        tab(page, "rl-lab-tabs", 3)
        page.locator("button.rl-run").click()
        page.wait_for_selector(".rl-progress [data-state=finished]", timeout=120_000)
        page.wait_for_selector(".rl-run-panel img.rl-plot", state="visible", timeout=15_000)
        lab.shoot("lab_run", ".rl-lab")
        tab(page, "rl-lab-tabs", 4)
        page.wait_for_selector(".rl-results-plot .rl-point", timeout=30_000)
        page.locator(".rl-point").last.click()
        page.wait_for_selector(".rl-point.rl-chosen")
        assert page.locator(".rl-points select").evaluate("list => list.selectedIndex") >= 0
        page.locator(".rl-worst select").select_option(index=0)
        page.wait_for_selector(".rl-session-view audio", timeout=30_000)
        lab.shoot("lab_results", ".rl-lab")
        _look_at_session(lab, page)
        assert page.locator(".rl-lab .rl-error").count() == 0
        assert lab.run("print(sorted(bench.study.trials_df()['state'].unique()), len(bench.plan.trials))") == (
            "['complete'] 6\n"
        )
        lab.theme("JupyterLab Dark")
        page.wait_for_timeout(300)
        lab.shoot("lab_results_dark", ".rl-lab")
        lab.theme("JupyterLab Light")
    lab.page.set_viewport_size({"width": 1280, "height": 900})


def _look_at_session(lab, page):
    """A click on the timeline plays from there, the line follows the sound, the log is filtered."""
    page.wait_for_function("() => document.querySelector('.rl-session-view audio').duration > 0")
    page.locator(".rl-session-view .rl-seek").click(position={"x": 200, "y": 100})
    page.wait_for_timeout(600)
    heard_s, shown_s, paused = page.evaluate(_FOLLOWED)
    print(f"while it plays the line is {1000 * abs(heard_s - shown_s):.0f} ms from what is heard, at {heard_s:.2f} s")
    assert not paused and heard_s > 0.5 and shown_s > 0.5
    page.evaluate("() => document.querySelector('.rl-session-view audio').pause()")
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    heard_s, shown_s, paused = page.evaluate(_FOLLOWED)
    assert paused and abs(heard_s - shown_s) < BEHIND_S
    for number, name in enumerate(("wait", "transcript", "configuration", "events")):
        tab(page, "rl-session-tabs", number)
        page.wait_for_timeout(200)
        lab.shoot(f"session_{name}", ".rl-session-view")
    page.locator(".rl-log-words input").fill("speech_stopped")
    page.wait_for_function(
        "() => [...document.querySelectorAll('.rl-event summary')].every(line => line.innerText.includes('stopped'))"
    )
    assert page.locator(".rl-event").count() > 0


def test_a_sweep_survives_a_reload_of_the_page_and_a_second_run_of_its_cell(lab):
    """The page is closed while it runs; opened again, the same cell shows the same sweep, and one study has it all."""
    cell = (
        "import realtime_lab as rl\n"
        "space = {'silence_duration_ms': list(range(200, 1000, 20))}\n"
        "plan = rl.SweepPlan(rl.SessionConfig(), space, 'orders', repeats=4)\n"
        "run = rl.RunPanel(plan, store='reload.sqlite', workers=1)\nrun"
    )
    with lab.notebook("reload", cell) as page:
        page.wait_for_selector(".rl-run-panel .rl-run")
        page.locator("button.rl-run").click()
        page.wait_for_selector(".rl-progress [data-state=running]")
        assert lab.run("first = run; print(first.running.state)") == "running\n"
        page.evaluate("async () => { await window.jupyterapp.commands.execute('docmanager:save'); }")
        lab.reload("reload")
        again = f"{cell[:-4]}\nprint(run.running is first.running, run.running.state)"
        assert lab.run(again) == "True running\n"
        lab.run("run.cancel.click()")
        assert lab.run("print(first.wait(30), first.running.state)") == "True cancelled\n"


@pytest.mark.full
@pytest.mark.parametrize("path", sorted(BOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_every_notebook_runs_by_run_all(lab, path):
    """One after the other in one folder, as somebody who tries them all; each ends with something to look at."""
    shutil.copy(path, lab.folder)
    with lab.shipped(path.stem) as page:
        lab.check()
        assert page.locator(".jp-Notebook .jp-OutputArea-output:is(:has(img), :has(table), :has(.widget-box))").count()
        lab.shoot(f"notebook_{path.stem}", ".jp-Notebook")
