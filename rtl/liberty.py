"""What a Liberty file says of the power of its cells: leakage, internal energies, capacitances of pins.

There are readers on PyPI; the one that is kept up, liberty-parser, has a licence (GPL) that this project cannot take
on.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import prod

__all__ = ["Table", "Pin", "Cell", "Cells", "Group", "parse", "cells"]

TOKEN = re.compile(r'"[^"]*"|[{}();:,]|[^\s{}();:,"\\]+')
COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
PREFIXES = {"f": 1e-15, "p": 1e-12, "n": 1e-9, "u": 1e-6, "m": 1e-3, "": 1.0}
# A supply pin that current returns through; what it takes is in the other's.
GROUNDS = ("VSS", "VGND", "GND")


@dataclass
class Group:
    """A group of a Liberty file: ``kind (name) { attributes, groups }``."""

    kind: str
    name: str
    attributes: dict[str, list[str]] = field(default_factory=dict)
    groups: list["Group"] = field(default_factory=list)

    def all(self, kind: str) -> Iterator["Group"]:
        return (group for group in self.groups if group.kind == kind)

    def get(self, attribute: str, default: str = "") -> str:
        return self.attributes.get(attribute, [default])[0]


def parse(text: str) -> Group:
    """The library in the text of a Liberty file.

    Raises
    ------
    ValueError
        If it ends inside a group.
    """
    tokens = iter(TOKEN.findall(COMMENT.sub(" ", text)))
    root = Group("", "")
    open_groups = [root]
    word = ""
    for token in tokens:
        if token == ":":
            open_groups[-1].attributes[word] = [next(tokens).strip('"')]
        elif token == "(":
            values = []
            while (value := next(tokens)) != ")":
                if value != ",":
                    values.append(value.strip('"'))
            # Behind it comes the body of a group, or the end of an attribute.
            if (behind := next(tokens, ";")) == "{":
                group = Group(word, values[0] if values else "")
                open_groups[-1].groups.append(group)
                open_groups.append(group)
            else:
                open_groups[-1].attributes[word] = values
                if behind == "}":
                    open_groups.pop()
                word = "" if behind == ";" else behind
        elif token == "}":
            open_groups.pop()
        elif token not in (";", ","):
            word = token
    if len(open_groups) != 1 or not root.groups:
        raise ValueError(f"a Liberty file ends inside {open_groups[-1].kind or 'nothing: it has no library'}")
    return root.groups[0]


@dataclass(frozen=True)
class Table:
    """Energies over the transition time of an input, and over the load of an output if there is a second axis."""

    axes: tuple[tuple[float, ...], ...]
    values: tuple[float, ...]

    def at(self, *point: float) -> float:
        """Between the table's points on straight lines; beyond them, that of the nearest."""
        value, corners = 0.0, [(0, 1.0)]
        for axis, place in zip(self.axes, point):
            place = min(max(place, axis[0]), axis[-1])
            above = next((n for n, each in enumerate(axis) if each >= place), len(axis) - 1)
            below = max(above - 1, 0)
            share = (place - axis[below]) / (axis[above] - axis[below]) if above > below else 0.0
            corners = [(base * len(axis) + n, weight * part) for base, weight in corners
                       for n, part in ((below, 1 - share), (above, share)) if part]
        for index, weight in corners:
            value += weight * self.values[index]
        return value


@dataclass(frozen=True)
class Pin:
    """A pin of a cell.

    Parameters
    ----------
    output : bool
    capacitance : float
        F.
    energies : tuple of tuple of Table
        J when it rises or falls: the tables of each condition or input there is one for, over s and F.
    """

    output: bool
    capacitance: float
    energies: tuple[tuple[Table, ...], ...]

    def energy(self, transition: float, load: float = 0.0) -> float:
        """What a change takes inside the cell, in J: the mean of rise and fall, over all conditions and inputs."""
        if not self.energies:
            return 0.0
        return sum(sum(table.at(transition, load) for table in tables) / len(tables)
                   for tables in self.energies) / len(self.energies)


@dataclass(frozen=True)
class Cell:
    """Leakage in W, the mean over its states; pins by name."""

    leakage: float
    pins: dict[str, Pin]


@dataclass(frozen=True)
class Cells:
    """The cells of a library, and its supply in V."""

    voltage: float
    cells: dict[str, Cell]


def cells(texts: list[str]) -> Cells:
    """Power of the cells in the texts of Liberty files of one process."""
    found, voltage = {}, 0.0
    for text in texts:
        library = parse(text)
        voltage = float(next(library.all("operating_conditions")).get("voltage"))
        size, unit = library.attributes["capacitive_load_unit"]
        farad = float(size) * PREFIXES[unit.lower().removesuffix("f")]
        second = _unit(library.get("time_unit"), "s")
        watt = _unit(library.get("leakage_power_unit"), "W")
        for cell in library.all("cell"):
            pins = {name: _pin(pin, farad, second, farad * _unit(library.get("voltage_unit"), "V") ** 2, _axes(library))
                    for pin in cell.all("pin") for name in pin.name.split()}
            found[cell.name] = Cell(_leakage(cell) * watt, pins)
    return Cells(voltage, found)


def _unit(text: str, unit: str) -> float:
    size, prefix = re.fullmatch(rf"([\d.]+)([a-z]?){unit}", text).groups()
    return float(size) * PREFIXES[prefix]


def _numbers(values: list[str]) -> tuple[float, ...]:
    return tuple(float(each) for value in values for each in value.replace(",", " ").split())


def _axes(library: Group) -> dict[str, tuple]:
    """The axes of every template of a power table."""
    return {template.name: tuple(_numbers(template.attributes[key]) for key in ("index_1", "index_2")
                                 if key in template.attributes)
            for template in library.all("power_lut_template")}


def _leakage(cell: Group) -> float:
    if cell.get("cell_leakage_power"):
        return float(cell.get("cell_leakage_power"))
    told = [group for group in cell.all("leakage_power") if group.get("related_pg_pin") not in GROUNDS]
    chosen = [group for group in told if not group.get("when")] or told
    return sum(float(group.get("value")) for group in chosen) / max(len(chosen), 1)


def _pin(pin: Group, farad: float, second: float, joule: float, templates: dict[str, tuple]) -> Pin:
    energies = []
    for power in pin.all("internal_power"):
        if power.get("related_pg_pin") in GROUNDS:
            continue
        tables = []
        for table in power.groups:
            axes = tuple(_numbers(table.attributes[key]) for key in ("index_1", "index_2") if key in table.attributes)
            axes = axes or templates.get(table.name, ())
            values = _numbers(table.attributes["values"])
            if prod(map(len, axes)) != len(values):
                axes, values = (), values[:1]
            scaled = tuple(tuple(each * unit for each in axis) for axis, unit in zip(axes, (second, farad)))
            tables.append(Table(scaled, tuple(value * joule for value in values)))
        if tables:
            energies.append(tuple(tables))
    return Pin(output=pin.get("direction") == "output", capacitance=float(pin.get("capacitance", "0")) * farad,
               energies=tuple(energies))
