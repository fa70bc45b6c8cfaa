"""From a stack to the instances of a derived series: assemble -> infer -> gate -> encode.

The one way on which voxels pass: the node's jobs and `dicom-node apply` both take it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from pydicom import Dataset

from dicom_node.assemble import gate as input_gate
from dicom_node.assemble.volume import read_volume
from dicom_node.domain.ports import Executor, InferenceRequest
from dicom_node.domain.provenance import USUAL_CT_SCALE, CtScale, Provenance, StoredScale
from dicom_node.domain.stack import Stack
from dicom_node.encode import derived_ct, derived_map, derived_mr
from dicom_node.encode.series import EncodedSeries
from dicom_node.errors import JobHeld
from dicom_node.infer import gate as output_gate
from inference.aim import Aim
from inference.bundle import Bundle
from inference.contract import Acquisition
from inference.output import Output
from inference.volume import Volume

Encode: TypeAlias = Callable[[Stack, Volume, Provenance], EncodedSeries]


@dataclass(frozen=True, slots=True, eq=False)
class Harmonized:
    """What a model made of a volume, after the output gate let it pass.

    Attributes
    ----------
    source, volume
        Before and after.
    warnings
        Of the output gate.
    numbers
        What model and gate measured.
    seconds
        Stage -> how long it took.
    """

    source: Volume
    volume: Volume
    warnings: tuple[str, ...]
    numbers: Mapping[str, float]
    seconds: Mapping[str, float]


@dataclass(frozen=True, slots=True, eq=False)
class Derived:
    """A derived series.

    Attributes
    ----------
    instances
        Ready to be written and sent.
    warnings, numbers, seconds
        See `Harmonized`; those of the encoder stand with them.
    """

    instances: tuple[Dataset, ...]
    warnings: tuple[str, ...]
    numbers: Mapping[str, float]
    seconds: Mapping[str, float]


def acquisition_of(stack: Stack) -> Acquisition:
    """Return what the headers of a stack tell of how it was made."""
    return Acquisition(
        modality=str(stack.facts.get("Modality") or ""),
        contrast=_text(stack, "contrast"),
        contrast_agent=bool(stack.facts.get("contrast_agent")),
        body_part=_text(stack, "BodyPartExamined"),
        is_original=stack.facts.get("is_original") is not False,
    )


def refusal(stack: Stack, bundle: Bundle, aim: Aim) -> str | None:
    """Say why a model may not bring a stack to a look, from the headers alone; None when nothing speaks against it."""
    reasons = bundle.manifest.input.acquisition_violations(acquisition_of(stack), aimed_at=aim.contrast)
    return "; ".join(reasons) or input_gate.refusal(stack)


def derive(
    stack: Stack, bundle: Bundle, executor: Executor, *, aim: Aim, provenance: Provenance, ct: CtScale = USUAL_CT_SCALE
) -> Derived:
    """Run a model on a stack and encode what passes the gates; `ct` counts where that is a CT.

    Raises
    ------
    SeriesRefused
        When the stack cannot become a volume.
    JobHeld
        When the model's contract or the output gate says no, or model or target are not those that were meant.
    JobFailed
        When the model breaks.
    """
    started = time.perf_counter()
    reason = _other_model(bundle, provenance) or _other_target(aim, provenance) or refusal(stack, bundle, aim)
    if reason is not None:
        raise JobHeld(reason)
    encode = _ENCODERS[bundle.manifest.output.kind, aim.output](bundle, aim, ct)
    source = read_volume(stack)
    assembled = time.perf_counter()
    made = harmonize(source, acquisition_of(stack), bundle, executor, aim=aim)
    before_encode = time.perf_counter()
    encoded = encode(stack, made.volume, replace(provenance, warnings=made.warnings))
    seconds = {
        "assemble": assembled - started,
        **made.seconds,
        "encode": time.perf_counter() - before_encode,
    }
    numbers = {**made.numbers, "clipped_voxels": float(encoded.clipped_voxels)}
    return Derived(encoded.instances, made.warnings, numbers, seconds)


def harmonize(source: Volume, acquisition: Acquisition, bundle: Bundle, executor: Executor, *, aim: Aim) -> Harmonized:
    """Run a model on a volume, between its input contract and the output gate.

    Raises
    ------
    JobHeld
        When one of the two says no.
    JobFailed
        When the model breaks.
    """
    contract = bundle.manifest.input
    of_headers = contract.acquisition_violations(acquisition, aimed_at=aim.contrast)
    _hold((*of_headers, *contract.volume_violations(source)))
    started = time.perf_counter()
    outcome = executor.run(_request(source, bundle, aim))
    inferred = time.perf_counter()
    verdict = output_gate.judge(
        source, outcome.volume, output=bundle.manifest.output, limits=bundle.manifest.qa, asked=aim.output
    )
    _hold(verdict.failures)
    seconds = {"infer": inferred - started, "gate": time.perf_counter() - inferred}
    return Harmonized(source, outcome.volume, verdict.warnings, {**outcome.numbers, **verdict.numbers}, seconds)


def _request(source: Volume, bundle: Bundle, aim: Aim) -> InferenceRequest:
    return InferenceRequest(bundle.manifest.name, bundle.digest, aim.name, source, aim.digest, aim.output)


def _other_model(bundle: Bundle, provenance: Provenance) -> str | None:
    """Compare the model with the one that the derived UIDs were made for: its headers would name the wrong one."""
    if bundle.digest == provenance.model_digest:
        return None
    return (
        f"model {bundle.manifest.name} was changed since this job was made ({provenance.model_digest[:12]} then, "
        f"{bundle.digest[:12]} now): put the earlier one back and retry it"
    )


def _other_target(aim: Aim, provenance: Provenance) -> str | None:
    """Compare the target, where the site added it, in the same way."""
    if aim.digest == provenance.target_digest:
        return None
    then, now = (digest[:12] if digest else "the bundle's" for digest in (provenance.target_digest, aim.digest))
    return (
        f"target {aim.name} was changed since this job was made ({then} then, {now} now): "
        "put the earlier one back and retry it"
    )


def _hold(reasons: Sequence[str]) -> None:
    if reasons:
        raise JobHeld("; ".join(reasons))


def _text(stack: Stack, key: str) -> str | None:
    value = stack.facts.get(key)
    return None if value is None else str(value)


def _mr_encoder(bundle: Bundle, aim: Aim, ct: CtScale) -> Encode:
    del ct
    if aim.target is None:
        raise JobHeld(f"model {bundle.manifest.name} names no target, so that no stored scale is known")
    scale = StoredScale(aim.target.values_per_unit, aim.target.window_center, aim.target.window_width)
    return lambda stack, made, of: derived_mr.encode(stack, made.voxels, scale=scale, provenance=of)


def _ct_encoder(bundle: Bundle, aim: Aim, ct: CtScale) -> Encode:
    del bundle, aim  # Hounsfield units are the same for every model
    return lambda stack, made, of: derived_ct.encode(stack, made, provenance=of, scale=ct)


def _map_encoder(bundle: Bundle, aim: Aim, ct: CtScale) -> Encode:
    del bundle, aim, ct
    return lambda stack, made, of: derived_map.encode(stack, made, provenance=of)


_ENCODERS: Mapping[tuple[str, Output], Callable[[Bundle, Aim, CtScale], Encode]] = {
    ("mr", Output.RESULT): _mr_encoder,
    ("ct", Output.RESULT): _ct_encoder,
    ("ct", Output.UNCERTAINTY): _map_encoder,
}
"""Kind of a bundle's output, and what is asked of it -> what chooses the encoder before the model runs."""
