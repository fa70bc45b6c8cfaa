"""What the stages need of each other, as protocols: `app.py` decides who fulfils them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

from pydantic import BaseModel

from dicom_node.domain.instance import InstanceKey, Stored, Transport
from dicom_node.domain.pace import Pace
from inference.output import Output
from inference.volume import Volume


class Clock(Protocol):
    """The time of day, and a time that never jumps."""

    def now(self) -> datetime:
        """Return the time of day, UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds from an arbitrary start, unmoved by changes of the time of day."""
        ...


class IncomingInstance(Protocol):
    """An instance that is being stored; either `commit` or `discard` ends it."""

    def write(self, chunk: bytes | memoryview) -> None:
        """Add to its encoded data set.

        Raises
        ------
        InstanceRejected
            With 0xA700 when it cannot be stored now: it is to be sent again.
        """
        ...

    def commit(self) -> Stored:
        """Store it; when this returns, it would survive a power cut.

        Raises
        ------
        InstanceRejected
            As `write` does. Then nothing is left behind.
        """
        ...

    def discard(self) -> None:
        """Leave nothing behind; after `commit` it does nothing."""
        ...


class InstanceStore(Protocol):
    """Where received instances become durable."""

    def begin(self, key: InstanceKey, transport: Transport) -> IncomingInstance:
        """Begin to store an instance.

        Raises
        ------
        InstanceRejected
            With 0xA700 when it cannot be stored now: it is to be sent again.
        """
        ...

    def sender_connected(self, series_uid: str) -> AbstractContextManager[None]:
        """Mark, until the context ends or the process dies, that an association which brought this series is open.

        When the context ends with `AssociationLost`, it is remembered that the association broke off, until another
        one brings this series.
        """
        ...


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """What a destination said of one attempt.

    Attributes
    ----------
    accepted
        How many instances it took, those with a warning included.
    warnings
        Statuses with which it took instances only in part (B000, B006, B007), one text each kind.
    refused
        SOPInstanceUID -> status, of those that it will never take.
    """

    accepted: int
    warnings: tuple[str, ...] = ()
    refused: Mapping[str, int] = field(default_factory=dict)


class Destination(Protocol):
    """Somewhere that derived series are sent."""

    def send(self, paths: Sequence[Path]) -> DeliveryReport:
        """Send DICOM files; sending the same again must do no harm.

        Raises
        ------
        DeliveryDeferred
            When it cannot take them now.
        """
        ...

    def echo(self) -> None:
        """Ask whether it is there.

        Raises
        ------
        DeliveryDeferred
            When it is not; the message says what to do.
        """
        ...


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What a rule may name.

    Attributes
    ----------
    models
        Model name -> the targets it offers (empty: it takes none).
    destination_kinds
        Kind -> the pydantic model of its settings in the rules file.
    outputs
        Model name -> what may be asked of it; one that is not there gives its result alone.
    """

    models: Mapping[str, Sequence[str]]
    destination_kinds: Mapping[str, type[BaseModel]]
    outputs: Mapping[str, Sequence[Output]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class InferenceRequest:
    """A volume on its way through a model.

    Attributes
    ----------
    model, digest, target
        The bundle's name, the SHA-256 it must have, and the target.
    volume
        What the model sees.
    target_digest
        SHA-256 that the target must have, where it is a look which the site added.
    output
        What is asked of the model.
    """

    model: str
    digest: str
    target: str | None
    volume: Volume
    target_digest: str | None = None
    output: Output = Output.RESULT


@dataclass(frozen=True, slots=True)
class InferenceOutcome:
    """What a model made of a volume.

    Attributes
    ----------
    volume
        The result, on the grid of the request's volume unless the model's task is to change it.
    numbers
        What the model reports about its work.
    seconds
        Of the model alone.
    device
        ``cpu`` or ``cuda:0``.
    """

    volume: Volume
    numbers: Mapping[str, float]
    seconds: float
    device: str


class Executor(Protocol):
    """Runs models, outside the receiver's process."""

    def run(self, request: InferenceRequest) -> InferenceOutcome:
        """Run one model on one volume.

        Raises
        ------
        JobHeld
            When the model itself refuses the volume.
        ModelCrashed, ModelTimedOut
            When it does not answer as it should; the next call starts afresh.
        """
        ...

    def close(self) -> None:
        """End the inference process."""
        ...


class StyleReader(Protocol):
    """Reads the style of references with a model's own encoder."""

    def read_style(self, request: InferenceRequest) -> tuple[float, ...]:
        """Read the style of the volume; target and output of the request mean nothing.

        Raises
        ------
        JobHeld
            When the model refuses the volume, or reads no styles.
        ModelCrashed, ModelTimedOut
            As in `Executor.run`.
        """
        ...


class Performed(Protocol):
    """Where it is known what a scanner says it made."""

    def performed(self, series_uid: str) -> frozenset[str] | None:
        """Return the SOPInstanceUIDs of all instances of a series, once the scanner has said that it is finished.

        None while it has not, and where it never does; also where the step was discontinued: what it lists then is
        what there is, and not what was meant to be.
        """
        ...


class Archive(Protocol):
    """A PACS that gets the same series as the node, and can be asked how much of them it has."""

    def instances(self, study_uid: str, series_uid: str) -> int:
        """Return how many instances of a series it has now, 0 where it knows none; it may still be receiving.

        Raises
        ------
        ArchiveSilent
            When it is down, refuses, or does not count.
        """
        ...


class PaceBook(Protocol):
    """Where the paces of senders are kept."""

    def paces(self) -> Sequence[Pace]:
        """Return what is known of all senders."""
        ...

    def keep(self, pace: Pace) -> None:
        """Write down what is known of one sender now."""
        ...
