"""Deployment files agree with the code: names, paths, versions, limits."""

import json
import re
import tomllib
from typing import Any

import pytest
import yaml

from service.app import create_app
from service.settings import ENV_PREFIX, Settings
from tests.repository import ROOT

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
DOCKERFILE = (ROOT / "Dockerfile").read_text()
UNIT = (ROOT / "deploy/systemd/deepshelf.service").read_text()
KUBERNETES = ROOT / "deploy/kubernetes"
OBJECTS = {
    path.stem: yaml.safe_load(path.read_text())
    for folder in ("secure", "kserve", "base")  # of both kustomizations, the base's stays
    for path in sorted((KUBERNETES / folder).glob("*.yaml"))
}
SECURE: dict[str, Any] = yaml.safe_load((ROOT / "deploy/compose.secure.yml").read_text())
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    settings = Settings(store=tmp_path_factory.mktemp("store"))
    return set(create_app(settings).openapi()["paths"])


@pytest.mark.parametrize("name", COMPOSE["services"])
def test_every_container_is_hardened_and_bounded(name: str) -> None:
    service = COMPOSE["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"] in ("unless-stopped", "no")
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}
    # No port is open to other machines by default.
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


def test_the_secure_overlay_mounts_every_secret_it_names() -> None:
    service = SECURE["services"]["deepshelf"]
    mounted = {f"/run/secrets/{name}" for name in service["secrets"]}
    assert set(service["environment"].values()) == mounted
    assert set(SECURE["secrets"]) == set(service["secrets"])


def test_only_labelled_namespaces_may_connect() -> None:
    (rule,) = OBJECTS["networkpolicy"]["spec"]["ingress"]
    assert {} not in [peer.get("namespaceSelector") for peer in rule["from"]]
    assert OBJECTS["networkpolicy"]["spec"]["egress"] == []


def test_no_command_hides_its_failure() -> None:
    files = [*(ROOT / "deploy").rglob("*.y*ml"), *(ROOT / "deploy").glob("*.sh")]
    assert all("|| true" not in path.read_text() for path in files)


def test_the_image_is_slim_no_root_and_checked() -> None:
    *_, last = DOCKERFILE.split("\nFROM ")
    assert last.strip() == "service"  # what a build without a target makes
    service = re.search(r" AS service\n(.*?)\nFROM ", DOCKERFILE, re.DOTALL)
    assert service is not None
    assert "USER 10001:10001" in service[1]
    assert "HEALTHCHECK" in service[1]
    assert "training" not in service[1]
    assert "<<" not in DOCKERFILE
    installed = re.findall(r"pip.* install (.*)", DOCKERFILE)
    assert all("--require-hashes" in line or "--no-index" in line for line in installed)


def test_probes_and_scrapes_use_existing_routes(paths: set[str]) -> None:
    text = "".join(path.read_text() for path in KUBERNETES.glob("*/*.yaml"))
    requested = set(re.findall(r"path: (/[a-z0-9/]+),", text))
    assert requested == {"/readyz", "/livez", "/v2/health/ready", "/v2/health/live"}
    assert requested | {"/metrics"} <= paths


def test_autoscaler_uses_an_existing_metric() -> None:
    (metric,) = (
        m["pods"]["metric"]["name"]
        for m in OBJECTS["horizontalpodautoscaler"]["spec"]["metrics"]
        if m["type"] == "Pods"
    )
    assert f"| `{metric}` |" in (ROOT / "docs/metrics.md").read_text(encoding="utf-8")


def test_every_variable_that_is_set_is_a_setting() -> None:
    texts = [
        DOCKERFILE,
        re.sub(r"(?m)^#.*", "", UNIT),
        json.dumps([COMPOSE, SECURE]),
        *map(json.dumps, OBJECTS.values()),
    ]
    named = set(re.findall(rf"\b{ENV_PREFIX}([A-Z_]+)", "".join(texts))) - {"DATA"}
    assert named <= {name.upper() for name in Settings.model_fields}


def test_kustomize_lists_all_files_and_uses_the_package_version() -> None:
    listed = OBJECTS["kustomization"]["resources"]
    available = {path.name for path in (KUBERNETES / "base").glob("*.yaml")} - {
        "kustomization.yaml"
    }
    assert set(listed) == available
    assert OBJECTS["kustomization"]["images"] == [{"name": "deepshelf", "newTag": VERSION}]
    (container,) = OBJECTS["inferenceservice"]["spec"]["predictor"]["containers"]
    assert container["image"] == f"deepshelf:{VERSION}"


def test_stop_timeouts_leave_time_to_drain() -> None:
    pod = OBJECTS["deployment"]["spec"]["template"]["spec"]
    wait = int(pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][1])
    drain = Settings.model_fields["graceful_shutdown_s"].default
    assert pod["terminationGracePeriodSeconds"] > wait + drain
    assert int(COMPOSE["services"]["deepshelf"]["stop_grace_period"].rstrip("s")) > drain
    upgrade = (ROOT / "deploy/upgrade.sh").read_text()
    for given in (r"TimeoutStopSec=(\d+)", r"stop -t (\d+)"):
        (seconds,) = re.findall(given, UNIT + upgrade)
        assert int(seconds) > drain


def test_the_queue_in_front_outlasts_the_deadline() -> None:
    conf = (ROOT / "deploy/nginx/deepshelf.conf").read_text()
    read = re.search(r"proxy_read_timeout (\d+)s", conf)
    body = re.search(r"client_max_body_size (\d+)m", conf)
    assert read is not None
    assert body is not None
    assert int(read[1]) > Settings.model_fields["deadline_s"].default
    assert int(body[1]) << 20 > Settings.model_fields["max_body_bytes"].default
