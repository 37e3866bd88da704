"""Names that stand beside rows of a drawing."""

MOST = 14  # letters that the room on the left holds


def short(name: str) -> str:
    """The name, its end cut off where it is too long for the room beside a row."""
    return name if len(name) <= MOST else f"{name[: MOST - 1]}…"
