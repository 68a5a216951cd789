# amaranth: UnusedElaboratable=no
import random
from itertools import count
from types import SimpleNamespace

import pytest
from amaranth import *
from amaranth.lib import wiring
from systemrdl import RDLCompiler

from model.network import Rule
from rtl.axi import Response
from rtl.registers import Kind, Registers, description, enumeration, fields, kind, member_name, registers, windows
from tests.streams import holds, idle, put, simulate, take

WORD = 0xFFFF_FFFF
ALL = 0b1111


def address(name):
    return description().get_child_by_name(name).absolute_address


def of_kind(wanted):
    return [field for field in fields() if kind(field) == wanted]


def with_kind(wanted):
    """Registers that have such a field."""
    return [register for register in registers() if wanted in map(kind, register.fields())]


def inside(field, words):
    """Value of ``field``, where its register holds ``words[register's name]``."""
    return words[field.parent.inst_name] >> field.low & (1 << field.width) - 1


def seen(register, words):
    """What the host reads from ``register``."""
    return sum(inside(field, words) << field.low for field in register.fields())


def bits(strobe):
    """The bits of a word that ``strobe`` writes."""
    return sum(0xFF << 8 * byte for byte in range(4) if strobe >> byte & 1)


async def write(ctx, bus, address, data, strobe=ALL, *, address_delay=0, data_delay=0, stall=0):
    """Write as a host may: address and data in any order, ``stall`` cycles until the response is accepted."""
    ctx.set(bus.awaddr, address)
    ctx.set(bus.wdata, data)
    ctx.set(bus.wstrb, strobe)
    address_accepted = data_accepted = False
    for cycle in count():
        ctx.set(bus.awvalid, not address_accepted and cycle >= address_delay)
        ctx.set(bus.wvalid, not data_accepted and cycle >= data_delay)
        if address_accepted and data_accepted:
            break
        _, _, aw, w, responded = await ctx.tick().sample(
            bus.awvalid & bus.awready, bus.wvalid & bus.wready, bus.bvalid)
        assert not responded, "response before address and data were accepted"
        address_accepted |= aw
        data_accepted |= w
    await idle(ctx, stall)
    return await take(ctx, SimpleNamespace(payload=bus.bresp, valid=bus.bvalid, ready=bus.bready))


async def read(ctx, bus, address, *, stall=0):
    """Data and response of one read."""
    await put(ctx, SimpleNamespace(payload=bus.araddr, valid=bus.arvalid, ready=bus.arready), address)
    await idle(ctx, stall)
    ctx.set(bus.rready, 1)
    data, response = await ctx.tick().sample(bus.rdata, bus.rresp).until(bus.rvalid)
    ctx.set(bus.rready, 0)
    return data, response


def answers(dut):
    """Monitors of what the bus must not take back, and of the words for the loader."""
    bus = dut.bus
    return [
        holds(SimpleNamespace(payload=bus.bresp, valid=bus.bvalid, ready=bus.bready)),
        holds(SimpleNamespace(payload=Cat(bus.rdata, bus.rresp), valid=bus.rvalid, ready=bus.rready)),
        holds(dut.load),
    ]


def outputs(dut):
    """What the rest of the processor sees of settings, commands, causes and windows."""
    members = {path: value for path, member, value in dut.signature.flatten(dut)
               if member.flow == wiring.Out and path[0] != "bus" and not path[0].startswith("rejected")}
    # The word address of a read window and the payload of a write window mean something in their cycle only.
    return Cat(value for path, value in members.items()
               if path[-1] != "payload" and not path[0].endswith("_address"))


def test_members_are_those_of_the_description():
    expected = {"bus", "rejected", "rejected_address"}
    expected |= {member_name(field) for field in fields() if kind(field) != Kind.CONSTANT}
    expected |= {f"{member_name(field)}_value" for field in of_kind(Kind.CAUSE)}
    expected |= {"load", *(f"{window}_{part}" for window in ("logits", "signatures")
                           for part in ("read", "address", "data"))}
    assert set(Registers().signature.members) == expected
    assert (len(registers()), len(fields()), len(windows())) == (35, 53, 3)
    # No two fields share a member.
    assert len(expected) == 3 + len(fields()) - len(of_kind(Kind.CONSTANT)) + 2 + 7


def test_without_a_memory_registers_that_need_one_do_not_exist():
    needing = [field for field in fields() if field.get_property("needs_memory")]
    gone = {member_name(field) for field in needing}
    assert set(Registers().signature.members) - set(Registers(memory=False).signature.members) == gone
    assert gone > {"control_load", "control_batch", "source_address", "batch_done"}
    dut, checked = Registers(memory=False), 0

    async def testbench(ctx):
        nonlocal checked
        for field in needing:
            exists = field.parent.inst_name == "control"
            response = await write(ctx, dut.bus, field.parent.absolute_address, 1 << field.low)
            assert response == (Response.OKAY if exists else Response.SLVERR)
            if not exists:
                assert (await read(ctx, dut.bus, field.parent.absolute_address))[1] == Response.SLVERR
            checked += 1
        assert await read(ctx, dut.bus, address("capability_memory")) == (0, Response.OKAY)

    simulate(dut, testbench)
    assert checked == 8


def test_registers_have_their_reset_values():
    dut = Registers()
    checked = 0

    async def testbench(ctx):
        nonlocal checked
        for register in registers():
            if register.has_sw_readable:
                expected = sum((field.get_property("reset") or 0) << field.low for field in register.fields())
                assert await read(ctx, dut.bus, register.absolute_address) == (expected, Response.OKAY)
                checked += 1
        assert await read(ctx, dut.bus, address("id")) == (int.from_bytes(b"FLIG"), Response.OKAY)
        assert ctx.get(dut.cycle_limit) == WORD

    simulate(dut, testbench)
    assert checked == len(registers()) - 1, "all but the write-only control"


def test_host_reads_what_the_gateware_drives():
    dut = Registers()
    rng = random.Random(1)
    words = {register.inst_name: rng.getrandbits(32) for register in registers()}
    checked = 0

    async def testbench(ctx):
        nonlocal checked
        for field in of_kind(Kind.OBSERVED):
            ctx.set(getattr(dut, member_name(field)), inside(field, words))
        for register in with_kind(Kind.OBSERVED):
            assert await read(ctx, dut.bus, register.absolute_address) == (seen(register, words), Response.OKAY)
            checked += 1

    simulate(dut, testbench)
    assert checked == 21


@pytest.mark.parametrize("address_delay, data_delay", [(0, 0), (3, 0), (0, 3)])
@pytest.mark.parametrize("stall", [0, 2])
def test_settings_are_written_byte_by_byte(address_delay, data_delay, stall):
    dut = Registers()
    rng = random.Random(1)
    words = {register.inst_name: sum(field.get_property("reset") << field.low for field in register.fields())
             for register in with_kind(Kind.SETTING)}

    async def testbench(ctx):
        for _ in range(100):
            register = rng.choice(with_kind(Kind.SETTING))
            data, strobe = rng.getrandbits(32), rng.getrandbits(4)
            words[register.inst_name] = words[register.inst_name] & ~bits(strobe) | data & bits(strobe)
            assert await write(ctx, dut.bus, register.absolute_address, data, strobe, address_delay=address_delay,
                               data_delay=data_delay, stall=stall) == Response.OKAY
            for field in of_kind(Kind.SETTING):
                assert ctx.get(getattr(dut, member_name(field))) == inside(field, words)
            assert await read(ctx, dut.bus, register.absolute_address, stall=stall) == (
                seen(register, words), Response.OKAY)

    simulate(dut, testbench, processes=answers(dut))


@pytest.mark.parametrize("data, strobe, expected", [
    (0b01, ALL, [(1, 0, 0, 0)]),
    (0b10, ALL, [(0, 1, 0, 0)]),
    (0b11, 0b0001, [(1, 1, 0, 0)]),
    (0b11, 0b1110, []),
    (0b00, ALL, []),
    (0b0100, ALL, [(0, 0, 1, 0)]),
    (0b1000, ALL, [(0, 0, 0, 1)]),
])
def test_command_pulses_for_one_cycle(data, strobe, expected):
    dut = Registers()
    pulses = []

    async def watch(ctx):
        async for _, _, *commands in ctx.tick().sample(dut.control_start, dut.control_abort, dut.control_load,
                                                       dut.control_batch):
            if any(commands):
                pulses.append(tuple(commands))

    async def testbench(ctx):
        assert await write(ctx, dut.bus, address("control"), data, strobe) == Response.OKAY
        await idle(ctx, 5)

    simulate(dut, testbench, processes=[watch])
    assert pulses == expected


def test_cause_stays_until_a_one_is_written():
    dut = Registers()
    done, error = 0b01, 0b10

    async def causes(ctx):
        value, response = await read(ctx, dut.bus, address("interrupt"))
        assert response == Response.OKAY
        assert value == ctx.get(dut.interrupt_done_value) | ctx.get(dut.interrupt_error_value) << 1
        return value

    async def testbench(ctx):
        for setting in (dut.interrupt_done, dut.interrupt_error):
            ctx.set(setting, 1)
            await ctx.tick()
            ctx.set(setting, 0)
        assert await causes(ctx) == done | error
        await write(ctx, dut.bus, address("interrupt"), 0)
        await write(ctx, dut.bus, address("interrupt"), done | error, 0b1110)
        assert await causes(ctx) == done | error
        await write(ctx, dut.bus, address("interrupt"), done)
        assert await causes(ctx) == error
        await write(ctx, dut.bus, address("interrupt"), error)
        assert await causes(ctx) == 0

    simulate(dut, testbench)


@pytest.mark.parametrize("cycle, expected", [(0, 1), (1, 1), (None, 0)])
def test_cause_set_while_it_is_cleared_stays_set(cycle, expected):
    dut = Registers()

    async def gateware(ctx):
        """Set the cause, then once more in the cycle in which the write is taken, in the next, or not at all."""
        for now in (1, 0, cycle == 0, cycle == 1, 0):
            ctx.set(dut.interrupt_done, now)
            await ctx.tick()

    async def host(ctx):
        await idle(ctx, 2)
        assert ctx.get(dut.interrupt_done_value) == 1
        await write(ctx, dut.bus, address("interrupt"), 1)
        assert ctx.get(dut.interrupt_done_value) == expected

    simulate(dut, gateware, host)


@pytest.mark.parametrize("gap, stall", [(0, 0), (3, 0), (0, 3)])
def test_load_window_passes_every_word_once_and_in_order(gap, stall):
    dut = Registers()
    rng = random.Random(1)
    words = [rng.getrandbits(32) for _ in range(50)]
    window = description().get_child_by_name("load")

    async def drive(ctx):
        for word in words:
            await idle(ctx, gap)
            offset = rng.randrange(0, window.size, 4)
            assert await write(ctx, dut.bus, window.absolute_address + offset, word) == Response.OKAY

    async def check(ctx):
        for n, expected in enumerate(words):
            await idle(ctx, stall)
            assert await take(ctx, dut.load) == expected, f"word {n}"
        await idle(ctx, 5)
        assert not ctx.get(dut.load.valid), "more words than written"

    simulate(dut, drive, check, processes=answers(dut))


def test_reads_go_on_while_the_loader_is_busy():
    dut = Registers()
    answered = []

    async def drive(ctx):
        await write(ctx, dut.bus, address("load"), 1)
        answered.append("write")

    async def check(ctx):
        for _ in range(10):
            assert await read(ctx, dut.bus, address("cycle_limit")) == (WORD, Response.OKAY)
            answered.append("read")
        assert await take(ctx, dut.load) == 1

    simulate(dut, drive, check)
    assert answered == 10 * ["read"] + ["write"]


@pytest.mark.parametrize("name, entries", [("logits", 1024), ("signatures", 64)])
@pytest.mark.parametrize("stall", [0, 2])
def test_read_window_returns_the_word_asked_for(name, entries, stall):
    dut = Registers()
    rng = random.Random(1)
    words = [rng.getrandbits(32) for _ in range(entries)]
    asked = []

    async def memory(ctx):
        port = [getattr(dut, f"{name}_{part}") for part in ("read", "address")]
        data = getattr(dut, f"{name}_data")
        async for *_, needed, index in ctx.tick().sample(*port):
            # Due in the cycle after the strobe, and in no other.
            ctx.set(data, words[index] if needed else WORD ^ words[index])
            if needed:
                asked.append(index)

    indices = [0, entries - 1, *(rng.randrange(entries) for _ in range(50))]

    async def testbench(ctx):
        for index in indices:
            got = await read(ctx, dut.bus, address(name) + 4 * index, stall=stall)
            assert got == (words[index], Response.OKAY), f"word {index}"

    simulate(dut, testbench, processes=[memory, *answers(dut)])
    assert asked == indices


def test_an_access_takes_two_cycles():
    dut = Registers()
    bus = dut.bus
    cycles = 20
    written, fetched = [], []

    async def testbench(ctx):
        ctx.set(bus.awaddr, address("load"))
        ctx.set(bus.wstrb, ALL)
        for member in (bus.awvalid, bus.wvalid, bus.bready, bus.arvalid, bus.rready, dut.load.ready):
            ctx.set(member, 1)
        for cycle in range(cycles):
            _, _, write_done, read_done = await ctx.tick().sample(bus.bvalid, bus.rvalid)
            if write_done:
                written.append(cycle)
            if read_done:
                fetched.append(cycle)

    simulate(dut, testbench)
    assert written == fetched == list(range(2, cycles, 2))


def test_response_that_is_not_accepted_holds_off_the_next_access():
    dut = Registers()
    bus = dut.bus
    offers, readies = (bus.awvalid, bus.wvalid, bus.arvalid), (bus.bready, bus.rready)
    accepted, written, fetched = 0, [], []

    async def watch(ctx):
        nonlocal accepted
        async for _, _, aw, w, ar, b, bresp, r, rresp in ctx.tick().sample(
                bus.awready, bus.wready, bus.arready, bus.bvalid & bus.bready, bus.bresp, bus.rvalid & bus.rready,
                bus.rresp):
            assert aw == w == ar
            accepted += aw
            if b:
                written.append(bresp)
            if r:
                fetched.append(rresp)

    def offer(ctx, where):
        ctx.set(bus.awaddr, where)
        ctx.set(bus.araddr, where)
        for valid in offers:
            ctx.set(valid, 1)

    async def host(ctx):
        offer(ctx, address("network"))
        await ctx.tick().until(bus.awready)
        offer(ctx, address("network") + 1)
        await idle(ctx, 10)
        assert accepted == 1
        for ready in readies:
            ctx.set(ready, 1)
        await ctx.tick().until(bus.awready)
        for valid in offers:
            ctx.set(valid, 0)
        await idle(ctx, 5)

    simulate(dut, host, processes=[watch, *answers(dut)])
    assert accepted == 2
    assert written == fetched == [Response.OKAY, Response.SLVERR]


def check_rejected(illegal, expected_address, *, reason):
    """Run ``illegal``, which makes one illegal access, and check that nothing but a rejection comes of it."""
    dut = Registers()
    rejections, states = [], set()

    async def watch(ctx):
        async for *_, rejected, where, state in ctx.tick().sample(
                dut.rejected, dut.rejected_address, outputs(dut)):
            states.add(state)
            if rejected:
                rejections.append(where)

    async def testbench(ctx):
        await illegal(ctx, dut.bus)
        await idle(ctx, 5)

    simulate(dut, testbench, processes=[watch, *answers(dut)])
    assert rejections == [expected_address], reason
    assert len(states) == 1, reason


@pytest.mark.parametrize("where, strobe, reason", [
    (address("cycle_limit") + 1, ALL, "unaligned address"),
    (address("control") + 2, ALL, "unaligned address"),
    (address("exit_threshold") + 4, ALL, "no register"),
    (address("signatures") + 0x100, ALL, "behind the last window"),
    (address("id"), ALL, "constant"),
    (address("status"), ALL, "read-only register"),
    (address("logits"), ALL, "read-only window"),
    (address("signatures") + 4, ALL, "read-only window"),
    (address("load"), 0b0111, "part of a word"),
    (address("load"), 0b0000, "no byte of a word"),
    (address("load") + 3, ALL, "unaligned address"),
])
def test_illegal_write_is_rejected_and_changes_nothing(where, strobe, reason):
    async def illegal(ctx, bus):
        # The bits differ from every reset value.
        assert await write(ctx, bus, where, 0x5555_5555, strobe) == Response.SLVERR

    check_rejected(illegal, where, reason=reason)


@pytest.mark.parametrize("where, reason", [
    (address("id") + 1, "unaligned address"),
    (address("logits") + 2, "unaligned address"),
    (address("exit_threshold") + 4, "no register"),
    (address("signatures") + 0x100, "behind the last window"),
    (address("control"), "write-only register"),
    (address("load") + 8, "write-only window"),
])
def test_illegal_read_is_rejected_and_changes_nothing(where, reason):
    async def illegal(ctx, bus):
        _, response = await read(ctx, bus, where)
        assert response == Response.SLVERR

    check_rejected(illegal, where, reason=reason)


def test_of_two_illegal_accesses_in_a_cycle_the_write_is_reported():
    dut = Registers()
    rejections = []

    async def watch(ctx):
        async for *_, rejected, where in ctx.tick().sample(dut.rejected, dut.rejected_address):
            if rejected:
                rejections.append(where)

    async def host_writes(ctx):
        assert await write(ctx, dut.bus, address("id"), 0) == Response.SLVERR

    async def host_reads(ctx):
        _, response = await read(ctx, dut.bus, address("control"))
        assert response == Response.SLVERR

    simulate(dut, host_writes, host_reads, processes=[watch])
    assert rejections == [address("id")]


def test_legal_addresses_are_those_of_the_description():
    dut = Registers()
    last = [window.absolute_address + window.size - 4 for window in windows()]
    addresses = [*range(0, 0x100, 4), *(edge + step for edge in last for step in (-4, 0, 4)), 0x3FFC]

    def node_at(where):
        nodes = (*registers(), *windows())
        return next((node for node in nodes if 0 <= where - node.absolute_address < node.size), None)

    def expected(legal):
        return Response.OKAY if legal else Response.SLVERR

    async def testbench(ctx):
        ctx.set(dut.load.ready, 1)
        for where in addresses:
            node = node_at(where)
            readable = node in registers() and node.has_sw_readable or node in windows() and node.is_sw_readable
            writable = node in registers() and node.has_sw_writable or node in windows() and node.is_sw_writable
            _, response = await read(ctx, dut.bus, where)
            assert response == expected(readable), f"read of {where:#x}"
            assert await write(ctx, dut.bus, where, 0) == expected(writable), f"write to {where:#x}"

    simulate(dut, testbench)


def test_codes_are_those_of_the_model():
    assert {code.name: code.value for code in enumeration("ExitRule")} == {rule.name: rule.value for rule in Rule}
    assert enumeration("ErrorCode").NONE == 0


def test_refuses_an_enumeration_that_is_not_there():
    with pytest.raises(ValueError, match="no field of registers.rdl is encoded with 'Colour'"):
        enumeration("Colour")


def test_refuses_a_field_the_gateware_cannot_make(tmp_path):
    source = tmp_path / "map.rdl"
    source.write_text("addrmap map { reg { field { sw = rw; hw = rw; } speed[1] = 0; } pump @ 0; };")
    compiler = RDLCompiler()
    compiler.compile_file(str(source))
    field = compiler.elaborate().top.get_child_by_name("pump").get_child_by_name("speed")
    with pytest.raises(ValueError, match=r"map\.pump\.speed: the gateware has no field with sw = rw, hw = rw, "
                                         r"singlepulse = False, hwset = False, onwrite = None, precedence = sw"):
        kind(field)
