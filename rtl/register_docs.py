"""What software reads of the register map: the C header and the HTML page, both written by PeakRDL."""

import json
from pathlib import Path

from peakrdl_cheader.c_standards import CStandard
from peakrdl_cheader.exporter import CHeaderExporter
from peakrdl_html import HTMLExporter

from .registers import description, fields, member_name

__all__ = ["HEADER", "write_header", "write_page"]

# Committed, so that firmware builds without Python.
HEADER = Path(__file__).parents[1] / "firmware" / "firstlight.h"


def write_header(path: Path = HEADER) -> None:
    """Write the C header: a struct of the registers, the masks of their fields, and the enumerations.

    It needs nothing but C99 and ``stdint.h``, which every compiler has, also without a C library. What a code means is
    ``<CODE>_desc``, a string, so that a driver says it in the words of the register map.
    """
    CHeaderExporter().export(description(), str(path), std=CStandard.gnu99)
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
                macro = f"{name}__{code.name.upper()}"
                # In ASCII, a string of JSON is one of C.
                lines += [f"#define {macro} {code.value:#x}", f"#define {macro}_desc {json.dumps(code.rdl_desc)}"]
            lines.append("")
    return "\n".join([*lines, ""])
