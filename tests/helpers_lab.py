"""A real JupyterLab in headless Chromium, with one notebook open and its first cell run."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[1]
BROWSER = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]


def chromium():
    """Where Chromium is, None where there is none."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


@contextmanager
def serving_lab(folder):
    """The address of a JupyterLab that shows `folder`, without a token, on this machine only."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = [f"--port={port}", "--ip=127.0.0.1", "--no-browser", "--IdentityProvider.token="]
    options += [f"--ServerApp.root_dir={folder}", "--ServerApp.allow_root=True"]
    # No news and no announcements, which would ask the network and cover the page.
    options += ["--LabApp.news_url=", "--LabApp.check_for_updates_class="]
    log = (Path(folder) / "lab.log").open("w", encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}
    server = subprocess.Popen(
        [sys.executable, "-m", "jupyterlab", *options], stdout=log, stderr=log, env=environment
    )
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_for(f"{address}/api/status", server)
        yield address
    finally:
        server.terminate()
        server.wait(20)
        log.close()


def _wait_for(address, server):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert server.poll() is None, "JupyterLab ended at once"
        try:
            urllib.request.urlopen(address, timeout=2)
        except OSError:
            time.sleep(0.3)
        else:
            return
    raise TimeoutError(address)


def write_notebook(path, *cells):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(notebook, path)


@contextmanager
def browsing(width=1400, height=1000):
    """A page of Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=BROWSER)
        try:
            yield browser.new_page(viewport={"width": width, "height": height})
        finally:
            browser.close()


def open_notebook(page, address, name):
    """Open a notebook alone on the page, and wait until it can run cells."""
    page.goto(f"{address}/lab/tree/{name}?reset")
    page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=60_000)
    # A dialog may lie above everything (which kernel to take).
    page.wait_for_timeout(1500)
    if page.locator(".jp-Dialog .jp-mod-accept").count():
        page.locator(".jp-Dialog .jp-mod-accept").first.click()
    page.wait_for_selector(
        ".jp-NotebookPanel-toolbar >> text=Python 3", timeout=60_000, state="attached"
    )


def run_cell(page, number=0):
    """Run a cell as its reader does, by Shift and Enter."""
    page.locator(".jp-Notebook .jp-CodeCell .jp-InputArea-editor").nth(number).click()
    page.keyboard.press("Shift+Enter")
