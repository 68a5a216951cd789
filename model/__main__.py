"""The door to the model: ``python -m model --help``."""

import argparse
import dataclasses
import runpy
import sys
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from . import crossbar, plan, trained
from .ann import from_torch
from .compiler import compile
from .config import PRESETS, preset
from .convert import convert, rounded
from .datasets import DATASETS, Dataset, Split, load, test_slice
from .encode import picture_codes
from .network import Rule
from .processor import run
from .training import policy
from .training.calibrate import RULES, calibrate, validated
from .training.layerwise import score, search
from .training.measure import accuracies, observe
from .training.recipes import RECIPES, recipe, tuning
from .training.train import Run

# Pictures that a plan is told for, and characters of a line.
PLAN_IMAGES, PLAN_WIDTH = 8, 120


def train(args) -> None:
    """Train networks, each from its recipe."""
    if args.threads < 1:
        raise ValueError(f"--threads must be at least 1, not {args.threads}")
    if args.device == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"--device cuda: PyTorch {torch.__version__} finds no graphics card; only cpu is here")
    # The order of sums must not depend on the number of cores.
    torch.set_num_threads(args.threads)
    names = args.names or [name for name, chosen in RECIPES.items() if chosen.dataset == "digits"]
    recipes = [recipe(name) for name in names]
    if args.epochs is not None:
        recipes = [dataclasses.replace(chosen, epochs=args.epochs, again=0) for chosen in recipes]
    console = Console()
    for chosen in recipes:
        checkpoint = args.build / chosen.name / "checkpoint.pt"
        if args.fresh:
            checkpoint.unlink(missing_ok=True)
        start = trained.load(args.out / chosen.start_from) if chosen.start_from else None
        data = load(chosen.dataset)
        target = trained.load(args.out / chosen.policy_of) if chosen.policy_of else None
        task = policy.Task(target, chosen.penalty, chosen.hard, chosen.layers[-1].channels,
                           args.device) if target else None
        run = Run(chosen, args.seed, start, data.train.images, task, args.device)
        network = train_one(run, data, checkpoint, target, console)
        path = trained.save(rounded(network) if chosen.rounded else network, args.out / chosen.name)
        shares = ", ".join(f"{share:.2%}" for share in network.header.validation_accuracy)
        console.print(f"{chosen.name}: validation accuracy {shares}; wrote {path}")


def train_one(run: Run, data: Dataset, checkpoint: Path, target: trained.Trained | None,
              console: Console) -> trained.Trained:
    """Bring ``run`` to its end, with a progress bar or a line for every epoch, and validate what came of it; a policy,
    with the network that follows it, its ``target``."""
    name, epochs = run.recipe.name, run.recipe.all_epochs
    if run.resume(checkpoint):
        console.print(f"{name}: going on after epoch {run.epoch} of {checkpoint}")
    with Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
                  TextColumn("loss {task.fields[loss]:.3f}"), console=console,
                  disable=not console.is_terminal) as progress:
        task = progress.add_task(name, total=epochs, completed=run.epoch, loss=float("nan"))

        def report(epoch, loss):
            progress.update(task, completed=epoch, loss=loss)
            if progress.disable:
                console.print(f"{name}: epoch {epoch} of {epochs}, loss {loss:.3f}")

        network = run.finish(data.train, checkpoint, report)
    timesteps = run.recipe.target_timesteps or None
    if target:
        return policy.validated(network, target, data.validation, timesteps)
    return validated(network, data.validation, run.recipe.exit_rule, timesteps)


def import_ann(args) -> None:
    """Convert a trained PyTorch network with ReLUs, without retraining, and say what it loses."""
    file, colon, function = args.module.partition(":")
    if not colon or not Path(file).is_file():
        raise ValueError(f"the network is FILE.py:FUNCTION, and there is no file {file}" if colon else
                         f"the network is FILE.py:FUNCTION, not {args.module!r}")
    made = runpy.run_path(file).get(function)
    if not callable(made):
        raise ValueError(f"{file} has no function {function}")
    module, data, console = made(), load(args.dataset), Console()
    if not isinstance(module, torch.nn.Sequential):
        raise ValueError(f"{args.module} must give a torch.nn.Sequential, not {type(module).__name__}")
    network = from_torch(module.eval(), data.train.images[::max(len(data.train) // 1000, 1)], name=args.name,
                         dataset=args.dataset)
    images, labels = data.validation.images, data.validation.labels
    with torch.no_grad():
        before = sum((module(batch).argmax(1) == of_batch).sum().item()
                     for batch, of_batch in zip(images.split(250), labels.split(250))) / len(labels)
    network = validated(network, data.validation, "budget")
    after, = network.header.validation_accuracy
    console.print(f"{args.name}: validation accuracy {before:.2%} in PyTorch, {after:.2%} with first spikes and 5-bit "
                  f"weights; wrote {trained.save(network, args.out / args.name)}", soft_wrap=True)


def choose_layers(args) -> None:
    """Give every layer timesteps, or a window, of its own, as far as accuracy allows."""
    torch.set_num_threads(1)
    network, console = trained.load(args.network), Console()
    name, data = args.name or f"{network.header.name}-layerwise", load(network.header.dataset)
    # Pictures lie sorted by class.
    stride = max(len(data.validation) // args.images, 1)
    split = Split(data.validation.images[::stride], data.validation.labels[::stride])

    def report(move, made):
        console.print(f"{move}: {made.accuracy:.2%}, {made.operations:.0f} synaptic operations and "
                      f"{made.neurons:.0f} neurons a picture", soft_wrap=True)

    report("as it is", score(network, split))
    found = search(network, split, args.lost / 100, report)
    header = found.header.model_copy(update={"name": name})
    found = dataclasses.replace(found, header=header)
    if args.epochs:
        chosen = tuning(recipe(network.header.name), name, header.layers, args.epochs)
        if args.operations is not None:
            chosen = dataclasses.replace(chosen, operations=args.operations)
        run = Run(chosen, args.seed, found)
        found = train_one(run, data, args.build / name / "checkpoint.pt", None, console)
    else:
        found = validated(found, data.validation, header.exit.rule)
    shares = ", ".join(f"{share:.2%}" for share in found.header.validation_accuracy)
    console.print(f"{name}: validation accuracy {shares}; wrote {trained.save(found, args.out / name)}")


def calibrate_exit(args) -> None:
    """Choose exit thresholds, or a policy's price, on the validation split, by every rule; keep one with --rule."""
    if args.target_accuracy is not None and args.target_timesteps is not None:
        raise ValueError("--target-accuracy and --target-timesteps exclude each other")
    network = trained.load(args.network)
    header, target = network.header, None
    if header.policy_of:
        target = trained.load(args.network.with_name(header.policy_of))
    elif header.timesteps == 1:
        raise ValueError(f"network {header.name} runs one timestep: there is nothing to stop early")
    rules = [policy.PRICE] if target else [rule.name.lower() for rule in RULES]
    if args.rule and args.rule not in rules:
        raise ValueError(f"--rule of {header.name} must be one of {', '.join(rules)}, not {args.rule}")
    split, wanted = load(header.dataset).validation, {
        "accuracy": None if args.target_accuracy is None else args.target_accuracy / 100,
        "timesteps": args.target_timesteps}
    if target:
        followed = policy.Followed.on(split, network, target)
        integer, observed = followed.network, followed.observed
        points = {policy.PRICE: followed.calibrate(split.labels, **wanted)}
    else:
        integer = convert(network)
        observed = observe(integer, split)
        points = {rule: calibrate(integer, observed, split.labels, Rule[rule.upper()], **wanted)
                  for rule in rules if args.rule in (None, rule)}
    console = Console()
    table = Table("rule", "threshold", "accuracy", "timesteps", title=f"{header.name}, validation split")
    for rule, point in points.items():
        table.add_row(rule, f"{point.threshold:.5g}", f"{point.accuracy:.2%}", f"{point.timesteps:.3f}")
    table.add_row("budget", "", f"{accuracies(observed, split.labels)[-1]:.2%}", f"{integer.timesteps:.3f}")
    console.print(table)
    if args.rule is None:
        return
    if target:
        network = policy.priced(network, point)
    else:
        chosen = trained.ExitSpec(rule=args.rule, threshold=point.threshold)
        network = dataclasses.replace(network, header=header.model_copy(update={"exit": chosen}))
    console.print(f"wrote {trained.save(network, args.network)}")


def compile_image(args) -> None:
    """Compile a trained network to the image of a processor, or show how it would lie there."""
    network = convert(trained.load(args.network))
    if args.plan:
        codes = picture_codes(test_slice(network.dataset, PLAN_IMAGES).images, network)
        plans = plan.plan(network, preset(args.config), codes)
        shown = plan.table(plans, f"{network.name} on {args.config}, means over {PLAN_IMAGES} pictures")
        Console(width=max(Console().width, PLAN_WIDTH)).print(shown)
        return
    image = compile(network, preset(args.config))
    file = args.out or Path("build/images") / f"{network.name}-{args.config}.image"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(image.to_bytes())
    print(f"{file}: {len(image.to_bytes())} bytes, {len(image.descriptors)} layers")


def run_test_split(args) -> None:
    """Run a trained network on the test split in the golden model."""
    network = convert(trained.load(args.network))
    test = load(network.dataset).test
    decision = run(network, picture_codes(test.images, network), preset(args.config))
    right = int((decision.classes == test.labels).sum())
    operations = decision.counters["synaptic_operations"].sum(1).double().mean()
    print(f"{network.name}: {right} of {len(test)} right ({right / len(test):.2%}), "
          f"{decision.timesteps.double().mean():.3f} timesteps and {operations:.0f} synaptic operations a picture")


def show_crossbars(args) -> None:
    """Say what a network would take on analog in-memory crossbars, layer by layer."""
    Console(width=PLAN_WIDTH).print(crossbar.table(convert(trained.load(args.network)), args.devices))


def parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    root = argparse.ArgumentParser(prog="python -m model", description=__doc__)
    commands = root.add_subparsers(required=True, metavar="command")

    command = commands.add_parser("train", help=train.__doc__, description=train.__doc__)
    command.add_argument("names", nargs="*", metavar="name",
                         help=f"of {', '.join(RECIPES)}; those of the digits by default")
    command.add_argument("--epochs", type=int, help="instead of the recipe's")
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--threads", type=int, default=1,
                         help="cores to use; another number gives another network (default: %(default)s)")
    command.add_argument("--device", choices=("cpu", "cuda"), default="cpu",
                         help="cuda is a graphics card, which gives another network every time (default: %(default)s)")
    command.add_argument("--out", type=Path, default=Path("networks"), help="where the networks go")
    command.add_argument("--build", type=Path, default=Path("build/train"), help="where checkpoints go")
    command.add_argument("--fresh", action="store_true", help="do not go on from a checkpoint")
    command.set_defaults(run=train)

    command = commands.add_parser("import", help=import_ann.__doc__, description=import_ann.__doc__)
    command.add_argument("module", metavar="FILE.py:FUNCTION", help="a function that gives a trained nn.Sequential, "
                                                                    "which reads pixels between 0 and 1")
    command.add_argument("name", help="of the new network")
    command.add_argument("--dataset", required=True, help=f"one of {', '.join(DATASETS)}")
    command.add_argument("--out", type=Path, default=Path("networks"), help="where the network goes")
    command.set_defaults(run=import_ann)

    command = commands.add_parser("layerwise", help=choose_layers.__doc__, description=choose_layers.__doc__)
    command.add_argument("network", type=Path, help="path of a trained network, such as networks/digits-lif")
    command.add_argument("--lost", type=float, default=0.5, metavar="POINTS",
                         help="validation accuracy that may be lost, in percent (default: %(default)s)")
    command.add_argument("--images", type=int, default=2000, metavar="N",
                         help="search on about so many pictures of the validation split (default: %(default)s)")
    command.add_argument("--epochs", type=int, default=0, help="of fine-tuning afterwards (default: %(default)s)")
    command.add_argument("--operations", type=float, metavar="PRICE",
                         help="of all synaptic operations while tuning; by default that of the old network's recipe")
    command.add_argument("--name", help="of the new network; by default, that of the old one with -layerwise")
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--out", type=Path, default=Path("networks"), help="where the network goes")
    command.add_argument("--build", type=Path, default=Path("build/train"), help="where checkpoints go")
    command.set_defaults(run=choose_layers)

    command = commands.add_parser("calibrate", help=calibrate_exit.__doc__, description=calibrate_exit.__doc__)
    command.add_argument("network", type=Path, help="path of a trained network, such as networks/digits-lif")
    command.add_argument("--target-accuracy", type=float, metavar="PERCENT",
                         help="as early as this accuracy allows; by default that of all timesteps")
    command.add_argument("--target-timesteps", type=float, metavar="AVERAGE", help="as late as this average allows")
    command.add_argument("--rule", choices=[*(rule.name.lower() for rule in RULES), policy.PRICE],
                         help="write this rule and its threshold into the network's file; price is that of a policy")
    command.set_defaults(run=calibrate_exit)

    command = commands.add_parser("crossbars", help=show_crossbars.__doc__, description=show_crossbars.__doc__)
    command.add_argument("network", help="path of a trained network, such as networks/digits-lif")
    command.add_argument("--devices", type=int, default=crossbar.PAIR, metavar="N",
                         help="of a weight, side by side (default: %(default)s)")
    command.set_defaults(run=show_crossbars)

    for name, function in (("compile", compile_image), ("run", run_test_split)):
        command = commands.add_parser(name, help=function.__doc__, description=function.__doc__)
        command.add_argument("network", help="path of a trained network, such as networks/digits-ttfs")
        command.add_argument("--config", default="default", help=f"one of {', '.join(PRESETS)} (default: %(default)s)")
        command.set_defaults(run=function)
        if name == "compile":
            command.add_argument("--out", type=Path, help="file, by default in build/images/")
            command.add_argument("--plan", action="store_true",
                                 help="write no file, but print where maps and weights live, how long every layer "
                                      f"takes on {PLAN_IMAGES} pictures of the test split, and what bounds it")
    return root


def main(argv: list[str] | None = None) -> int:
    """Run one command; a user's mistake is one sentence and exit code 1."""
    args = parser().parse_args(argv)
    try:
        args.run(args)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
