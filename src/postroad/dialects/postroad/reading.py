"""Queries and bodies of our own API read into the types that describe them, with everything that is wrong by its field."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, get_args, get_origin

import msgspec

from postroad.dialects.postroad.expected import said_of
from postroad.dialects.postroad.problem import Fault

S = TypeVar("S", bound=msgspec.Struct)

_LONGEST_NAME = 76
_MEMBER = re.compile(r"Object (?P<rule>contains unknown|missing required) field `(?P<name>.*)`\.", re.DOTALL)


def read_body(kind: type[S], document: object) -> S | list[Fault]:
    """Return what a document says, or all that is wrong with it."""
    if not isinstance(document, dict):
        return [Fault("The body is a JSON object.", rule="type")]
    return _read(kind, document, is_strict=True)


def read_query(kind: type[S], items: Sequence[tuple[str, str]]) -> S | list[Fault]:
    """Return what the parameters of a query say, or all that is wrong with them."""
    given: dict[str, list[str]] = {}
    for name, value in items:
        given.setdefault(name, []).append(value)
    fields = {one.encode_name: one for one in msgspec.structs.fields(kind)}
    document: dict[str, Any] = {}
    faults = []
    for name, values in given.items():
        if name in fields and _takes_many(fields[name].type):
            document[name] = values
        elif len(values) > 1 and name in fields:
            faults.append(Fault("It is given more than once.", name, "repeated"))
        else:
            document[name] = values[0]
    read = _read(kind, document, is_strict=False)
    return [*faults, *read] if isinstance(read, list) else faults or read


def _read(kind: type[S], document: Mapping[str, Any], *, is_strict: bool) -> S | list[Fault]:
    fields = {one.encode_name: one for one in msgspec.structs.fields(kind)}
    read: dict[str, Any] = {}
    faults: list[Fault] = []
    for name, value in document.items():
        field = fields.get(name)
        if field is None:
            what = "field" if is_strict else "parameter"
            faults.append(Fault(f"There is no such {what}.", name[:_LONGEST_NAME], "unknown"))
            continue
        try:
            read[field.name] = msgspec.convert(value, field.type, strict=is_strict)
        except (msgspec.ValidationError, RecursionError, OverflowError) as error:
            faults.append(fault_of(error, field.type, name, is_strict=is_strict))
    faults += [Fault("It is required.", name, "required") for name, one in fields.items()
               if one.required and name not in document]  # fmt: skip
    return faults or kind(**read)


def fault_of(error: Exception, kind: Any, name: str, *, is_strict: bool = True) -> Fault:
    """Return what is wrong with the value of a field, by the place where it stands: what reading it as ``kind`` raised."""
    what, path, is_of_other_kind = said_of(error, kind, is_strict=is_strict)
    # A member whose name was chosen by the caller is told by the object that it stands in.
    steps = re.findall(r"[^.\[\]]+", path.replace("[...]", ""))
    place = ".".join((name, *steps))
    if member := _MEMBER.fullmatch(what):
        inner = f"{place}.{member['name'][:_LONGEST_NAME]}"
        if member["rule"] == "missing required":
            return Fault("It is required.", inner, "required")
        return Fault("There is no such field.", inner, "unknown")
    return Fault(what, place, "type" if is_of_other_kind else "value")


def _takes_many(kind: Any) -> bool:
    """Whether a parameter may be given more than once."""
    return tuple in {get_origin(kind), *(get_origin(one) for one in get_args(kind))}
