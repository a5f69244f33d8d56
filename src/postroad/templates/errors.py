"""What a template can be refused for.

``TemplateError``
    what the caller gets: the template's name, line and column (from 1) and one sentence.
``FunctionError``
    what a function of the language raises about its arguments; the compiler adds the place and makes the other of it.
"""


class TemplateError(Exception):
    """A template that is not understood, or cannot be rendered with this data within the limits."""

    def __init__(self, template: str, line: int, column: int, sentence: str) -> None:
        super().__init__(template, line, column, sentence)
        self.template = template
        self.line = line
        self.column = column
        self.sentence = sentence

    def __str__(self) -> str:
        return f"{self.template}, line {self.line}, column {self.column}: {self.sentence}"


class FunctionError(Exception):
    """An argument that a function of the language cannot work with; the text is a sentence without its full stop."""
