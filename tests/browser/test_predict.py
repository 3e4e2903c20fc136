"""Your model: a sample that works, edited JSON, and what to do without a model."""

import json
from pathlib import Path

from playwright.sync_api import expect

from tests.browser.watched import Watched, curl, show
from tests.fakes.tensor_models import THREE_INPUTS


def test_the_sample_works_and_curl_gets_the_same(watched: Watched, tmp_path: Path) -> None:
    page = show(watched, "predict?model=three")
    outputs = page.get_by_label("Outputs")
    expect(outputs).to_contain_text('"sums": [6,15]')
    assert json.loads(page.get_by_label("Inputs (JSON)").input_value()) == {
        name: array.tolist() for name, array in THREE_INPUTS.items()
    }
    expect(page.locator("tr").filter(has_text="words").first).to_contain_text("string")
    response = json.loads(curl(page, page.locator(".curl-snippet"), tmp_path))
    assert response["outputs"] == json.loads(outputs.inner_text())


def test_edited_inputs_are_sent_and_mistakes_explained(watched: Watched) -> None:
    watched.expected = ("422",)
    page = show(watched, "predict?model=three")
    editor = page.get_by_label("Inputs (JSON)")
    outputs = page.get_by_label("Outputs")
    expect(outputs).to_contain_text('"sums": [6,15]')
    sample = json.loads(editor.input_value())

    editor.fill(json.dumps({**sample, "numbers": [[1, 1, 1], [2, 2, 2]]}))
    page.get_by_role("button", name="Predict").click()
    expect(outputs).to_contain_text('"sums": [3,6]')

    editor.fill(json.dumps({**sample, "numbers": [[1, 1], [2, 2]]}))
    page.get_by_role("button", name="Predict").click()
    expect(page.get_by_role("alert")).to_contain_text("numbers has the shape [2, 2]")

    editor.fill('{"numbers": ')
    expect(page.locator(".error-text")).to_contain_text("The inputs are not JSON")
    page.get_by_role("button", name="Put the sample back").click()
    expect(outputs).to_contain_text('"sums": [6,15]')
    expect(page.locator(".error-text")).to_be_empty()
