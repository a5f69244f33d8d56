"""A form made of a struct's own descriptions, so that a new setting is in the console as soon as it is declared."""

from typing import Any, Literal, TypeVar

import msgspec
from msgspec import inspect

from postroad.httpd.console.forms import Form
from postroad.model.refused import RefusedError
from postroad.model.setting_type import misfit

T = TypeVar("T", bound=msgspec.Struct)

Kind = Literal["flag", "number", "decimal", "text", "choice"]
_WORDS = {"ed25519": "Ed25519", "dkim": "DKIM", "imap": "IMAP", "tls": "TLS", "url": "URL", "html": "HTML"}


class SettingField(msgspec.Struct, frozen=True, kw_only=True):
    """One setting as a field of a form."""

    name: str
    label: str
    kind: Kind
    hint: str
    low: float | None = None
    high: float | None = None
    is_optional: bool = False
    options: tuple[tuple[str, str], ...] = ()
    """Pairs of value and label."""


def fields_of(struct: type[msgspec.Struct]) -> tuple[SettingField, ...]:
    """Return the fields of a form for a struct; raises TypeError for a type that no field is made of."""
    info = inspect.type_info(struct)
    assert isinstance(info, inspect.StructType)
    return tuple(_field(field) for field in info.fields)


def filled_in(settings: T, form: Form) -> T:
    """Return settings as a form has them; raises RefusedError that names the field that does not fit."""
    values: dict[str, Any] = {field.name: _value(field, form) for field in fields_of(type(settings))}
    try:
        return msgspec.convert(values, type(settings))
    except msgspec.ValidationError as error:
        found = misfit(type(settings), error)
        raise RefusedError(f"{found.text[:1].upper()}{found.text[1:]}.", field=found.path) from error


def _field(field: inspect.Field) -> SettingField:
    hint = ""
    info = field.type
    is_optional = False
    while isinstance(info, inspect.Metadata | inspect.UnionType):
        if isinstance(info, inspect.Metadata):
            hint = hint or (info.extra_json_schema or {}).get("description", "")
            info = info.type
        else:
            is_optional = True
            [info] = [one for one in info.types if not isinstance(one, inspect.NoneType)]
    kind, low, high, options = _shape(info, field.name)
    return SettingField(
        name=field.name,
        label=_label(field.name),
        kind=kind,
        hint=hint.replace("`", ""),
        low=low,
        high=high,
        is_optional=is_optional,
        options=options,
    )


def _shape(info: inspect.Type, name: str) -> tuple[Kind, float | None, float | None, tuple[tuple[str, str], ...]]:
    match info:
        case inspect.BoolType():
            return "flag", None, None, ()
        case inspect.IntType():
            return "number", info.ge, info.le, ()
        case inspect.FloatType():
            return "decimal", info.ge, info.le, ()
        case inspect.StrType():
            return "text", None, None, ()
        case inspect.LiteralType():
            return "choice", None, None, tuple((str(value), str(value)) for value in info.values)
        case inspect.EnumType():
            return "choice", None, None, tuple((str(member.value), str(member.value)) for member in info.cls)
        case _:
            raise TypeError(f"no field of a form is made of {name}")


def _value(field: SettingField, form: Form) -> object:
    match field.kind:
        case "flag":
            return form.flag(field.name)
        case "number" | "decimal":
            return _number(field, form)
        case "text" | "choice":
            text = form.text(field.name)
            return None if field.is_optional and not text else text


def _number(field: SettingField, form: Form) -> float | None:
    number = form.decimal(field.name) if field.kind == "decimal" else form.number(field.name)
    if number is None and not field.is_optional:
        raise RefusedError("A number is needed here.", field=field.name)
    too_small = number is not None and field.low is not None and number < field.low
    too_large = number is not None and field.high is not None and number > field.high
    if too_small or too_large:
        raise RefusedError(f"{number} is outside the bounds: {_bounds(field)}.", field=field.name)
    return number


def _bounds(field: SettingField) -> str:
    if field.high is None:
        return f"{field.low} or more"
    return f"{field.low} to {field.high}" if field.low is not None else f"{field.high} or less"


def _label(name: str) -> str:
    words = " ".join(_WORDS.get(word, word) for word in name.split("_"))
    return words[0].upper() + words[1:]
