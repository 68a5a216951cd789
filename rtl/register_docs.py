"""What software and tools read of the register map: C header, HTML page and IP-XACT, all written by PeakRDL."""

import json
from pathlib import Path

from peakrdl_cheader.c_standards import CStandard
from peakrdl_cheader.exporter import CHeaderExporter
from peakrdl_html import HTMLExporter
from peakrdl_ipxact import IPXACTExporter
from systemrdl.node import MemNode

from .registers import description, fields, member_name, registers, windows

__all__ = ["HEADER", "write_header", "write_page", "write_ipxact"]

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


class _IpXact(IPXACTExporter):
    """Registers as one address block, each window as another. PeakRDL would leave windows beside registers out."""

    def add_addressBlock(self, parent, node):
        super().add_addressBlock(parent, node)
        if node is description():
            last = registers()[-1]
            length, = parent.getElementsByTagName(f"{self.ns}range")
            length.firstChild.data = self.hex_str(last.absolute_address + last.size)
            for window in windows():
                self.add_addressBlock(parent, window)

    def add_registerData(self, parent, node):
        for register in () if isinstance(node, MemNode) else registers():
            self.add_register(parent, register)


def write_ipxact(path: Path) -> None:
    """Write the register map as a component of IP-XACT (IEEE 1685-2014); its version is that of the map.

    It has the registers and their fields, and windows as memories. It has no ports.
    """
    major, minor = (field.get_property("reset") for name in ("version_major", "version_minor")
                    for field in fields() if member_name(field) == name)
    exporter = _IpXact(vendor="firstlight", library="firstlight", version=f"{major}.{minor}")
    path.parent.mkdir(parents=True, exist_ok=True)
    exporter.export(description(), str(path))


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
