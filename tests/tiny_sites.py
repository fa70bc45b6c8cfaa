"""Two invented sites of blobs, and a configuration that trains a tiny GAN on them in seconds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from training.examples.site_slices import Site, SiteScan
from training.loops.mhgan_config import Config
from training.loops.run import read_config

CONFIGS = Path(__file__).parents[1] / "training" / "configs"
SIDE = 32


def sites() -> list[Site]:
    """Return a dim and a bright one."""
    return [_site("dim", 0.5), _site("bright", 1.2)]


def config() -> Config:
    """Return four steps of two slices."""
    return replace(
        read_config(Config, CONFIGS / "mhgan.yaml"), steps=4, batch=2, width=8, judge_width=8, widest=16, halvings=1,
        bottleneck=2, hidden=16, side=SIDE, log_every=1, save_every=2, validate_every=4, validation_batches=1,
        penalty_every=2,
    )  # fmt: skip


def _site(name: str, gain: float) -> Site:
    """Return three blobs, brighter or darker."""
    rng = np.random.default_rng(0)
    z, y, x = (np.linspace(-1, 1, n) for n in (28, 32, 24))
    ball = np.exp(-2 * (z[:, None, None] ** 2 + y[:, None] ** 2 + x**2))
    scans = [
        SiteScan(
            f"{name}-{number}", (gain * ball + 0.05 * rng.standard_normal(ball.shape) - 0.4).astype(np.float16), -0.4,
            0.05, np.array([[4, 24], [4, 28], [4, 20]]),
        )
        for number in range(3)
    ]  # fmt: skip
    return Site(name, scans[:2], scans[2:])
