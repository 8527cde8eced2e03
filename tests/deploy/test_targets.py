"""The Makefile's targets for the engines, with stand-ins for their programs that record."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.deploy import schemas
from tests.program import ROOT

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="needs make")

IMAGE = "europe-docker.pkg.dev/p/r/shard:1"
TRICKY = "a=200x200;b=96x96,fit=cover,background=#ff00ff"
RECORD = f"""#!{sys.executable}
import json, os, pathlib, sys
log = pathlib.Path(os.environ["RECORDED"])
log.open("a").write(json.dumps([pathlib.Path(sys.argv[0]).name, *sys.argv[1:]]) + "\\n")
print("job-uid-7" if "describe" in sys.argv else "")
"""


class Make:
    """`make` in the checkout, its output in a folder of its own, gcloud and aws recorded."""

    def __init__(self, folder: Path) -> None:
        self.build = folder / "build"
        self._log = folder / "recorded"
        self._programs = folder / "bin"
        self._programs.mkdir()
        for name in ("gcloud", "aws", "kubectl", "sbatch"):
            (self._programs / name).write_text(RECORD)
            (self._programs / name).chmod(0o755)

    def __call__(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run `make` with these words."""
        path = f"{self._programs}{os.pathsep}{os.environ['PATH']}"
        make = ["make", "-o", ".venv/.ready", f"BUILD={self.build}", *words]
        make += [f"BIN={Path(sys.executable).parent}"]
        return subprocess.run(
            make,
            cwd=ROOT,
            env={**os.environ, "PATH": path, "RECORDED": str(self._log)},
            capture_output=True,
            text=True,
            check=False,
        )

    @property
    def recorded(self) -> list[list[str]]:
        """Return every command line that a stand-in was started with."""
        return [json.loads(line) for line in self._log.read_text().splitlines()]

    def manifest(self, name: str) -> Any:
        """Return a manifest that was made, parsed."""
        return YAML(typ="safe", pure=True).load((self.build / name).read_text())


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Return `make` with stand-ins."""
    return Make(tmp_path)


def test_cloud_run_runs(make: Make) -> None:
    """cloudrun-run replaces the job with a manifest that holds every value, and executes it."""
    source = 'gs://b/it\'s "100%", @home'
    done = make(
        *("cloudrun-run", f"IMAGE={IMAGE}", f"INPUT={source}", f"RENDITIONS={TRICKY}"),
        *("TASKS=100", "SERVICE_ACCOUNT=t@p", "REGION=r1", "FLAGS=--existing overwrite"),
    )

    assert done.returncode == 0, done.stderr
    assert make.recorded == [
        ["gcloud", "run", "jobs", "replace", f"{make.build}/cloudrun.yaml", "--region", "r1"],
        ["gcloud", "run", "jobs", "execute", "shard", "--region", "r1", "--wait"],
    ]
    job = make.manifest("cloudrun.yaml")
    schemas.cloud_run_v1(job)
    execution = job["spec"]["template"]["spec"]
    task = execution["template"]["spec"]
    env = {entry["name"]: entry["value"] for entry in task["containers"][0]["env"]}
    assert (execution["taskCount"], task["serviceAccountName"]) == (100, "t@p")
    assert (env["INPUT_FOLDER"], env["RENDITIONS"], env["EXISTING"]) == (
        source,
        TRICKY,
        "overwrite",
    )


def test_cloud_run_serves(make: Make, tmp_path: Path) -> None:
    """cloudrun-serve hands a copy of the service's template to gcloud once it is filled in."""
    copy = tmp_path / "service.yaml"
    text = (ROOT / "deploy/cloudrun/service.yaml").read_text("utf-8")
    copy.write_text(text.replace("PROJECT", "acme"))
    done = make("cloudrun-serve", f"SERVICE={copy}", "REGION=r1")

    assert done.returncode == 0, done.stderr
    assert make.recorded == [["gcloud", "run", "services", "replace", str(copy), "--region", "r1"]]


def test_aws_batch_runs_an_array_and_a_single_task(make: Make) -> None:
    """batch-run submits an array of TASKS, and a plain job for one task, to the stack's queue."""
    for tasks in ("3", "1"):
        done = make(
            *("batch-run", "INPUT=s3://b/in", "OUTPUT=s3://b/out", f"RENDITIONS={TRICKY}"),
            *(f"TASKS={tasks}", "STACK=pictures"),
        )
        assert done.returncode == 0, done.stderr
        request = make.manifest("aws-batch.json")
        schemas.aws_submit_job(request)

        assert request.get("arrayProperties") == ({"size": 3} if tasks == "3" else None)
        assert (request["jobQueue"], request["jobDefinition"]) == ("pictures", "pictures")
    file = f"file://{make.build}/aws-batch.json"
    assert make.recorded == [["aws", "batch", "submit-job", "--cli-input-json", file]] * 2


def test_google_batch_submits(make: Make) -> None:
    """google-batch-run submits a valid job under a name that is used once."""
    done = make("google-batch-run", f"IMAGE={IMAGE}", "INPUT=gs://b/in", f"RENDITIONS={TRICKY}")

    assert done.returncode == 0, done.stderr
    (words,) = make.recorded
    assert words[:4] == ["gcloud", "batch", "jobs", "submit"]
    assert words[4].startswith("shard-")
    schemas.google_batch(make.manifest("google-batch.json"))


def test_kubernetes_replaces_the_job(make: Make) -> None:
    """kubernetes-run replaces whatever Job has the name by one that holds every value."""
    done = make(
        *("kubernetes-run", f"IMAGE={IMAGE}", "INPUT=/data/it's in", "OUTPUT=/data/out"),
        *(f"RENDITIONS={TRICKY}", "TASKS=3", "NAMESPACE=thumbs"),
    )

    assert done.returncode == 0, done.stderr
    file = f"{make.build}/kubernetes.yaml"
    assert make.recorded == [["kubectl", "replace", "--force", "-f", file]]
    job = make.manifest("kubernetes.yaml")
    (task,) = job["spec"]["template"]["spec"]["containers"]
    env = {entry["name"]: entry.get("value") for entry in task["env"]}
    assert (job["metadata"]["namespace"], job["spec"]["completions"]) == ("thumbs", 3)
    assert (env["INPUT_FOLDER"], env["RENDITIONS"]) == ("/data/it's in", TRICKY)


def test_slurm_submits_the_script(make: Make) -> None:
    """slurm-run submits one script; what is not set is not in it."""
    done = make("slurm-run", "INPUT=s3://b/in", "CHECKOUT=/opt/shard", "TASKS=3")

    assert done.returncode == 0, done.stderr
    assert make.recorded == [["sbatch", f"{make.build}/slurm.sbatch"]]
    script = (make.build / "slurm.sbatch").read_text().splitlines()
    assert {"#SBATCH --array=0-2", "CHECKOUT=/opt/shard"} <= set(script)
    assert not [line for line in script if line.startswith("export OUTPUT_FOLDER")]


def test_the_stack_is_deployed_with_its_parameters(make: Make) -> None:
    """batch-deploy hands every parameter over as one word, commas included."""
    done = make(
        *("batch-deploy", f"IMAGE={IMAGE}", "VPC=vpc-1", "SUBNETS=subnet-a,subnet-b"),
        *("SOURCE_BUCKET=photos", "OUTPUT_BUCKET=web", "PARAMETERS=SpotFirst=no Vcpu=4"),
    )

    assert done.returncode == 0, done.stderr
    (words,) = make.recorded
    assert words[:4] == ["aws", "cloudformation", "deploy", "--stack-name"]
    assert words[words.index("--parameter-overrides") + 1 :] == [
        *(f"Image={IMAGE}", "VpcId=vpc-1", "SubnetIds=subnet-a,subnet-b"),
        *("SourceBucket=photos", "SourcePrefix=", "OutputBucket=web", "OutputPrefix="),
        *("SpotFirst=no", "Vcpu=4"),
    ]


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        ("cloudrun-run", "INPUT is not set; accepted: gs://bucket/prefix"),
        ("batch-run", "INPUT is not set; accepted: s3://bucket/prefix"),
        ("google-batch-run", "INPUT is not set; accepted: gs://bucket/prefix"),
        ("batch-deploy", "IMAGE is 'shard:0.1.0'; accepted: one in a registry"),
        (f"batch-deploy IMAGE={IMAGE}", "VPC is not set; accepted: vpc-0123456789abcdef0"),
        ("cloudrun-iam", "PROJECT is not set; accepted: the id of a Google Cloud project"),
        ("cloudrun-iam PROJECT=p", "SOURCE_BUCKET is not set; accepted: the name of the bucket"),
        ("cloudrun-build", "IMAGE is 'shard:0.1.0'; accepted: one in a registry"),
        (
            "kubernetes-run",
            "INPUT is not set; accepted: gs://bucket/prefix, s3://bucket/prefix or /data/folder",
        ),
        ("slurm-run", "INPUT is not set; accepted: /data/folder or s3://bucket/prefix"),
        (
            "cloudrun-serve",
            "SERVICE is not set; accepted: your copy of deploy/cloudrun/service.yam",
        ),
        (
            "cloudrun-serve SERVICE=deploy/cloudrun/service.yaml",
            "deploy/cloudrun/service.yaml says PROJECT; accepted: your own project, account and im",
        ),
        ("cloudrun-serve SERVICE=none.yaml", "none.yaml: No such file"),
        ("google-batch-logs", "JOB is not set; accepted: the name that google-batch-run printed"),
    ],
)
def test_what_is_missing_is_named(make: Make, target: str, sentence: str) -> None:
    """A target without what it needs says so, and starts nothing."""
    done = make(*target.split())

    assert done.returncode != 0
    assert sentence in done.stderr
    assert not (make.build.parent / "recorded").exists()


def test_a_wrong_rendition_never_reaches_the_cloud(make: Make) -> None:
    """RENDITIONS are read before anything is sent."""
    done = make("cloudrun-run", f"IMAGE={IMAGE}", "INPUT=gs://b/in", "RENDITIONS=big")

    assert done.returncode != 0
    assert "RENDITIONS" in done.stderr
    assert not (make.build.parent / "recorded").exists()


def test_logs_are_asked_for_by_name(make: Make) -> None:
    """Each engine's log target names its job, group or uid."""
    make("cloudrun-logs", "NAME=pictures", "REGION=r1", "LINES=5")
    make("batch-logs", "STACK=pictures", "SINCE=2d")
    make("google-batch-logs", "JOB=shard-1", "REGION=r1")

    assert make.recorded[0][1:] == [
        *("run", "jobs", "logs", "read", "pictures", "--region", "r1", "--limit", "5")
    ]
    assert make.recorded[1] == ["aws", "logs", "tail", "/shard/pictures", "--since", "2d"]
    assert "labels.job_uid=job-uid-7" in make.recorded[3][3]


def test_the_service_account_gets_roles_on_buckets_only(make: Make) -> None:
    """iam.sh grants reading on the source and writing on the output, and nothing on the project."""
    done = make("cloudrun-iam", "PROJECT=p", "SOURCE_BUCKET=photos", "OUTPUT_BUCKET=web")
    grants = [words[1:] for words in make.recorded if "add-iam-policy-binding" in words]

    assert done.returncode == 0, done.stderr
    assert [(words[3], words[-1]) for words in grants] == [
        ("gs://photos", "roles/storage.objectViewer"),
        ("gs://web", "roles/storage.objectUser"),
    ]
    assert {words[0] for words in grants} == {"storage"}
    assert "SERVICE_ACCOUNT=shard-task@p.iam.gserviceaccount.com" in done.stdout
