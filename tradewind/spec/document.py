"""YAML text as trees whose every node knows its line: the safe subset of YAML 1.1 that task files use.

Built from PyYAML's event stream without recursion, so that depth, size and aliases are bounded before anything grows: libyaml's own
time is quadratic in nesting depth, and aliases multiply.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

import msgspec
import yaml

from tradewind.spec.errors import SpecError

MAX_BYTES = 1_000_000  # a task file is a page of text; SkyPilot's largest examples are under 20 kB
MAX_DEPTH = 32
MAX_NODES = 50_000  # after aliases are expanded

T = TypeVar("T")
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml is twenty times faster where the wheel has it
_MERGE_TAG = "tag:yaml.org,2002:merge"
_SAFE_TAGS = frozenset(
    f"tag:yaml.org,2002:{kind}" for kind in ("null", "bool", "int", "float", "str", "timestamp", "merge", "value")
)


class Mark(msgspec.Struct, frozen=True):
    """Where a node stands: the file as given (or a flag), line and column from 1 (0: no line).

    What SkyPilot reads and refuses only when it launches is `put_off`: a reading that launches raises it at once, one that only looks at the file
    gathers it in `later`.
    """

    file: str
    line: int = 0
    column: int = 0
    later: list[SpecError] | None = None

    def error(self, field: str, message: str, suggestion: str = "") -> SpecError:
        """The refusal of `field` at this place, to raise."""
        return SpecError(self.file, self.line, self.column, field, message, suggestion)

    def put_off(self, field: str, message: str, suggestion: str = "") -> None:
        """A launch refuses `field`: raised, or kept for later."""
        self.put_off_error(self.error(field, message, suggestion))

    def put_off_error(self, error: SpecError) -> None:
        """The same of a refusal that is made already."""
        if self.later is None:
            raise error
        self.later.append(error)

    def at_launch(self, read: Callable[[], T], instead: T) -> T:
        """What `read` gives; its refusal is put off, and `instead` stands for the value then."""
        try:
            return read()
        except SpecError as error:
            self.put_off_error(error)
            return instead


class Scalar(msgspec.Struct, frozen=True):
    """A single value: what YAML reads (`value`) and what the person wrote (`text`)."""

    value: object
    text: str
    mark: Mark
    size: int = 1


class Sequence(msgspec.Struct, frozen=True):
    items: tuple[Node, ...]
    mark: Mark
    size: int = 1


class Mapping(msgspec.Struct, frozen=True):
    """Keys in the order written, as Python's text of what YAML reads; `key_marks` holds where each stands, `not_text` those that YAML reads as something else."""

    entries: dict[str, Node]
    key_marks: dict[str, Mark]
    mark: Mark
    size: int = 1
    not_text: frozenset[str] = frozenset()


Node = Scalar | Sequence | Mapping


class _Frame:
    """A collection under construction."""

    __slots__ = ("anchor", "children", "is_mapping", "mark", "path")

    def __init__(self, mark: Mark, anchor: str | None, *, is_mapping: bool, path: str) -> None:
        self.mark = mark
        self.anchor = anchor
        self.is_mapping = is_mapping
        self.path = path
        self.children: list[Node] = []


def read_documents(text: str, file: str, later: list[SpecError] | None = None) -> tuple[Mapping, ...]:
    """The mappings that `text` holds, one or more (empty documents are left out); `file` names it in messages, `later` is every mark's.

    Raises SpecError for text that is no YAML, is empty, duplicate keys, tags that would run code, or more than MAX_DEPTH levels or
    MAX_NODES nodes.
    """
    whole = Mark(file)
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise whole.error("", "the text holds half of a surrogate pair, which is no character") from error
    if size > MAX_BYTES:
        raise whole.error(
            "", f"the file is larger than {MAX_BYTES // 1000} kB; a task file holds no data: name files instead"
        )
    loader = None
    try:
        loader = _LOADER(text)
        roots = _Builder(loader, file, later).build()
    except yaml.YAMLError as error:
        _raise_yaml_error(error, text, file)
    finally:
        if loader is not None:
            loader.dispose()
    written = [root for root in roots if not (isinstance(root, Scalar) and root.value is None)]
    if all(isinstance(root, Mapping) and not root.entries for root in written):
        raise whole.error("", "the file is empty; a task needs at least a `run:` line")
    found = []
    for root in written:
        if not isinstance(root, Mapping):
            raise root.mark.error("", "a task file is a mapping of fields, such as `run: echo hello`")
        found.append(root)
    return tuple(found)


class _Builder:
    def __init__(self, loader: Any, file: str, later: list[SpecError] | None) -> None:
        self._loader = loader
        self._file = file
        self._later = later
        self._anchors: dict[str, Node] = {}
        self._nodes = 0

    def build(self) -> list[Node]:
        stack: list[_Frame] = []
        roots: list[Node] = []
        while self._loader.check_event():
            event = self._loader.get_event()
            mark = Mark(self._file, event.start_mark.line + 1, event.start_mark.column + 1, self._later)
            node: Node
            if isinstance(event, yaml.DocumentStartEvent):
                self._anchors.clear()  # an anchor holds within its document
                continue
            if isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
                self._open(event, mark, stack)
                continue
            if isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
                frame = stack.pop()
                node = self._mapping(frame) if frame.is_mapping else self._sequence(frame)
                anchor = frame.anchor
            elif isinstance(event, yaml.ScalarEvent):
                node, anchor = self._scalar(event, mark), event.anchor
            elif isinstance(event, yaml.AliasEvent):
                node, anchor = self._alias(str(event.anchor), mark), None
            else:
                continue
            if anchor is not None:
                self._anchors[anchor] = node
            if stack:
                stack[-1].children.append(node)
            else:
                roots.append(node)
        return roots

    def _count(self, size: int, mark: Mark) -> None:
        self._nodes += size
        if self._nodes > MAX_NODES:
            raise mark.error("", f"the file holds more than {MAX_NODES} values once its aliases are expanded")

    def _open(self, event: Any, mark: Mark, stack: list[_Frame]) -> None:
        if len(stack) >= MAX_DEPTH:
            raise mark.error("", f"values are nested more than {MAX_DEPTH} deep")
        if event.tag is not None and event.tag not in {"tag:yaml.org,2002:map", "tag:yaml.org,2002:seq", "!"}:
            raise mark.error("", f"the tag {event.tag} is not allowed in a task file")
        self._count(1, mark)
        is_mapping = isinstance(event, yaml.MappingStartEvent)
        stack.append(_Frame(mark, event.anchor, is_mapping=is_mapping, path=""))

    def _alias(self, anchor: str, mark: Mark) -> Node:
        node = self._anchors.get(anchor)
        if node is None:
            raise mark.error("", f"the alias *{anchor} has no finished &{anchor} before it")
        self._count(node.size, mark)
        return node

    def _scalar(self, event: Any, mark: Mark) -> Scalar:
        self._count(1, mark)
        tag = event.tag
        if tag is None or tag == "!":
            tag = self._loader.resolve(yaml.ScalarNode, event.value, event.implicit)
        if tag not in _SAFE_TAGS:
            raise mark.error("", f"the tag {tag} is not allowed in a task file")
        if tag in {_MERGE_TAG, "tag:yaml.org,2002:value"}:
            return Scalar(event.value, event.value, mark)
        try:
            value = self._loader.construct_object(yaml.ScalarNode(tag, event.value))
        except (ValueError, OverflowError, KeyError) as error:
            raise mark.error(
                "", f"{_shorten(event.value)!r} cannot be read as a {tag.rpartition(':')[2]}; quote it"
            ) from error
        return Scalar(value, event.value, mark)

    def _sequence(self, frame: _Frame) -> Sequence:
        return Sequence(tuple(frame.children), frame.mark, 1 + sum(child.size for child in frame.children))

    def _mapping(self, frame: _Frame) -> Mapping:
        entries: dict[str, Node] = {}
        marks: dict[str, Mark] = {}
        merged: list[Mapping] = []
        not_text: set[str] = set()
        pairs = zip(frame.children[::2], frame.children[1::2], strict=True)
        for key, value in pairs:
            if not isinstance(key, Scalar):
                raise key.mark.error("", "a field's name must be text")
            if key.text == "<<" and key.value == "<<":
                merged.extend(_merge_sources(value))
                continue
            name = _name(key)
            if not isinstance(key.value, str):
                not_text.add(name)
            if name in entries:
                raise key.mark.error(name, f"given twice (first on line {marks[name].line}); keep one")
            entries[name] = value
            marks[name] = key.mark
        for source in merged:  # keys written here win, then earlier sources, as YAML's merge type says
            for name, value in source.entries.items():
                if name not in entries:
                    entries[name] = value
                    marks[name] = source.key_marks[name]
                    if name in source.not_text:
                        not_text.add(name)
        size = 1 + sum(child.size + 1 for child in entries.values())
        return Mapping(entries, marks, frame.mark, size, frozenset(not_text))


def _name(key: Scalar) -> str:
    """The key as SkyPilot makes text of it: `1` of 1, `True` of yes."""
    if isinstance(key.value, str):
        return key.value
    try:
        return str(key.value)
    except ValueError:  # digits beyond int's print limit
        return key.text


def _merge_sources(value: Node) -> list[Mapping]:
    candidates = value.items if isinstance(value, Sequence) else (value,)
    sources: list[Mapping] = []
    for candidate in candidates:
        if not isinstance(candidate, Mapping):
            raise candidate.mark.error("<<", "merges mappings only")
        sources.append(candidate)
    return sources


def _shorten(text: str) -> str:
    return text if len(text) <= 40 else text[:37] + "..."


def _raise_yaml_error(error: yaml.YAMLError, text: str, file: str) -> NoReturn:
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        position, character = getattr(error, "position", None), getattr(error, "character", None)
        if isinstance(position, int):
            if isinstance(character, int):  # libyaml counts bytes
                before = text.encode()[:position].decode("utf-8", "ignore")
            else:
                before, character = text[:position], ord(str(character)[:1] or "?")
            here = Mark(file, before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)
            raise here.error(
                "", f"the character U+{character:04X} is not allowed in YAML; remove it or write it as an escape"
            ) from error
        raise Mark(file).error("", f"not YAML: {error}") from error
    here = Mark(file, mark.line + 1, mark.column + 1)
    lines = text.splitlines()
    line = lines[mark.line] if mark.line < len(lines) else ""
    if "\t" in line[: len(line) - len(line.lstrip())] or line[mark.column : mark.column + 1] == "\t":
        raise here.error("", "a tab is used for indentation; YAML wants spaces") from error
    problem = getattr(error, "problem", None) or "it cannot be read"
    raise here.error("", f"not YAML: {problem}") from error
