"""Every setting as a row: its path, type, bounds, default and sentence; the reference is generated from these."""

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import inspect

from postroad.model.setting_type import Kind, kind_of, unwrapped


class SettingField(msgspec.Struct, frozen=True, kw_only=True):
    """One setting that a file or the environment may give."""

    path: str
    kind: Kind
    type_text: str
    """The type with its bounds, for people: ``whole number, 1 to 65535``."""
    default: Any
    description: str

    @property
    def variable(self) -> str:
        """Return the name of its environment variable."""
        return "POSTROAD_" + self.path.replace(".", "__").upper()


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """One table of the file, with its settings; the top level has an empty path."""

    path: str
    description: str
    fields: tuple[SettingField, ...]
    header: str = ""
    """How the table begins in the file: ``[smtp]``, and ``[[delivery.routes]]`` where it can be repeated."""
    is_repeated: bool = False
    """One of any number of such tables; its settings have no path and no variable of their own."""


def sections_of(struct: type[msgspec.Struct]) -> tuple[Section, ...]:
    """Return the top level and every table below it, in the order they are declared."""
    return tuple(_sections(inspect.type_info(struct), ""))


def fields_by_path(struct: type[msgspec.Struct]) -> dict[str, SettingField]:
    """Return every setting by its dotted path."""
    sections = (section for section in sections_of(struct) if not section.is_repeated)
    return {field.path: field for section in sections for field in section.fields}


def _sections(info: inspect.Type, path: str, header: str = "", *, is_repeated: bool = False) -> Iterator[Section]:
    if not isinstance(info, inspect.StructType):
        raise TypeError(f"{path} is not a section of settings")
    fields: list[SettingField] = []
    inner_sections: list[Iterator[Section]] = []
    for field in info.fields:
        inner, _ = unwrapped(field.type)
        name = f"{path}.{field.encode_name}" if path else field.encode_name
        if isinstance(inner, inspect.StructType):
            inner_sections.append(_sections(inner, name, f"[{name}]"))
            continue
        fields.append(_field(field, name))
        match inner:
            case inspect.DictType(value_type=inspect.StructType() as item):
                inner_sections.append(_sections(item, f"{name}.NAME", f"[{name}.NAME]", is_repeated=True))
            case inspect.VarTupleType(item_type=inspect.StructType() as item):
                inner_sections.append(_sections(item, name, f"[[{name}]]", is_repeated=True))
    description = (info.cls.__doc__ or "").splitlines()[0]
    yield Section(path=path, description=description, fields=tuple(fields), header=header, is_repeated=is_repeated)
    for sections in inner_sections:
        yield from sections


def _field(field: inspect.Field, path: str) -> SettingField:
    inner, sentence = unwrapped(field.type)
    kind, type_text = kind_of(inner)
    default = field.default_factory() if field.default is msgspec.NODEFAULT and not field.required else field.default
    return SettingField(
        path=path,
        kind=kind,
        type_text=type_text,
        default=None if default is msgspec.NODEFAULT else default,
        description=sentence.replace("``", "`"),
    )
