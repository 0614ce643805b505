"""Pictures of every panel and of the report, into notebooks/images: `python3 .ci/up shots`.

One notebook is worked through in JupyterLab as a person would, and photographed on the way. They are to be looked at
before they are kept.
"""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path

from browser import Lab, lab_in_chromium
from PIL import Image
from playwright.sync_api import Page

ROOT = Path(__file__).resolve().parent.parent.parent
IMAGES = ROOT / "notebooks" / "images"
MAX_BYTES = 150_000
COLOURS = 200
WAIT_MS = 300_000

CELLS = (
    "import realtime_lab as rl\n"
    "base = rl.SessionConfig(model='gpt-realtime', turn_detection=rl.ServerVad(),\n"
    "                        transcription=rl.Transcription(model='gpt-4o-transcribe'), logprobs=True)\n"
    "scripts = rl.load_scripts('orders')[:6]",
    "rl.explore(scripts[0])",
    "bench = rl.Lab(base, scripts, space={'silence_duration_ms': [350, 500, 700, 1000], 'threshold': [0.3, 0.6]},\n"
    "               conditions=[rl.clean(), rl.babble(10)], store='study.sqlite')\nbench",
)


def main() -> None:
    """Make all of them."""
    with tempfile.TemporaryDirectory() as folder, lab_in_chromium(ROOT, Path(folder), IMAGES) as lab:
        lab.page.set_viewport_size({"width": 1240, "height": 2400})
        with lab.notebook("shots", *CELLS) as page:
            explore(lab, page)
            configure_and_run(lab, page)
            look(lab, page)
            lab.run("rl.report(bench.study, 'report.html')")
        report(lab)


def explore(lab: Lab, page: Page) -> None:
    """A slider moved until a pause is cut."""
    page.wait_for_selector(".rl-explore svg .rl-endpoint", state="attached")
    page.locator(".rl-explore .rl-silence_duration_ms .noUi-handle").press("Home")
    page.wait_for_selector(".rl-explore .rl-cut", state="attached")
    keep(lab, "panel_explore", ".rl-explore")


def configure_and_run(lab: Lab, page: Page) -> None:
    """The tabs of the lab, up to a sweep that has ended."""
    page.wait_for_selector(".rl-lab .rl-effective table")
    page.locator(".rl-lab .rl-audio-input-turn_detection-threshold .noUi-handle").press("ArrowRight")
    keep(lab, "panel_configure", ".rl-config-panel")
    tab(page, 1)
    page.wait_for_selector(".rl-audio-picture audio", state="visible")
    keep(lab, "panel_audio", ".rl-audio-panel")
    tab(page, 2)
    page.wait_for_selector(".rl-estimate .rl-main", state="visible")
    keep(lab, "panel_plan", ".rl-sweep-panel")
    tab(page, 3)
    page.locator("button.rl-run").click()
    page.wait_for_selector(".rl-progress [data-state=finished]", timeout=WAIT_MS)
    lab.run("bench.run.wait()")
    keep(lab, "panel_run", ".rl-run-panel")


def look(lab: Lab, page: Page) -> None:
    """A setting chosen in the plot, its worst turn open; light and dark."""
    tab(page, 4)
    page.wait_for_selector(".rl-results-plot .rl-point", timeout=60_000)
    page.locator(".rl-point").first.click()
    page.wait_for_selector(".rl-point.rl-chosen")
    page.locator(".rl-worst select").select_option(index=0)
    page.wait_for_selector(".rl-session-view audio", timeout=60_000)
    page.locator(".rl-session-tabs > .lm-TabBar .lm-TabBar-tab").nth(1).click()
    keep(lab, "panel_session", ".rl-session-view")
    keep(lab, "panel_results", ".rl-results-panel")
    lab.theme("JupyterLab Dark")
    keep(lab, "panel_results_dark", ".rl-results-panel")
    lab.theme("JupyterLab Light")


def report(lab: Lab) -> None:
    """The beginning of the report, light and dark."""
    for scheme, name in (("light", "report"), ("dark", "report_dark")):
        page = lab.page.context.new_page()
        page.set_viewport_size({"width": 1000, "height": 1100})
        page.emulate_media(color_scheme="light" if scheme == "light" else "dark")
        page.goto((lab.folder / "report.html").as_uri())
        save(name, page.screenshot(animations="disabled"))
        page.close()


def tab(page: Page, number: int) -> None:
    """Open a tab of the lab."""
    page.locator(".rl-lab-tabs > .lm-TabBar .lm-TabBar-tab").nth(number).click()


def keep(lab: Lab, name: str, selector: str) -> None:
    """Keep one part of the page, when it has come to rest."""
    lab.page.wait_for_timeout(500)
    save(name, lab.page.locator(selector).first.screenshot(animations="disabled"))


def save(name: str, png: bytes) -> None:
    """Write a picture with few colours.

    Raises:
        SystemExit: It is too large for a README.
    """
    path = IMAGES / f"{name}.png"
    Image.open(io.BytesIO(png)).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size:,} bytes", flush=True)
    if path.stat().st_size > MAX_BYTES:
        sys.exit(f"{path} has over {MAX_BYTES:,} bytes")


if __name__ == "__main__":
    main()
