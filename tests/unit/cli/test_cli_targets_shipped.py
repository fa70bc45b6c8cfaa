"""From reference series to a derived series, by commands alone, with a shipped model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from dicom_files import write_dicom
from made_series import made_series
from pydicom import dcmread

from inference.registry import SHIPPED, Registry

MODEL = "harmonize-histogram"

RULES = f"""\
version: 1
destinations:
  pacs: {{kind: dicom, host: 127.0.0.1, port: 4242, ae_title: PACS}}
rules:
  - name: to our scanner
    when: {{Modality: MR}}
    run: {{model: {MODEL}, target: our-3t}}
    send: [pacs]
"""


@pytest.mark.skipif(MODEL not in Registry([SHIPPED]).names(), reason=f"{MODEL} is not shipped")
def test_two_series_become_a_target_that_rules_name_and_models_give(run: Any, tmp_path: Path) -> None:
    references = [write_dicom(made_series(seed=seed), tmp_path / f"reference-{seed}") for seed in (1, 2)]
    (tmp_path / "routing_rules.yaml").write_text(RULES)
    assert "no target of that name" in run("rules", "check").err
    assert run("models", "target", "add", "our-3t", *references).status == 0
    assert run("rules", "check").status == 0
    source = write_dicom(made_series(), tmp_path / "in")
    done = run("apply", "--model", MODEL, "--target", "our-3t", source, tmp_path / "out")
    assert done.status == 0, done.err
    header = dcmread(next((tmp_path / "out").rglob("*.dcm")))
    digest = run("models", "target", "show", "our-3t", "--json").json["digest"]
    assert f"target our-3t; target sha256 {digest}" in header.DerivationDescription
    t2 = made_series(description="Ax T2 TSE")
    for ds in t2:
        ds.ScanningSequence, ds.EchoTime, ds.InversionTime = "SE", 100, None
    held = run("apply", "--model", MODEL, "--target", "our-3t", write_dicom(t2, tmp_path / "t2"), tmp_path / "none")
    assert held.status == 1
    assert "the contrast is T2; " in held.err
