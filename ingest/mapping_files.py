"""YAML files that people write → checked models, or one sentence; and what mappings of all rooms say alike: patterns of
files, encodings. What else a mapping may say is its own room's business."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import Any, TypeVar

import pydantic
import yaml

from ingest.errors import IngestError

LARGEST = 1_000_000  # bytes; the parser takes ten seconds for as much
DEEPEST = 20
# Codecs that are for host names, program text and errors.
_NO_FILES = {"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "mbcs", "oem"}
_MOST_NODES = 200_000  # with every alias counted as what it stands for

Model = TypeVar("Model", bound=pydantic.BaseModel)


def read_mapping_file(path: Path, model: type[Model]) -> Model:
    """Read a mapping and validate it.

    Raises:
        IngestError: it is not there, not YAML, or says something that cannot be.
    """
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
        text = data.decode("utf-8-sig")
    except FileNotFoundError:
        raise IngestError(f"There is no mapping {path}.") from None
    except OSError as error:
        raise IngestError(f"The mapping {path} cannot be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise IngestError(f"The mapping {path} is not UTF-8 (byte {error.start:,}); save it as UTF-8.") from error
    if len(data) > LARGEST:
        raise IngestError(f"The mapping {path} is larger than {LARGEST:,} bytes; is it one of the data files?")
    try:
        content = yaml.load(text, Loader=_Loader)  # noqa: S506 (it makes nothing but text, lists and maps)
    except yaml.YAMLError as error:
        raise IngestError(f"The mapping {path} is not YAML: {' '.join(str(error).split())}.") from error
    if not isinstance(content, dict):
        raise IngestError(f"The mapping {path} is empty or not a list of 'name: value' lines.")
    try:
        return model.model_validate(content)
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"] if part not in ("TenantColumn", "str"))
        words = first["msg"].removeprefix("Value error, ")
        if first["type"] == "extra_forbidden":
            words = "there is no such setting"
        raise IngestError(f"The mapping {path}: {where + ': ' if where else ''}{words}.") from error


def known_encoding(name: str) -> str:
    """The name, if it is an encoding of files; ValueError with a sentence if not."""
    try:
        info = codecs.lookup(name)
    except (LookupError, ValueError):
        info = None
    if info is None or not getattr(info, "_is_text_encoding", True) or info.name in _NO_FILES:
        raise ValueError(f"Python knows no such encoding of files as {name!r}; usual ones are utf-8, utf-16 and cp1252")
    return name


def files_like(base: Path, pattern: str) -> list[Path]:
    """What a glob matches, sorted; a relative one below ``base``.

    Raises:
        IngestError: it cannot be one.
    """
    root = Path(Path(pattern).anchor) if Path(pattern).is_absolute() else base
    try:
        return sorted(root.glob(pattern.removeprefix(Path(pattern).anchor)))
    except (ValueError, OSError, RecursionError) as error:
        raise IngestError(f"The pattern {pattern!r} cannot be used: {error}.") from error


class _Loader(yaml.BaseLoader):
    """Text, lists and maps only: a country NO is no boolean, a lead 007 no number.

    Refuses what YAML allows and no mapping means: a key twice (one would silently win), nesting without end, aliases
    that multiply, characters that no database takes.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0
        self._nodes = 0
        self._sizes: dict[int, int] = {}

    def compose_node(self, parent: Any, index: Any) -> Any:
        mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
        is_alias = self.check_event(yaml.AliasEvent)
        before = self._nodes
        self._depth += 1
        if self._depth > DEEPEST:
            raise yaml.composer.ComposerError(None, None, f"it is nested deeper than {DEEPEST} levels", mark)
        node = super().compose_node(parent, index)
        self._depth -= 1
        if is_alias and id(node) not in self._sizes:
            raise yaml.composer.ComposerError(None, None, "an alias stands within what it stands for", mark)
        self._nodes += self._sizes[id(node)] if is_alias else 1
        if self._nodes > _MOST_NODES:
            raise yaml.composer.ComposerError(None, None, f"it has more than {_MOST_NODES:,} values", mark)
        if not is_alias:
            self._sizes[id(node)] = self._nodes - before
        return node

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        made = super().construct_mapping(node, deep=deep)
        if len(made) < len(node.value):
            seen: set[Any] = set()
            for key_node, _ in node.value:
                key = self.construct_object(key_node, deep=True)
                if key in seen:
                    raise yaml.constructor.ConstructorError(None, None, f"{key!r} is there twice", key_node.start_mark)
                seen.add(key)
        return made

    def construct_scalar(self, node: Any) -> str:
        value = super().construct_scalar(node)
        assert isinstance(value, str)
        if "\x00" in value or any("\ud800" <= character <= "\udfff" for character in value):
            raise yaml.constructor.ConstructorError(
                None, None, "a text holds a character that no database takes", node.start_mark
            )
        return value
