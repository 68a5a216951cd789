"""One training run: seeded, and resumed from its checkpoint after a kill."""

import copy
import dataclasses
import math
import os
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from ..datasets import Split
from ..trained import VERSION, Header, Trained
from .augment import augment
from .layers import FloatNetwork, Stage
from .recipes import Recipe

__all__ = ["Run", "header", "network"]

CHECKPOINT_EPOCHS = 10


class Run:
    """The state of a training run.

    Parameters
    ----------
    recipe : Recipe
    seed : int
        The same seed gives the same network, on one thread of the same machine.
    """

    def __init__(self, recipe: Recipe, seed: int):
        torch.manual_seed(seed)
        self.recipe, self.seed, self.epoch = recipe, seed, 0
        self.network = FloatNetwork(header(recipe, seed))
        self.average = copy.deepcopy(self.network).requires_grad_(False)
        self.generator = torch.Generator().manual_seed(seed)
        self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=recipe.rate,
                                           weight_decay=recipe.weight_decay)

    def train_epoch(self, split: Split) -> float:
        """Go once through ``split`` in random order and return the mean loss."""
        recipe, total = self.recipe, 0.0
        stage = Stage.at(recipe, self.epoch / recipe.epochs)
        batches = torch.randperm(len(split), generator=self.generator).split(recipe.batch)
        self.network.train()
        for index, batch in enumerate(batches):
            progress = (self.epoch + index / len(batches)) / recipe.epochs
            for group in self.optimizer.param_groups:
                group["lr"] = recipe.rate * (1 + math.cos(math.pi * progress)) / 2
            images = augment(split.images[batch], recipe.shift, recipe.rotation, recipe.zoom, self.generator)
            loss = self._loss(images, split.labels[batch], stage)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            self._average()
            total += loss.item() * len(batch)
        self.epoch += 1
        return total / len(split)

    def _loss(self, images: Tensor, labels: Tensor, stage: Stage) -> Tensor:
        """Cross-entropy of the accumulated output at every timestep (DT-SNN, Li et al., DAC 2023), and sparsity."""
        logits, activations = self.network(images, stage)
        loss = functional.cross_entropy(logits.flatten(0, 1), labels.repeat(len(logits)))
        for activation in activations if self.recipe.sparsity else ():
            loss = loss + self.recipe.sparsity * (activation + 1e-4).sqrt().mean()
        return loss

    def _average(self) -> None:
        """Move the averaged weights towards the current ones, at first faster."""
        steps = next(iter(self.optimizer.state.values()))["step"].item()
        share = 1 - min(self.recipe.average, steps / (steps + 10))
        current = self.network.state_dict()
        for name, value in self.average.state_dict().items():
            value.lerp_(current[name], share)

    def save(self, path: Path) -> None:
        """Replace the checkpoint at ``path``."""
        unfinished = path.with_suffix(".new")
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save({"recipe": repr(self.recipe), "seed": self.seed, "epoch": self.epoch,
                    "network": self.network.state_dict(), "average": self.average.state_dict(),
                    "optimizer": self.optimizer.state_dict(), "generator": self.generator.get_state()}, unfinished)
        os.replace(unfinished, path)

    def resume(self, path: Path) -> bool:
        """Go on from the checkpoint at ``path``, if there is one of this very run."""
        if not path.is_file():
            return False
        state = torch.load(path, weights_only=True)
        if (state["recipe"], state["seed"]) != (repr(self.recipe), self.seed):
            return False
        self.epoch = state["epoch"]
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.generator.set_state(state["generator"])
        return True

    def finish(self, split: Split, checkpoint: Path, report: Callable[[int, float], None]) -> Trained:
        """Train what is left of the recipe and return the averaged network.

        Parameters
        ----------
        split : Split
        checkpoint : Path
            Written every few epochs.
        report : callable
            Called with the epochs done and the loss of the last one.
        """
        while self.epoch < self.recipe.epochs:
            loss = self.train_epoch(split)
            report(self.epoch, loss)
            if self.epoch % CHECKPOINT_EPOCHS == 0 or self.epoch == self.recipe.epochs:
                self.save(checkpoint)
        return network(self.average)


def header(recipe: Recipe, seed: int) -> Header:
    """What is known of a network before it is trained."""
    settings = {name: getattr(recipe, name) for name in (
        "name", "dataset", "shape", "layers", "input_coding", "coding", "timesteps", "leak_shift", "reset")}
    rest = {name: value for name, value in dataclasses.asdict(recipe).items() if name not in settings}
    return Header(version=VERSION, **settings, seed=seed, recipe=rest)


def network(float_network: FloatNetwork) -> Trained:
    """Its tensors under the names of the file format."""
    state, header = float_network.state_dict(), float_network.header
    return Trained(header, {name: state[f"layers.{name}"].reshape(shape).clone()
                            for name, shape in header.tensor_shapes().items()})
