"""Run a training as it is run by hand, and tell an MLflow server of it.

    OVR_MLFLOW=http://127.0.0.1:5000 python scripts/training/train_with_mlflow.py reader --set rounds=80
    ... train_with_mlflow.py detector --config training/detector/config.yaml --start-from last.pt

What stands behind `corners`, `detector`, `line` or `reader` goes to the training as it is. MLflow gets every
setting, the loss curves as they grow, the digests of the data, the code's version, rendered sample pictures
(no real plate) and, in the end, the checkpoint. Stopped and started again it goes on in the same run, as the
training does; a server that goes away holds nothing up. Needs the extra `train`.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import mlflow
import numpy as np
from mlflow.entities import Metric, RunStatus
from mlflow.exceptions import MlflowException
from tqdm import tqdm

STATE = "mlflow.json"
CHECKPOINT = "last.pt"
LOOK_SECONDS = 5.0
LOSSES = ("box", "cls", "dfl")
SHEET = (4, 4)

Row = tuple[int, dict[str, float]]
Picture = np.ndarray[Any, np.dtype[np.uint8]]


@dataclass(frozen=True)
class Plan:
    """What a training was asked to do: its settings, where it writes, what it reads, how its log is read."""

    settings: dict[str, Any]
    out: Path
    data: tuple[Path, ...]
    log: str
    parse: Callable[[str], Row]


@dataclass(frozen=True)
class Training:
    """A training of ours: its module, how its options become a plan, and rendered samples."""

    module: str
    plan: Callable[[argparse.Namespace], Plan]
    config: str
    samples: Callable[[np.random.Generator, int], list[Picture]]


def corners_plan(options: argparse.Namespace) -> Plan:
    """Of training.corners.train."""
    from training.detector.data import load_config

    settings = load_config(options.config, options.set)
    out = Path(settings["train"]["out"])
    return Plan(settings, out, (Path(settings["data"]["root"]),), "log.jsonl", parse_jsonl)


def detector_plan(options: argparse.Namespace) -> Plan:
    """Of training.detector.train."""
    from training.detector.data import load_config

    settings = load_config(options.config, options.set)
    out = Path(settings["train"]["out"])
    return Plan(settings, out, (Path(settings["data"]["out"]),), "log.tsv", parse_tsv)


def reader_plan(options: argparse.Namespace) -> Plan:
    """Of training.reader.train."""
    from training.reader.config import load_config
    from training.reader.train import with_overrides

    settings = with_overrides(load_config(options.config), options.set)
    return Plan(dataclasses.asdict(settings), settings.runs, (settings.shards,), "log.jsonl", parse_jsonl)


def line_plan(options: argparse.Namespace) -> Plan:
    """Of training.reader.finetune."""
    from training.reader.line_config import load_line_config

    settings = load_line_config(options.config)
    return Plan(dataclasses.asdict(settings), settings.runs, (settings.shards,), "log.jsonl", parse_jsonl)


def parse_tsv(line: str) -> Row:
    """A line of the detector's log: step, seconds and the loss terms."""
    step, seconds, *losses = line.split("\t")
    return int(step), {"seconds": float(seconds), **dict(zip(LOSSES, map(float, losses), strict=True))}


def parse_jsonl(line: str) -> Row:
    """A line of a reader's or the corners' log: an object with the step."""
    row = json.loads(line)
    return int(row.pop("step")), {key: float(value) for key, value in row.items() if value is not None}


def streets(rng: np.random.Generator, count: int) -> list[Picture]:
    """Rendered street scenes, half their size."""
    from synth.scene import render_scene

    return [cv2.resize(render_scene(rng, (640, 480)).image, (320, 240)) for _ in range(count)]


def plates(rng: np.random.Generator, count: int) -> list[Picture]:
    """Rendered plates as a camera would see them."""
    from training.reader.config import load_config
    from training.reader.data import synthetic_drawer

    draw = synthetic_drawer(load_config(Path("training/reader/config.yaml")))
    return [draw(rng).image for _ in range(count)]


TRAININGS = {
    "corners": Training("training.corners.train", corners_plan, "training/corners/config.yaml", streets),
    "detector": Training("training.detector.train", detector_plan, "training/detector/config.yaml", streets),
    "line": Training("training.reader.finetune", line_plan, "training/reader/line.yaml", plates),
    "reader": Training("training.reader.train", reader_plan, "training/reader/config.yaml", plates),
}


class Curves:
    """Sends the lines that a training adds to its log, each once, also over restarts."""

    def __init__(self, client: mlflow.MlflowClient, run_id: str, plan: Plan) -> None:
        self._client, self._run_id, self._plan = client, run_id, plan
        self._state = plan.out / STATE
        self._sent = int(read_state(plan.out).get("sent", 0))

    def send(self) -> None:
        """Send what is new; what the server does not take is sent the next time."""
        path = self._plan.out / self._plan.log
        if not path.exists():
            return
        with path.open("rb") as log:
            log.seek(self._sent)
            new = log.read()
        whole = new[: new.rfind(b"\n") + 1]
        rows = [self._plan.parse(line) for line in whole.decode("utf-8").splitlines() if line.strip()]
        now = int(time.time() * 1000)
        metrics = [Metric(key, value, now, step) for step, row in rows for key, value in row.items()]
        for start in range(0, len(metrics), 500):
            self._client.log_batch(self._run_id, metrics[start : start + 500], synchronous=True)
        self._sent += len(whole)
        self._state.write_text(json.dumps({"run_id": self._run_id, "sent": self._sent}), "utf-8")


def read_state(out: Path) -> dict[str, Any]:
    """The run that a training's folder belongs to, and how much of its log is sent; empty for a new one."""
    path = out / STATE
    return json.loads(path.read_text("utf-8")) if path.exists() else {}


def open_run(client: mlflow.MlflowClient, kind: str, plan: Plan) -> tuple[str, bool]:
    """The run of this training, and whether it is new."""
    known = str(read_state(plan.out).get("run_id", ""))
    if known:
        client.update_run(known, RunStatus.to_string(RunStatus.RUNNING))
        return known, False
    name = f"ovr-{kind}"
    experiment = client.get_experiment_by_name(name)
    number = experiment.experiment_id if experiment is not None else client.create_experiment(name)
    run_id = str(client.create_run(number).info.run_id)
    plan.out.mkdir(parents=True, exist_ok=True)
    (plan.out / STATE).write_text(json.dumps({"run_id": run_id, "sent": 0}), "utf-8")
    return run_id, True


def describe(client: mlflow.MlflowClient, run_id: str, training: Training, plan: Plan, seed: int) -> None:
    """Settings, data, code and samples of a new run."""
    for key, value in flat(plan.settings):
        client.log_param(run_id, key, value)
    digests = {folder.name: digest(folder) for folder in plan.data}
    client.log_dict(run_id, digests, "data.json")
    for name, found in digests.items():
        client.set_tag(run_id, f"data.{name}.sha256", found["sha256"])
    commit, changes = code_version()
    client.set_tag(run_id, "mlflow.source.git.commit", commit)
    client.set_tag(run_id, "code.changed", str(bool(changes)).lower())
    if changes:
        client.log_text(run_id, changes, "code.diff")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "samples-synthetic.jpg"
        cv2.imwrite(str(path), sheet(training.samples, seed))
        client.log_artifact(run_id, str(path))


def flat(settings: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Settings as MLflow takes parameters; folders by their names alone."""
    for key, value in settings.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        else:
            text = value.name if isinstance(value, Path) else str(value)
            yield f"{prefix}{key}", Path(text).name if key in ("out", "photos", "dev") else text


def digest(folder: Path) -> dict[str, Any]:
    """How many files a folder has, their bytes, and one SHA-256 over their names and contents."""
    whole, size = hashlib.sha256(), 0
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    for path in tqdm(files, desc=f"digest of {folder.name}", unit="file", mininterval=5):
        content = path.read_bytes()
        size += len(content)
        whole.update(f"{path.relative_to(folder)}\0{hashlib.sha256(content).hexdigest()}\n".encode())
    return {"files": len(files), "bytes": size, "sha256": whole.hexdigest()}


def code_version() -> tuple[str, str]:
    """The commit that is checked out, and what was changed since; both empty outside a checkout."""
    answers = [
        subprocess.run(["git", *words], capture_output=True, text=True, check=False).stdout
        for words in (("rev-parse", "HEAD"), ("diff", "HEAD", "--", "*.py", "*.yaml", "*.toml"))
    ]
    return answers[0].strip(), answers[1]


def sheet(samples: Callable[[np.random.Generator, int], list[Picture]], seed: int) -> Picture:
    """Rendered samples in rows and columns."""
    rows, columns = SHEET
    drawn = samples(np.random.default_rng(seed), rows * columns)
    return np.vstack([np.hstack(drawn[row * columns : (row + 1) * columns]) for row in range(rows)])


def run(training: Training, words: list[str], curves: Curves) -> int:
    """The training as a process of its own, which SIGINT and SIGTERM end; its exit code."""
    child = subprocess.Popen([sys.executable, "-m", training.module, *words], start_new_session=True)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda received, _: child.send_signal(received))
    while True:
        try:
            code: int | None = child.wait(LOOK_SECONDS)
        except subprocess.TimeoutExpired:
            code = None
        try:
            curves.send()
        except MlflowException as error:
            print(f"train_with_mlflow: not sent, later: {error}", file=sys.stderr)
        if code is not None:
            return code


def main() -> int:
    """Train, tell, and leave with the training's exit code; 130 and 143 leave a run that can go on."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("training", choices=sorted(TRAININGS))
    chosen, words = parser.parse_known_args()
    training = TRAININGS[chosen.training]
    own = argparse.ArgumentParser(add_help=False)
    own.add_argument("--config", type=Path, default=Path(training.config))
    own.add_argument("--set", action="append", default=[])
    plan = training.plan(own.parse_known_args(words)[0])
    address = os.environ.get("OVR_MLFLOW") or os.environ.get("MLFLOW_TRACKING_URI")
    if not address:
        parser.error("set OVR_MLFLOW=http://HOST:PORT; `make mlflow` starts a server")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    client = mlflow.MlflowClient(tracking_uri=address)
    run_id, new = open_run(client, chosen.training, plan)
    if new:
        describe(client, run_id, training, plan, seed=1)
    print(f"train_with_mlflow: {'run' if new else 'goes on in run'} {run_id}", file=sys.stderr)
    curves = Curves(client, run_id, plan)
    code = run(training, words, curves)
    if code == 0 and (plan.out / CHECKPOINT).exists():
        client.log_artifact(run_id, str(plan.out / CHECKPOINT))
    client.set_terminated(
        run_id, "FINISHED" if code == 0 else "KILLED" if code in (-2, -15, 130) else "FAILED"
    )
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main())
