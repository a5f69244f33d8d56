"""Reads one TOML file and the environment into the frozen settings; the environment wins."""

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Never

import msgspec

from postroad.config.fields import SettingField, fields_by_path, sections_of
from postroad.config.settings import Settings
from postroad.model.setting_type import Misfit, misfit

PREFIX = "POSTROAD_"
_SIZE = re.compile(r"^\s*(\d+)\s*(KB|MB|GB)\s*$", re.IGNORECASE)
_UNITS = {"KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30}


class ConfigError(Exception):
    """The configuration is not understood; its text is one sentence that says what and where."""


def load(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """Return the settings of a file (or the defaults without one) under those of the environment.

    Raises:
        ConfigError: a file cannot be read, a name is unknown, or a value does not fit.
    """
    fields = fields_by_path(Settings)
    origin = "" if path is None else str(path)
    document = _read(path) if path is not None else {}
    _refuse_unknown(document, fields, origin)
    if path is not None and isinstance(document.get("data_dir", ""), str):
        # Wherever a command is started from, the file means the same folder.
        document["data_dir"] = str(path.parent / document.get("data_dir", Settings().data_dir))
    for setting, text in _from_environment(environ, fields):
        _place(document, setting.path.split("."), _value_of(setting, text))
    _read_sizes(document, fields)
    try:
        return msgspec.convert(document, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError(_sentence_of(misfit(Settings, error), origin, environ)) from error


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: is not TOML: {error}") from error


def _refuse_unknown(document: Mapping[str, Any], fields: Mapping[str, SettingField], origin: str) -> None:
    tables = {section.path for section in sections_of(Settings)}
    for name in _names(document, tables):
        if name not in fields and name not in tables:
            _refuse(f"{name} is not a setting", name, [*fields, *tables - {""}], origin)


def _names(document: Mapping[str, Any], tables: set[str], prefix: str = "") -> Iterator[str]:
    for key, value in document.items():
        name = f"{prefix}{key}"
        yield name
        if isinstance(value, dict) and name in tables:
            yield from _names(value, tables, f"{name}.")


def _refuse(what: str, name: str, known: list[str], origin: str) -> Never:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if not near:
        last = name.rpartition(".")[2]
        near = [one for one in known if one.rpartition(".")[2] == last][:1]
    hint = f"; did you mean {near[0]}?" if near else ""
    raise ConfigError(f"{origin}: {what}{hint}" if origin else f"{what}{hint}")


def _from_environment(
    environ: Mapping[str, str], fields: Mapping[str, SettingField]
) -> Iterator[tuple[SettingField, str]]:
    by_variable = {field.variable: field for field in fields.values()}
    for variable, text in environ.items():
        if not variable.startswith(PREFIX):
            continue
        if variable in by_variable:
            yield by_variable[variable], text
        elif "__" in variable:
            # One without the double underscore may be somebody else's: Kubernetes sets POSTROAD_PORT for a service.
            _refuse(f"{variable} is not a setting", variable, list(by_variable), "environment")


def _value_of(setting: SettingField, text: str) -> Any:
    if setting.kind not in ("list", "table"):
        return text
    if text.lstrip().startswith(("[", "{")):
        try:
            return tomllib.loads(f"value = {text.strip()}")["value"]
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"environment: {setting.variable} is not a TOML value: {error}") from error
    return [part.strip() for part in text.split(",") if part.strip()]


def _place(document: dict[str, Any], keys: list[str], value: Any) -> None:
    for key in keys[:-1]:
        table = document.setdefault(key, {})
        if not isinstance(table, dict):
            raise ConfigError(f"{key}: expected a table of settings")
        document = table
    document[keys[-1]] = value


def _read_sizes(document: dict[str, Any], fields: Mapping[str, SettingField], prefix: str = "") -> None:
    """Turn ``"25 MB"`` into octets where a setting counts them."""
    for key, value in document.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            _read_sizes(value, fields, f"{name}.")
        elif isinstance(value, str) and name.endswith(("_size", "_bytes", "_octets")):
            match = _SIZE.match(value)
            if match is not None and name in fields and fields[name].kind == "int":
                document[key] = int(match[1]) * _UNITS[match[2].upper()]


def _sentence_of(found: Misfit, origin: str, environ: Mapping[str, str]) -> str:
    """Write what does not fit the way the file's reader looks for it: path first."""
    variable = PREFIX + re.sub(r"\[.*", "", found.path).replace(".", "__").upper()
    place = f"environment: {variable}" if variable in environ else f"{origin}: {found.path}" if origin else found.path
    return f"{place}: {found.text}"
