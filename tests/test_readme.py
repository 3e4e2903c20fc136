"""The README's commands work as printed."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.server import running_server
from tests.repository import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
SPANISH = (ROOT / "README.es.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ADDRESS = "http://127.0.0.1:8000"


def blocks() -> list[tuple[str, str]]:
    return [(match[1], match[2]) for match in BLOCK.finditer(README)]


def commands(word: str) -> list[str]:
    return [text for language, text in blocks() if language == "sh" and word in text]


def run(block: str, folder: Path) -> str:
    (folder / ".curlrc").write_text("fail-with-body\nsilent\nshow-error\n")
    tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {
        **os.environ,
        "CURL_HOME": str(folder),
        "PATH": tools,
        "PYTHONPATH": str(ROOT),
    }
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def base_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_server(ROOT / "models_store", tmp_path_factory.mktemp("readme") / "log") as server:
        yield server.url


@pytest.fixture
def workplace(tmp_path: Path) -> Path:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    return tmp_path


@pytest.mark.parametrize("block", commands("curl"))
def test_every_curl_gets_a_response(block: str, base_url: str, workplace: Path) -> None:
    run(block.replace(ADDRESS, base_url), workplace)


@pytest.mark.parametrize("block", [text for language, text in blocks() if language == "python"])
def test_every_program_runs(block: str, base_url: str, workplace: Path) -> None:
    program = block.replace(ADDRESS, base_url)
    program = program.replace(ADDRESS.removeprefix("http://"), base_url.removeprefix("http://"))
    (workplace / "program.py").write_text(program)
    assert run("python -W error program.py", workplace).strip()


def test_displayed_response_is_the_actual_response(base_url: str, workplace: Path) -> None:
    shown = json.loads(next(text for language, text in blocks() if language == "json"))
    response = json.loads(run(commands("curl")[0].replace(ADDRESS, base_url), workplace))
    for expected, actual in zip(
        shown["results"][0]["predictions"], response["results"][0]["predictions"], strict=True
    ):
        assert expected["label"] == actual["label"]
        assert expected["probability"] == pytest.approx(actual["probability"], abs=2e-3)
    assert (shown["model"], shown["version"]) == (response["model"], response["version"])


@pytest.mark.parametrize("block", commands("deepshelf train"))
def test_training_and_publishing_work_as_shown(block: str, workplace: Path) -> None:
    assert re.search(r"resnet-digits +1 +ok", run(block, workplace))


def test_every_make_target_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`?make ([a-z]+)", README)) <= targets


def test_spanish_readme_has_the_commands_of_the_english_one() -> None:
    # The English blocks are executed above.
    assert [(match[1], match[2]) for match in BLOCK.finditer(SPANISH)] == blocks()


@pytest.mark.parametrize("text", [README, SPANISH], ids=["English", "Spanish"])
def test_every_path_that_is_linked_exists(text: str) -> None:
    links = re.findall(r"\]\((?!https?://)([^)#]+)\)", text)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_files_that_commands_write_are_ignored_by_git() -> None:
    text = "".join(text for language, text in blocks() if language == "sh")
    found = re.findall(r"-o (\S+)|--store (\S+)|export (\S+\.tar\.gz)|--run-dir (\S+)", text)
    names = {name for groups in found for name in groups if name}
    paths = sorted(name if "." in name else f"{name}/x" for name in names)
    assert len(paths) > 10
    command = ["git", "check-ignore", "--no-index", *paths]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    ignored = done.stdout.split()
    assert ignored == paths
