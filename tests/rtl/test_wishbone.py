import random
from types import SimpleNamespace

import pytest
from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from rtl.axi import Response
from rtl.registers import Registers, description
from rtl.wishbone import WishboneBridge, WishboneSignature
from tests.streams import holds, idle, simulate

ADDRESS_WIDTH = 14
ACCESSES = 60


async def access(ctx, bus, word, data=None, *, select=0b1111):
    """Write ``data``, or read; returns the cycles until the answer, whether it is an error, and what was read."""
    for name, value in {"cyc": 1, "stb": 1, "we": data is not None, "adr": word, "sel": select,
                        "dat_w": data or 0}.items():
        ctx.set(getattr(bus, name), value)
    cycles, ack, err = 0, 0, 0
    while not ack | err:
        _, _, ack, err, read = await ctx.tick().sample(bus.ack, bus.err, bus.dat_r)
        cycles += 1
    assert not (ack and err)
    ctx.set(bus.stb, 0)
    ctx.set(bus.cyc, 0)
    return cycles, bool(err), read


def slave(axi, seen, answers, *, delay):
    """A test bench that takes addresses and data in any order, notes them, and gives ``answers`` (data, response)."""
    async def take(ctx, channel, payload):
        await idle(ctx, delay())
        valid, ready = getattr(axi, f"{channel}valid"), getattr(axi, f"{channel}ready")
        ctx.set(ready, 1)
        taken, = await ctx.tick().sample(payload).until(valid)
        ctx.set(ready, 0)
        return taken

    async def testbench(ctx):
        for data, response in answers:
            while not ctx.get(axi.awvalid | axi.arvalid):
                await ctx.tick()
            if ctx.get(axi.awvalid):
                taken, channels = {}, {"aw": axi.awaddr, "w": axi.wdata}
                for channel in random.sample(sorted(channels), 2):
                    taken[channel] = await take(ctx, channel, channels[channel])
                seen.append((taken["aw"], taken["w"]))
                answer = {"bvalid": 1, "bresp": response}
            else:
                seen.append((await take(ctx, "ar", axi.araddr), None))
                answer = {"rvalid": 1, "rresp": response, "rdata": data}
            await idle(ctx, delay())
            for name, value in answer.items():
                ctx.set(getattr(axi, name), value)
            await ctx.tick()
            ctx.set(axi.bvalid, 0)
            ctx.set(axi.rvalid, 0)
    return testbench


@pytest.mark.parametrize("gap", [0, 3])
@pytest.mark.parametrize("stall", [0, 2])
def test_every_access_reaches_the_slave_once_and_is_answered_with_what_it_says(gap, stall):
    random.seed(gap * 10 + stall)
    dut = WishboneBridge(ADDRESS_WIDTH)
    accesses = [(random.randrange(1 << ADDRESS_WIDTH - 2), random.choice([None, random.getrandbits(32)]))
                for _ in range(ACCESSES)]
    answers = [(random.getrandbits(32), random.choice([*Response])) for _ in accesses]
    seen, checked = [], 0

    async def master(ctx):
        nonlocal checked
        for (word, data), (read, response) in zip(accesses, answers):
            await idle(ctx, random.randint(0, gap))
            _, error, got = await access(ctx, dut.bus, word, data)
            assert error == (response != Response.OKAY)
            assert data is not None or got == read
            checked += 1
        for _ in range(20):
            *_, awvalid, wvalid, arvalid = await ctx.tick().sample(dut.axi.awvalid, dut.axi.wvalid, dut.axi.arvalid)
            assert not awvalid | wvalid | arvalid, "more went out than was asked for"

    offers = [holds(SimpleNamespace(payload=payload, valid=valid, ready=ready)) for payload, valid, ready in (
        (dut.axi.awaddr, dut.axi.awvalid, dut.axi.awready), (dut.axi.wdata, dut.axi.wvalid, dut.axi.wready),
        (dut.axi.araddr, dut.axi.arvalid, dut.axi.arready))]
    simulate(dut, master, slave(dut.axi, seen, answers, delay=lambda: random.randint(0, stall)), processes=offers)
    assert checked == ACCESSES
    assert seen == [(4 * word, data) for word, data in accesses]


class RegistersOnWishbone(wiring.Component):
    """The registers behind the bridge."""

    bus: In(WishboneSignature(ADDRESS_WIDTH - 2))

    def elaborate(self, platform):
        m = Module()
        m.submodules.bridge = bridge = WishboneBridge(ADDRESS_WIDTH)
        m.submodules.registers = self.registers = Registers()
        wiring.connect(m, wiring.flipped(self.bus), bridge.bus)
        wiring.connect(m, bridge.axi, self.registers.bus)
        m.d.comb += self.registers.load.ready.eq(1)
        return m


def word(name):
    """Word address of a register or window."""
    return description().find_by_path(name).absolute_address // 4


def test_the_registers_answer_in_three_cycles_and_refuse_what_they_refuse_on_axi():
    dut = RegistersOnWishbone()
    checked = 0

    async def testbench(ctx):
        nonlocal checked
        for name, data, select, refused in (
                ("cycle_limit", 0x1234_5678, 0b1111, False), ("cycle_limit", 0x0000_9A00, 0b0010, False),
                ("id", None, 0b1111, False), ("id", 1, 0b1111, True), ("control", None, 0b1111, True),
                ("load", 1, 0b1111, False), ("load", 1, 0b0111, True), ("load", None, 0b1111, True)):
            cycles, error, _ = await access(ctx, dut.bus, word(name), data, select=select)
            assert (cycles, error) == (3, refused), name
            checked += 1
        assert (await access(ctx, dut.bus, word("id")))[1:] == (False, 0x464C_4947)
        assert (await access(ctx, dut.bus, word("cycle_limit")))[1:] == (False, 0x1234_9A78)
        # There is no register behind the last one.
        assert (await access(ctx, dut.bus, (1 << ADDRESS_WIDTH - 2) - 1))[1]

    simulate(dut, testbench)
    assert checked == 8
