"""From names, literals and calls to functions of the context and its scope.

Each shape has its own closure, with everything known beforehand bound to it: most mustaches are one name, and a
table's cell is made in a fraction of a microsecond by doing nothing else for it.
"""

import difflib
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from postroad.templates.errors import FunctionError, TemplateError
from postroad.templates.functions import FUNCTIONS
from postroad.templates.functions.function import Function
from postroad.templates.place import shown
from postroad.templates.run import Evaluate, Scope
from postroad.templates.syntax import Call, Expression, Literal, Path
from postroad.templates.values import UNDEFINED, child, descend

if TYPE_CHECKING:
    from postroad.templates.compiler import Compiler

BLOCK_WORDS = frozenset({"if", "unless", "each", "with", "raw"})
"""What stands at the head of blocks only."""
_LONGEST_NAME = 40
_FREE = 64
"""Characters or items that a function works on without taking another step."""
_SIZED = frozenset({str, list, dict})
_FRAME_NAMES = frozenset({"index", "key", "first", "last"})


def evaluate(compiler: "Compiler", expression: Expression) -> Evaluate:
    """Return what makes the value of an expression; UNDEFINED where the data has none."""
    match expression:
        case Literal(value=value, name=name):
            constant = UNDEFINED if name == "undefined" and value is None else value
            return lambda _this, _scope: constant
        case Path():
            return _path(compiler, expression)
        case Call():
            return call(compiler, expression, notes_missing=False)


def argument(compiler: "Compiler", expression: Expression, *, notes_missing: bool) -> Evaluate:
    """Return what makes a function's argument: None where the data has none, and noted so where it matters."""
    if isinstance(expression, Literal):
        value = expression.value
        return lambda _this, _scope: value
    if isinstance(expression, Call):
        inner = call(compiler, expression, notes_missing=notes_missing)
        return lambda this, scope: None if (value := inner(this, scope)) is UNDEFINED else value
    found = _path(compiler, expression)
    if not notes_missing:
        return lambda this, scope: None if (value := found(this, scope)) is UNDEFINED else value
    name = expression.original
    key = key_of_context(compiler, expression)
    if key is not None:
        return _noted_name(key, name)

    def noted(this: Any, scope: Scope) -> Any:
        value = found(this, scope)
        if value is UNDEFINED:
            scope.run.miss(name)
            return None
        return value

    return noted


def key_of_context(compiler: "Compiler", path: Path) -> str | None:
    """Return the key where a path is nothing but one of the context itself."""
    if len(path.parts) != 1 or path.is_data or path.depth:
        return None
    [key] = path.parts
    return key if path.is_scoped or compiler.parameter(key) is None else None


def _noted_name(key: str, name: str) -> Evaluate:
    def noted(this: Any, scope: Scope) -> Any:
        value = this.get(key, UNDEFINED) if this.__class__ is dict else child(this, key)
        if value is UNDEFINED:
            scope.run.miss(name)
            return None
        return value

    return noted


def function_of(compiler: "Compiler", head: Call) -> Function:
    """Return the function that a call names, its arguments counted; refuses the template otherwise."""
    name = head.path.original
    function = FUNCTIONS.get(name) if len(head.path.parts) == 1 and not head.path.is_scoped else None
    if function is None or head.path.is_data:
        compiler.source.refuse(head.offset, _unknown(name))
    count = len(head.arguments)
    if count < function.minimum or (function.maximum is not None and count > function.maximum):
        compiler.source.refuse(head.offset, f"{name} takes {function.arity_text()}, not {count}.")
    for option, _ in head.options:
        if option not in function.options:
            known = f"it has {', '.join(function.options)}" if function.options else "it has none"
            compiler.source.refuse(head.offset, f"{name} has no option {shown(option)}=; {known}.")
    return function


def _unknown(name: str) -> str:
    if name in BLOCK_WORDS:
        return f"{name} is a block: {{{{#{name} …}}}} … {{{{/{name}}}}}."
    near = difflib.get_close_matches(name, [*FUNCTIONS, *BLOCK_WORDS], 1, 0.7) if len(name) <= _LONGEST_NAME else []
    hint = f"; {near[0]} is the nearest name" if near else ""
    return f"There is no function {shown(name)}{hint}."


def call(compiler: "Compiler", head: Call, *, notes_missing: bool) -> Evaluate:
    """Return what calls a function of the language."""
    function = function_of(compiler, head)
    notes = notes_missing and not function.takes_missing
    with compiler.nested(head.offset):
        arguments = [argument(compiler, one, notes_missing=notes) for one in head.arguments]
        options = {
            key: argument(compiler, one, notes_missing=notes)
            for key, one in head.options
            if not isinstance(one, Literal)
        }
    run, source, offset, name = function.run, compiler.source, head.offset, function.name

    def failed(error: FunctionError) -> TemplateError:
        return source.error(offset, f"{name}: {error}.")

    constants = {key: one.value for key, one in head.options if isinstance(one, Literal)}
    if constants:
        run = partial(run, **constants)
    charge = _charge(compiler, function, offset)
    rest = [one.value for one in head.arguments[1:] if isinstance(one, Literal)]
    if not options and len(rest) == len(arguments) - 1:
        return _with_constants(run, arguments[0], rest, failed, charge)
    return _with_values(run, arguments, options, failed, charge)


_Failed: TypeAlias = Callable[[FunctionError], TemplateError]
_Charge: TypeAlias = Callable[[Scope, Any], None]


def _charge(compiler: "Compiler", function: Function, offset: int) -> _Charge:
    """Return what takes steps for the work that a long text, list or object makes."""
    too_long = compiler.too_long(offset)
    characters, items = max(_FREE // function.work, 1), 4

    def charge(scope: Scope, value: Any) -> None:
        scope.run.steps -= len(value) // (characters if value.__class__ is str else items)
        if scope.run.steps < 0:
            raise too_long()

    return charge


def work(expression: Expression) -> int:
    """Return how many steps an expression takes besides the statement that it stands in."""
    match expression:
        case Literal():
            return 0
        case Path():
            return (len(expression.parts) + expression.depth) // 8
        case Call():
            function = FUNCTIONS.get(expression.path.original) if expression.arguments else None
            own = work(expression.path) if function is None else function.work
            return own + sum(map(work, expression.arguments)) + sum(work(value) for _, value in expression.options)


def _with_constants(
    run: Callable[..., Any], first: Evaluate, rest: list[Any], failed: _Failed, charge: _Charge
) -> Evaluate:
    """Return what calls a function whose other arguments are written in the template: the most common call."""

    def called(this: Any, scope: Scope) -> Any:
        try:
            value = first(this, scope)
            if value.__class__ in _SIZED and len(value) >= _FREE:
                charge(scope, value)
            found = run(value, *rest)
        except FunctionError as error:
            raise failed(error) from error
        if found.__class__ is str and len(found) >= _FREE:
            charge(scope, found)
        return found

    return called


def _with_values(
    run: Callable[..., Any],
    arguments: list[Evaluate],
    options: dict[str, Evaluate],
    failed: _Failed,
    charge: _Charge,
) -> Evaluate:
    def called(this: Any, scope: Scope) -> Any:
        try:
            values = [one(this, scope) for one in arguments]
            named = {key: one(this, scope) for key, one in options.items()}
            for value in values:
                if value.__class__ in _SIZED and len(value) >= _FREE:
                    charge(scope, value)
            found = run(*values, **named)
        except FunctionError as error:
            raise failed(error) from error
        if found.__class__ is str and len(found) >= _FREE:
            charge(scope, found)
        return found

    return called


# -- paths -----------------------------------------------------------------------------------------------------------


def _path(compiler: "Compiler", path: Path) -> Evaluate:
    if path.is_data:
        return _data(compiler, path)
    if path.parts and path.depth == 0 and not path.is_scoped:
        found = compiler.parameter(path.parts[0])
        if found is not None:
            return _parameter(*found, path.parts[1:])
    if path.depth:
        return _outer(path.depth, path.parts)
    if not path.parts:
        return lambda this, _scope: this
    if len(path.parts) == 1:
        return _name(path.parts[0])
    if len(path.parts) == 2:
        return _two_names(*path.parts)
    parts = path.parts
    return lambda this, _scope: descend(this, parts)


def _name(key: str) -> Evaluate:
    def named(this: Any, _scope: Scope) -> Any:
        return this.get(key, UNDEFINED) if this.__class__ is dict else child(this, key)

    return named


def _two_names(key: str, below: str) -> Evaluate:
    def named(this: Any, _scope: Scope) -> Any:
        value = this.get(key, UNDEFINED) if this.__class__ is dict else child(this, key)
        return value.get(below, UNDEFINED) if value.__class__ is dict else child(value, below)

    return named


def _outer(depth: int, parts: tuple[str, ...]) -> Evaluate:
    def outer(_this: Any, scope: Scope) -> Any:
        found: Scope | None = scope
        for _ in range(depth):
            if found is None:
                return UNDEFINED
            found = found.parent
        return UNDEFINED if found is None else descend(found.this, parts)

    return outer


def _parameter(up: int, index: int, parts: tuple[str, ...]) -> Evaluate:
    def parameter(_this: Any, scope: Scope) -> Any:
        level = scope.parameters
        for _ in range(up):
            assert level is not None
            level = level[1]
        assert level is not None
        values = level[0]
        return descend(values[index], parts) if index < len(values) else UNDEFINED

    return parameter


def _data(compiler: "Compiler", path: Path) -> Evaluate:
    depth, name, parts = path.depth, path.parts[0] if path.parts else "", path.parts[1:]
    if name == "root" and depth == 0:
        return lambda _this, scope: descend(scope.run.root, parts)
    compiler.data_uses += 1
    if name not in _FRAME_NAMES and name != "root":
        return lambda _this, _scope: UNDEFINED

    def data(_this: Any, scope: Scope) -> Any:
        frame = scope.frame
        for _ in range(depth):
            if frame.parent is None:
                return UNDEFINED
            frame = frame.parent
        return descend(scope.run.root if name == "root" else getattr(frame, name), parts)

    return data
