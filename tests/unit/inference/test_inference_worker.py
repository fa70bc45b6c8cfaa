"""The worker speaks its protocol and nothing else."""

import json
import subprocess
import sys

import any_contrast_bundle
import numpy as np
import phantom
import pytest

from inference.added import AddedLooks
from inference.look import look_of
from inference.model import Result
from inference.registry import Registry
from inference.worker import Worker

NAME = any_contrast_bundle.NAME


@pytest.fixture
def models(tmp_path):
    any_contrast_bundle.write(tmp_path / "models")
    return tmp_path / "models"


@pytest.fixture
def request_for(models, tmp_path):
    def make(volume, **changes):
        np.save(tmp_path / "input.npy", volume.voxels)
        digest = Registry([models]).get(NAME).digest
        return {
            "id": 1, "model": NAME, "digest": digest, "target": "plain", "scratch": str(tmp_path),
            "affine": volume.affine.tolist(), "unit": "1", "limit_s": 60, **changes,
        }  # fmt: skip

    return make


def test_a_request_is_answered_with_a_volume(models, request_for, tmp_path):
    answer = Worker([models], "auto").answer(request_for(phantom.head()))
    assert (answer["id"], answer["ok"], answer["device"], answer["unit"]) == (1, True, "cpu", "1")
    assert np.load(tmp_path / "output.npy").shape == phantom.head().voxels.shape


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        ({"target": "other"}, "refused", "no target 'other'"),
        ({"unit": "[hnsf'U]"}, "refused", "the unit is"),
        ({"model": "absent"}, "failed", "no model 'absent'"),
        ({"digest": "0" * 64}, "failed", "no longer the one"),
        ({"affine": [[1, 2], [3, 4]]}, "failed", "ValueError at volume.py:"),
    ],
)
def test_what_cannot_be_done_is_answered_with_its_kind(models, request_for, change, kind, words):
    answer = Worker([models], "cpu").answer(request_for(phantom.head(), **change))
    assert (answer["ok"], answer["kind"]) == (False, kind)
    assert words in answer["message"]


@pytest.fixture
def added(tmp_path):
    added = AddedLooks(tmp_path / "targets")
    added.put("ours", look_of([phantom.head((4.0, 4.0, 4.0))], contrast="T1"))
    return added


def test_an_added_target_reaches_the_model_as_a_look(models, request_for, added, monkeypatch):
    seen = []

    class Model:
        device = "cpu"

        def __call__(self, volume, *, target):
            seen.append(target)
            return Result(volume)

    monkeypatch.setattr("inference.worker.load", lambda *_, **__: Model())
    digest = added.get("ours").digest
    request = request_for(phantom.head(), target="ours", target_digest=digest)
    assert Worker([models], "cpu", added=added).answer(request)["ok"]
    assert [look.digest for look in seen] == [digest]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"target": "ours", "target_digest": "0" * 64}, "target ours is no longer the one that the job was made for"),
        ({"target": "theirs", "target_digest": "0" * 64}, "there is no added target 'theirs'"),
    ],
)
def test_a_look_that_is_not_the_one_that_was_meant_fails_the_job(models, request_for, added, change, words):
    answer = Worker([models], "cpu", added=added).answer(request_for(phantom.head(), **change))
    assert (answer["ok"], answer["kind"]) == (False, "failed")
    assert words in answer["message"]


def test_an_unforeseen_error_is_told_without_its_text(models, request_for, monkeypatch, capsys):
    def explode(*_, **__):
        raise RuntimeError("canary 1234")

    monkeypatch.setattr("inference.models.nyul.landmarks", explode)
    answer = Worker([models], "cpu").answer(request_for(phantom.head()))
    assert answer["message"].startswith("RuntimeError at test_inference_worker.py:")
    assert "canary 1234" not in json.dumps(answer)
    assert "canary 1234" not in capsys.readouterr().err.replace('raise RuntimeError("canary 1234")', "")


def test_a_bundle_that_was_replaced_is_loaded_anew(models, request_for):
    worker = Worker([models], "cpu")
    first = request_for(phantom.head())
    assert worker.answer(first)["ok"]
    manifest = models / NAME / "model.yaml"
    manifest.write_text(manifest.read_text().replace("0.0.1", "0.0.2"))
    second = request_for(phantom.head())
    assert second["digest"] != first["digest"]
    assert worker.answer(second)["ok"]
    assert worker.answer(first)["ok"] is False


def test_the_process_answers_lines_keeps_prints_out_of_them_and_ends_with_its_input(models, request_for):
    noisy = (
        "import os, inference.worker as w\n"
        "answer = w.Worker.answer\n"
        "def loud(self, request):\n"
        "    print('printed'); os.write(1, b'written\\n')\n"
        "    return answer(self, request)\n"
        "w.Worker.answer = loud\n"
        "w.main()\n"
    )
    volume = phantom.head()
    lines = "".join(json.dumps(request_for(volume, id=number)) + "\n" for number in (1, 2))
    done = subprocess.run(
        [sys.executable, "-c", noisy, "--models", models], input=lines, capture_output=True, text=True, timeout=60
    )
    assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == [1, 2]
    assert "printed" in done.stderr
    assert "written" in done.stderr
    assert done.returncode == 0
