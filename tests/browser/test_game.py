"""The game: choices, score and replay."""

import re

from playwright.sync_api import Page, expect

from tests.browser.watched import Watched, show, until

ROUNDS = 10


def choose(page: Page, letter: str) -> bool:
    """Click on an image; return whether it was the right one."""
    page.get_by_role("button", name=f"Image {letter}").click()
    status = page.locator(".score")
    expect(status).to_have_text(re.compile(r"Right!|Wrong\."))
    return "Right!" in status.inner_text()


def test_ten_rounds_keep_a_score_and_can_be_played_again(watched: Watched) -> None:
    page = show(watched, "game")
    expect(page.get_by_role("heading", level=2).first).to_have_text(
        "Which digit did a person write?"
    )
    right = 0
    for number in range(1, ROUNDS + 1):
        expect(page.locator(".game .hint")).to_contain_text(f"Round {number} of {ROUNDS}")
        right += choose(page, "A")
        expect(page.locator(".game .hint")).to_contain_text(f"{right} of {number} right")
        expect(page.locator(".dots .right")).to_have_count(right)
        if number < ROUNDS:
            page.get_by_role("button", name="Next").press("Enter")
            expect(page.locator(".score")).to_be_empty()
    expect(page.locator(".score")).to_contain_text(f"You got {right} of {ROUNDS}.")
    page.get_by_role("button", name="Play again").click()
    expect(page.locator(".game .hint")).to_have_text(f"Round 1 of {ROUNDS}")
    expect(page.locator(".dots .right, .dots .wrong")).to_have_count(0)


def test_clicking_the_photograph_scores(watched: Watched) -> None:
    page = show(watched, "game")
    page.get_by_role("button", name="Faces", exact=True).click()
    expect(page.get_by_role("heading", level=2).first).to_have_text("Which one is the photograph?")
    images = page.locator(".round img")
    expect(images).to_have_count(2)
    until(page, "[...document.querySelectorAll('.round img')].every(one => one.naturalWidth)")
    # The photograph of this test is all green.
    green = images.evaluate_all(
        """images => images.findIndex(image => {
          const context = document.createElement('canvas').getContext('2d');
          context.drawImage(image, 0, 0);
          return String(context.getImageData(4, 4, 1, 1).data) === '0,255,0,255';
        })"""
    )
    assert choose(page, "AB"[green])
    expect(page.locator(".round .real")).to_contain_text("photograph")
    page.reload()
    expect(page.get_by_role("button", name="Faces", exact=True)).to_have_attribute(
        "aria-pressed", "true"
    )
