"""JupyterLab, Voila and a Chromium page for browser tests; nothing is read from or left in the user's folders."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import nbformat
from playwright.sync_api import Page, ViewportSize, sync_playwright
from waiting import end, free_port, until_listening

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
START_S = 60.0
FOLDERS = (
    "JUPYTER_CONFIG_DIR JUPYTER_DATA_DIR JUPYTER_RUNTIME_DIR IPYTHONDIR HOME "
    "JUPYTERLAB_SETTINGS_DIR JUPYTERLAB_WORKSPACES_DIR"
).split()

_OPEN = """async (path) => {
  const app = window.jupyterapp;
  const panel = await app.commands.execute('docmanager:open', {path, factory: 'Notebook'});
  await panel.context.ready;
  await panel.context.sessionContext.ready;
  await panel.context.sessionContext.session.kernel.info;
  window.rlPanel = panel;
}"""
# JupyterLab may lose a kernel's reply and wait for it for ever: true unless the kernel idles for 20 s meanwhile.
_RUN_ALL = """async () => {
  const kernel = window.rlPanel.context.sessionContext.session.kernel;
  const url = `${kernel.serverSettings.baseUrl}api/kernels/${kernel.id}`;
  let done = false, idle = 0;
  const ran = window.jupyterapp.commands.execute('notebook:run-all-cells').then(() => { done = true; });
  while (!done && idle < 20) {
    await Promise.race([ran, new Promise(next => setTimeout(next, 1000))]);
    const said = await (await fetch(url, {cache: 'no-store'})).json();
    idle = said.execution_state === 'idle' ? idle + 1 : 0;
  }
  return done;
}"""
_CELLS = """() => Array.from(window.rlPanel.content.model.cells).filter(cell => cell.type === 'code')
  .map(cell => ({count: cell.executionCount, source: cell.sharedModel.source,
                 outputs: cell.outputs ? cell.outputs.toJSON() : []}))"""
_CLOSE = """async () => {
  await window.rlPanel.context.sessionContext.shutdown();
  await window.jupyterapp.commands.execute('docmanager:save');
  window.rlPanel.close(); window.rlPanel.dispose();
}"""
_THEME = "async (theme) => { await window.jupyterapp.commands.execute('apputils:change-theme', {theme}); }"


class Lab:
    """A JupyterLab with one page in a browser.

    Args:
        page: The page, on which JupyterLab has started.
        folder: Where its notebooks are.
        shots: Where pictures go.
    """

    def __init__(self, page: Page, folder: Path, shots: Path) -> None:
        self.page, self.folder, self.shots = page, folder, shots
        self.page_errors: list[str] = []
        page.on("pageerror", lambda error: self.page_errors.append(str(error)))

    @contextlib.contextmanager
    def notebook(self, name: str, *cells: str) -> Iterator[Page]:
        """Open a notebook of these code cells, run all of it, close it at the end."""
        _write(self.folder / f"{name}.ipynb", cells)
        with self.shipped(name) as page:
            yield page

    @contextlib.contextmanager
    def shipped(self, name: str) -> Iterator[Page]:
        """Open a notebook that lies in the folder, run all of it, close it at the end."""
        self.page_errors.clear()
        self.page.evaluate(_OPEN, f"{name}.ipynb")
        if not self.page.evaluate(_RUN_ALL):
            self.reload(name)
            assert self.page.evaluate(_RUN_ALL), "JupyterLab lost a kernel's reply twice"
        try:
            yield self.page
            self.check()
        finally:
            self.page.evaluate(_CLOSE)

    def reload(self, name: str) -> None:
        """Close the page and open it and the notebook again, on the kernel that still runs; run nothing."""
        self.page.reload()
        self.page.wait_for_function("() => window.jupyterapp !== undefined", timeout=START_S * 1000)
        self.page.evaluate("async () => { await window.jupyterapp.restored; }")
        self.page.evaluate(_OPEN, f"{name}.ipynb")

    def check(self) -> None:
        """Every cell ran, none ended in an error, and the page raised nothing."""
        self.page.wait_for_function(f"() => ({_CELLS})().every(cell => cell.count !== null)", timeout=30_000)
        for cell in self.page.evaluate(_CELLS):
            assert not [out for out in cell["outputs"] if out["output_type"] == "error"], cell["source"]
        assert self.page_errors == []

    def run(self, source: str) -> str:
        """Run one more cell at the end; what it printed."""
        self.page.evaluate(
            """async (source) => {
              const model = window.rlPanel.content.model.sharedModel;
              model.addCell({cell_type: 'code', source});
              window.rlPanel.content.activeCellIndex = model.cells.length - 1;
              await window.jupyterapp.commands.execute('notebook:run-cell');
            }""",
            source,
        )
        outputs = self.page.evaluate(_CELLS)[-1]["outputs"]
        assert not [out for out in outputs if out["output_type"] == "error"], outputs
        return "".join(out.get("text", "") for out in outputs)

    def shoot(self, name: str, selector: str) -> None:
        """Keep a picture of one part of the page."""
        self.page.locator(selector).first.screenshot(path=self.shots / f"{name}.png", animations="disabled")

    def theme(self, name: str) -> None:
        """Change the theme: "JupyterLab Light" or "JupyterLab Dark"."""
        self.page.evaluate(_THEME, name)


@contextlib.contextmanager
def jupyterlab(root: Path, folder: Path) -> Iterator[str]:
    """A JupyterLab on a free port of this machine only; yields its address, token included."""
    quiet = folder / "jupyterlab_settings_dir/@jupyterlab/apputils-extension/notification.jupyterlab-settings"
    quiet.parent.mkdir(parents=True)
    quiet.write_text('{"fetchNews": "false", "checkForUpdates": false}')
    books, token, port = folder / "notebooks", secrets.token_hex(16), free_port()
    books.mkdir()
    options = ["--allow-root", "--LabApp.expose_app_in_browser=True", f"--ServerApp.port={port}"]
    options += ["--ServerApp.ip=127.0.0.1", f"--ServerApp.root_dir={books}", f"--IdentityProvider.token={token}"]
    never = "jupyterlab.handlers.announcements.NeverCheckForUpdate"
    options += ["--LabApp.news_url=", f"--LabApp.check_for_updates_class={never}"]
    with _served(root, folder, port, "jupyterlab", *options):
        yield f"http://127.0.0.1:{port}/lab?token={token}&reset"


@contextlib.contextmanager
def voila(root: Path, folder: Path, *cells: str) -> Iterator[str]:
    """A notebook of these code cells as an app on a free port of this machine only; yields its address."""
    book, port = folder / "app.ipynb", free_port()
    _write(book, cells)
    with _served(root, folder, port, "voila", str(book), f"--port={port}", "--Voila.ip=127.0.0.1"):
        yield f"http://127.0.0.1:{port}/"


def _write(path: Path, cells: Sequence[str]) -> None:
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(book, path)


@contextlib.contextmanager
def _served(root: Path, folder: Path, port: int, module: str, *options: str) -> Iterator[None]:
    """A server of Jupyter's with folders of its own, from when it listens until the block is left."""
    own = {name: folder / name.lower() for name in FOLDERS}
    for path in own.values():
        path.mkdir(exist_ok=True)
    env = {**os.environ, **{name: str(path) for name, path in own.items()}, "PYTHONPATH": str(root)}
    with (folder / f"{module}.log").open("w") as log:
        command = [sys.executable, "-m", module, "--no-browser", *options]
        server = subprocess.Popen(command, env=env, cwd=folder, stdout=log, stderr=log)
        try:
            until_listening(port, server, START_S)  # its log is beside its folders
            yield
        finally:
            end(server)


@contextlib.contextmanager
def chromium(folder: Path, **more: Any) -> Iterator[Page]:
    """A page that is 1,280 pixels wide, in a browser of its own."""
    size: ViewportSize = {"width": 1280, "height": 900}
    how = {"executable_path": CHROMIUM, "headless": True, "args": list(FLAGS), "viewport": size, **more}
    with sync_playwright() as player:
        context = player.chromium.launch_persistent_context(folder / "chromium", **how)
        try:
            yield context.pages[0] if context.pages else context.new_page()
        finally:
            context.close()


@contextlib.contextmanager
def lab_in_chromium(root: Path, folder: Path, shots: Path) -> Iterator[Lab]:
    """JupyterLab, opened in a page that is 1,280 pixels wide."""
    with jupyterlab(root, folder) as address, chromium(folder) as page:
        page.goto(address)
        page.wait_for_function("() => window.jupyterapp !== undefined", timeout=START_S * 1000)
        page.evaluate("async () => { await window.jupyterapp.restored; }")
        page.evaluate("() => { window.jupyterapp.shell.collapseLeft(); }")
        yield Lab(page, folder / "notebooks", shots)
