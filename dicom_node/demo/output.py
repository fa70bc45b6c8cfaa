"""The demo's output folder: made anew by each run, and never anything but what a demo made itself."""

from __future__ import annotations

import shutil
from pathlib import Path

from dicom_node.errors import RefusedToStart

MARK = ".made-by-the-demo"


def prepare_output(folder: Path, *, keep_out_of: Path | None = None) -> Path:
    """Make an empty folder; what an earlier demo left in it goes.

    Parameters
    ----------
    folder
        Where the demo writes.
    keep_out_of
        The user's own DICOM folder.

    Returns
    -------
    Its absolute path.

    Raises
    ------
    RefusedToStart
        When the folder holds anything that no demo made, or one of the two folders lies in the other.
    """
    folder = folder.absolute()
    if keep_out_of is not None:
        theirs, ours = keep_out_of.resolve(), folder.resolve()
        if ours == theirs or theirs in ours.parents or ours in theirs.parents:
            raise RefusedToStart(f"--output {folder} and --input {keep_out_of} must not lie in each other")
    if folder.exists() and any(folder.iterdir()):
        if not (folder / MARK).is_file():
            raise RefusedToStart(f"--output {folder} holds files that are not the demo's: name another folder")
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARK).touch()
    return folder
