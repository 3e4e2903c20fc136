"""A page that records errors and requests, and helpers for user actions."""

import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import ConsoleMessage, Error, Locator, Page, Request

from tests.waiting import LIMIT_S


@dataclass
class Watched:
    """Records the errors, exceptions and requests of `page`."""

    page: Page
    base: str
    wrong: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)
    expected: tuple[str, ...] = ()
    """Parts of the messages that a test expects."""

    def __post_init__(self) -> None:
        self.page.set_default_timeout(1000 * LIMIT_S)
        self.page.on("console", self._logged)
        self.page.on("pageerror", self._thrown)
        self.page.on("request", self._on_request_sent)

    def check(self) -> None:
        unexpected = [
            message for message in self.wrong if not any(part in message for part in self.expected)
        ]
        assert unexpected == []
        assert self.hosts <= {self.base}

    def _logged(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.wrong.append(message.text)

    def _thrown(self, error: Error) -> None:
        self.wrong.append(str(error))

    def _on_request_sent(self, request: Request) -> None:
        if request.url.startswith("http"):  # not blob: and data:
            self.hosts.add("/".join(request.url.split("/")[:3]))


def show(watched: Watched, view: str) -> Page:
    """Open a view by its address."""
    page = watched.page
    # The page that another view is already on stays, with that view until the new one is shown.
    page.evaluate("document.querySelector('h1')?.classList.add('previous-view')")
    page.goto(f"{watched.base}/#/{view}")
    page.locator("h1:not(.previous-view)").wait_for()
    return page


def until(page: Page, script: str) -> None:
    """Wait for a script to be true. Page.wait_for_function needs eval, which the page forbids."""
    deadline = time.monotonic() + LIMIT_S
    while not page.evaluate(script):
        assert time.monotonic() < deadline, f"not within {LIMIT_S} s: {script}"
        page.wait_for_timeout(50)


def stop_timers(page: Page) -> None:
    """Let the label that a button has for a moment stay until a test has seen it."""
    page.evaluate("window.setTimeout = () => 0")


def curl(page: Page, panel: Locator, folder: Path) -> bytes:
    """Run the curl command that a view shows, with files saved from the page; return its stdout."""
    for link in panel.locator(".files a").all():
        with page.expect_download() as download:
            link.click()
        download.value.save_as(folder / download.value.suggested_filename)
    command = panel.locator(".command").inner_text()
    done = subprocess.run(
        ["bash", "-euc", command.replace("curl ", "curl -sS --fail ")],
        cwd=folder,
        capture_output=True,
        check=True,
    )
    return done.stdout
