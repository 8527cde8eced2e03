"""The service on Kubernetes and Cloud Run, in Compose: what it is told, asked, and allowed."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from shard.planning.service_settings import SERVICE_VARIABLES, ServiceSettings
from shard.planning.settings import VARIABLES
from shard.service.health import router
from tests.deploy import schemas
from tests.deploy.test_template_variables import OF_THE_SDKS
from tests.kubectl import kustomize
from tests.program import ROOT

if TYPE_CHECKING:
    from pathlib import Path

SHOWN = {path for route in router.routes if (path := getattr(route, "path", None))}
PROBES = ("startupProbe", "readinessProbe", "livenessProbe")


@pytest.fixture(scope="module")
def kubernetes() -> dict[str, Any]:
    """Return what kustomize builds, by kind."""
    documents = yaml.safe_load_all(kustomize(schemas.DEPLOY / "kubernetes" / "serve"))
    return {document["kind"]: document for document in documents}


@pytest.fixture
def pod(kubernetes: dict[str, Any]) -> Any:
    """Return the spec of the Deployment's pods."""
    return kubernetes["Deployment"]["spec"]["template"]["spec"]


@pytest.fixture
def cloud_run() -> Any:
    """Return the spec of the Cloud Run service's instances."""
    text = (schemas.DEPLOY / "cloudrun" / "service.yaml").read_text("utf-8")
    return yaml.safe_load(text)["spec"]["template"]["spec"]


@pytest.fixture
def compose() -> Any:
    """Return Compose's file."""
    return yaml.safe_load((schemas.DEPLOY / "compose" / "compose.yaml").read_text("utf-8"))


def told(entries: list[dict[str, Any]]) -> dict[str, str]:
    """Return the variables of a container that are texts."""
    return {entry["name"]: entry["value"] for entry in entries if "value" in entry}


def test_kubernetes_tells_the_service_what_it_serves(
    kubernetes: dict[str, Any], pod: dict[str, Any]
) -> None:
    """The pods get the very map that is generated beside them, and it makes valid settings."""
    (container,) = pod["containers"]
    variables = kubernetes["ConfigMap"]["data"]
    settings = ServiceSettings.parse({**variables, "WORKERS": "2"})
    known = {variable.name for variable in (*VARIABLES, *SERVICE_VARIABLES)} | OF_THE_SDKS

    assert variables.keys() <= known
    assert container["args"] == ["shard", "serve"]
    assert (
        container["envFrom"][0]["configMapRef"]["name"]
        == kubernetes["ConfigMap"]["metadata"]["name"]
    )
    assert container["ports"][0]["containerPort"] == settings.port
    assert settings.sources[0].task.source.url == "s3://photos/in"


def test_kubernetes_restricted_profile_holds(pod: dict[str, Any]) -> None:
    """What the Pod Security Standard `restricted` asks for, as for the job's tasks."""
    base = kustomize(schemas.DEPLOY / "kubernetes" / "base")
    task = yaml.safe_load(base)["spec"]["template"]["spec"]

    assert pod["securityContext"] == task["securityContext"]
    assert pod["containers"][0]["securityContext"] == task["containers"][0]["securityContext"]
    assert pod["containers"][0]["volumeMounts"] == task["containers"][0]["volumeMounts"]
    assert pod["volumes"] == task["volumes"]
    assert pod["automountServiceAccountToken"] is False


def test_kubernetes_selects_the_pods(kubernetes: dict[str, Any]) -> None:
    """Deployment, Service and budget mean the same pods, and the Service their named port."""
    deployment, service = kubernetes["Deployment"]["spec"], kubernetes["Service"]["spec"]
    labels = deployment["template"]["metadata"]["labels"]
    (container,) = deployment["template"]["spec"]["containers"]

    assert deployment["selector"]["matchLabels"] == service["selector"] == labels
    assert kubernetes["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    assert service["ports"][0]["targetPort"] == container["ports"][0]["name"]
    assert kubernetes["PodDisruptionBudget"]["spec"]["minAvailable"] < deployment["replicas"]


def test_kubernetes_waits_for_requests_under_way(
    kubernetes: dict[str, Any], pod: dict[str, Any]
) -> None:
    """SIGKILL comes after preStop and GRACE."""
    hook = pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"]
    grace = ServiceSettings.parse(kubernetes["ConfigMap"]["data"]).grace

    assert pod["terminationGracePeriodSeconds"] > int(hook[1]) + grace + 5


def test_the_overlay_in_the_docs_page_keeps_what_it_leaves_out(tmp_path: Path) -> None:
    """Someone's own values, as written there, take the place of the example's; the rest stays."""
    page = (ROOT / "docs" / "engines" / "kubernetes.md").read_text("utf-8")
    shutil.copytree(schemas.DEPLOY / "kubernetes", tmp_path / "kubernetes")
    (tmp_path / "own").mkdir()
    text = page.partition("## The service")[2].partition("```yaml\n")[2].partition("```")[0]
    (tmp_path / "own" / "kustomization.yaml").write_text(text)
    documents = yaml.safe_load_all(kustomize(tmp_path / "own"))
    variables = next(found for found in documents if found["kind"] == "ConfigMap")["data"]

    assert ServiceSettings.parse(variables).sources[0].task.source.url == "s3://scans/2026"
    assert (variables["RENDITIONS"], variables["AWS_ENDPOINT_URL"]) == ("200x200", "")


def test_cloud_run_tells_the_service_what_it_serves(cloud_run: dict[str, Any]) -> None:
    """Valid settings; no more memory than the instance has; an answer before it is cut off."""
    (container,) = cloud_run["containers"]
    variables = told(container["env"])
    settings = ServiceSettings.parse(variables)
    limit = container["resources"]["limits"]["memory"]

    assert container["args"] == ["shard", "serve"]
    assert "PORT" not in variables  # Cloud Run sets it, and refuses it from anyone else
    assert variables["MEMORY_LIMIT"] == f"{limit}B"
    assert settings.limits.seconds < cloud_run["timeoutSeconds"]
    assert settings.grace < 10  # what Cloud Run gives between SIGTERM and SIGKILL


@pytest.mark.parametrize("name", ["pod", "cloud_run"])
def test_probes_ask_what_the_service_answers(name: str, request: pytest.FixtureRequest) -> None:
    """Each probe's path is one of the service's own; liveness never depends on a store."""
    (container,) = request.getfixturevalue(name)["containers"]
    asked = {kind: container[kind] for kind in PROBES if kind in container}

    assert {probe["httpGet"]["path"] for probe in asked.values()} == {"/healthz", "/readyz"}
    assert {"/healthz", "/readyz"} <= SHOWN
    assert asked["livenessProbe"]["httpGet"]["path"] == "/healthz"
    for probe in asked.values():
        assert probe.get("timeoutSeconds", 1) <= probe["periodSeconds"]


def test_cloud_run_has_no_longer_start_than_it_allows(cloud_run: dict[str, Any]) -> None:
    """Cloud Run refuses a startup probe that may take more than 240 seconds."""
    probe = cloud_run["containers"][0]["startupProbe"]

    assert probe["periodSeconds"] * probe["failureThreshold"] <= 240


def test_compose_serves_what_its_tasks_make(compose: dict[str, Any]) -> None:
    """Only when asked for, at this machine's address only, from the tasks' own buckets."""
    service, task = compose["services"]["serve"], compose["services"]["task-0"]
    places = ("INPUT_FOLDER", "OUTPUT_FOLDER", "RENDITIONS")

    assert service["profiles"] == ["serve"]
    assert {port.split(":")[0] for port in service["ports"]} == {"127.0.0.1"}
    assert [service["environment"][name] for name in places] == [
        task["environment"][name] for name in places
    ]
    assert "TASK_COUNT" not in service["environment"]
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
