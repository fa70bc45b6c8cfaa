"""Scratch files do not outlive their process, even one that was killed."""

import os
import signal
import subprocess
import sys

from dicom_node.infer.scratch import Scratch


def test_a_lent_folder_is_private_and_gone_afterwards(tmp_path):
    scratch = Scratch(tmp_path / "scratch")
    with scratch.folder() as folder:
        assert folder.stat().st_mode & 0o077 == 0
        (folder / "voxels").write_bytes(b"x")
    assert not folder.exists()
    scratch.close()
    assert list((tmp_path / "scratch").iterdir()) == []


def test_what_a_killed_process_left_is_removed_and_what_a_living_one_uses_stays(tmp_path):
    code = (
        "import pathlib, sys, os\n"
        "from dicom_node.infer.scratch import Scratch\n"
        f"scratch = Scratch(pathlib.Path({str(tmp_path)!r}))\n"
        "lent = scratch.folder()\n"
        "folder = lent.__enter__()\n"
        "(folder / 'voxels').write_bytes(b'x')\n"
        "print(folder, flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        left = child.stdout.readline().strip()
        Scratch(tmp_path).close()
        assert os.path.exists(left)
        child.send_signal(signal.SIGKILL)
    Scratch(tmp_path).close()
    assert list(tmp_path.iterdir()) == []


def test_closing_twice_does_no_harm(tmp_path):
    scratch = Scratch(tmp_path)
    scratch.close()
    scratch.close()
