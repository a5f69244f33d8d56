"""From mustaches to functions that write their text."""

from typing import TYPE_CHECKING, Any

from postroad.templates.errors import FunctionError
from postroad.templates.expressions import call, evaluate, key_of_context
from postroad.templates.run import Evaluate, KeptError, Scope, Write
from postroad.templates.syntax import Mustache, Path
from postroad.templates.values import UNDEFINED, child, escape, has_special, replaced, text_of

if TYPE_CHECKING:
    from postroad.templates.compiler import Compiler


def mustache(compiler: "Compiler", node: Mustache) -> Write:
    """Return what writes a mustache's text."""
    path = node.call.path
    is_escaped = node.is_escaped and compiler.is_escaped
    if node.call.arguments or node.call.options:
        return _of_call(compiler, node, is_escaped=is_escaped)
    key = key_of_context(compiler, path)
    if is_escaped and key is not None:
        return _of_name(compiler, path, key, node.written)
    return _of_value(compiler, evaluate(compiler, path), node, is_escaped=is_escaped)


def _of_name(compiler: "Compiler", path: Path, key: str, written: str) -> Write:
    """Return what writes a name of the context: the most common of all."""
    source, offset, name = compiler.source, path.offset, path.original

    special = has_special

    def write(this: Any, scope: Scope) -> str:
        value = this.get(key, UNDEFINED) if this.__class__ is dict else child(this, key)
        kind = value.__class__
        if kind is str:
            return value if special(value) is None else replaced(value)
        if kind is int and -(10**15) < value < 10**15:
            return str(value)
        if value is UNDEFINED:
            return _missed(scope, name, written)
        try:
            return escape(text_of(value))
        except FunctionError as error:
            raise source.error(offset, f"{name}: {error}.") from error

    return write


def _of_value(compiler: "Compiler", value_of: Evaluate, node: Mustache, *, is_escaped: bool) -> Write:
    source, offset, written = compiler.source, node.call.offset, node.written
    has_arguments = bool(node.call.arguments or node.call.options)
    name = written.strip("{}~& ") if has_arguments else node.call.path.original

    def write(this: Any, scope: Scope) -> str:
        value = value_of(this, scope)
        if value is UNDEFINED:
            return _missed(scope, name, written)
        try:
            text = value if value.__class__ is str else text_of(value)
        except FunctionError as error:
            raise source.error(offset, f"{name}: {error}.") from error
        return escape(text) if is_escaped else text

    return write


def _of_call(compiler: "Compiler", node: Mustache, *, is_escaped: bool) -> Write:
    value_of = call(compiler, node.call, notes_missing=True)
    general = _of_value(compiler, lambda value, _scope: value, node, is_escaped=is_escaped)
    written, special = node.written, has_special

    def write(this: Any, scope: Scope) -> str:
        try:
            value = value_of(this, scope)
        except KeptError:
            return written
        if value.__class__ is str:
            return value if not is_escaped or special(value) is None else replaced(value)
        return general(value, scope)

    return write


def _missed(scope: Scope, name: str, written: str) -> str:
    try:
        scope.run.miss(name)
    except KeptError:
        return written
    return ""
