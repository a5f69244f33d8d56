"""Ring 2: the template language, Handlebars over plain data; compile a text once, render it for each message."""

from postroad.templates.errors import TemplateError
from postroad.templates.limits import DEFAULT_LIMITS, Limits
from postroad.templates.template import Rendered, Template, compile_template

__all__ = ["DEFAULT_LIMITS", "Limits", "Rendered", "Template", "TemplateError", "compile_template"]
