"""Every setting as a row: its path, type, bounds, default and sentence; the reference is generated from these."""

from collections.abc import Iterator
from typing import Any, Literal

import msgspec
from msgspec import inspect

Kind = Literal["int", "float", "bool", "text", "list", "choice", "table"]


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
        inner, _ = _unwrapped(field.type)
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
    inner, sentence = _unwrapped(field.type)
    kind, type_text = _kind_of(inner)
    default = field.default_factory() if field.default is msgspec.NODEFAULT and not field.required else field.default
    return SettingField(
        path=path,
        kind=kind,
        type_text=type_text,
        default=None if default is msgspec.NODEFAULT else default,
        description=sentence.replace("``", "`"),
    )


def _unwrapped(info: inspect.Type) -> tuple[inspect.Type, str]:
    """Take the sentence off a type, and ``None`` out of a union."""
    sentence = ""
    while isinstance(info, inspect.Metadata):
        sentence = sentence or (info.extra_json_schema or {}).get("description", "")
        info = info.type
    if isinstance(info, inspect.UnionType):
        kept = [one for one in info.types if not isinstance(one, inspect.NoneType)]
        if len(kept) == 1:
            inner, inner_sentence = _unwrapped(kept[0])
            return inner, sentence or inner_sentence
    return info, sentence


def _kind_of(info: inspect.Type) -> tuple[Kind, str]:
    match info:
        case inspect.IntType():
            return "int", "whole number" + _bounds(info.ge, info.le)
        case inspect.FloatType():
            return "float", "number" + _bounds(info.ge, info.le)
        case inspect.BoolType():
            return "bool", "true or false"
        case inspect.StrType():
            return "text", "text"
        case inspect.LiteralType():
            return "choice", "one of " + ", ".join(f"`{value}`" for value in info.values)
        case inspect.EnumType():
            return "choice", "one of " + ", ".join(f"`{member.value}`" for member in info.cls)
        case inspect.VarTupleType() | inspect.ListType():
            return "list", "list of " + _plural(_unwrapped(info.item_type)[0])
        case inspect.DictType():
            value = _unwrapped(info.value_type)[0]
            named = "a table" if isinstance(value, inspect.StructType) else _kind_of(value)[1]
            return "table", f"table: for each name {named}"
        case _:
            raise TypeError(f"settings have no form for {type(info).__name__}")


def _plural(item: inspect.Type) -> str:
    if isinstance(item, inspect.StructType):
        return "tables"
    kind, type_text = _kind_of(item)
    return {"int": "whole numbers", "float": "numbers", "text": "texts"}.get(kind, type_text)


def _bounds(low: float | None, high: float | None) -> str:
    match low, high:
        case None, None:
            return ""
        case _, None:
            return f", at least {low}"
        case None, _:
            return f", at most {high}"
    return f", {low} to {high}"
