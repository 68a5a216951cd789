"""The register map for software and tools: C header, HTML page and IP-XACT, by PeakRDL, and a Python table."""

import json
from pathlib import Path

from peakrdl_cheader.c_standards import CStandard
from peakrdl_cheader.exporter import CHeaderExporter
from peakrdl_html import HTMLExporter
from peakrdl_ipxact import IPXACTExporter
from systemrdl.node import MemNode

from .registers import Kind, description, enumeration, fields, kind, member_name, registers, windows

__all__ = ["HEADER", "TABLE", "write_header", "write_table", "write_page", "write_ipxact"]

FIRMWARE = Path(__file__).parents[1] / "firmware"
# Committed, so that firmware builds without Python, and the driver in Python runs without Amaranth.
HEADER, TABLE = FIRMWARE / "firstlight.h", FIRMWARE / "registers.py"


def write_header(path: Path = HEADER) -> None:
    """Write the C header: a struct of the registers, the masks of their fields, and the enumerations.

    It needs nothing but C99 and ``stdint.h``, which every compiler has, also without a C library. What a code means is
    ``<CODE>_desc``, a string, so that a driver says it in the words of the register map.
    """
    CHeaderExporter().export(description(), str(path), std=CStandard.gnu99)
    # PeakRDL leaves the enumerations out.
    body, guard, end = path.read_text().rpartition("#ifdef __cplusplus")
    path.write_text(body + _enumerations() + guard + end + "\n")


def write_table(path: Path = TABLE) -> None:
    """Write the Python module: addresses, fields, constants and error codes, in the words of the register map."""
    codes, = (field.get_property("encode") for field in fields() if member_name(field) == "error_code")
    constants = {register.inst_name: {field.inst_name: field.get_property("reset") for field in register.fields()
                                      if kind(field) == Kind.CONSTANT} for register in registers()}
    path.write_text("\n".join([
        '"""The register map, generated from rtl/registers.rdl by `python -m rtl registers`; do not edit it."""',
        "# ruff: noqa: E501",
        "",
        "from enum import IntEnum",
        "",
        "# Bytes from the first register to the end of the last window.",
        f"SIZE = {description().size:#x}",
        "",
        *_dictionary("Byte addresses of registers and windows.", "ADDRESSES",
                     {node.inst_name: f"{node.absolute_address:#x}" for node in [*registers(), *windows()]}),
        *_dictionary("Words of windows.", "WORDS",
                     {window.inst_name: window.get_property("mementries") for window in windows()}),
        *_dictionary("Fields of registers: lowest bit and width.", "FIELDS",
                     {register.inst_name: {field.inst_name: (field.low, field.width) for field in register.fields()}
                      for register in registers()}),
        *_dictionary("What registers hold in every processor that has this map.", "CONSTANTS",
                     {name: values for name, values in constants.items() if values}),
        "",
        "class ErrorCode(IntEnum):",
        *(f"    {code.name} = {code.value}" for code in enumeration("ErrorCode")),
        "",
        "",
        *_dictionary("What they mean.", "SENTENCES",
                     {code.value: json.dumps(code.rdl_desc) for code in codes})[:-1],
    ]) + "\n")


def _dictionary(comment: str, name: str, entries: dict) -> list[str]:
    """Lines of Python; values as they print."""
    lines = [f"    {key!r}: {value}," for key, value in entries.items()]
    return [f"# {comment}", f"{name} = {{", *lines, "}", ""]


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
