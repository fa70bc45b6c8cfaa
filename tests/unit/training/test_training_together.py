"""Training by several processes that torchrun starts: what is learned is what one process learns."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tiny_sites
import torch
from safetensors.torch import load_file
from torch import Tensor

from training.loops import bounded, together
from training.loops.mhgan import train

SCRIPT = Path(__file__).parents[2] / "two_processes.py"


def _by_two(folder: Path) -> None:
    command = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(SCRIPT), str(folder)]
    environment = {
        **os.environ,
        "PYTHONPATH": str(SCRIPT.parents[1]),
        "OMP_NUM_THREADS": "1",
        "GLOO_SOCKET_IFNAME": "lo",
    }
    done = subprocess.run([sys.executable, *command], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def _rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "log.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def _moved(run: Path, begun: dict[str, Tensor]) -> Tensor:
    """Return how far each weight came."""
    now = load_file(run / "state.safetensors")
    networks = [name for name in now if name.startswith(("generator.", "judge.", "mapping.", "encoder."))]
    return torch.cat([(now[name] - begun[name]).flatten() for name in networks])


def test_two_processes_go_on_with_a_run_as_one_would(tmp_path: Path) -> None:
    alone, two = tmp_path / "alone", tmp_path / "two"
    train(tiny_sites.config(), alone, tiny_sites.sites(), fraction=0.5)
    shutil.copytree(alone, two)
    begun = load_file(alone / "state.safetensors")
    train(tiny_sites.config(), alone, tiny_sites.sites(), resume=True)
    _by_two(two)
    rows = [_rows(run) for run in (alone, two)]
    assert [(row["step"], row["split"]) for row in rows[1]] == [(row["step"], row["split"]) for row in rows[0]]
    for one, other in zip(*rows, strict=True):
        for name in set(one) - {"split", "seconds"}:
            assert float(other[name]) == pytest.approx(float(one[name]), abs=0.01)
    one, other = (_moved(run, begun) for run in (alone, two))
    assert torch.cosine_similarity(one, other, dim=0) > 0.98  # but for rounding in bfloat16
    assert len(list((two / "samples").iterdir())) == len(list((alone / "samples").iterdir()))


def test_a_batch_that_cannot_be_shared_evenly_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(together, "processes", lambda: 3)
    with pytest.raises(ValueError, match=r"a batch of 8 .* shared evenly by 3 processes"):
        together.share({"image": torch.zeros(8, 1)})


def test_alone_all_of_a_batch_and_all_gradients_are_one_s_own() -> None:
    batch = {"image": torch.arange(4.0)}
    assert torch.equal(together.share(batch)["image"], batch["image"])
    parameter = torch.nn.Parameter(torch.ones(2))
    parameter.grad = torch.full((2,), 3.0)
    together.mean_gradients([parameter])
    assert parameter.grad.tolist() == [3, 3]
    assert (together.number(), together.processes()) == (0, 1)


def test_a_network_that_one_process_trains_is_not_trained_by_several(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "here")  # what torchrun sets
    with pytest.raises(SystemExit):
        bounded.main(["--run", "nowhere"])
    assert "start it without torchrun" in capsys.readouterr().err
