"""What a stored template may be called, and what finds it."""

import re

LONGEST_NAME = 128
LONGEST_TAG = 64

_NAME = re.compile(r"[^\s:/\\\x00-\x1f\x7f{}\"<>]+")
_TAG = re.compile(r"[^\s:\x00-\x1f\x7f]+")
_FILE = re.compile(r"(.+)\.(?:html?|hbs|handlebars|mustache|txt|tpl)", re.IGNORECASE)


def name_fault(name: str) -> str | None:
    """Return what is wrong with a name, as a sentence; None where it may be used."""
    if not name:
        return "Give the template a name, such as welcome."
    if len(name) > LONGEST_NAME or not _NAME.fullmatch(name) or not name.isprintable():
        return f"A name has at most {LONGEST_NAME} characters, and no blanks, colons, slashes, braces, quotes or angle brackets."
    return None


def tag_fault(tag: str) -> str | None:
    """Return what is wrong with a version's tag, as a sentence; None where it may be used."""
    if len(tag) > LONGEST_TAG or not _TAG.fullmatch(tag) or not tag.isprintable():
        return f"A tag has at most {LONGEST_TAG} characters, and no blanks or colons."
    if tag.isdigit():
        return "A tag is not a number: versions have numbers of their own."
    return None


def key_of(name: str) -> str:
    """Return what a name is compared by."""
    return name.casefold()


def lookup_keys(name: str) -> tuple[str, ...]:
    """Return the keys under which a name that somebody wrote is looked for, in their order.

    Clients name files: ``welcome.html`` finds ``welcome`` where there is no template of the longer name.
    """
    file = _FILE.fullmatch(name)
    return (key_of(name),) if file is None else (key_of(name), key_of(file[1]))
