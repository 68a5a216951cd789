"""The routines of the project; ``nox -l`` lists them with what they do."""

import nox

nox.needs_version = ">=2024.4.15"
nox.options.sessions = ["lint", "tests"]
nox.options.reuse_venv = "yes"


def install(session, extra):
    """The project as it lies here, with the packages of ``extra`` in the versions of constraints.txt."""
    session.install("-c", "constraints.txt", "-e", f".[{extra}]" if extra else ".")
    # One thread per process: the tensors are small, and the cores are taken by processes.
    session.env["OMP_NUM_THREADS"] = "1"


@nox.session
def lint(session):
    """Check the style of all Python with ruff (seconds)."""
    session.install("-c", "constraints.txt", "ruff")
    session.run("ruff", "check", ".")


@nox.session
def tests(session):
    """Run every test on both cores; arguments go to pytest, e.g. `nox -s tests -- tests/model -k fire`."""
    install(session, "tests")
    # Long tests are many, and lie side by side: whoever has nothing left takes some from the other.
    session.run("pytest", "-n", "2", "--dist", "worksteal", "--durations", "20", *session.posargs)


@nox.session
def cosim(session):
    """Run only the benches on exported Verilog; arguments go to pytest."""
    install(session, "tests")
    session.run("pytest", "tests/cosim", *session.posargs)


@nox.session
def firmware(session):
    """Test the drivers on this machine, then run the one in C on a RISC-V core in simulation, with these arguments."""
    install(session, "tests")
    session.run("pytest", "tests/firmware", "tests/cosim/test_firmware.py", "tests/cosim/test_simulated.py",
                "tests/test_generated.py")
    session.run("python", "-m", "cosim", "firmware", *(session.posargs or ["--images", "50"]))


@nox.session
def mutants(session):
    """Plant every fault of tests/mutants.py in a copy of the gateware and see that a test fails (minutes)."""
    install(session, "tests")
    session.run("python", "-m", "tests.mutants", *session.posargs)


@nox.session
def verilog(session):
    """Export every preset to build/verilog/, lint it with Verilator and count its cells with Yosys."""
    install(session, "synthesis")
    for command in ("lint", "synth"):
        session.run("python", "-m", "rtl", command, *session.posargs)


@nox.session
def synth(session):
    """Place 16 to 128 columns on an ECP5, count them in standard cells, write results/synth.json (an hour)."""
    install(session, "synthesis")
    session.run("python", "-m", "rtl", "cost", *session.posargs)


@nox.session
def board(session):
    """Build the bitstream that puts `tiny` on the smallest ULX3S, write results/board.json (ten minutes)."""
    install(session, "board")
    session.run("python", "-m", "rtl", "board", "--record", *session.posargs)


@nox.session
def compare(session):
    """Run both digits networks on exported Verilog against the golden model; report in build/compare/."""
    install(session, "cosim")
    session.run("python", "-m", "cosim", "compare", *session.posargs)


@nox.session(name="compare-vgg16")
def compare_vgg16(session):
    """Run VGG-16, dense and sparse, weights from 128 and 256 bits, and from a slow memory; results/ (an hour)."""
    install(session, "cosim")
    both, sparse = ("cifar10-vgg16-ttfs", "cifar10-vgg16-sparse"), ("cifar10-vgg16-sparse",)
    for names, *memory in ((both, "stream"), (both, "stream256"), (sparse, "stream", "--latency", "40")):
        session.run("python", "-m", "cosim", "compare", *names, "--config", *memory, "--images", "20", "--record",
                    *session.posargs)


@nox.session(name="bench-cycles")
def bench_cycles(session):
    """Measure how busy the columns are, layer by layer; results/cycles.json and docs/performance.md (a minute)."""
    install(session, "cosim")
    session.run("python", "-m", "cosim", "cycles", *session.posargs)


@nox.session(name="bench-streaming")
def bench_streaming(session):
    """Measure VGG-16, its weights from a memory; results/streaming.json and docs/performance.md (a minute)."""
    install(session, "cosim")
    session.run("python", "-m", "cosim", "streaming", *session.posargs)


@nox.session(name="bench-speed")
def bench_speed(session):
    """Measure how fast model and simulation are; results/speed.json and docs/performance.md (minutes)."""
    install(session, "cosim")
    session.run("python", "-m", "cosim", "speed", *session.posargs)


@nox.session
def train(session):
    """Train the digits networks again (minutes), or others by name; `nox -s train -- --help` lists them."""
    install(session, "model")
    session.run("python", "-m", "model", "train", *session.posargs)


@nox.session
def soak(session):
    """A thousand random networks on seven processors, against the model: results/soak.json (half an hour)."""
    install(session, "cosim")
    session.run("python", "-m", "cosim", "soak", *session.posargs)


@nox.session
def papers(session):
    """Run trained networks on whole test sets in the golden model; results/papers.md (hours when all are new)."""
    install(session, "cosim")
    session.run("python", "-m", "cosim", "papers", *session.posargs)


@nox.session
def cost(session):
    """Reckon what pictures cost, in published energies, on analog arrays, in our netlists; results/cost.md (hours)."""
    install(session, "cosim,synthesis")
    session.run("python", "-m", "cosim", "cost", *session.posargs)


@nox.session
def sparsity(session):
    """Tune fashion-ttfs under several prices of a synaptic operation; results/sparsity.svg (half an hour)."""
    install(session, "cosim")
    session.run("python", "-m", "cosim", "sparsity", *session.posargs)


@nox.session
def registers(session):
    """Write the register map as firmware/firstlight.h and registers.py, as page and IP-XACT in build/registers/."""
    install(session, "registers")
    session.run("python", "-m", "rtl", "registers", *session.posargs)
