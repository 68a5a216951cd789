"""The processor in simulation, a memory behind it if it has a bus to one, and what lies in that memory."""

from collections.abc import Iterable
from pathlib import Path

from amaranth.hdl import Value

from model.batch import Batch
from model.config import ProcessorConfig, whole_bursts
from model.image import Image
from rtl.processor import Processor
from rtl.verilog import export

__all__ = ["MEMORY", "SYSTEM", "BEATS", "laid", "filled", "system"]

MEMORY = Path(__file__).with_name("memory.sv")

# Of the memory; as many of 128 bits are 16 MiB.
BEATS = 1 << 20

# The top module of :func:`system`, whose ports are those of the processor without its memory bus.
SYSTEM = "system"


def laid(images: Iterable[Image]) -> tuple[list[Image], bytes]:
    """Several images whose weights lie in one memory.

    Returns
    -------
    images : list of Image
        Moved, so that none lies over another.
    content : bytes
        Of the memory, from address 0 on.
    """
    moved, content = [], bytearray()
    for image in images:
        moved.append(image.moved(whole_bursts(-(-len(content) * 8 // image.memory_width))))
        content += moved[-1].memory()[len(content):]
    return moved, bytes(content)


def filled(batches: Iterable[Batch]) -> bytes:
    """What lies in a memory with all these batches, from address 0 on, and room for their answers."""
    content = bytearray()
    for batch in batches:
        content += bytes(batch.first - len(content)) + batch.content
        content += bytes(batch.end - len(content))
    return bytes(content)


# Ports of the memory beside its bus, see ``memory.sv``.
BESIDE = {"stopped": "input logic", "word_address": "input logic [31:0]", "word_wdata": "input logic [31:0]",
          "word_wstrb": "input logic [3:0]", "word_rdata": "output logic [31:0]", "word_there": "output logic"}


def system(cfg: ProcessorConfig, *, shared: bool = False) -> str:
    """SystemVerilog of the exported processor, with a memory if it has a bus to one; :data:`SYSTEM` is the top module.

    The memory takes its content, its latency and its pace from the command line, see ``memory.sv``. Where it is
    ``shared``, the module has its other ports, too: words, and what stops it.

    The reset comes a cycle late, from a register. What depends on a port of the top module, Verilator works out at both
    edges of every cycle, before anything else, and on the reset depends what nearly every register will hold: so the
    simulation is twice as fast.
    """
    processor = Processor(cfg)
    outside, wires, connections = ["input logic clk", "input logic rst"], [], [".clk", ".rst(reset)"]
    for path, member, value in processor.signature.flatten(processor):
        name, = path
        bits = len(Value.cast(value))
        width = f"logic [{bits - 1}:0]" if bits > 1 else "logic"
        if name.startswith("m_axi_"):
            wires.append(f"    {width} {name};")
        else:
            outside.append(f"{'output' if member.flow.name == 'Out' else 'input'} {width} {name}")
        connections.append(f".{name}")
    outside += [f"{port} {name}" for name, port in BESIDE.items() if shared]
    ports = ",\n    ".join(outside)
    joined = ",\n        ".join(connections)
    wired = "\n".join(wires)
    memory = MEMORY.read_text() if cfg.memory_width else ""
    return f"""{export(processor, "firstlight")}
{memory}
module {SYSTEM} (
    {ports}
);
{wired}
    logic reset;
    always_ff @(posedge clk) reset <= rst;
    firstlight firstlight (
        {joined}
    );
{_memory(cfg, shared) if memory else ""}
endmodule
"""


def _memory(cfg: ProcessorConfig, shared: bool) -> str:
    """The memory at the bus of the processor."""
    beside = ", ".join(f".{name}" if shared else f".{name}({'0' * port.startswith('input')})"
                       for name, port in BESIDE.items())
    return f"""
    assign m_axi_rid = 0, m_axi_bid = 0;
    memory #(.WIDTH({cfg.memory_width}), .BEATS({BEATS})) memory (
        .clk, .rst(reset), {beside}, .araddr(m_axi_araddr), .arlen(m_axi_arlen), .arvalid(m_axi_arvalid),
        .arready(m_axi_arready), .rdata(m_axi_rdata), .rresp(m_axi_rresp), .rlast(m_axi_rlast), .rvalid(m_axi_rvalid),
        .rready(m_axi_rready), .awaddr(m_axi_awaddr), .awlen(m_axi_awlen), .awvalid(m_axi_awvalid),
        .awready(m_axi_awready), .wdata(m_axi_wdata), .wstrb(m_axi_wstrb), .wlast(m_axi_wlast), .wvalid(m_axi_wvalid),
        .wready(m_axi_wready), .bresp(m_axi_bresp), .bvalid(m_axi_bvalid), .bready(m_axi_bready)
    );
"""
