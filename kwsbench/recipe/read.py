"""From a file to a ``Recipe``: every value checked against the code, every mistake reported at once."""

import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from kwsbench.errors import UserError
from kwsbench.recipe.catalogue import Catalogue
from kwsbench.recipe.exclude import SIDES, Exclude, listed_clips
from kwsbench.recipe.form import ASKED, LATER, STANDARD, Choices, Entry, Fusion, Limits, Recipe, Top, combinations
from kwsbench.recipe.settings import Setting, mapping_of, read_settings, settings_of
from kwsbench.recipe.source import Located, Problem, nearest, parse, read_tree, shown, with_override
from kwsbench.recipe.teachers import Teachers

_BLOCKS = ("extends", "corpora", "splits", "labels", "models", *LATER, "limits")
_PARTS = ("model", "frontend", "labels", "limits", "teacher")
_NAME_FORM = "letters, digits and . _ + -, beginning with a letter or digit"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")


def load_recipe(
    path: Path,
    *,
    overrides: Sequence[str] = (),
    corpus: str | None = None,
    only: str | Sequence[str] | None = None,
    seeds: int | Sequence[int] | None = None,
) -> Recipe:
    """Read a recipe, and check all of it against the code.

    Parameters
    ----------
    path : the YAML file; ``extends`` in it is relative to its folder.
    overrides : "models.gmm.mixtures=8" and the like, as ``--set`` gives them.
    corpus : run on this corpus instead (with the recipe's settings for it, if it has any).
    only : keep these entries of ``models``, a list or text with commas.
    seeds : number of repeated fits, or their numbers.

    Raises
    ------
    UserError : every mistake, one per line: where, which setting, the value, what was expected, the nearest right name.
    """
    problems: list[Problem] = []
    tree = read_tree(path, problems)
    if corpus is not None:
        tree = _with(tree, "corpora", _one_corpus(tree, corpus))
    if seeds is not None:
        wanted = seeds if isinstance(seeds, int) else list(seeds)
        tree = _with(tree, "seeds", parse(json.dumps(wanted), f"--seeds {shown(wanted)}", problems, line=False))
    tree = _with(tree, "corpora", _corpora_mapping(tree.value.get("corpora"), problems))
    for key in ("splits", "labels"):
        if key in tree.value:
            tree = _with(tree, key, _scheme_mappings(tree.value[key]))
    for key in ASKED:
        if key in tree.value:
            tree = _with(tree, key, _standard_mapping(tree.value[key]))
    if "exclude" in tree.value:
        tree = _with(tree, "exclude", _file_mapping(tree.value["exclude"]))
    for text in overrides:
        tree = with_override(tree, text, problems)
    recipe = _Resolver(problems).recipe(tree, path)
    if only is not None:
        named = tree.value.get("models")
        recipe = _only(recipe, only, named.value if named is not None and named.is_mapping else (), problems)
    if problems:
        raise UserError("\n".join(map(str, sorted(problems, key=lambda problem: problem.order))))
    return recipe


def _with(tree: Located, key: str, value: Located) -> Located:
    return replace(tree, value={**tree.value, key: value})


def _one_corpus(tree: Located, name: str) -> Located:
    where = f"--corpus {name}"
    named = tree.value.get("corpora")
    kept = named.value.get(name) if named is not None and named.is_mapping else None
    item = Located(None, where, where) if kept is None else replace(kept, key_where=where)
    return Located({name: item}, where, where)


def _corpora_mapping(found: Located | None, problems: list[Problem]) -> Located:
    """``corpora`` in its one form: a name or a list of names become a mapping to no settings."""
    if found is None:
        return Located({"synthetic": Located(None, "")}, "")
    items = found.value if found.is_list else [found]
    if found.value is None or found.is_mapping:
        return found
    names: dict[str, Located] = {}
    for item in items:
        if not isinstance(item.value, str):
            problems.append(Problem(item.where, "corpora", f"{shown(item)}: expected the name of a corpus"))
        elif item.value in names:
            problems.append(Problem(item.where, "corpora", f"{item.value} stands twice", "keep one"))
        else:
            names[item.value] = Located(None, item.where, item.where)
    return replace(found, value=names)


def _scheme_mappings(found: Located) -> Located:
    """``splits`` or ``labels`` with each name alone written out as ``{scheme: name}``."""
    if found.is_list:
        return replace(found, value=[_scheme_mappings(item) for item in found.value])
    return replace(found, value={"scheme": found}) if isinstance(found.value, str) else found


def _standard_mapping(found: Located) -> Located:
    """A block of ``ASKED`` in its one form: ``standard`` is a mapping to no settings."""
    return replace(found, value={}) if found.value == STANDARD else found


def _file_mapping(found: Located) -> Located:
    """``exclude`` in its one form: the path of a list alone becomes ``{file: path}``."""
    return replace(found, value={"file": found}) if isinstance(found.value, str) else found


def _only(recipe: Recipe, only: str | Sequence[str], entries: Collection[str], problems: list[Problem]) -> Recipe:
    """Without the other entries, and the fusions that have one of them for a member.

    ``entries`` are all that the recipe names, those with mistakes too.
    """
    text = only if isinstance(only, str) else ",".join(only)
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in entries:
            what = f"{name}: no entry of that name; expected one of {', '.join(entries)}"
            problems.append(Problem(f"--only {text}", "", what, nearest(name, entries)))
    if not names:
        problems.append(Problem(f"--only {text}", "", f"expected one of {', '.join(entries)}"))
    fusions = {name: fusion for name, fusion in recipe.fusions.items() if set(fusion.members) <= set(names)}
    models = {name: entry for name, entry in recipe.models.items() if name in names}
    return replace(recipe, models=models, fusions=fusions)


class _Resolver:
    """Walks the tree of a recipe; what is wrong goes to ``problems``, and the walk goes on."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        self.catalogue = Catalogue()

    def report(self, where: str, name: str, what: str, hint: str = "") -> None:
        self.problems.append(Problem(where, name, what, hint))

    def recipe(self, tree: Located, path: Path) -> Recipe:
        blocks = dict.fromkeys(_BLOCKS, "")
        settings = {**settings_of(Top), "study": Setting("study", str, path.stem)}
        top = read_settings(tree, settings, "", self.problems, others=blocks)
        if isinstance(top["study"], str) and not _NAME.fullmatch(top["study"]):
            where = tree.value["study"].where if "study" in tree.value else str(path)
            self.report(where, "study", f"{shown(top['study'])}: expected {_NAME_FORM}", "it names a folder")
        items = tree.value
        labels = self.several(items.get("labels"), self.catalogue.labels, "labels", self.catalogue.check_labels)
        models = self.models(items.get("models"), tree.where)
        self.refuse_unseen(labels, models, items)
        return Recipe(
            study=top["study"],
            seed=top["seed"],
            seeds=self.seeds(items.get("seeds"), top["seeds"]),
            corpora=self.corpora(items["corpora"]),
            splits=self.several(items.get("splits"), self.catalogue.splits, "splits", self.catalogue.check_split),
            labels=labels,
            models=models,
            limits=Limits(**self.limits(items.get("limits"), self.catalogue.limits, "limits")),
            keep_models=top["keep_models"],
            **{name: self.asked(items.get(name), name) for name in ASKED},
            exclude=self.exclude(items.get("exclude")),
            fusions=self.fusions(items.get("fusions"), items.get("models")),
            path=path,
            exclude_where=items["exclude"].where if "exclude" in items else "",
        )

    def seeds(self, found: Located | None, seeds: Any) -> tuple[int, ...]:
        if found is not None and isinstance(seeds, tuple | int):
            numbers = seeds if isinstance(seeds, tuple) else ()
            if seeds in (0, ()) or (isinstance(seeds, int) and seeds < 0):
                self.report(found.where, "seeds", f"{shown(found)}: expected at least one repeat")
            elif len(set(numbers)) < len(numbers):
                self.report(found.where, "seeds", f"{shown(found)}: a number stands twice", "each is one repeated fit")
            elif any(isinstance(number, int) and number < 0 for number in numbers):
                self.report(found.where, "seeds", f"{shown(found)}: expected numbers from 0 on")
        return tuple(range(seeds)) if isinstance(seeds, int) else seeds or ()

    def corpora(self, found: Located) -> dict[str, dict[str, Any]]:
        result: dict[str, dict[str, Any]] = {}
        before = len(self.problems)
        for name, item in mapping_of(found, "corpora", self.problems).items():
            at = f"corpora.{name}"
            try:
                settings = self.catalogue.corpus(name)
            except UserError as error:
                self.report(item.key_where or item.where, at, error.what, error.todo)
            else:
                result[name] = read_settings(item, settings, at, self.problems)
        if not found.value and len(self.problems) == before:
            self.report(found.where, "corpora", "expected at least one corpus")
        return result

    def several(
        self, found: Located | None, settings: Mapping[str, Setting], name: str, check: Callable[..., object]
    ) -> tuple[dict[str, Any], ...]:
        """One block of settings or a list of them; each may be a matrix."""
        if found is None:
            return (read_settings(Located({}, ""), settings, name, self.problems),)
        result: list[dict[str, Any]] = []
        for i, item in enumerate(found.value if found.is_list else [found]):
            at = f"{name}[{i}]" if found.is_list else name
            before = len(self.problems)
            choices = read_settings(item, settings, at, self.problems, matrix=True)
            if len(self.problems) > before:
                continue
            self.construct(check, choices, item, at)
            for one in combinations(choices):
                if one in result:
                    self.report(item.where, at, f"{shown(item)} stands twice", "keep one")
                    break
                result.append(one)
        if found.is_list and not found.value:
            self.report(found.where, name, "[]: expected at least one")
        return tuple(result)

    def limits(
        self, found: Located | None, settings: Mapping[str, Setting], name: str, defaults: bool = True
    ) -> dict[str, Any]:
        found = found or Located({}, "")
        limits = read_settings(found, settings, name, self.problems, defaults=defaults)
        for key in found.value if found.is_mapping else ():
            value = limits.get(key)
            if value is None:
                continue
            if key == "bad_share" and not 0 <= value <= 1:
                self.report(found.value[key].where, f"{name}.{key}", f"{value}: expected a share from 0 to 1")
            elif key != "bad_share" and value <= 0:
                self.report(found.value[key].where, f"{name}.{key}", f"{value}: expected more than 0")
        return limits

    def asked(self, found: Located | None, name: str) -> dict[str, Any]:
        """One block of ``ASKED``."""
        if found is None:
            return {}
        if not (found.is_mapping or found.value is None):
            hint = nearest(found.value, [STANDARD]) if isinstance(found.value, str) else ""
            self.report(found.where, name, f"{shown(found)}: expected {STANDARD} or a mapping", hint)
            return {}
        before = len(self.problems)
        settings = read_settings(found, self.catalogue.asked[name], name, self.problems)
        if len(self.problems) == before:
            alone = {key: (value,) for key, value in settings.items()}
            self.construct(self.catalogue.asked_classes[name], alone, found, name)
        return settings

    def exclude(self, found: Located | None) -> dict[str, Any]:
        """``clips`` and ``sides``, the clips read from the file if one is named."""
        if found is None or found.value is None:
            return {}
        found, before = _file_mapping(found), len(self.problems)
        settings = read_settings(found, self.catalogue.exclude, "exclude", self.problems)
        if len(self.problems) > before:
            return {}
        self.construct(Exclude, {key: (value,) for key, value in settings.items()}, found, "exclude")
        if len(self.problems) > before:
            return {}
        clips = tuple(sorted(set(settings["clips"] or ())))
        if settings["file"] is not None:
            item = found.value["file"]
            try:
                clips = listed_clips(item.folder / settings["file"])
            except UserError as error:
                self.report(item.where, "exclude", error.what, error.todo)
        return {"clips": clips, "sides": tuple(side for side in SIDES if side in settings["sides"])}

    def fusions(self, found: Located | None, models: Located | None) -> dict[str, Fusion]:
        """Members by name; what they may be are all entries that the recipe names, those with mistakes too."""
        entries = models.value if models is not None and models.is_mapping else {}
        fusions: dict[str, Fusion] = {}
        for name, item in mapping_of(found, "fusions", self.problems).items() if found is not None else ():
            at = f"fusions.{name}"
            if not _NAME.fullmatch(name):
                self.report(item.key_where, "fusions", f"{shown(name)}: expected {_NAME_FORM}")
            if name in entries:
                self.report(item.key_where, at, "an entry of models has this name", "give the fusion another")
            settings: dict[str, Any] = {}
            if item.is_mapping:
                before = len(self.problems)
                settings = read_settings(item, settings_of(Fusion), at, self.problems)
                if len(self.problems) > before:
                    continue
                item = item.value["members"]
            members = [one.value for one in item.value] if item.is_list else []
            if not members:
                self.report(item.where, at, f"{shown(item)}: expected a list of entries of models")
            for one in item.value if item.is_list else ():
                if not isinstance(one.value, str) or one.value not in entries:
                    what = f"{shown(one)}: no entry of that name; expected one of {', '.join(entries)}"
                    self.report(one.where, at, what, nearest(str(one.value), entries))
                elif members.count(one.value) > 1:
                    self.report(one.where, at, f"{one.value} stands twice", "each member counts once")
            how = {part: settings[part] for part in ("priors", "weights") if part in settings}
            fusions[name] = Fusion(tuple(map(str, members)), **how)
        return fusions

    def models(self, found: Located | None, where: str) -> dict[str, Entry]:
        entries: dict[str, Entry] = {}
        if found is None or not found.value:
            self.report(found.where if found else where, "models", "expected at least one model", "such as gmm: {}")
            return entries
        for name, item in mapping_of(found, "models", self.problems).items():
            if not _NAME.fullmatch(name):
                self.report(item.key_where, "models", f"{shown(name)}: expected {_NAME_FORM}", "it names files")
            entry = self.entry(name, item)
            if entry is not None:
                entries[name] = entry
        teachers = Teachers(entries, found.value, self.catalogue, self.report, self.entry)
        return {name: teachers.given(entry) for name, entry in entries.items()}

    def refuse_unseen(
        self, labels: tuple[dict[str, Any], ...], models: Mapping[str, Entry], items: Mapping[str, Located]
    ) -> None:
        """Words without training clips are for models that spell."""
        words = sorted({word for one in labels for word in one["unseen"]})
        for name, entry in models.items() if words else ():
            if not self.catalogue.spells(entry.model):
                what = f"{entry.model} cannot answer what it has no training clips of: {', '.join(words)}"
                able = ", ".join(self.catalogue.spelling_models)
                hint = f"leave it out, or leave out labels.unseen; it is for models that spell: {able}"
                self.report(items["models"].value[name].key_where, f"models.{name}", what, hint)

    def entry(self, name: str, found: Located) -> Entry | None:
        at = f"models.{name}"
        before = len(self.problems)
        items = mapping_of(found, at, self.problems)
        if len(self.problems) > before:
            return None
        named = items.get("model")
        model = name if named is None else named.value
        where = found.key_where if named is None else named.where
        if not isinstance(model, str):
            self.report(where, f"{at}.model", f"{shown(named)}: expected the name of a model")
            return None
        try:
            cls, settings = self.catalogue.model(model)
            frontend = self.catalogue.frontend_of(cls)
        except UserError as error:
            self.report(where, at if named is None else f"{at}.model", error.what, error.todo)
            return None
        labels, elsewhere = self.catalogue.training_labels, self.elsewhere()
        entry = Entry(
            name=name,
            model=model,
            settings=read_settings(found, settings, at, self.problems, matrix=True, others=elsewhere),
            frontend=self.block(items, "frontend", frontend, at),
            labels=self.block(items, "labels", labels, at, defaults=False),
            limits=self.limits(items.get("limits"), self.catalogue.entry_limits, f"{at}.limits", defaults=False),
        )
        if len(self.problems) == before:
            self.construct(cls, entry.settings, found, at)
            for part, call, choices in (
                ("frontend", self.catalogue.frontend_class, entry.frontend),
                ("labels", self.catalogue.check_labels, entry.labels),
            ):
                self.construct(call, choices, items.get(part, found), f"{at}.{part}")
        return entry

    def elsewhere(self) -> dict[str, str]:
        """Keys of an entry that are no settings of the model: "" for those it may hold, else where they belong."""
        ours = self.catalogue
        inner = {"limits": ours.entry_limits, "labels": ours.training_labels, "frontend": ours.frontend}
        hints = {key: f"it belongs below {part}:" for part, names in inner.items() for key in names}
        return {**hints, **dict.fromkeys(_PARTS, "")}

    def block(
        self, items: Mapping[str, Located], part: str, settings: Mapping[str, Setting], at: str, defaults: bool = True
    ) -> dict[str, Any]:
        found = items.get(part, Located({}, ""))
        return read_settings(found, settings, f"{at}.{part}", self.problems, matrix=True, defaults=defaults)

    def construct(self, call: Callable[..., object], choices: Choices, found: Located, at: str) -> None:
        """Let the class itself look at each combination: constructors do no work, but may refuse a value."""
        for settings in combinations(choices):
            try:
                call(**settings)
            except (UserError, ValueError, TypeError) as error:
                todo = error.todo if isinstance(error, UserError) else ""
                what = error.what if isinstance(error, UserError) else str(error)
                self.report(found.where or found.key_where, at, what, todo)
                return
