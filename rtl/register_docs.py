"""What software reads of the register map: the C header and the HTML page, both written by PeakRDL."""

from pathlib import Path

from peakrdl_cheader.exporter import CHeaderExporter
from peakrdl_html import HTMLExporter

from .registers import description, fields, member_name

__all__ = ["HEADER", "write_header", "write_page"]

# Committed, so that firmware builds without Python.
HEADER = Path(__file__).parents[1] / "firmware" / "firstlight.h"


def write_header(path: Path = HEADER) -> None:
    """Write the C header: a struct of the registers, the masks of their fields, and the enumerations."""
    CHeaderExporter().export(description(), str(path))
    # PeakRDL leaves the enumerations out.
    body, guard, end = path.read_text().rpartition("#ifdef __cplusplus")
    path.write_text(body + _enumerations() + guard + end + "\n")


def write_page(folder: Path) -> None:
    """Write the HTML page, ``index.html`` and what it needs, into ``folder``."""
    HTMLExporter(generate_source_links=False).export(description(), str(folder))


def _enumerations():
    lines = []
    for field in fields():
        codes = field.get_property("encode")
        if codes is not None:
            name = f"{description().inst_name}__{member_name(field)}".upper()
            for code in codes:
                lines += [f"// {code.rdl_desc}", f"#define {name}__{code.name.upper()} {code.value:#x}"]
            lines.append("")
    return "\n".join([*lines, ""])
