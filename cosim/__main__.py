"""The door to the benches: ``python -m cosim --help``."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from rich.console import Console

from model import page, record
from model.config import PRESETS
from model.supply import Pace

from . import cost, cost_page, cycles, gates, papers, performance, soak, sparsity, speed, streaming
from .compare import JOBS, NETWORKS, compare
from .simulator import BenchError


def parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    root = argparse.ArgumentParser(prog="python -m cosim", description=__doc__)
    commands = root.add_subparsers(required=True, metavar="command")

    command = commands.add_parser("compare", help="networks on the exported Verilog against the golden model")
    command.add_argument("networks", nargs="*", metavar="network",
                         help=f"name under networks/, or path of a trained network; default: {', '.join(NETWORKS)}")
    command.add_argument("--config", default="default", help=f"one of {', '.join(PRESETS)} (default: %(default)s)")
    command.add_argument("--images", type=int, metavar="N",
                         help="the first N pictures of the test split; by default all 360 digits, or the first 200 of "
                              "another test set, which the project carries")
    command.add_argument("--waves", type=int, metavar="INDEX", help="only this picture, and record waves")
    command.add_argument("--image", action="append", default=[], metavar="NETWORK=FILE",
                         help="load this file on the processor instead of the freshly compiled image")
    command.add_argument("--out", type=Path, default=Path("build/compare"), help="default: %(default)s")
    command.add_argument("--record", action="store_true",
                         help="keep what each network came to in results/compare-NETWORK-CONFIG.json, too")
    command.add_argument("--jobs", type=int, metavar="N", default=JOBS, help="processes (default: %(default)s)")
    command.add_argument("--cluster", metavar="ADDRESS",
                         help="run everything on the workers of this Dask scheduler, such as tcp://host:8786")
    command.add_argument("--latency", type=int, metavar="CYCLES", default=0,
                         help="of the memory that weights come from, beyond those of an ideal one (default: 0)")
    command.add_argument("--pause", type=int, metavar="CYCLES", default=0,
                         help="of that memory, between two beats (default: 0)")
    command.set_defaults(run=run_compare)

    command = commands.add_parser("cycles", help=cycles.__doc__, description=cycles.__doc__)
    command.set_defaults(run=lambda args: publish("cycles", cycles.figures(), cycles.headline, args.trial))
    _add_trial(command)

    command = commands.add_parser("speed", help=speed.__doc__, description=speed.__doc__)
    command.add_argument("--images", type=int, metavar="N", help="only the first N pictures of the test split")
    command.add_argument("--repeats", type=int, metavar="N", default=7, help="median of so many (default: %(default)s)")
    command.set_defaults(run=lambda args: publish("speed", speed.figures(args.images, args.repeats), speed.headline,
                                                  args.trial))
    _add_trial(command)
    command = commands.add_parser("streaming", help=streaming.__doc__, description=streaming.__doc__)
    command.set_defaults(run=lambda args: publish("streaming", streaming.figures(), streaming.headline, args.trial))
    _add_trial(command)

    command = commands.add_parser("papers", help=papers.__doc__, description=papers.__doc__)
    command.add_argument("networks", nargs="*", metavar="network",
                         help=f"of {', '.join(papers.NETWORKS)}; all that are trained by default")
    command.add_argument("--again", action="store_true", help="measure again what is on record, too")
    command.set_defaults(run=run_papers)
    command = commands.add_parser("cost", help=cost_page.__doc__, description=cost_page.__doc__)
    command.add_argument("parts", nargs="*", metavar="part",
                         help=f"of {', '.join(cost.PARTS)}; all by default, the others stay as they are on record")
    command.add_argument("--images", type=int, default=200, metavar="N",
                         help="the first N pictures of each test split (default: %(default)s)")
    command.add_argument("--blocks", nargs="+", choices=list(gates.BLOCKS), default=list(gates.BLOCKS),
                         help="of the netlists, the tile among them (default: all)")
    command.set_defaults(run=run_cost)
    command = commands.add_parser("sparsity", help=sparsity.__doc__, description=sparsity.__doc__)
    command.add_argument("network", nargs="?", default=sparsity.NETWORK, help="default: %(default)s")
    command.add_argument("--prices", type=float, nargs="+", default=sparsity.PRICES, metavar="PRICE",
                         help="of all synaptic operations, in units of the loss (default: %(default)s)")
    command.add_argument("--windows", type=int, nargs="+", default=sparsity.WINDOWS, metavar="SLOTS",
                         help="default: %(default)s")
    command.add_argument("--epochs", type=int, default=4, help="of tuning under each price (default: %(default)s)")
    command.add_argument("--build", type=Path, default=Path("build/train"), help="where checkpoints go")
    command.set_defaults(run=run_sparsity)
    command = commands.add_parser("soak", help=soak.__doc__, description=soak.__doc__)
    command.add_argument("--networks", type=int, metavar="N", default=1000, help="default: %(default)s")
    command.add_argument("--first", type=int, metavar="SEED", default=0, help="default: %(default)s")
    command.add_argument("--out", type=Path, default=Path("build/soak"), help="default: %(default)s")
    command.set_defaults(run=run_soak)
    command = commands.add_parser("firmware", help="the driver on a RISC-V core beside the exported processor")
    command.add_argument("networks", nargs="*", metavar="network",
                         help="name under networks/, or path of a trained network, also of a policy; by default both "
                              "digits networks, one of them under a policy too")
    command.add_argument("--config", default="tiny", help=f"one of {', '.join(PRESETS)} (default: %(default)s)")
    command.add_argument("--images", type=int, metavar="N", default=8,
                         help="so many pictures from all over the test split (default: %(default)s)")
    command.add_argument("--build", choices=("zig", "gcc"), nargs="?", const="zig",
                         help="compile the program first, with Zig's clang or Debian's riscv64-unknown-elf-gcc "
                              "(default: %(const)s)")
    command.add_argument("--out", type=Path, default=Path("build/firmware"), help="default: %(default)s")
    command.set_defaults(run=run_firmware)
    return root


def run_firmware(args) -> bool:
    # The core is a package that only this command needs.
    from .firmware import firmware

    return firmware(args.networks, config=args.config, images=args.images, compiler=args.build, out=args.out)


def run_soak(args) -> bool:
    """Run random networks, and put on file how many agreed."""
    console = Console()
    figures = soak.soak(args.networks, args.first, args.out, console)
    command = " ".join(["nox -s soak", *(["--", *sys.argv[2:]] if sys.argv[2:] else [])])
    console.print(f"wrote {record.write('soak', command, figures)}", highlight=False, soft_wrap=True)
    return True


def run_sparsity(args) -> bool:
    """Measure both knobs, and draw them."""
    torch.set_num_threads(1)
    console = Console()
    points = sparsity.figures(args.network, args.prices, args.windows, args.epochs, args.build, console)
    command = " ".join(["nox -s sparsity", *(["--", *sys.argv[2:]] if sys.argv[2:] else [])])
    console.print(f"wrote {record.write('sparsity', command, points)}, {sparsity.plot(points)}", highlight=False,
                  soft_wrap=True)
    return True


def run_papers(args) -> bool:
    """Evaluate networks on their whole test sets, and write the page."""
    console = Console()
    # Networks that were not asked for keep what is on record, and a run of hours that is stopped keeps what it has.
    found = record.read("papers") or {}
    for name, figure in papers.measure(args.networks or list(papers.NETWORKS), args.again, console):
        found[name] = figure
        record.write("papers", "nox -s papers", found)
    figures = {name: found[name] for name in papers.NETWORKS if name in found}
    written = [record.write("papers", "nox -s papers", figures), *papers.write(figures)]
    console.print(f"wrote {', '.join(str(path) for path in written)}", highlight=False, soft_wrap=True)
    return True


def run_cost(args) -> bool:
    """Measure what pictures cost, and write the page."""
    torch.set_num_threads(1)
    if unknown := sorted(set(args.parts) - cost.PARTS.keys()):
        raise ValueError(f"there is no part called {unknown[0]!r}; there are {', '.join(cost.PARTS)}")
    if "tile" not in args.blocks:
        raise ValueError("--blocks must name the tile, which does the synaptic operations")
    console = Console()
    figures = cost.measure(args.parts or list(cost.PARTS), args.images, args.blocks, console)
    command = " ".join(["nox -s cost", *(["--", *sys.argv[2:]] if sys.argv[2:] else [])])
    written = [record.write("cost", command, figures), *cost_page.write(figures)]
    console.print(f"wrote {', '.join(str(path) for path in written)}", highlight=False, soft_wrap=True)
    return True


def _add_trial(command: argparse.ArgumentParser):
    command.add_argument("--trial", action="store_true", help="print the figures, and leave results/ and docs/ alone")


def publish(name: str, figures: dict, headline: Callable, trial: bool) -> bool:
    """Hold figures against those committed before; put them on file, on plots and on the page."""
    console = Console()
    before = record.read(name)
    console.print(performance.against(headline(figures), headline(before) if before else {}))
    if not trial:
        command = " ".join([f"nox -s bench-{name}", *(["--", *sys.argv[2:]] if sys.argv[2:] else [])])
        written = [record.write(name, command, figures), *performance.plot(figures),
                   page.fill(performance.tables(figures))]
        console.print(f"wrote {', '.join(str(path) for path in written)}", highlight=False, soft_wrap=True)
    return True


def run_compare(args) -> bool:
    files = {}
    for option in args.image:
        name, equals, file = option.partition("=")
        if not equals:
            raise ValueError(f"--image takes NETWORK=FILE, not {option!r}")
        files[name] = Path(file)
    return compare(args.networks or list(NETWORKS), config=args.config, images=args.images, waves=args.waves,
                   image_files=files, out=args.out, recorded=args.record, jobs=args.jobs, cluster=args.cluster,
                   memory=Pace(latency=args.latency, pause=args.pause))


def main(argv: list[str] | None = None) -> int:
    """Run one command; a user's mistake is one sentence and exit code 1, as is a disagreement."""
    args = parser().parse_args(argv)
    try:
        return 0 if args.run(args) else 1
    except (ValueError, OSError, BenchError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
