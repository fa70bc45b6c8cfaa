"""The executor runs models in a child that can hang, die or babble without harm to the node."""

import os
import sys
import threading
from dataclasses import replace

import any_contrast_bundle
import numpy as np
import phantom
import pytest

from dicom_node.domain.ports import InferenceRequest
from dicom_node.errors import JobHeld, ModelCrashed, ModelTimedOut
from dicom_node.infer.local import LocalExecutor
from inference.added import AddedLooks
from inference.look import look_of
from inference.registry import Registry

ECHO = """
import json, sys, pathlib, numpy as np
for line in sys.stdin:
    r = json.loads(line)
    np.save(pathlib.Path(r["scratch"]) / "output.npy", np.load(pathlib.Path(r["scratch"]) / "input.npy"))
    print(json.dumps({"id": r["id"], "ok": True, "affine": r["affine"], "unit": "1", "numbers": {}, "seconds": 0,
                      "device": "cpu"}), flush=True)
"""
ANSWER = """
import json, sys
for line in sys.stdin:
    print(ANSWER, flush=True)
"""


@pytest.fixture
def executor(tmp_path):
    """Make executors whose worker is a short script; all are closed in the end."""
    made = []

    def make(script=None, timeout_s=60.0, folders=(), command=None, targets=None):
        command = [sys.executable, "-c", script] if script else command
        scratch = tmp_path / "scratch"
        made.append(
            LocalExecutor(folders, device="cpu", timeout_s=timeout_s, scratch=scratch, targets=targets, command=command)
        )
        return made[-1]

    yield make
    for each in made:
        each.close()


def request(digest="0" * 64, target="plain"):
    return InferenceRequest(any_contrast_bundle.NAME, digest, target, phantom.head((8.0, 8.0, 8.0)))


def leftovers(tmp_path):
    return [path for path in (tmp_path / "scratch").rglob("*.npy")]


def test_a_model_runs_in_the_child_and_leaves_no_files(executor, tmp_path):
    any_contrast_bundle.write(tmp_path / "models")
    digest = Registry([tmp_path / "models"]).get(any_contrast_bundle.NAME).digest
    asked = request(digest)
    outcome = executor(folders=[tmp_path / "models"]).run(asked)
    assert outcome.volume.voxels.shape == asked.volume.voxels.shape
    np.testing.assert_array_equal(outcome.volume.affine, asked.volume.affine)
    assert outcome.device == "cpu"
    assert outcome.numbers["landmarks_used"] == 3
    assert leftovers(tmp_path) == []


def test_what_the_model_refuses_holds_the_job(executor, tmp_path):
    any_contrast_bundle.write(tmp_path / "models")
    digest = Registry([tmp_path / "models"]).get(any_contrast_bundle.NAME).digest
    with pytest.raises(JobHeld, match="no target 'other'"):
        executor(folders=[tmp_path / "models"]).run(request(digest, target="other"))


def test_the_child_is_told_where_added_targets_lie_and_which_one_is_meant(executor, tmp_path):
    any_contrast_bundle.write(tmp_path / "models")
    digest = Registry([tmp_path / "models"]).get(any_contrast_bundle.NAME).digest
    AddedLooks(tmp_path / "targets").put("ours", look_of([phantom.head((4.0, 4.0, 4.0))], contrast="T1"))
    asked = replace(request(digest, target="ours"), target_digest="0" * 64)
    with pytest.raises(ModelCrashed, match="target ours is no longer the one"):
        executor(folders=[tmp_path / "models"], targets=tmp_path / "targets").run(asked)


def test_the_child_is_kept_warm(executor, tmp_path):
    starts = tmp_path / "starts"
    ours = executor(f"open({str(starts)!r}, 'a').write('x')\n{ECHO}")
    for _ in range(3):
        ours.run(request())
    assert starts.read_text() == "x"


def test_a_child_that_hangs_is_killed_with_its_children_and_the_next_job_starts_afresh(executor, tmp_path):
    group = tmp_path / "group"
    # a shell, since it starts at once: the time-out must find it hanging, not starting
    hangs_once = f"[ -e {group} ] && exec sh -c 'read line; echo garbage'; sleep 3600 & echo $$ $! > {group}; wait"
    ours = executor(command=["sh", "-c", hangs_once], timeout_s=2.0)
    with pytest.raises(ModelTimedOut, match="within 2 s"):
        ours.run(request())
    assert all(zombie_or_gone(int(pid)) for pid in group.read_text().split())
    assert leftovers(tmp_path) == []
    with pytest.raises(ModelCrashed, match="no answer"):
        ours.run(request())


def zombie_or_gone(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] in "ZX"
    except FileNotFoundError:
        return True


@pytest.mark.parametrize(
    "script", ["import sys; sys.stdin.readline()", "raise SystemExit(3)", "import os; os.kill(os.getpid(), 9)"]
)
def test_a_child_that_dies_is_a_crash(executor, script):
    with pytest.raises(ModelCrashed, match="ended"):
        executor(script).run(request())


@pytest.mark.parametrize(
    "answer",
    [
        "'garbage'",
        "'[]'",
        "'null'",
        "json.dumps({'id': 7, 'ok': False, 'kind': 'refused', 'message': 'of another request'})",
        "json.dumps({'id': 1, 'ok': True})",
        "json.dumps({'id': 1, 'ok': False})",
        "'x' * (1 << 21)",
        r"'\udc80'.encode('utf-8', 'surrogateescape')",
    ],
)
def test_what_is_no_answer_is_a_crash(executor, tmp_path, answer):
    with pytest.raises(ModelCrashed, match="no answer"):
        executor(ANSWER.replace("ANSWER", answer)).run(request())
    assert leftovers(tmp_path) == []


def test_an_answer_without_its_volume_is_a_crash(executor):
    answer = (
        "json.dumps({'id': 1, 'ok': True, 'affine': [], 'unit': '1', 'numbers': {}, 'seconds': 0, 'device': 'cpu'})"
    )
    with pytest.raises(ModelCrashed, match="no volume"):
        executor(ANSWER.replace("ANSWER", answer)).run(request())


def test_a_pickled_volume_is_not_opened(executor):
    pickled = ECHO.replace(
        'np.load(pathlib.Path(r["scratch"]) / "input.npy")', "np.array([{}], object), allow_pickle=True"
    )
    with pytest.raises(ModelCrashed, match="no volume"):
        executor(pickled).run(request())


def test_an_error_that_the_worker_tells_is_a_crash_and_the_child_lives_on(executor):
    fails = (
        "json.dumps({'id': json.loads(line)['id'], 'ok': False, 'kind': 'failed', 'message': 'MemoryError at a.py:1'})"
    )
    ours = executor(ANSWER.replace("ANSWER", fails))
    for _ in range(2):
        with pytest.raises(ModelCrashed, match="MemoryError at a"):
            ours.run(request())


def test_a_command_that_does_not_exist_is_a_crash(tmp_path):
    ours = LocalExecutor((), device="cpu", timeout_s=5, scratch=tmp_path, command=[str(tmp_path / "absent")])
    with pytest.raises(ModelCrashed):
        ours.run(request())
    ours.close()


def test_closing_ends_a_job_that_is_under_way(executor, tmp_path):
    started = tmp_path / "started"
    os.mkfifo(started)
    hangs = (
        f"import sys, threading\nsys.stdin.readline()\nopen({str(started)!r}, 'w').close()\nthreading.Event().wait()"
    )
    ours = executor(hangs, timeout_s=600)
    raised = []

    def run():
        try:
            ours.run(request())
        except ModelCrashed as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    with open(started):  # opens when the child has taken the job
        pass
    ours.close()
    thread.join(timeout=30)
    assert len(raised) == 1
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_closed_executor_starts_nothing(executor):
    ours = executor(ECHO)
    ours.run(request())
    ours.close()
    with pytest.raises(ModelCrashed, match="told to end"):
        ours.run(request())


STYLE = """
import json, sys
for line in sys.stdin:
    r = json.loads(line)
    print(json.dumps({"id": r["id"], "ok": True, "style": NUMBERS if r["read"] == "style" else None, "seconds": 0,
                      "device": "cpu"}), flush=True)
"""


def test_a_style_is_read_by_the_child_and_leaves_no_files(executor, tmp_path):
    assert executor(STYLE.replace("NUMBERS", "[0.5, -1]")).read_style(request()) == (0.5, -1.0)
    assert leftovers(tmp_path) == []


def test_a_style_that_holds_no_numbers_is_a_crash(executor):
    with pytest.raises(ModelCrashed, match="no answer"):
        executor(STYLE.replace("NUMBERS", '["x"]')).read_style(request())
