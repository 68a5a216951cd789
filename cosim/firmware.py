"""The driver on a RISC-V core beside the exported processor: every number it prints, against the golden model."""

import os
import subprocess
import sys
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path

import numpy as np
from rich.console import Console

from model.config import ProcessorConfig, preset
from model.convert import convert
from model.network import Network
from model.trained import load

from .host import CLOCK_PERIOD_NS
from .simulator import BenchError, Simulation
from .soc import SOC, Batch, batch, flash, soc

__all__ = ["PROGRAM", "COMPILERS", "CompileError", "build", "expected", "run", "first_difference", "digits", "firmware"]

ROOT = Path(__file__).parents[1]
FIRMWARE, NETWORKS = ROOT / "firmware", ROOT / "networks"
# Committed, so that the system runs without a compiler: words of the RAM, in hexadecimal.
PROGRAM = FIRMWARE / "example" / "example.hex"
MAIN = FIRMWARE / "example" / "main.c"

ZIG = (sys.executable, "-m", "ziglang")
# How to compile, and how to make the result a binary, for what soc.sv has: a core with multiplication and division, and
# nothing else. The committed program is Zig's, which pip installs; the others come from Debian.
COMPILERS = {
    "zig": ((*ZIG, "cc", "-target", "riscv32-freestanding-none", "-mcpu=generic_rv32+m"), (*ZIG, "objcopy")),
    "gcc": (("riscv64-unknown-elf-gcc", "-march=rv32im", "-mabi=ilp32"), ("riscv64-unknown-elf-objcopy",)),
}
FLAGS = ("-std=c99", "-O2", "-flto", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-Wconversion",
         "-Wno-sign-conversion", "-Wshadow", "-ffreestanding", "-nostdlib", "-ffunction-sections", "-I", ".",
         "-Wl,--gc-sections", "-Wl,-T,example/link.ld")

# Cycles, generously, for what the program does without a word: it checks an image and brings it to the processor.
SILENCE = 20_000_000
# Of a program that failed: where it says why.
LAST_LINES = 4


class CompileError(ValueError):
    """The compiler refuses the program."""


def build(folder: Path, main: Path = MAIN, compiler: str = "zig") -> str:
    """Compile a program.

    Parameters
    ----------
    folder : Path
        Where the binary and Zig's cache go.
    main : Path
        The file with its ``main``; the others of ``firmware/example/`` go with it.
    compiler : str
        One of :data:`COMPILERS`.

    Returns
    -------
    str
        Words of the RAM, in hexadecimal; the same from run to run.

    Raises
    ------
    CompileError
        If the compiler is not there, or refuses the program; the message is its own.
    """
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    cache = dict.fromkeys(("ZIG_GLOBAL_CACHE_DIR", "ZIG_LOCAL_CACHE_DIR"), str(folder / "zig"))
    others = sorted({*FIRMWARE.glob("*.c"), *FIRMWARE.glob("example/*.[cS]")} - {MAIN})
    # Paths of this machine would be found in the program.
    sources = [os.path.relpath(path, FIRMWARE) for path in (main, *others)]
    compiling, converting = COMPILERS[compiler]
    for command in ((*compiling, *FLAGS, *sources, "-o", folder / "example.elf"),
                    (*converting, "-O", "binary", folder / "example.elf", folder / "example")):
        try:
            made = subprocess.run(command, cwd=FIRMWARE, env=os.environ | cache, capture_output=True, encoding="utf-8")
        except FileNotFoundError:
            raise CompileError(f"there is no {command[0]} on this machine") from None
        if made.returncode:
            raise CompileError(f"the firmware does not compile: {made.stderr.strip()}")
    content = (folder / "example").read_bytes()
    content += bytes(-len(content) % 4)
    return "".join(f"{word:08x}\n" for word in np.frombuffer(content, "<u4"))


def expected(batches: list[Batch]) -> list[str]:
    """The lines that the program writes to its console."""
    lines, sleeps = [], 0
    for each in batches:
        decision, rows = each.decision, []
        for index, cycles in enumerate(each.cycles):
            logits = "".join(f"{logit:9}" for logit in decision.logits[index].tolist())
            rows.append(f"{index:7}{int(decision.classes[index]):6}{int(decision.timesteps[index]):9}{cycles:9}{logits}")
        lines += ["", each.image.name, "picture class timestep   cycles logits"]
        # The core sleeps through every run, and while the processor loads an image whose weights are in its memory.
        loads = bool(each.image.memory())
        sleeps += loads
        if each.policy:
            lines += rows
            sleeps += len(rows) * (bool(each.policy.memory()) + loads + 2)
        else:
            lines += ["self-test passed", *rows]
            sleeps += 1 + len(rows)
        if each.image.memory_width and not each.policy:
            lines += ["as a batch", *rows]
            # One load, one batch.
            sleeps += 2
    return [*lines, "", f"slept {sleeps} times"]


def run(system: Simulation, content: bytes, folder: Path, *, program: Path = PROGRAM,
        silence: int = SILENCE) -> list[str]:
    """Run a program.

    Parameters
    ----------
    system : Simulation
        Of :func:`cosim.soc.soc`.
    content : bytes
        Of the flash, from :func:`cosim.soc.flash`.
    folder : Path
        Where flash, console and log go.
    program : Path
        From :func:`build`.
    silence : int
        Cycles after which a program that writes nothing is given up.

    Returns
    -------
    list of str
        The lines that it wrote to its console.

    Raises
    ------
    BenchError
        If it did not end well; the message has what it wrote last.
    """
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    file, console = folder / "flash", folder / "console"
    file.write_bytes(content)
    console.write_text("")
    try:
        system.run("cosim.bench_soc", folder, plusargs=[f"+program={program.absolute()}", f"+flash={file}"],
                   parameters={"console": str(console), "period_ns": CLOCK_PERIOD_NS, "silence": silence})
    except BenchError as error:
        last = console.read_text().splitlines()[-LAST_LINES:]
        raise BenchError("\n".join([str(error), f"{console} ends with", *last])) from error
    return console.read_text().splitlines()


def first_difference(wanted: list[str], got: list[str]) -> str | None:
    """The first line that differs, in words; None if there is none."""
    for number, (line, instead) in enumerate(zip_longest(wanted, got, fillvalue="nothing"), start=1):
        if line != instead:
            return f"line {number} of the console: expected\n{line}\ngot\n{instead}"
    return None


def four_classes(network: Network) -> Network:
    """``network`` with the first four of its classes: a policy, if not a clever one, for up to four timesteps."""
    *layers, readout = network.layers
    readout = replace(readout, weight=readout.weight[:4], bias=readout.bias[:4], gain=readout.gain[:4])
    return replace(network, name="policy", layers=(*layers, readout))


def digits(cfg: ProcessorConfig, images: int) -> list[Batch]:
    """Both digits networks, and the one with several timesteps under a policy.

    None was trained for the digits, as the first timestep is right nearly always; the model says what any policy does.
    """
    ttfs, lif = (convert(load(NETWORKS / name)) for name in ("digits-ttfs", "digits-lif"))
    return [batch(ttfs, cfg, images), batch(lif, cfg, images), batch(lif, cfg, images, policy=four_classes(ttfs))]


def chosen(name: str, cfg: ProcessorConfig, images: int) -> Batch:
    """A trained network; of a policy, the network whose timesteps it names, too."""
    path, policy = NETWORKS / name if "/" not in name else Path(name), None
    trained = load(path)
    if trained.header.policy_of:
        trained, policy = load(path.parent / trained.header.policy_of), convert(trained)
    return batch(convert(trained), cfg, images, policy)


def firmware(names: list[str], *, config: str = "tiny", images: int = 8, compiler: str | None = None,
             out: Path = ROOT / "build" / "firmware", console: Console | None = None) -> bool:
    """Run networks by the driver on a RISC-V core beside the exported processor, every number against the model.

    Parameters
    ----------
    names : list of str
        Networks under ``networks/``, or paths of trained networks; those of :func:`digits` if empty.
    config : str
        Preset of the processor.
    images : int
        So many pictures from all over the test split.
    compiler : str, optional
        Compile the program first, with this one of :data:`COMPILERS`; what Zig's makes becomes the committed one.
    out : Path
        Where console, flash and log go, and what another compiler makes.

    Returns
    -------
    bool
        Whether every line of the console is as expected. If not, the first that differs has been printed.

    Raises
    ------
    BenchError
        If the program fails.
    ValueError
        If an option or a network cannot be used.
    """
    console, cfg = console or Console(), preset(config)
    program = PROGRAM
    if compiler:
        program = PROGRAM if compiler == "zig" else out / PROGRAM.name
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(build(out, compiler=compiler))
    batches = [chosen(name, cfg, images) for name in names] or digits(cfg, images)
    content = flash(batches, cfg)
    with console.status(f"building a system with a processor of configuration {config}"):
        system = Simulation(soc(cfg), SOC)
    with console.status(f"a RISC-V core runs {images} pictures a network"):
        lines = run(system, content, out, program=program)
    console.print("\n".join(lines), highlight=False, soft_wrap=True)
    difference = first_difference(expected(batches), lines)
    console.print(f"\n{difference or 'every number is that of the golden model'}", highlight=False, soft_wrap=True)
    return difference is None
