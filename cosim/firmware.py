"""The driver on a RISC-V core beside the exported processor: every number it prints, against the golden model."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from model.config import ProcessorConfig, preset
from model.convert import convert
from model.network import Network
from model.trained import load

from .simulator import BenchError, Simulation
from .soc import SOC, Batch, batch, flash, soc

__all__ = ["PROGRAM", "build", "expected", "run", "firmware"]

ROOT = Path(__file__).parents[1]
FIRMWARE = ROOT / "firmware"
# Committed, so that the system runs without a compiler: words of the RAM, in hexadecimal.
PROGRAM = FIRMWARE / "example" / "example.hex"

# A core with multiplication and division, and nothing else: what soc.sv has.
TARGET = ("-target", "riscv32-freestanding-none", "-mcpu=generic_rv32+m")
FLAGS = ("-std=c99", "-Os", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-Wconversion", "-Wno-sign-conversion",
         "-Wshadow", "-ffreestanding", "-nostdlib", "-ffunction-sections", "-Wl,--gc-sections", "-I", ".",
         "-Wl,-T,example/link.ld")

# Cycles of the core, generously: to check and load an image, and to load a picture and print what came of it.
IMAGE_CYCLES, PICTURE_CYCLES = 4_000_000, 400_000


def build(folder: Path) -> str:
    """Compile the program with clang, by Zig's wheel.

    Parameters
    ----------
    folder : Path
        Where ``example.elf`` and Zig's cache go.

    Returns
    -------
    str
        The content of :data:`PROGRAM`; the same from run to run.

    Raises
    ------
    RuntimeError
        If the compiler refuses it; the message is its own.
    """
    folder.mkdir(parents=True, exist_ok=True)
    elf, binary = folder.absolute() / "example.elf", folder.absolute() / "example.bin"
    sources = [path.relative_to(FIRMWARE) for path in sorted([*FIRMWARE.glob("*.c"), *FIRMWARE.glob("example/*.[cS]")])]
    _zig("cc", *TARGET, *FLAGS, *sources, "-o", elf, cache=folder)
    _zig("objcopy", "-O", "binary", elf, binary, cache=folder)
    content = binary.read_bytes()
    content = content.ljust(-(-len(content) // 4) * 4, b"\0")
    return "".join(f"{int.from_bytes(content[at:at + 4], 'little'):08x}\n" for at in range(0, len(content), 4))


def _zig(*words, cache: Path):
    environment = {"ZIG_GLOBAL_CACHE_DIR": str(cache.absolute() / "zig"), "ZIG_LOCAL_CACHE_DIR":
                   str(cache.absolute() / "zig")}
    made = subprocess.run([sys.executable, "-m", "ziglang", *map(str, words)], cwd=FIRMWARE, capture_output=True,
                          text=True, env=os.environ | environment)
    if made.returncode:
        raise RuntimeError(f"zig {words[0]} fails: {made.stderr.strip()}")


def expected(batches: list[Batch]) -> list[str]:
    """The lines that the program writes to its console."""
    lines, runs = [], 0
    for each in batches:
        lines += ["", each.network.name, "picture class timestep   cycles logits"]
        if each.policy is None:
            lines.append("self-test passed")
        decision = each.decision
        for index, cycles in enumerate(each.cycles):
            logits = "".join(f"{logit:9}" for logit in decision.logits[index].tolist())
            lines.append(f"{index:7}{int(decision.classes[index]):6}{int(decision.timesteps[index]):9}{cycles:9}{logits}")
        runs += 2 * len(each.cycles) if each.policy else 1 + len(each.cycles)
    # The core sleeps through every run, and wakes once.
    return [*lines, "", f"slept {runs} times"]


def run(batches: list[Batch], cfg: ProcessorConfig, folder: Path) -> list[str]:
    """Run the program on these batches in simulation.

    Returns
    -------
    list of str
        What it wrote to its console, which is as expected.

    Raises
    ------
    BenchError
        If it did not end well, or a line differs.
    """
    folder.mkdir(parents=True, exist_ok=True)
    content, console = folder.absolute() / "flash", folder.absolute() / "console"
    content.write_bytes(flash(batches, cfg))
    cycles = sum((2 if each.policy else 1) * (IMAGE_CYCLES + PICTURE_CYCLES * len(each.cycles)) for each in batches)
    try:
        Simulation(soc(cfg), SOC).run("cosim.bench_soc", folder, plusargs=[f"+program={PROGRAM}", f"+flash={content}"],
                                      parameters={"cycles": cycles, "console": str(console)})
    except BenchError as error:
        end = console.read_text().splitlines()[-4:] if console.exists() else []
        raise BenchError("\n".join([str(error), f"{console} ends with", *end])) from error
    lines = console.read_text().splitlines()
    for number, (wanted, got) in enumerate(zip(expected(batches), lines), start=1):
        if wanted != got:
            raise BenchError(f"{console}, line {number}: expected\n{wanted}\ngot\n{got}")
    if len(lines) != len(expected(batches)):
        raise BenchError(f"{console} has {len(lines)} lines, expected {len(expected(batches))}")
    return lines


def four_classes(network: Network) -> Network:
    """``network`` with the first four of its classes: a policy, if not a clever one, for up to four timesteps."""
    *layers, readout = network.layers
    readout = replace(readout, weight=readout.weight[:4], bias=readout.bias[:4], gain=readout.gain[:4])
    return replace(network, name="policy", layers=(*layers, readout))


def firmware(config: str = "tiny", images: int = 40, out: Path = ROOT / "build" / "firmware",
             console: Console | None = None) -> bool:
    """Run both digits networks, one of them under a policy too, by the driver on a RISC-V core.

    Parameters
    ----------
    config : str
        Preset of the processor.
    images : int
        So many pictures from the beginning of the test split.
    out : Path
        Where console, flash and log go.

    Raises
    ------
    BenchError
        If the program fails, or prints a number that is not the model's.
    """
    console, cfg = console or Console(), preset(config)
    ttfs, lif = (convert(load(ROOT / "networks" / name)) for name in ("digits-ttfs", "digits-lif"))
    batches = [batch(ttfs, cfg, images), batch(lif, cfg, images), batch(lif, cfg, images, policy=four_classes(ttfs))]
    with console.status(f"a RISC-V core runs {len(batches)} x {images} pictures on configuration {config}"):
        lines = run(batches, cfg, out)
    console.print("\n".join(lines), highlight=False, soft_wrap=True)
    console.print(f"\nevery number of these is the golden model's; {PROGRAM.relative_to(ROOT)} printed them")
    return True
