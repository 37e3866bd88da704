"""The one exception a user's mistake raises.

UserError        what is wrong, where, and what to do; the command line prints it and exits with 2
└── LeakError    a split that puts one speaker or one recording on two sides
"""


class UserError(Exception):
    """A mistake in a recipe, an argument or the layout of a folder.

    Parameters
    ----------
    what : what is wrong, with the offending value.
    where : file:line, path or argument it was found in; empty when the text says it.
    todo : what the user can do about it.
    """

    def __init__(self, what: str, where: str = "", todo: str = "") -> None:
        self.what, self.where, self.todo = what, where, todo
        super().__init__(str(self))

    def __str__(self) -> str:
        where = f"{self.where}: " if self.where else ""
        todo = f"\n  → {self.todo}" if self.todo else ""
        return f"{where}{self.what}{todo}"


class LeakError(UserError):
    """Training and test would share a speaker or a recording."""
