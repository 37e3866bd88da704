"""What a recipe may say: settings with their types, read off the signatures of the code that takes them."""

import inspect
import math
import re
import types
import typing
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from kwsbench.recipe.source import FLOAT, Located, Problem, nearest, shown

REQUIRED = inspect.Parameter.empty
_LISTS: tuple[object, ...] = (tuple, list, Sequence)
_NAMES: dict[object, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    Path: "a path",
    None: "nothing (null)",
    type(None): "nothing (null)",
}


@dataclass(frozen=True)
class Setting:
    """One value that a recipe can change: its name, its type hint, its default (``REQUIRED``: none)."""

    name: str
    hint: Any
    default: Any = REQUIRED


def settings_of(call: Callable[..., Any], leave_out: Container[str] = ()) -> dict[str, Setting]:
    """The settings that a function or class takes: its keyword-only parameters, or the fields of a dataclass.

    Hints written as text are evaluated for these parameters only, so that the others may name what is not imported.
    """
    signature = inspect.signature(call)
    names: dict[str, Any] = getattr(inspect.unwrap(call), "__globals__", None) or vars(inspect.getmodule(call))
    every_one = isinstance(call, type) and is_dataclass(call)
    settings = {}
    for name, parameter in signature.parameters.items():
        if name in leave_out or not (every_one or parameter.kind is parameter.KEYWORD_ONLY):
            continue
        # get_type_hints takes anything that has __annotations__, and resolves text inside tuple[...] too
        holder = types.SimpleNamespace(__annotations__={name: parameter.annotation})
        hint = typing.get_type_hints(holder, globalns=names)[name]
        settings[name] = Setting(name, hint, parameter.default)
    return settings


def describe(hint: Any) -> str:
    """A type as a message says it: "a whole number", "one of pad, none", "a list of text"."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Literal:
        return f"one of {', '.join(shown(option) for option in args)}" if len(args) > 1 else shown(args[0])
    if origin in (Union, types.UnionType):
        return " or ".join(describe(arg) for arg in args)
    if origin in _LISTS and (origin is not tuple or args[-1] is Ellipsis):
        one = describe(args[0]).removeprefix("a ")
        return f"a list of {re.sub(r'number$', 'numbers', one)}"
    if origin is tuple:
        return f"a list of {len(args)}: {', '.join(describe(arg) for arg in args)}"
    if origin in (dict, Mapping):
        return f"a mapping to {describe(args[1])}"
    return _NAMES.get(hint, str(hint))


def read_value(found: Located, hint: Any, name: str, problems: list[Problem]) -> Any:
    """The value as the code takes it: lists become tuples, whole numbers become floats where the type says float.

    What does not fit the type is added to ``problems`` (booleans are no numbers, text is never parsed), and None
    is returned.
    """
    value, origin, args = found.value, get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        for arg in args:
            trial: list[Problem] = []
            result = read_value(found, arg, name, trial)
            if not trial:
                return result
            if found.is_list and _takes_list(arg) and not any(_takes_list(other) for other in args if other is not arg):
                problems.extend(trial)
                return None
    elif origin is Literal:
        for option in args:
            if type(option) is type(value) and option == value:
                return option
    elif origin in _LISTS and found.is_list:
        if origin is not tuple or args[-1] is Ellipsis:
            return tuple(read_value(item, args[0], f"{name}[{i}]", problems) for i, item in enumerate(value))
        if len(value) == len(args):
            pairs = zip(value, args, strict=True)
            return tuple(read_value(item, arg, f"{name}[{i}]", problems) for i, (item, arg) in enumerate(pairs))
    elif origin in (dict, Mapping) and found.is_mapping:
        return {key: read_value(item, args[1], f"{name}.{key}", problems) for key, item in value.items()}
    elif hint in (None, type(None)) and value is None:
        return None
    elif hint is float and type(value) in (int, float) and math.isfinite(value):
        return float(value)
    elif (hint in (bool, int, str) and type(value) is hint) or (hint is Path and type(value) is str):
        return value
    what = f"{shown(found)}: expected {describe(hint)}"
    problems.append(Problem(found.where, name, what, _remedy(value, hint)))
    return None


def _remedy(value: Any, hint: Any) -> str:
    """What would make the value fit, where it is plain to see."""
    if isinstance(value, str):
        choices = [get_args(arg) for arg in (hint, *get_args(hint)) if get_origin(arg) is Literal]
        options = [str(option) for several in choices for option in several]
        if hint in (int, float):
            return "write it without quotes" if FLOAT.fullmatch(value) else ""
        if hint is not bool:
            return nearest(value, options)
        truth = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}
        word = truth.get(value.lower(), "")
        return f"write {word}" if word else ""
    if hint is str and isinstance(value, bool | int | float):
        return f'put it in quotes: "{shown(value)}"'
    if hint is int and isinstance(value, float) and value.is_integer():
        return f"write {int(value)}"
    return ""


def read_choices(found: Located, hint: Any, name: str, problems: list[Problem]) -> tuple[Any, ...]:
    """One value, or the several values of a list that the type itself does not take: the entries of a matrix."""
    trial: list[Problem] = []
    value = read_value(found, hint, name, trial)
    if not trial:
        return (value,)
    each_a_list = found.is_list and all(item.is_list for item in found.value)
    if not found.is_list or (_takes_list(hint) and not each_a_list):
        problems.extend(trial)
        return ()
    if not found.value:
        problems.append(Problem(found.where, name, "[]: an empty list", f"name at least one: {describe(hint)}"))
        return ()
    before = len(problems)
    choices = tuple(read_value(item, hint, f"{name}[{i}]", problems) for i, item in enumerate(found.value))
    if len(problems) == before:
        for i, choice in enumerate(choices):
            if choice in choices[:i]:
                problems.append(Problem(found.value[i].where, name, f"{shown(choice)} stands twice", "keep one"))
    return choices


def _takes_list(hint: Any) -> bool:
    origin = get_origin(hint)
    return origin in _LISTS or (origin in (Union, types.UnionType) and any(_takes_list(arg) for arg in get_args(hint)))


def read_settings(
    found: Located,
    settings: Mapping[str, Setting],
    name: str,
    problems: list[Problem],
    *,
    matrix: bool = False,
    defaults: bool = True,
    others: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The settings in a mapping, checked against their types, in the order of the signature.

    Parameters
    ----------
    found : a mapping, or an empty value for none.
    name : dotted path of the mapping, for messages.
    matrix : every result is a tuple of choices, and lists expand.
    defaults : fill in what is not named, and miss what has no default.
    others : keys that are read elsewhere, or that belong elsewhere; the latter to the hint that says so.
    """
    others = others or {}
    values: dict[str, Any] = {}
    for key, item in mapping_of(found, name, problems).items():
        at = f"{name}.{key}" if name else key
        if key in settings:
            read = read_choices if matrix else read_value
            values[key] = read(item, settings[key].hint, at, problems)
        elif others.get(key, "?"):
            names = [*settings, *(other for other, hint in others.items() if not hint)]
            hint = others.get(key) or nearest(key, names)
            what = f"{shown(item)}: no setting of that name; expected one of {', '.join(names) or '(none)'}"
            problems.append(Problem(item.key_where, at, what, hint))
    for key, setting in settings.items() if defaults else ():
        if key in values:
            continue
        if setting.default is REQUIRED:
            what = f"missing; expected {describe(setting.hint)}"
            problems.append(Problem(found.where, f"{name}.{key}" if name else key, what))
        else:
            default = frozen(setting.default)
            values[key] = (default,) if matrix else default
    return {key: values[key] for key in settings if key in values}


def mapping_of(found: Located, name: str, problems: list[Problem]) -> dict[str, Located]:
    """The items of a mapping; none for an empty value; a problem for anything else."""
    if not (found.is_mapping or found.value is None):
        problems.append(Problem(found.where, name, f"{shown(found)}: expected a mapping"))
    return found.value if found.is_mapping else {}


def frozen(value: Any) -> Any:
    """Lists, at any depth, as tuples: a setting read from JSON equals the one written."""
    if isinstance(value, dict):
        return {key: frozen(item) for key, item in value.items()}
    return tuple(frozen(item) for item in value) if isinstance(value, list | tuple) else value


def json_type(hint: Any) -> dict[str, Any]:
    """A type hint as JSON schema (draft 2020-12)."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Literal:
        return {"enum": list(args)}
    if origin in (Union, types.UnionType):
        return {"anyOf": [json_type(arg) for arg in args]}
    if origin in _LISTS and (origin is not tuple or args[-1] is Ellipsis):
        return {"type": "array", "items": json_type(args[0])}
    if origin is tuple:
        items = [json_type(arg) for arg in args]
        return {"type": "array", "prefixItems": items, "minItems": len(items), "maxItems": len(items)}
    if origin in (dict, Mapping):
        return {"type": "object", "additionalProperties": json_type(args[1])}
    names = {bool: "boolean", int: "integer", float: "number", str: "string", Path: "string", type(None): "null"}
    return {"type": names[hint]} if hint in names else {}


def json_object(settings: Mapping[str, Setting], *, matrix: bool = False, **others: Any) -> dict[str, Any]:
    """Settings as the JSON schema of a mapping that holds these and ``others`` and nothing else."""
    properties: dict[str, Any] = {}
    for name, setting in settings.items():
        one = json_type(setting.hint)
        properties[name] = {"anyOf": [one, {"type": "array", "items": one, "minItems": 1}]} if matrix else dict(one)
        if setting.default is not REQUIRED:
            properties[name]["default"] = setting.default
    required = [name for name, setting in settings.items() if setting.default is REQUIRED]
    schema = {"type": ["object", "null"], "properties": {**properties, **others}, "additionalProperties": False}
    return {**schema, "required": required} if required else schema
