"""``docs/performance.md``: the tables that committed results fill, and the style of the plots beside them.

Imports neither torch nor Amaranth.
"""

import re
from pathlib import Path

__all__ = ["PAGE", "fill", "markdown", "number", "BLUE", "ORANGE", "GREY", "STYLE", "METADATA"]

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
BEGIN, END = "<!-- {}: written by nox -->\n", "<!-- end -->"

# Colours that the colour-blind tell apart, on white and on black.
BLUE, ORANGE, GREY = "#3083c0", "#d4701c", "#8a8a8a"

# On top of matplotlib's defaults, whatever the user's own settings are; the same figures give the same bytes.
STYLE = ["default", {
    "svg.fonttype": "none", "svg.hashsalt": "firstlight", "figure.constrained_layout.use": True,
    "font.sans-serif": ["DejaVu Sans"], "font.size": 9, "axes.spines.top": False, "axes.spines.right": False,
    "axes.linewidth": 0.8, "axes.axisbelow": True, "grid.color": GREY, "grid.alpha": 0.3, "grid.linewidth": 0.6,
}]
# What matplotlib would write into an SVG about itself and the day.
METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))


def fill(tables: dict[str, str]) -> Path:
    """Write ``tables``, in Markdown, into the page, each between the marks that name it.

    Raises
    ------
    ValueError
        If the page does not have the marks of a table.
    """
    text = PAGE.read_text()
    for name, table in tables.items():
        begin = BEGIN.format(name)
        text, found = re.subn(f"{re.escape(begin)}.*?{END}", lambda _, new=begin + table + END: new, text,
                              flags=re.DOTALL)
        if not found:
            raise ValueError(f"{PAGE} has no place for the table {name}")
    PAGE.write_text(text)
    return PAGE


def markdown(headings: list[str], rows: list[list]) -> str:
    """A table whose first column is that of words."""
    lines = [headings, ["---", *["---:"] * (len(headings) - 1)], *rows]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)


def number(value: float) -> str:
    """A whole number, its thousands apart."""
    return f"{value:,.0f}".replace(",", " ")
