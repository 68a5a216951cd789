"""The host's view of the processor, generated from ``registers.rdl``."""

from enum import Enum, IntEnum
from functools import cache
from pathlib import Path

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, exact_log2
from systemrdl import RDLCompiler
from systemrdl.node import AddrmapNode, FieldNode, MemNode, RegNode
from systemrdl.rdltypes import AccessType, OnWriteType, PrecedenceType

from .axi import DATA_WIDTH, STROBE_WIDTH, AxiLiteFrontEnd, AxiLiteSignature

__all__ = ["SOURCE", "description", "registers", "fields", "windows", "enumeration", "Kind", "kind", "member_name",
           "Registers"]

SOURCE = Path(__file__).with_name("registers.rdl")


@cache
def description() -> AddrmapNode:
    """The compiled register map."""
    compiler = RDLCompiler()
    compiler.compile_file(str(SOURCE))
    return compiler.elaborate().top


def registers() -> list[RegNode]:
    """The registers, in order of address."""
    return [node for node in description().children() if isinstance(node, RegNode)]


def fields() -> list[FieldNode]:
    """The fields of all registers, in order of address."""
    return [field for register in registers() for field in register.fields()]


def windows() -> list[MemNode]:
    """The windows, in order of address."""
    return [node for node in description().children() if isinstance(node, MemNode)]


@cache
def enumeration(name: str) -> type[IntEnum]:
    """The enumeration ``name`` of the register map, its members in capitals.

    Raises
    ------
    ValueError
        If no field is encoded with it.
    """
    for field in fields():
        codes = field.get_property("encode")
        if codes is not None and codes.type_name == name:
            return IntEnum(name, {code.name.upper(): code.value for code in codes})
    raise ValueError(f"no field of {SOURCE.name} is encoded with {name!r}")


class Kind(Enum):
    """What the gateware makes of a field: (sw, hw, singlepulse, hwset, onwrite, precedence)."""

    # The host reads the field's reset value.
    CONSTANT = AccessType.r, AccessType.na, False, False, None, PrecedenceType.sw
    # The host reads what the gateware drives.
    OBSERVED = AccessType.r, AccessType.w, False, False, None, PrecedenceType.sw
    # The host writes, and reads back, what the gateware sees.
    SETTING = AccessType.rw, AccessType.r, False, False, None, PrecedenceType.sw
    # The host writes a one, the gateware sees a pulse.
    COMMAND = AccessType.w, AccessType.r, True, False, None, PrecedenceType.sw
    # The gateware sets the field, the host clears it by writing a one.
    CAUSE = AccessType.rw, AccessType.r, False, True, OnWriteType.woclr, PrecedenceType.hw


def kind(field: FieldNode) -> Kind:
    """The kind of ``field``.

    Raises
    ------
    ValueError
        If there is none with its properties.
    """
    names = "sw", "hw", "singlepulse", "hwset", "onwrite", "precedence"
    properties = tuple(field.get_property(name) for name in names)
    if properties not in [kind.value for kind in Kind]:
        raise ValueError(f"{field.get_path()}: the gateware has no field with " + ", ".join(
            f"{name} = {getattr(value, 'name', value)}" for name, value in zip(names, properties)))
    return Kind(properties)


def member_name(field: FieldNode) -> str:
    """``<register>_<field>``, or ``<register>`` where the only field is called ``value``."""
    register = field.parent.inst_name
    return register if field.inst_name == "value" else f"{register}_{field.inst_name}"


class Registers(wiring.Component):
    """Registers and windows of the host.

    A setting changes, and a command pulses, in the cycle after the write is taken, which is also the cycle in which
    the bus accepts it. A read returns what the gateware drives in the cycle in which the bus accepts its address.
    Otherwise timing is that of :class:`~rtl.axi.AxiLiteFrontEnd`: two cycles per access, registers and windows alike.
    A write to a write window waits until ``<window>`` is ready, and reads go on meanwhile.

    Illegal accesses are answered with ``SLVERR`` and change nothing: no register or window at the address; address not
    a multiple of four; write to a read-only, or read from a write-only register or window; write to a window without
    all of its strobes.

    Parameters
    ----------
    memory : bool
        Whether there are the fields that ``needs_memory``.

    Members
    -------
    bus : In(AxiLiteSignature)
        The host's bus.
    rejected : Out(1)
        High for one cycle, in the cycle after an illegal access.
    rejected_address : Out
        Byte address of that access, while ``rejected``. Of an illegal write and an illegal read in the same cycle,
        the write's.

    For each field there is a member called :func:`member_name`, of the field's width:

    :attr:`Kind.OBSERVED` : In
    :attr:`Kind.SETTING` : Out
        Has the field's reset value until it is written.
    :attr:`Kind.COMMAND` : Out
        Its bits are high for one cycle where a one was written.
    :attr:`Kind.CAUSE` : In
        Sets the field. Where it is cleared in the same cycle, it stays set. ``<member>_value`` is Out: the field.

    For each window:

    ``<window>`` : Out(stream.Signature(32))
        Words written to a write window, in order, whatever their address.
    ``<window>_read`` : Out(1), ``<window>_address`` : Out
        High for one cycle when the word ``<window>_address`` of a read window is needed.
    ``<window>_data`` : In(32)
        That word, due in the cycle after ``<window>_read``.
    """

    def __init__(self, memory: bool = True):
        self._memory = memory
        self._address_width = bits_for(description().size - 1)
        members = {
            "bus": In(AxiLiteSignature(self._address_width)),
            "rejected": Out(1),
            "rejected_address": Out(self._address_width),
        }
        for field in filter(self._has, fields()):
            name = member_name(field)
            match kind(field):
                case Kind.OBSERVED:
                    members[name] = In(field.width)
                case Kind.SETTING:
                    members[name] = Out(field.width, init=field.get_property("reset"))
                case Kind.COMMAND:
                    members[name] = Out(field.width)
                case Kind.CAUSE:
                    members[name] = In(field.width)
                    members[f"{name}_value"] = Out(field.width, init=field.get_property("reset"))
        for window in windows():
            name = window.inst_name
            if window.is_sw_writable:
                members[name] = Out(stream.Signature(DATA_WIDTH))
            else:
                members[f"{name}_read"] = Out(1)
                members[f"{name}_address"] = Out(range(window.get_property("mementries")))
                members[f"{name}_data"] = In(DATA_WIDTH)
        super().__init__(members)

    def elaborate(self, platform):
        m = Module()
        m.submodules.front_end = front_end = AxiLiteFrontEnd(self._address_width)
        wiring.connect(m, wiring.flipped(self.bus), front_end.bus)

        write, write_legal = front_end.write, Signal()
        m.d.comb += write.ready.eq(1)
        written = Cat(strobe.replicate(DATA_WIDTH // STROBE_WIDTH) for strobe in write.p.strobe)
        existing = [register for register in registers() if any(map(self._has, register.fields()))]
        for register in existing:
            selected = Signal(name=f"{register.inst_name}_selected")
            if register.has_sw_writable:
                with m.If(write.p.address.matches(self._addresses(register))):
                    m.d.comb += [selected.eq(write.valid), write_legal.eq(1)]
            for field in filter(self._has, register.fields()):
                bits = slice(field.low, field.high + 1)
                touched = written[bits] & selected.replicate(field.width)
                ones = write.p.data[bits] & touched
                match kind(field):
                    case Kind.SETTING:
                        setting = self._member(field)
                        m.d.sync += setting.eq((setting & ~touched) | ones)
                    case Kind.COMMAND:
                        m.d.sync += self._member(field).eq(ones)
                    case Kind.CAUSE:
                        cause = self._value(field)
                        m.d.sync += cause.eq((cause & ~ones) | self._member(field))
        for window in windows():
            if window.is_sw_writable:
                words = getattr(self, window.inst_name)
                m.d.comb += words.payload.eq(write.p.data)
                with m.If(write.p.address.matches(self._addresses(window)) & write.p.strobe.all()):
                    m.d.comb += [words.valid.eq(write.valid), write.ready.eq(words.ready), write_legal.eq(1)]

        read, read_address, read_legal = front_end.read, front_end.read_address, Signal()
        for window in windows():
            if window.is_sw_readable:
                word = read_address[exact_log2(STROBE_WIDTH):]
                m.d.comb += getattr(self, f"{window.inst_name}_address").eq(word)
        with m.Switch(read_address):
            for register in existing:
                if register.has_sw_readable:
                    with m.Case(self._addresses(register)):
                        m.d.comb += read_legal.eq(1)
                        for field in filter(self._has, register.fields()):
                            m.d.comb += front_end.read_data[field.low:field.high + 1].eq(self._value(field))
            for window in windows():
                if window.is_sw_readable:
                    with m.Case(self._addresses(window)):
                        m.d.comb += [
                            read_legal.eq(1),
                            getattr(self, f"{window.inst_name}_read").eq(read),
                            front_end.read_data.eq(getattr(self, f"{window.inst_name}_data")),
                        ]

        m.d.comb += [front_end.write_error.eq(~write_legal), front_end.read_error.eq(~read_legal)]
        write_rejected = write.valid & ~write_legal
        m.d.sync += [
            self.rejected.eq(write_rejected | (read & ~read_legal)),
            self.rejected_address.eq(Mux(write_rejected, write.p.address, read_address)),
        ]

        return m

    def _has(self, field):
        return self._memory or not field.get_property("needs_memory")

    def _member(self, field):
        return getattr(self, member_name(field))

    def _value(self, field):
        """What the host reads."""
        match kind(field):
            case Kind.CONSTANT:
                return field.get_property("reset")
            case Kind.CAUSE:
                return getattr(self, f"{member_name(field)}_value")
            case _:
                return self._member(field)

    def _addresses(self, node):
        """Pattern of the addresses of the words of ``node``, which starts at a multiple of its size, a power of two."""
        byte_width, offset_width = exact_log2(STROBE_WIDTH), exact_log2(node.size)
        base = f"{node.absolute_address >> offset_width:0{self._address_width - offset_width}b}"
        return base + "-" * (offset_width - byte_width) + "0" * byte_width
