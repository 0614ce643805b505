"""The panels as an app, without a notebook around them: under Voila in a real browser."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.browser

APP = (
    "import realtime_lab as rl\n"
    "rl.Lab(None, rl.load_scripts('orders')[:3], space={'silence_duration_ms': [700, 1000]}, workers=1)"
)


def test_the_lab_runs_a_sweep_and_shows_its_plot(root, tmp_path):
    """Run is clicked; the plot comes, then the results, and the page raises nothing."""
    pytest.importorskip("playwright.sync_api")
    from browser import chromium, voila

    errors = []
    with voila(root, tmp_path, APP) as address, chromium(tmp_path) as page:
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(address, wait_until="commit")
        page.wait_for_selector(".rl-lab .rl-effective table", timeout=120_000)
        tabs = page.locator(".rl-lab-tabs > .lm-TabBar .lm-TabBar-tab")
        tabs.nth(3).click()
        page.locator("button.rl-run").click()
        page.wait_for_selector(".rl-progress [data-state=finished]", timeout=120_000)
        page.wait_for_selector(".rl-run-panel img.rl-plot", state="visible", timeout=30_000)
        tabs.nth(4).click()
        page.wait_for_selector(".rl-results-plot .rl-point", timeout=30_000)
        assert page.locator(".rl-lab .rl-error").count() == 0
    assert errors == []
