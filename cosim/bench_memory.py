"""The reader against the memory model: what was in the file comes, at the latency and pace that were asked for."""

import random
from pathlib import Path

import cocotb
from cocotb.triggers import RisingEdge

from cosim.simulator import parameters
from cosim.streams import Sink, Source, start, through
from rtl.reader import Beat, Run

__all__ = ["ADDRESS_WIDTH", "BEATS", "WIDTH", "TOP"]

WIDTH, BEATS, ADDRESS_WIDTH = 64, 1024, 32
BYTES = WIDTH // 8

# The reader and the memory, side by side.
TOP = f"""
module system (
    input logic clk, input logic rst,
    input logic [{ADDRESS_WIDTH - 3 + 24 - 1}:0] i__payload, input logic i__valid, output logic i__ready,
    output logic [{WIDTH}:0] o__payload, output logic o__valid, input logic o__ready,
    output logic error, output logic [{ADDRESS_WIDTH - 1}:0] error_address
);
    wire [{ADDRESS_WIDTH - 1}:0] araddr; wire [7:0] arlen; wire arvalid, arready;
    wire [{WIDTH - 1}:0] rdata; wire [1:0] rresp; wire rlast, rvalid, rready;
    reader reader (.clk, .rst, .i__payload, .i__valid, .i__ready, .o__payload, .o__valid, .o__ready, .error,
        .error_address, .discard(1'b0), .busy(), .bus__araddr(araddr), .bus__arlen(arlen), .bus__arvalid(arvalid),
        .bus__arready(arready), .bus__rdata(rdata), .bus__rresp(rresp), .bus__rlast(rlast), .bus__rvalid(rvalid),
        .bus__rready(rready), .bus__rid(1'b0), .bus__arid(), .bus__arsize(), .bus__arburst(), .bus__arcache(),
        .bus__arprot());
    memory #(.WIDTH({WIDTH}), .BEATS({BEATS})) memory (.clk, .rst, .stopped(0), .word_address(0), .word_wdata(0),
        .word_wstrb(0), .word_rdata(), .word_there(), .araddr, .arlen, .arvalid, .arready, .rdata, .rresp,
        .rlast, .rvalid, .rready, .awaddr(0), .awlen(0), .awvalid(0), .awready(), .wdata(0), .wstrb(0), .wlast(0),
        .wvalid(0), .wready(), .bresp(), .bvalid(), .bready(0));
endmodule
"""


def ports(dut, stall=0.0):
    """Runs go in, beats come out."""
    return Source(dut, "i", Run(ADDRESS_WIDTH - 3)), Sink(dut, "o", Beat(WIDTH), stall=stall)


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(stall=[0, 0.6])
async def every_beat_is_that_of_the_file(dut, stall):
    content = Path(parameters()["memory"]).read_bytes()
    source, sink = ports(dut, stall)
    await start(dut)
    chosen = random.Random(1)
    runs = [{"address": chosen.randrange(900), "beats": chosen.randint(1, 60)} for _ in range(40)]
    expected = [int.from_bytes(content[BYTES * beat:][:BYTES], "little")
                for run in runs for beat in range(run["address"], run["address"] + run["beats"])]
    came = [beat["data"] for beat in await through(source, sink, runs, len(expected))]
    assert came == expected and any(came)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def beats_come_at_their_pace(dut):
    latency, pause = parameters()["latency"], parameters()["pause"]
    source, _ = ports(dut)
    await start(dut)
    dut.o__ready.value = 1
    await source.send({"address": 32, "beats": 48})
    cycles, came = 0, []
    while len(came) < 48:
        await RisingEdge(dut.clk)
        cycles += 1
        if dut.o__valid.value:
            came.append(cycles)
    # Two cycles in the reader, two in the memory.
    assert came == [4 + latency + (1 + pause) * beat for beat in range(48)], came


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def there_is_nothing_beyond_the_memory(dut):
    source, _ = ports(dut)
    await start(dut)
    dut.o__ready.value = 1
    await source.send({"address": BEATS - 1, "beats": 2})
    errors = []
    for _ in range(60):
        await RisingEdge(dut.clk)
        if dut.error.value:
            errors.append(dut.error_address.value.to_unsigned())
    assert errors == [BYTES * BEATS], errors
