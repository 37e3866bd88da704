"""Recipes as text: strict YAML 1.2 with the place of every value, one file laid over another, one value set by hand.

Strict means: a key stands once, keys are text, ``yes no on off`` stay words, ``true`` and ``false`` are booleans,
``1e-4`` and ``-.5e3`` are numbers, dates stay text, custom tags, merge keys and directives are refused.
"""

import difflib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kwsbench.errors import UserError

if TYPE_CHECKING:
    from ruamel.yaml.nodes import Node, ScalarNode

_TAG = "tag:yaml.org,2002:"
FLOAT = re.compile(r"[-+]?(\.\d+|\d+(\.\d*)?)([eE][-+]?\d+)?")
_WORDS = ("str", "timestamp", "value")


@dataclass(frozen=True)
class Located:
    """A value of a recipe and where it stands.

    Attributes
    ----------
    value : None, bool, int, float, str, list of Located, or dict of text to Located.
    where : "file:line" of the value; of its key where the value is a list or mapping below a key.
    key_where : "file:line" of the key in front of it, empty where there is none.
    """

    value: Any
    where: str
    key_where: str = ""

    @property
    def is_mapping(self) -> bool:
        return isinstance(self.value, dict)

    @property
    def is_list(self) -> bool:
        return isinstance(self.value, list)

    @property
    def folder(self) -> Path:
        """What paths in it are relative to: the folder of its file; the present one for a value set by hand."""
        source, _, line = self.where.rpartition(":")
        in_file = line.isdecimal() and not self.where.startswith("--")
        return Path(source).parent if in_file else Path()

    def plain(self) -> Any:
        """The value without places: nested dict, list and scalars."""
        if self.is_mapping:
            return {key: item.plain() for key, item in self.value.items()}
        return [item.plain() for item in self.value] if self.is_list else self.value


@dataclass(frozen=True)
class Problem:
    """One mistake: ``where`` (file:line or argument), ``name`` (dotted path), ``what`` with the value, ``hint``."""

    where: str
    name: str
    what: str
    hint: str = ""

    def __str__(self) -> str:
        return ": ".join(part for part in (self.where, self.name, self.what) if part) + (
            f"; {self.hint}" if self.hint else ""
        )

    @property
    def order(self) -> tuple[bool, str, int]:
        """Files before arguments, lines in their order."""
        source, _, line = self.where.rpartition(":")
        in_file = line.isdecimal() and not self.where.startswith("--")
        return (False, source, int(line)) if in_file else (True, "", 0)


def shown(value: Any) -> str:
    """A value as a recipe would write it, cut to one short piece of a line."""
    plain = value.plain() if isinstance(value, Located) else value
    looks_plain = isinstance(plain, str) and re.fullmatch(r"[\w./:+-]+", plain)
    if looks_plain and not FLOAT.fullmatch(plain) and plain.lower() not in ("true", "false", "null"):
        return str(plain)
    text = json.dumps(plain, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + "..."


def nearest(name: str, names: Iterable[str]) -> str:
    """The hint "did you mean X?" for the nearest of ``names``, empty where none is near."""
    near = difflib.get_close_matches(name, list(names), n=1)
    return f"did you mean {near[0]}?" if near else ""


def parse(text: str, source: str, problems: list[Problem], line: bool = True) -> Located:
    """One YAML document as a tree with places.

    Parameters
    ----------
    text : the document.
    source : its name in messages; with ``line``, the line number is put behind it.
    problems : receives what is wrong but leaves the rest readable: keys that stand twice, keys that are no text, tags.

    Raises
    ------
    UserError : the text is no YAML.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError
    from ruamel.yaml.reader import ReaderError

    directive = re.search(r"^%", text, re.MULTILINE)
    if directive and line:
        at = f"{source}:{text.count(chr(10), 0, directive.start()) + 1}"
        raise UserError("a line that begins with % is no part of a recipe", at, "take it out: recipes are YAML 1.2")
    try:
        node = YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = f"{source}:{mark.line + 1}" if mark and line else source
        parts = [str(part) for part in (error.context, error.problem) if part]
        raise UserError(f"no YAML: {', '.join(parts)}", at) from error
    except ReaderError as error:
        at = f"{source}:{text.count(chr(10), 0, error.position) + 1}" if line else source
        raise UserError(f"no YAML: {error.reason}", at) from error
    except YAMLError as error:
        raise UserError(f"no YAML: {error}", source) from error
    return _Reader(source, problems, line).read(node)


class _Reader:
    """Walks the nodes of one document."""

    def __init__(self, source: str, problems: list[Problem], line: bool) -> None:
        self.source, self.problems, self.line = source, problems, line
        self._open: list[int] = []

    def place(self, node: "Node | None") -> str:
        return f"{self.source}:{node.start_mark.line + 1 if node else 1}" if self.line else self.source

    def read(self, node: "Node | None", key: str = "") -> Located:
        """The tree below a node; ``key`` is the place of the key in front of it."""
        from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode

        if node is None:
            return Located(None, self.place(node), key)
        if id(node) in self._open:
            raise UserError("a value that holds itself", self.place(node), "write it out without the * alias")
        self._open.append(id(node))
        try:
            if isinstance(node, ScalarNode):
                return Located(self.scalar(node), self.place(node), key)
            if isinstance(node, SequenceNode) and node.tag == f"{_TAG}seq":
                return Located([self.read(item) for item in node.value], key or self.place(node), key)
            if isinstance(node, MappingNode) and node.tag == f"{_TAG}map":
                return Located(self.mapping(node), key or self.place(node), key)
        finally:
            self._open.pop()
        self.problems.append(Problem(self.place(node), "", f"tag {node.tag} is not read", "write a plain value"))
        return Located(None, self.place(node), key)

    def mapping(self, node: "Node") -> dict[str, Located]:
        found: dict[str, Located] = {}
        for key_node, value_node in node.value:
            at = self.place(key_node)
            value = self.read(value_node, at)
            name = key_node.value
            if key_node.tag == f"{_TAG}merge":
                self.problems.append(Problem(at, "", "merge key << is not read", "extends: lays a recipe over another"))
            elif not isinstance(name, str) or key_node.tag.removeprefix(_TAG) not in _WORDS:
                key = name if isinstance(name, str) else "that is a list or mapping"
                self.problems.append(Problem(at, "", f"key {key} is no text", "put it in quotes"))
            elif name in found:
                first = found[name].key_where
                self.problems.append(Problem(at, name, "the key stands twice", f"first in {first}; keep one"))
            else:
                found[name] = value
        return found

    def scalar(self, node: "ScalarNode") -> Any:
        kind = str(node.tag).removeprefix(_TAG)
        text = str(node.value)
        if kind == "float" or (kind == "str" and node.style is None and FLOAT.fullmatch(text)):
            return float(text.replace("_", "").lower().replace(".inf", "inf").replace(".nan", "nan"))
        if kind == "int":
            digits = text.replace("_", "")
            return int(digits, 0) if re.match(r"[-+]?0[xob]", digits) else int(digits)
        if kind == "bool":
            return text.lower() == "true"
        if kind == "null":
            return None
        if kind not in _WORDS:
            self.problems.append(Problem(self.place(node), "", f"tag {kind} is not read", "write a plain value"))
        return text


def read_tree(path: Path, problems: list[Problem], opened: Sequence[Path] = ()) -> Located:
    """The mapping in a file, laid over the file that its ``extends`` names, and so on down.

    Mappings are merged key by key, everything else is replaced; ``study`` is never inherited: it names a folder.

    Raises
    ------
    UserError : a file is absent, not UTF-8, no YAML, no mapping, or extends itself.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UserError(f"cannot read the recipe: {error.strerror}", str(path)) from error
    except UnicodeDecodeError as error:
        raise UserError("the recipe is not UTF-8 text", str(path), "save it as UTF-8") from error
    tree = parse(text, str(path), problems)
    if not tree.is_mapping:
        raise UserError(f"a recipe is a mapping, found {shown(tree)}", tree.where, "begin with `models:`")
    base = tree.value.get("extends")
    if base is None:
        return tree
    if not isinstance(base.value, str):
        problems.append(Problem(base.where, "extends", f"{shown(base)}: expected the path of a recipe"))
        return tree
    trail = [*opened, path]
    below = path.parent / base.value
    if below.resolve() in [one.resolve() for one in trail]:
        chain = " → ".join(str(one) for one in [*trail, below])
        raise UserError(f"extends goes in a circle: {chain}", base.where, "take one extends out")
    if not below.is_file():
        raise UserError(f"extends: {below}: no such file", base.where, "the path is relative to the recipe's folder")
    lower = read_tree(below, problems, trail)
    inherited = {key: item for key, item in lower.value.items() if key not in ("study", "extends")}
    own = {key: item for key, item in tree.value.items() if key != "extends"}
    return merged(replace(lower, value=inherited), replace(tree, value=own))


def merged(base: Located, over: Located) -> Located:
    """``over`` laid on ``base``: mappings key by key, an empty value leaves a mapping as it is, all else replaces."""
    if not base.is_mapping or not (over.is_mapping or over.value is None):
        return over
    keys = {**base.value, **(over.value or {})}
    value = {
        key: merged(base.value[key], item) if key in base.value and item is not base.value[key] else item
        for key, item in keys.items()
    }
    return replace(over, value=value)


def with_override(tree: Located, text: str, problems: list[Problem]) -> Located:
    """The tree with one value set, as ``models.wavception.epochs=2`` says; the value is read as YAML.

    A step of the path that is a number goes into a list. A key with dots in it is found where it exists.
    """
    where = f"--set {text}"
    path, equals, value = text.partition("=")
    if not equals or not path.strip("."):
        problems.append(Problem(where, "", "expected PATH=VALUE", "for example --set models.gmm.mixtures=8"))
        return tree
    return _set(tree, path.strip(), parse(value, where, problems, line=False), where, path.strip(), problems)


def _set(tree: Located, path: str, value: Located, where: str, whole: str, problems: list[Problem]) -> Located:
    if tree.is_list:
        step, _, rest = path.partition(".")
        if not step.isdecimal() or int(step) >= len(tree.value):
            hint = f"it is a list of {len(tree.value)}: say 0 to {len(tree.value) - 1}, or set it whole"
            problems.append(Problem(where, whole, f"{step} is no place in a list", hint))
            return tree
        at = int(step)
        item = _set(tree.value[at], rest, value, where, whole, problems) if rest else value
        return replace(tree, value=[*tree.value[:at], item, *tree.value[at + 1 :]])
    if not (tree.is_mapping or tree.value is None):
        above = whole.removesuffix(path).rstrip(".")
        problems.append(Problem(where, whole, f"{above} is {shown(tree)}, no mapping", f"set it whole: {above}=..."))
        return tree
    items: dict[str, Located] = tree.value or {}
    known = [key for key in items if path == key or path.startswith(f"{key}.")]
    step = max(known, key=len) if known else path.partition(".")[0]
    rest = path[len(step) + 1 :]
    if rest and items and step not in items and path != whole and whole.partition(".")[2] == path:
        hint = nearest(step, items) or f"there is {', '.join(items)}"
        problems.append(Problem(where, whole, f"the recipe's {whole.partition('.')[0]} have no {step}", hint))
        return tree
    below = items.get(step, Located(None, where, where))
    item = _set(below, rest, value, where, whole, problems) if rest else replace(value, key_where=where)
    return replace(tree, value={**items, step: item})
