"""YAML files that an admin writes, read into pydantic models; a mistake names its file, line and key.

`load` does the whole of it. Who merges something else before validating (the environment) takes `read`, validates,
and hands the error to `problem_lines`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from dicom_node.errors import RefusedToStart
from dicom_node.yaml_tree import BadYaml, LocatedList, LocatedMap, parse

ModelT = TypeVar("ModelT", bound=BaseModel)
Loc = tuple[int | str, ...]

MAX_BYTES = 512 * 1024


class FileRefused(RefusedToStart):
    """A file with mistakes.

    Attributes
    ----------
    problems
        One line each, in the order of the file; the message is the first, and how many more there are.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        super().__init__(problems[0] + more)
        self.problems = tuple(problems)


def load(path: Path, model: type[ModelT], *, context: Any = None) -> ModelT:
    """Read a YAML file into a pydantic model.

    Parameters
    ----------
    path
        The file; messages show it as it is given here.
    model
        What the file must hold.
    context
        Handed to the model's validators.

    Raises
    ------
    FileRefused
        When the file cannot be read, is not YAML, or does not fit the model.
    """
    return fit(path, read(path), model, context=context)


def fit(path: Path, data: LocatedMap, model: type[ModelT], *, context: Any = None) -> ModelT:
    """Validate what `read` returned; as `load`, for callers that need the plain values first."""
    try:
        return model.model_validate(data, context=context)
    except ValidationError as error:
        problems = problem_lines(path, data, error, model)
    raise FileRefused(problems)  # outside of the handler: pydantic's error holds the values, passwords too


def read(path: Path) -> LocatedMap:
    """Read a YAML file whose top is a mapping; an empty file is an empty mapping.

    Scalars follow the core schema of YAML 1.2 (10.3.2): ``yes``, ``no``, ``on`` and dates stay text. Keys are always
    text, as written. Tags, doubled keys, more than one document and files of more than `MAX_BYTES` are refused.

    Raises
    ------
    FileRefused
        With the line of the first mistake.
    """
    return parsed(path, text_of(path))


def parsed(path: Path, text: str) -> LocatedMap:
    """Read YAML as `read` does, from a text; `path` is for its messages."""
    try:
        return parse(text)
    except BadYaml as mistake:
        problem = f"{path}:{mistake.line}: {mistake}"
    raise FileRefused([problem])


def validated(model: type[ModelT], data: Any, *, context: Any = None) -> ModelT:
    """Validate `data` and, on errors, raise them in the words of `problem_lines`.

    For validators that hand a part of the file to another model: what they raise keeps its place in the file.

    Raises
    ------
    ValidationError
        With a message for the admin in each of its errors.
    """
    try:
        return model.model_validate(data, context=context)
    except ValidationError as error:
        mistakes = worded(error, model)
    raise ValidationError.from_exception_data(model.__name__, mistakes)


def worded(error: ValidationError, model: type[BaseModel]) -> list[InitErrorDetails]:
    """Return the errors of validating against `model` with a message for the admin in each, to be raised anew."""
    return [
        located_error(each["loc"], _wording(each, model), is_absent=each["type"] == "missing")
        for each in error.errors(include_url=False)
    ]


def located_error(loc: Loc, message: str, *, is_absent: bool = False) -> InitErrorDetails:
    """Return one error for `ValidationError.from_exception_data`.

    Parameters
    ----------
    loc
        Where, below the validator that raises it.
    message
        What to tell the admin.
    is_absent
        Whether `loc` ends in a key that the file lacks.
    """
    kind = "missing" if is_absent else "worded"
    return InitErrorDetails(type=PydanticCustomError(kind, "{message}", {"message": message}), loc=loc, input=None)


def problem_lines(path: Path, data: Any, error: ValidationError, model: type[BaseModel]) -> tuple[str, ...]:
    """Return one line for each error: ``file:line: key: what is wrong``; no value from the file is repeated.

    Parameters
    ----------
    path
        The file; shown as given.
    data
        From `read`; an error at a key that it does not hold is shown with the line of what surrounds that key.
    error
        From validating it.
    model
        The model it was validated against: its fields are what an unknown key may have meant.
    """
    found = []
    for detail in error.errors(include_url=False):
        line, key = _place(data, detail["loc"], is_absent=detail["type"] == "missing")
        parts = (f"{path}:{line}" if line else str(path), key, _wording(detail, model))
        found.append((line, _one_line(": ".join(part for part in parts if part))))
    return tuple(text for _, text in sorted(found, key=lambda each: each[0]))


def did_you_mean(word: str, names: Iterable[str]) -> str:
    """Return ``; did you mean 'X'?`` with the nearest of `names`, the few that there are, or nothing."""
    known = list(names)
    near = difflib.get_close_matches(word.casefold(), {name.casefold() for name in known}, n=1, cutoff=0.6)
    if near:
        meant = [name for name in known if name.casefold() == near[0]]  # a fact and a keyword may differ in case only
        return f"; did you mean '{max(meant, key=lambda name: difflib.SequenceMatcher(None, word, name).ratio())}'?"
    if 0 < len(known) <= 8:
        return "; there is " + ", ".join(f"'{name}'" for name in known)
    return ""


_NUMBER, _FLAG, _TEXT = (
    "must be a number",
    "must be true or false",
    "must be text (in quotes where it looks like a number)",
)
_WORDS = {
    "missing": "is required",
    "model_type": "must hold keys with values",
    "model_attributes_type": "must hold keys with values",
    "dict_type": "must hold keys with values",
    "mapping_type": "must hold keys with values",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "string_type": _TEXT,
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "bool_type": _FLAG,
    "bool_parsing": _FLAG,
}


def _wording(detail: Mapping[str, Any], model: type[BaseModel]) -> str:
    loc: Loc = detail["loc"]
    if detail["type"] == "extra_forbidden":
        return "not a key that is known here" + did_you_mean(str(loc[-1]), _keys_at(model, loc[:-1]))
    message = detail["msg"] if "message" in detail.get("ctx", {}) else _WORDS.get(detail["type"], detail["msg"])
    return _one_line(
        message.replace("Input should", "must").replace("String should", "must").removeprefix("Value error, ")
    )


def _one_line(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in " ".join(text.split()))


def _keys_at(annotation: Any, loc: Loc) -> list[str]:
    """Return the fields of the models that stand at `loc`."""
    level = list(_alternatives(annotation))
    for step in loc:
        below = [each for part in level for each in _below(part, step)]
        level = [each for part in below for each in _alternatives(part)] or level  # a step that only tags a union
    models = [part for part in level if isinstance(part, type) and issubclass(part, BaseModel)]
    return [field.alias or name for part in models for name, field in part.model_fields.items()]


def _alternatives(annotation: Any) -> Iterator[Any]:
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _alternatives(get_args(annotation)[0])
    elif origin in (Union, UnionType):
        for part in get_args(annotation):
            yield from _alternatives(part)
    else:
        yield annotation


def _below(part: Any, step: int | str) -> list[Any]:
    if isinstance(part, type) and issubclass(part, BaseModel):
        return [field.annotation for name, field in part.model_fields.items() if step in (name, field.alias)]
    arguments = get_args(part)
    wanted = 0 if isinstance(step, int) else 1
    return [arguments[wanted]] if len(arguments) > wanted else []


def _place(data: Any, loc: Loc, *, is_absent: bool) -> tuple[int, str]:
    """Return the line of what `loc` names, or of the nearest thing around it (0: none), and its dotted name."""
    line, name = 0, ""
    for position, step in enumerate(loc):
        is_here = (isinstance(data, LocatedMap) and step in data) or (
            isinstance(data, LocatedList) and isinstance(step, int) and step < len(data)
        )
        if is_here:
            line, data = data.lines[step], data[step]
        elif not (is_absent and position == len(loc) - 1) and isinstance(data, LocatedMap | LocatedList):
            continue  # pydantic names the branch of a union here, which the file does not
        name += f"[{step}]" if isinstance(step, int) else f".{step}"
    return line, name.removeprefix(".")


def text_of(path: Path) -> str:
    """Return the text of a file, without a byte order mark.

    Raises
    ------
    FileRefused
        When it cannot be read, is too large, or is not UTF-8.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise FileRefused([f"{path}: cannot be read: {error.strerror}"]) from None
    if len(raw) > MAX_BYTES:
        raise FileRefused([f"{path}: larger than {MAX_BYTES // 1024} KiB"])
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise FileRefused([f"{path}:{line}: not UTF-8"]) from None
