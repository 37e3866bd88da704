"""Who teaches whom: an entry's ``teacher`` is the name of another entry, or an entry that is written out there."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from kwsbench.recipe.catalogue import Catalogue
from kwsbench.recipe.form import Entry
from kwsbench.recipe.source import Located, nearest, shown


@dataclass(frozen=True)
class Teachers:
    """Finds the teachers of entries; what is wrong with them goes to ``report``.

    Attributes
    ----------
    entries : those without mistakes. items : all, as the recipe has them.
    report : where, name, what, hint. read : name and text of an entry → the entry, or None where it has mistakes.
    """

    entries: Mapping[str, Entry]
    items: Mapping[str, Located]
    catalogue: Catalogue
    report: Callable[..., None]
    read: Callable[[str, Located], Entry | None]

    def given(self, entry: Entry) -> Entry:
        """The entry with its teacher, if it has one."""
        item, at = self.items[entry.name], f"models.{entry.name}"
        found = item.value.get("teacher") if item.is_mapping else None
        shares = entry.settings.get("teacher_share", ())
        if found is None:
            if any(shares):
                where = item.value["teacher_share"]
                hint = "name an entry to learn from, such as teacher: bc_resnet"
                self.report(where.where, f"{at}.teacher_share", f"{shown(where)}, and there is no teacher", hint)
            return entry
        at = f"{at}.teacher"
        teacher = self._written_out(found, at) if found.is_mapping else self._named(found, at)
        if teacher is None:
            return entry
        if what := self._refused(entry, teacher, found.is_mapping):
            self.report(found.where or found.key_where, at, *what)
            return entry
        one = {part: {name: v[0] for name, v in getattr(teacher, part).items()} for part in ("settings", "frontend")}
        return replace(entry, teacher={"model": teacher.model, **one})

    def _refused(self, entry: Entry, teacher: Entry, written_out: bool) -> tuple[str, str] | None:
        """What is wrong with this teacher for this entry, and what to do."""
        if not self.catalogue.learns_from_others(entry.model):
            return f"{entry.model} learns from no teacher", "networks do"
        if not self.catalogue.learns_from_others(teacher.model):
            return f"{teacher.model} teaches nobody", "networks do"
        if not all(entry.settings["teacher_share"]):
            return "it would teach nothing", "say what part of the loss is its own, such as teacher_share: 0.7"
        if teacher.labels != entry.labels and not (written_out and not teacher.labels):
            return f"{teacher.name} has other labels than {entry.name}", "give both the same"
        choices = {**teacher.settings, **teacher.frontend}
        if several := [name for name, values in choices.items() if len(values) > 1]:
            return f"{teacher.name} has several values of {', '.join(several)}", "a teacher is one: write it out"
        return None

    def _written_out(self, found: Located, at: str) -> Entry | None:
        inside = found.value
        for name, hint in (("teacher", "it learns from labels alone"), ("limits", "those of the entry are for both")):
            if name in inside:
                self.report(inside[name].where or inside[name].key_where, f"{at}.{name}", "not for a teacher", hint)
                return None
        if "model" not in inside:
            self.report(found.where or found.key_where, at, "expected the name of an entry, or model: and its settings")
            return None
        return self.read(at.removeprefix("models."), found)

    def _named(self, found: Located, at: str) -> Entry | None:
        where = found.where or found.key_where
        if not isinstance(found.value, str) or found.value not in self.items:
            what = f"{shown(found)}: no entry of that name; expected one of {', '.join(self.items)}"
            self.report(where, at, what, nearest(str(found.value), self.items))
            return None
        other = self.items[found.value]
        if other.is_mapping and "teacher" in other.value:
            self.report(where, at, f"{found.value} has a teacher itself", "name one that learns from labels alone")
            return None
        return self.entries.get(found.value)
