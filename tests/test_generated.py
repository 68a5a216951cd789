"""Files that are generated and committed are those of today's sources."""

from xml.etree import ElementTree

import pytest

from rtl.register_docs import HEADER, TABLE, write_header, write_ipxact, write_page, write_table
from rtl.registers import registers, windows

IPXACT = {"": "http://www.accellera.org/XMLSchema/IPXACT/1685-2014"}
ACCESS = {"r": "read-only", "w": "write-only", "rw": "read-write"}


@pytest.mark.parametrize("committed, write", [(HEADER, write_header), (TABLE, write_table)])
def test_what_is_committed_is_that_of_the_register_map(tmp_path, committed, write):
    fresh = tmp_path / committed.name
    write(fresh)
    assert committed.read_text() == fresh.read_text(), "stale: run `python -m rtl registers` and commit it"


def test_page_is_written(tmp_path):
    write_page(tmp_path)
    assert "Firstlight" in (tmp_path / "index.html").read_text()


def test_ipxact_has_every_register_field_and_window_of_the_register_map_and_warns_of_nothing(tmp_path, capsys):
    path = tmp_path / "firstlight.xml"
    write_ipxact(path)
    assert capsys.readouterr().err == ""
    component = ElementTree.parse(path).getroot()

    def text(element, name):
        return element.find(name, IPXACT).text

    def number(element, name):
        return int(text(element, name).removeprefix("'h"), 16)

    assert [text(component, name) for name in ("vendor", "library", "name", "version")] == [
        "firstlight", "firstlight", "firstlight", "0.2"]
    block, *memories = component.findall("memoryMaps/memoryMap/addressBlock", IPXACT)
    assert (number(block, "baseAddress"), number(block, "range"), text(block, "width")) == (0, 0x9C, "32")
    assert [(text(memory, "name"), number(memory, "baseAddress"), number(memory, "range"), text(memory, "width"),
             text(memory, "usage"), text(memory, "access")) for memory in memories] == [
        (window.inst_name, window.absolute_address, window.size, "32", "memory",
         ACCESS[window.get_property("sw").name]) for window in windows()]

    found = []
    for register in block.findall("register", IPXACT):
        for field in register.findall("field", IPXACT):
            reset = field.find("resets/reset", IPXACT)
            found.append((text(register, "name"), number(register, "addressOffset"), text(register, "size"),
                          text(field, "name"), int(text(field, "bitOffset")), int(text(field, "bitWidth")),
                          text(field, "access"), None if reset is None else number(reset, "value")))
    assert found == [(register.inst_name, register.absolute_address, "32", field.inst_name, field.low, field.width,
                      ACCESS[field.get_property("sw").name], field.get_property("reset"))
                     for register in registers() for field in register.fields()]
    assert len(found) == 53
