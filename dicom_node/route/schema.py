"""The rules file as typed models: destinations, and rules that say when, run what, send where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    PlainSerializer,
    PlainValidator,
    SerializationInfo,
    SerializeAsAny,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import InitErrorDetails

from dicom_node.domain.ports import Catalogue
from dicom_node.located_yaml import did_you_mean, located_error, validated, worded
from dicom_node.route.clauses import When, parse_when
from dicom_node.route.conflicts import conflicts
from dicom_node.route.windows import WindowSettings
from inference.output import Output


class Priority(StrEnum):
    """How soon a job runs beside others."""

    URGENT = "urgent"
    ROUTINE = "routine"
    BATCH = "batch"

    @property
    def rank(self) -> int:
        """Place in the queue, as `Job.priority`: lower runs first."""
        return list(Priority).index(self)


@dataclass(frozen=True, slots=True)
class Names:
    """What a rules file may name; the context that `RulesFile` is validated with.

    Attributes
    ----------
    catalogue
        Models, their targets, and kinds of destinations.
    destinations, windows
        The names that the same file gives to destinations and windows.
    """

    catalogue: Catalogue
    destinations: tuple[str, ...]
    windows: tuple[str, ...] = ()

    @classmethod
    def of(cls, catalogue: Catalogue, data: Mapping[str, Any]) -> Names:
        """Return the names for a file that holds `data`."""
        destinations, windows = (
            tuple(named) if isinstance(named := data.get(key), Mapping) else () for key in ("destinations", "windows")
        )
        return cls(catalogue, destinations, windows)


def _printable(text: str) -> str:
    if not text.isprintable() or text != text.strip():
        raise ValueError("must be printable, with no blank at its ends")
    return text


def _known_destination(name: str, info: ValidationInfo) -> str:
    names = info.context
    if isinstance(names, Names) and name not in names.destinations:
        raise ValueError(f"no destination of that name in this file{did_you_mean(name, names.destinations)}")
    return name


def _known_window(name: str, info: ValidationInfo) -> str:
    names = info.context
    if isinstance(names, Names) and name not in names.windows:
        raise ValueError(f"no window of that name in this file{did_you_mean(name, names.windows)}")
    return name


def _listed(data: Any) -> Any:
    """Take one thing to run as a list of one."""
    return [data] if isinstance(data, Mapping | Run) else data


def _one_or_all(runs: tuple[Run, ...], info: SerializationInfo) -> Any:
    written = [run.model_dump(mode="json", exclude_none=info.exclude_none) for run in runs]
    return written[0] if len(written) == 1 else written


def _each_run_once(runs: tuple[Run, ...]) -> tuple[Run, ...]:
    if not runs:
        raise ValueError("names nothing to run")
    if len(set(runs)) < len(runs):
        raise ValueError("runs the same twice")
    return runs


def _each_once(items: tuple[str, ...]) -> tuple[str, ...]:
    if not items:
        raise ValueError("names no destination")
    if len(set(items)) < len(items):
        raise ValueError("names a destination twice")
    return items


def _settings_of_kind(data: Any, info: ValidationInfo) -> BaseModel:
    """Validate one destination against the settings of its kind."""
    if not isinstance(info.context, Names):
        raise ValueError("destinations are read with a catalogue of their kinds")
    kinds = info.context.catalogue.destination_kinds
    if not isinstance(data, Mapping):
        raise ValueError("must hold a kind and its settings, as {kind: dicom, host: …}")
    kind = data.get("kind")
    if kind is None:
        raise _refusal(located_error(("kind",), "is required", is_absent=True))
    if not isinstance(kind, str) or kind not in kinds:
        raise _refusal(located_error(("kind",), f"not a kind of destination{did_you_mean(str(kind), kinds)}"))
    return validated(kinds[kind], data)


def _refusal(mistake: InitErrorDetails) -> ValidationError:
    return ValidationError.from_exception_data("rules", [mistake])


DestinationName = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_printable)]
KnownDestination = Annotated[str, AfterValidator(_known_destination)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Run(_Strict):
    """What a rule runs.

    Attributes
    ----------
    model, target
        Names of the catalogue; a model without targets takes none, one with targets needs one.
    output
        What is asked of the model: its result, or how unsure it is of it where it can tell.
    """

    model: str
    target: str | None = None
    output: Output = Output.RESULT

    @property
    def identity(self) -> str:
        """Return what tells it from whatever else the same rule runs."""
        return self.model_dump_json(exclude_defaults=True)

    @model_validator(mode="after")
    def _is_offered(self, info: ValidationInfo) -> Run:
        if not isinstance(info.context, Names):
            return self
        models = info.context.catalogue.models
        if self.model not in models:
            raise _refusal(located_error(("model",), f"no model of that name{did_you_mean(self.model, models)}"))
        targets = models[self.model]
        if self.target is None and targets:
            problem = f"is required: '{self.model}' aims at a target{did_you_mean('', targets)}"
            raise _refusal(located_error(("target",), problem, is_absent=True))
        if self.target is not None and not targets:
            raise _refusal(located_error(("target",), f"'{self.model}' takes no target"))
        if self.target is not None and self.target not in targets:
            problem = f"'{self.model}' has no target of that name{did_you_mean(self.target, targets)}"
            raise _refusal(located_error(("target",), problem))
        if self.output not in info.context.catalogue.outputs.get(self.model, (Output.RESULT,)):
            raise _refusal(located_error(("output",), self._not_offered(info.context.catalogue)))
        return self

    def _not_offered(self, catalogue: Catalogue) -> str:
        offering = ", ".join(sorted(name for name, offered in catalogue.outputs.items() if self.output in offered))
        who = f"name a model that does ({offering})" if offering else "no model that is installed does"
        return f"'{self.model}' offers no {self.output}: leave this key out to get its result; {who}"


class Rule(_Strict):
    """One rule: when it matches a stack, each of `run` is done, and each result goes to every destination of `send`.

    Attributes
    ----------
    name
        Unique in the file; 1 to 100 printable characters.
    when
        What the stack must be; an empty mapping matches every stack.
    stop
        Whether the rules below are not looked at when this one matches.
    during
        The window in which its jobs may begin; None: at any time.
    """

    name: Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_printable)]
    when: Annotated[
        When,
        PlainValidator(parse_when),
        PlainSerializer(lambda when: dict(when.written)),
        WithJsonSchema({"type": "object"}),
    ]
    run: Annotated[
        tuple[Run, ...],
        BeforeValidator(_listed, json_schema_input_type=Run | tuple[Run, ...]),
        AfterValidator(_each_run_once),
        PlainSerializer(_one_or_all),
    ]
    send: Annotated[tuple[KnownDestination, ...], AfterValidator(_each_once)]
    stop: bool = False
    priority: Priority = Priority.ROUTINE
    during: Annotated[str, AfterValidator(_known_window)] | None = None

    @model_validator(mode="after")
    def _does_not_wait_and_hurry(self) -> Rule:
        if self.during is not None and self.priority is Priority.URGENT:
            raise _refusal(located_error(("during",), "an urgent rule waits for no window: make it routine or batch"))
        return self


Destination = Annotated[
    SerializeAsAny[BaseModel],
    PlainValidator(_settings_of_kind),
    WithJsonSchema({"type": "object"}),
]


class RulesFile(_Strict):
    """All of a rules file; validated with `Names` as context, without which destinations cannot be read.

    Attributes
    ----------
    destinations
        Name -> settings, of the model that the catalogue gives for its `kind`.
    windows
        Name -> when jobs may begin.
    rules
        In the order of the file, which is the order in which they are looked at.
    """

    version: Literal[1]
    destinations: dict[DestinationName, Destination]
    windows: dict[DestinationName, WindowSettings] = {}
    rules: tuple[Rule, ...]

    @model_validator(mode="wrap")
    @classmethod
    def _every_mistake(cls, data: Any, handler: ModelWrapValidatorHandler[RulesFile]) -> RulesFile:
        """Look at what the rules are to each other, too, even where one of them is wrong by itself."""
        mistakes = _between_rules(data.get("rules")) if isinstance(data, Mapping) else []
        try:
            file = handler(data)
        except ValidationError as error:
            mistakes += worded(error, cls)
        if mistakes:
            raise ValidationError.from_exception_data("rules", mistakes)
        if mistakes := conflicts(file.rules):
            raise ValidationError.from_exception_data("rules", mistakes)
        return file


def _between_rules(rules: Any) -> list[InitErrorDetails]:
    mistakes: list[InitErrorDetails] = []
    names: set[str] = set()
    last: str | None = None
    for position, rule in enumerate(rules if isinstance(rules, list) else ()):
        name = rule.get("name") if isinstance(rule, Mapping) else None
        if not isinstance(name, str):
            continue
        if name in names:
            mistakes.append(located_error(("rules", position, "name"), "is the name of a rule above"))
        names.add(name)
        if last is not None:
            problem = f"is never reached: '{last}' above matches everything and stops"
            mistakes.append(located_error(("rules", position), problem))
        elif rule.get("when") == {} and str(rule.get("stop")).lower() in ("true", "yes", "on"):
            last = name
    return mistakes
