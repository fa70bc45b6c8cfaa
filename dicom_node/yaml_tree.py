"""YAML as plain values that know their lines: a small, safe reading of ruamel's parser events."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.events import (
    AliasEvent,
    CollectionStartEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    StreamEndEvent,
    StreamStartEvent,
)
from ruamel.yaml.reader import ReaderError

MAX_DEPTH = 40
MAX_VALUES = 50_000  # aliases counted as what they stand for


class BadYaml(Exception):
    """Text that is not YAML, or YAML beyond what a file of settings needs.

    Attributes
    ----------
    line
        1-based.
    """

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(problem)
        self.line = line


class LocatedMap(dict[str, Any]):
    """A mapping that knows the line (1-based) of each of its keys."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: dict[str, int] = {}


class LocatedList(list[Any]):
    """A list that knows the line (1-based) of each of its items."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[int] = []


def parse(text: str) -> LocatedMap:
    """Return the mapping that `text` holds; nothing at all is an empty mapping.

    Scalars follow the core schema of YAML 1.2 (10.3.2): ``yes``, ``no``, ``on`` and dates stay text; keys are always
    text, as written. Tags, doubled keys, a second document and more than `MAX_VALUES` values are refused.

    Raises
    ------
    BadYaml
        With the line of the first mistake.
    """
    try:
        return _Builder(YAML(typ="safe", pure=True).parse(io.StringIO(text))).document()
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise BadYaml(mark.line + 1 if mark else 1, f"not YAML: {error.problem or error.context}") from None
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise BadYaml(line, "not YAML: a control character") from None


_NULL = re.compile(r"|~|null|Null|NULL")
_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]{1,18}|0x[0-9a-fA-F]{1,15}|0o[0-7]{1,20}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_CORE_SCHEMA: tuple[tuple[re.Pattern[str], Callable[[str], Any]], ...] = (
    (_NULL, lambda text: None),
    (_BOOL, lambda text: text.lower() == "true"),
    (_INT, lambda text: int(text, 0 if text[:2] in ("0x", "0o") else 10)),
    (_FLOAT, lambda text: float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))),
)


def _plain_scalar(text: str) -> Any:
    for pattern, convert in _CORE_SCHEMA:
        if pattern.fullmatch(text):
            return convert(text)
    return text


_AROUND = (StreamStartEvent, StreamEndEvent, DocumentStartEvent, DocumentEndEvent)


class _Builder:
    """Builds located mappings and lists from the parser's events: nothing but text, numbers, booleans and null."""

    def __init__(self, events: Iterable[Event]) -> None:
        self._events = (event for event in events if not isinstance(event, _AROUND))
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._values = 0

    def document(self) -> LocatedMap:
        first = next(self._events, None)
        tree = None if first is None else self._node(first, 0)
        if (second := next(self._events, None)) is not None:
            raise _bad(second, "a second document begins here; only one is read")
        if first is None or tree is None:
            return LocatedMap()
        if not isinstance(tree, LocatedMap):
            raise _bad(first, "the file must hold keys with values")
        return tree

    def _node(self, event: Event, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise _bad(event, f"nested more than {MAX_DEPTH} deep")
        self._count(1, event)
        if isinstance(event, AliasEvent):
            return self._alias(event, depth)
        assert isinstance(event, ScalarEvent | CollectionStartEvent)  # the parser has no other
        if event.ctag is not None:
            raise _bad(event, f"tags such as {_shown(event.tag)} are not accepted: write a plain value")
        before = self._values
        if isinstance(event, ScalarEvent):
            value = _plain_scalar(event.value) if event.implicit[0] else event.value
        else:
            value = self._mapping(depth) if isinstance(event, MappingStartEvent) else self._sequence(depth)
        if event.anchor is not None:
            self._anchors[event.anchor] = (value, self._values - before)
        return value

    def _mapping(self, depth: int) -> LocatedMap:
        mapping = LocatedMap()
        while not isinstance(event := next(self._events), MappingEndEvent):
            if not isinstance(event, ScalarEvent) or event.ctag is not None:
                raise _bad(event, "a key must be plain text")
            key = event.value
            if key in mapping:
                raise _bad(event, f"the key {_shown(key)} stands here twice, first on line {mapping.lines[key]}")
            mapping[key] = self._node(next(self._events), depth + 1)
            mapping.lines[key] = _line(event)
        return mapping

    def _sequence(self, depth: int) -> LocatedList:
        sequence = LocatedList()
        while not isinstance(event := next(self._events), SequenceEndEvent):
            sequence.append(self._node(event, depth + 1))
            sequence.lines.append(_line(event))
        return sequence

    def _alias(self, event: AliasEvent, depth: int) -> Any:
        if event.anchor not in self._anchors:
            raise _bad(event, f"*{event.anchor} has no &{event.anchor} that ends before it")
        value, values = self._anchors[event.anchor]
        self._count(values, event)
        if depth + _height(value) > MAX_DEPTH:
            raise _bad(event, f"nested more than {MAX_DEPTH} deep")
        return value

    def _count(self, values: int, event: Event) -> None:
        self._values += values
        if self._values > MAX_VALUES:
            raise _bad(event, f"more than {MAX_VALUES} values, aliases counted as what they stand for")


def _height(value: Any) -> int:
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(_height, inside), default=-1)


def _bad(event: Event, problem: str) -> BadYaml:
    return BadYaml(_line(event), problem)


def _line(event: Event) -> int:
    return int(event.start_mark.line) + 1


def _shown(text: object) -> str:
    shown = "".join(c if c.isprintable() else "?" for c in str(text))
    return f"'{shown}'" if len(shown) <= 60 else f"'{shown[:60]}…'"
