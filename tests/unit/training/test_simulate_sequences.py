"""Spin echoes and FLAIR: equations of textbooks, contrasts that a radiologist expects."""

from __future__ import annotations

import numpy as np
import pytest

from training.simulate.echo_train import EchoTrain
from training.simulate.sequences import Flair, Mprage, Sequence, SpoiledGradientEcho, TurboSpinEcho
from training.simulate.tissues import FieldStrength, Relaxation, Tissue, relaxation

WATER = Relaxation(proton_density=0.8, t1_ms=1000.0, t2_star_ms=50.0, t2_ms=80.0)
T2 = TurboSpinEcho(repetition_ms=5000, echo_ms=100, echoes=16, echo_spacing_ms=10)
PD = TurboSpinEcho(repetition_ms=3000, echo_ms=15, echoes=5, echo_spacing_ms=15)
FLAIR = Flair(cycle_ms=11000, inversion_ms=2550, echo_ms=120, echoes=16, echo_spacing_ms=12)


@pytest.mark.parametrize("echo", [1, 4, 12])
def test_perfect_refocusing_leaves_nothing_but_t2(echo: int) -> None:
    sequence = TurboSpinEcho(1e6, 9.0 * echo, 12, 9.0, refocusing_deg=180)
    assert sequence.signal(WATER) == pytest.approx(0.8 * np.exp(-9.0 * echo / 80), rel=1e-6)


def test_recovery_between_perfect_trains_follows_t1() -> None:
    sequence = TurboSpinEcho(700, 10.0, 1, 10.0, refocusing_deg=180)
    # the last refocusing pulse turns what has recovered by then: at 5 ms, of 700
    left = -(1 - np.exp(-5 / 1000))
    mz = 1 - (1 - left) * np.exp(-695 / 1000)
    assert sequence.signal(WATER) == pytest.approx(0.8 * mz * np.exp(-10 / 80), rel=1e-6)


def test_a_train_agrees_with_isochromats_that_are_followed_one_by_one() -> None:
    train = EchoTrain(flip_deg=90, refocusing_deg=120, echoes=5, echo_spacing_ms=10)
    phases = 2 * np.pi * np.arange(64) / 64  # what gradients do to each in half a spacing
    m = np.zeros((64, 3))
    m[:, 0] = 1.0
    e1, e2, echoes = np.exp(-5 / 1000), np.exp(-5 / 80), []

    def wait(m: np.ndarray) -> np.ndarray:
        transverse = (m[:, 0] + 1j * m[:, 1]) * np.exp(1j * phases) * e2
        return np.stack([transverse.real, transverse.imag, 1 + (m[:, 2] - 1) * e1], axis=1)

    c, s = np.cos(np.deg2rad(120)), np.sin(np.deg2rad(120))
    for _ in range(5):
        m = wait(wait(m) @ np.array([[1, 0, 0], [0, c, -s], [0, s, c]]).T)
        echoes.append(abs((m[:, 0] + 1j * m[:, 1]).mean()))
    assert [train.run(WATER, 1.0, echo)[0] for echo in range(1, 6)] == pytest.approx(echoes, rel=1e-6)
    assert train.run(WATER, 1.0, 5)[1] == pytest.approx(wait(m)[:, 2].mean(), abs=1e-9)


@pytest.mark.parametrize("field", ["1.5 T", "3 T"])
def test_contrasts_have_their_order(field: FieldStrength) -> None:
    def order(sequence: Sequence) -> list[str]:
        tissues = (Tissue.CSF, Tissue.LESION, Tissue.GREY_MATTER, Tissue.WHITE_MATTER)
        signals = {tissue.name: sequence.signal(relaxation(tissue, field)) for tissue in tissues}
        return sorted(signals, key=signals.__getitem__, reverse=True)

    assert order(T2) == ["CSF", "LESION", "GREY_MATTER", "WHITE_MATTER"]
    assert order(FLAIR) == ["LESION", "GREY_MATTER", "WHITE_MATTER", "CSF"]
    assert order(PD)[:2] == ["LESION", "GREY_MATTER"]


def test_flair_nulls_csf() -> None:
    csf, white = (FLAIR.signal(relaxation(tissue, "3 T")) for tissue in (Tissue.CSF, Tissue.WHITE_MATTER))
    assert csf < 0.1 * white


@pytest.mark.parametrize("sequence", [T2, FLAIR, SpoiledGradientEcho(20, 5, 20), Mprage(1900, 900, 176, 7.0, 2.9, 9)])
def test_the_nominal_transmit_field_changes_nothing_and_another_does(sequence: Sequence) -> None:
    assert sequence.flipped(1.0).signal(WATER) == sequence.signal(WATER)
    assert sequence.flipped(0.8).signal(WATER) != pytest.approx(sequence.signal(WATER), rel=1e-3)


def test_trains_that_do_not_fit_and_echoes_that_are_not_there_are_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        TurboSpinEcho(repetition_ms=100, echo_ms=50, echoes=16, echo_spacing_ms=10)
    with pytest.raises(ValueError, match="no echo at 200 ms"):
        TurboSpinEcho(repetition_ms=3000, echo_ms=200, echoes=16, echo_spacing_ms=10)
    with pytest.raises(ValueError, match="does not fit"):
        Flair(cycle_ms=2600, inversion_ms=2550, echo_ms=120, echoes=16, echo_spacing_ms=12)
