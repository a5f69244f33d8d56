"""From blocks to functions that write their text: conditions, loops, changes of context, and sections by name."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from postroad.templates.expressions import call as call_of
from postroad.templates.expressions import evaluate, function_of
from postroad.templates.place import shown
from postroad.templates.run import Evaluate, Frame, Scope, Write
from postroad.templates.syntax import Block, Call, Literal
from postroad.templates.values import UNDEFINED, are_same, has_content, is_true

if TYPE_CHECKING:
    from postroad.templates.compiler import Compiled, Compiler


def block(compiler: "Compiler", node: Block) -> tuple[Write, int]:
    """Return what writes a block, and how many steps it takes outside of loops."""
    head = node.call
    name = head.path.original
    word = _WORDS.get(name)
    if word is not None and not head.path.is_scoped:
        return word(compiler, node)
    if not head.arguments and not head.options:
        return _section(compiler, node)
    function = function_of(compiler, head)
    if not function.is_condition:
        compiler.source.refuse(head.offset, f"{name} makes a value and has no block: {{{{{name} …}}}}.")
    return _branches(compiler, node, call_of(compiler, head, notes_missing=False), is_true)


# -- conditions ------------------------------------------------------------------------------------------------------


def _if(compiler: "Compiler", node: Block) -> tuple[Write, int]:
    value_of = _only_argument(compiler, node.call, "includeZero")
    return _branches(compiler, node, value_of, _test(compiler, node.call))


def _unless(compiler: "Compiler", node: Block) -> tuple[Write, int]:
    value_of = _only_argument(compiler, node.call, "includeZero")
    swapped = Block(node.call, node.inverse, node.program, node.open_strip, node.inverse_strip, node.close_strip)
    return _branches(compiler, swapped, value_of, _test(compiler, node.call))


def _test(compiler: "Compiler", head: Call) -> Callable[[Any], bool]:
    for _, value in head.options:
        if not isinstance(value, Literal):
            compiler.source.refuse(head.offset, "includeZero= is either true or false.")
        if value.value:
            return has_content
    return is_true


def _branches(compiler: "Compiler", node: Block, value_of: Evaluate, test: Callable[[Any], bool]) -> tuple[Write, int]:
    offset = node.call.offset
    program, inverse = compiler.side(node.program, offset), compiler.side(node.inverse, offset)
    then, otherwise = program.write, inverse.write

    def choose(this: Any, scope: Scope) -> str:
        return then(this, scope) if test(value_of(this, scope)) else otherwise(this, scope)

    def choose_by_truth(this: Any, scope: Scope) -> str:
        value = value_of(this, scope)
        return then(this, scope) if value or value.__class__ is dict else otherwise(this, scope)

    return choose_by_truth if test is is_true else choose, program.cost + inverse.cost + 1


def _only_argument(compiler: "Compiler", head: Call, *options: str) -> Evaluate:
    """Return what makes the one argument of a block; refuses another number of them, and other options."""
    name = head.path.original
    if len(head.arguments) != 1:
        compiler.source.refuse(head.offset, f"{name} takes one argument, not {len(head.arguments)}.")
    for option, _ in head.options:
        if option not in options:
            compiler.source.refuse(head.offset, f"{name} has no option {shown(option)}=.")
    return evaluate(compiler, head.arguments[0])


# -- other contexts --------------------------------------------------------------------------------------------------


def _with(compiler: "Compiler", node: Block) -> tuple[Write, int]:
    value_of = _only_argument(compiler, node.call)
    offset = node.call.offset
    program = compiler.side(node.program, offset, may_name=True)
    inverse = compiler.side(node.inverse, offset)
    enter, otherwise = _in_context(program), inverse.write

    def write(this: Any, scope: Scope) -> str:
        value = value_of(this, scope)
        return enter(value, scope) if has_content(value) else otherwise(this, scope)

    return write, program.cost + inverse.cost + 1


def _in_context(program: "Compiled") -> Write:
    """Return what writes a program in the context that it is given."""
    body, has_parameters = program.write, program.parameters > 0

    def enter(value: Any, scope: Scope) -> str:
        parent = scope.parent if are_same(value, scope.this) else scope
        parameters = ((value,), scope.parameters) if has_parameters else scope.parameters
        return body(value, Scope(value, parent, scope.frame, parameters, scope.run))

    return enter


def _each(compiler: "Compiler", node: Block) -> tuple[Write, int]:
    value_of = _only_argument(compiler, node.call)
    uses_before = compiler.data_uses
    program = compiler.side(node.program, node.call.offset, may_name=True)
    needs_frame = compiler.data_uses != uses_before
    inverse = compiler.side(node.inverse, node.call.offset)
    loop, otherwise = _loop(compiler, node.call, program, needs_frame=needs_frame), inverse.write

    def write(this: Any, scope: Scope) -> str:
        value = value_of(this, scope)
        if value and (value.__class__ is list or value.__class__ is dict):
            return loop(value, scope)
        return otherwise(this, scope)

    return write, inverse.cost + 1


def _section(compiler: "Compiler", node: Block) -> tuple[Write, int]:
    """A block by the name of a value: a condition, a loop or another context, as the value is."""
    head = node.call
    value_of = evaluate(compiler, head.path)
    uses_before = compiler.data_uses
    program = compiler.side(node.program, node.call.offset, may_name=True)
    needs_frame = compiler.data_uses != uses_before
    inverse = compiler.side(node.inverse, node.call.offset)
    loop = _loop(compiler, head, program, needs_frame=needs_frame)
    enter, then, otherwise = _in_context(program), program.write, inverse.write
    has_parameters = program.parameters > 0

    def write(this: Any, scope: Scope) -> str:
        value = value_of(this, scope)
        if value is None or value is False or value is UNDEFINED:
            return otherwise(this, scope)
        if value.__class__ is list:
            return loop(value, scope) if value else otherwise(this, scope)
        if value is not True:
            return enter(value, scope)
        if has_parameters:
            scope = Scope(this, scope.parent, scope.frame, ((value,), scope.parameters), scope.run)
        return then(this, scope)

    return write, program.cost + inverse.cost + 1


# -- loops -----------------------------------------------------------------------------------------------------------


def _loop(
    compiler: "Compiler", head: Call, program: "Compiled", *, needs_frame: bool
) -> Callable[[list[Any] | dict[str, Any], Scope], str]:
    """Return what writes a program once for each item of a list or a dict that is not empty."""
    body, cost = program.write, program.cost
    has_parameters = program.parameters > 0
    too_large, too_long = compiler.too_large(head.offset), compiler.too_long(head.offset)

    def repeat(items: list[Any] | dict[str, Any], scope: Scope) -> str:
        run, outer = scope.run, scope.this
        run.steps -= len(items) * cost
        if run.steps < 0:
            raise too_long()
        inner = Scope(None, scope, scope.frame, scope.parameters, run)
        frame = Frame.on(scope.frame) if needs_frame else scope.frame
        inner.frame = frame
        is_list, last = items.__class__ is list, len(items) - 1
        texts: list[str] = []
        size, stop = 0, run.size_stop
        for index, item in enumerate(items):
            key: Any = index if is_list else item
            value = item if is_list else items[key]
            if needs_frame:
                frame.index, frame.key, frame.first, frame.last = index, key, index == 0, index == last
            if has_parameters:
                inner.parameters = ((value, key), scope.parameters)
            inner.this = value
            inner.parent = scope.parent if are_same(value, outer) else scope
            text = body(value, inner)
            texts.append(text)
            size += len(text)
            if size > stop:
                raise too_large()
        return "".join(texts)

    def repeat_plainly(items: list[Any] | dict[str, Any], scope: Scope) -> str:
        run, outer = scope.run, scope.this
        if outer.__class__ is not dict:
            return repeat(items, scope)
        run.steps -= len(items) * cost
        if run.steps < 0:
            raise too_long()
        inner = Scope(None, scope, scope.frame, scope.parameters, run)
        texts: list[str] = []
        size, stop = 0, run.size_stop
        for item in items if items.__class__ is list else items.values():  # type: ignore[union-attr]
            inner.this = item
            inner.parent = scope if item is not outer else scope.parent
            text = body(item, inner)
            texts.append(text)
            size += len(text)
            if size > stop:
                raise too_large()
        return "".join(texts)

    return repeat if needs_frame or has_parameters else repeat_plainly


def _raw(compiler: "Compiler", node: Block) -> tuple[Write, int]:
    program = compiler.side(node.program, node.call.offset)
    return program.write, program.cost + 1


_WORDS: dict[str, Callable[["Compiler", Block], tuple[Write, int]]] = {
    "if": _if, "unless": _unless, "each": _each, "with": _with, "raw": _raw,
}  # fmt: skip
