"""The printed table: one line a bar."""

import dataclasses


@dataclasses.dataclass
class Row:
    """What was measured against which bar; `passes` is None for a line that is for reading only."""

    what: str
    bar: str
    measured: str
    ratio: str = ""
    passes: bool | None = None

    def verdict(self):
        return {True: "pass", False: "**below**", None: ""}[self.passes]


def render(rows):
    lines = ["| what | bar | measured | ratio | |", "|---|---|---|---|---|"]
    lines += [f"| {row.what} | {row.bar} | {row.measured} | {row.ratio} | {row.verdict()} |" for row in rows]
    return "\n".join(lines)


def at_least(value, bar):
    return f"{value:.2f} x", value >= bar


def at_most(value, bar):
    return f"{value:.2f} x", value <= bar
