"""One training run: seeded, and resumed from its checkpoint after a kill."""

import copy
import ctypes
import dataclasses
import math
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from ..convert import mean
from ..datasets import Split
from ..trained import VERSION, Header, Trained
from .augment import augment
from .layers import FloatNetwork, Stage
from .policy import Task, begin_as_margin
from .recipes import Recipe

__all__ = ["Run", "header", "network"]

CHECKPOINT_SECONDS = 60

# Of glibc's mallopt: what is freed stays with the process, and large tensors come from there. To have their pages
# mapped anew in every step takes a seventh of it.
TRIM_THRESHOLD, MMAP_THRESHOLD, BYTES = -1, -3, 2 ** 30

# Elsewhere, convolutions in bfloat16 are many times slower than in float32.
BFLOAT16 = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


class Run:
    """The state of a training run.

    Parameters
    ----------
    recipe : Recipe
    seed : int
        The same seed gives the same network, on as many threads of the same CPU.
    start : Trained, optional
        Begin with these weights instead of random ones.
    images : Tensor, optional
        For the statistics of batch norms that are folded in ``start``, see :meth:`FloatNetwork.begin`.
    task : Task, optional
        Of a policy: it learns what this says of the pictures it is shown, not their classes.
    device : str
        Of torch, such as ``cpu`` or ``cuda``, where ``task`` is, too. Pictures are augmented on the CPU.
    """

    def __init__(self, recipe: Recipe, seed: int, start: Trained | None = None, images: Tensor | None = None,
                 task: Task | None = None, device: str = "cpu"):
        if sys.platform == "linux" and (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)):
            mallopt(TRIM_THRESHOLD, 2 * BYTES - 1)
            mallopt(MMAP_THRESHOLD, BYTES)
        torch.manual_seed(seed)
        self.recipe, self.seed, self.start, self.task, self.epoch, self.steps = recipe, seed, start, task, 0, 0
        self.network = FloatNetwork(header(recipe, seed))
        if start:
            self.network.begin(start, images)
        if recipe.lead:
            begin_as_margin(self.network, start, recipe.lead)
        self.device = torch.device(device)
        self.network.to(self.device, memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.network).requires_grad_(False)
        self.network.compile_layers()
        self.generator = torch.Generator().manual_seed(seed)
        parameters = self.network.parameters()
        if recipe.momentum:
            self.optimizer = torch.optim.SGD(parameters, lr=recipe.rate, momentum=recipe.momentum, nesterov=True,
                                             weight_decay=recipe.weight_decay)
        else:
            self.optimizer = torch.optim.AdamW(parameters, lr=recipe.rate, weight_decay=recipe.weight_decay)

    def train_epoch(self, split: Split) -> float:
        """Go once through ``split`` in random order and return the mean loss."""
        recipe, total = self.recipe, 0.0
        stage = Stage.at(recipe, progress_at(recipe, self.epoch))
        batches = torch.randperm(len(split), generator=self.generator).split(recipe.batch)
        if len(split) > recipe.batch:
            # Code is compiled for one size of batch.
            batches = [batch for batch in batches if len(batch) == recipe.batch]
        self.network.train()
        for index, batch in enumerate(batches):
            progress = progress_at(recipe, self.epoch + index / len(batches))
            for group in self.optimizer.param_groups:
                group["lr"] = rate(recipe, progress)
            images = augment(split.images[batch], recipe.shift, recipe.rotation, recipe.zoom, recipe.flip,
                             recipe.erase, self.generator)
            loss = self._loss(images, split.labels[batch], stage)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            self._average()
            total += loss.item() * len(batch)
        self.epoch += 1
        return total / sum(map(len, batches))

    def _loss(self, images: Tensor, labels: Tensor, stage: Stage) -> Tensor:
        """Cross-entropy of the accumulated output at every timestep (DT-SNN, Li et al., DAC 2023), and operations.

        Labels that are costs of each class, (images, classes), are paid as the softmax chooses, less a bonus for its
        entropy, which keeps it from making up its mind before it has learned anything.
        """
        labels = labels.to(self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=BFLOAT16 or self.device.type != "cpu"):
            if self.task:
                labels = self.task(images, labels)
            ran = self.network(images, stage)
            if labels.is_floating_point():
                shares, levels = ran.logits[-1].softmax(1), ran.logits[-1].log_softmax(1)
                loss = (shares * (labels + self.recipe.smoothing * levels)).sum(1).mean()
            else:
                losses = functional.cross_entropy(ran.logits.flatten(0, 1), labels.repeat(len(ran.logits)),
                                                  label_smoothing=self.recipe.smoothing, reduction="none")
                losses = losses.view(len(ran.logits), -1).mean(1)
                loss = (weights(self.recipe.first, len(losses)).to(self.device) * losses).sum()
            if self.recipe.operations:
                loss = loss + self.recipe.operations * self.network.operations(ran)
        return loss

    def _average(self) -> None:
        """Move the averaged weights towards the current ones, at first faster."""
        self.steps += 1
        share = 1 - min(self.recipe.average, self.steps / (self.steps + 10))
        current = self.network.state_dict()
        for name, value in self.average.state_dict().items():
            value.lerp_(current[name], share)

    def save(self, path: Path) -> None:
        """Replace the checkpoint at ``path``."""
        unfinished = path.with_suffix(".new")
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save({"recipe": repr(self.recipe), "seed": self.seed, "epoch": self.epoch, "steps": self.steps,
                    "network": self.network.state_dict(), "average": self.average.state_dict(),
                    "optimizer": self.optimizer.state_dict(), "generator": self.generator.get_state()}, unfinished)
        os.replace(unfinished, path)

    def resume(self, path: Path) -> bool:
        """Go on from the checkpoint at ``path``, if there is one of this very run."""
        if not path.is_file():
            return False
        state = torch.load(path, map_location="cpu", weights_only=True)
        if (state["recipe"], state["seed"]) != (repr(self.recipe), self.seed):
            return False
        self.epoch, self.steps = state["epoch"], state["steps"]
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
            Written at most once a minute, and after the last epoch.
        report : callable
            Called with the epochs done and the loss of the last one.
        """
        saved = time.monotonic()
        while self.epoch < self.recipe.all_epochs:
            loss = self.train_epoch(split)
            report(self.epoch, loss)
            if time.monotonic() - saved > CHECKPOINT_SECONDS or self.epoch == self.recipe.all_epochs:
                self.save(checkpoint)
                saved = time.monotonic()
        ended = network(self.average)
        return mean(self.start, ended) if self.recipe.mean else ended


def progress_at(recipe: Recipe, epoch: float) -> float:
    """How far a run is: from 0 to 1 in its first round, from there to 2 in its second."""
    return epoch / recipe.epochs if epoch < recipe.epochs else 1 + (epoch - recipe.epochs) / recipe.again


def rate(recipe: Recipe, progress: float) -> float:
    """The rate at ``progress``, from 0 to 1: up along a line, down along a cosine; in a second round, down again."""
    if progress >= 1:
        return recipe.again_rate * (1 + math.cos(math.pi * (progress - 1))) / 2
    if progress < recipe.warmup:
        return recipe.rate * progress / recipe.warmup
    return recipe.rate * (1 + math.cos(math.pi * (progress - recipe.warmup) / (1 - recipe.warmup))) / 2


def weights(first: float, timesteps: int) -> Tensor:
    """What the loss of each timestep counts: the first one ``first``, the others alike; all alike with 0."""
    if timesteps == 1 or not first:
        return torch.full((timesteps,), 1 / timesteps)
    return torch.tensor([first] + [(1 - first) / (timesteps - 1)] * (timesteps - 1))


def header(recipe: Recipe, seed: int) -> Header:
    """What is known of a network before it is trained."""
    settings = {name: getattr(recipe, name) for name in (
        "name", "dataset", "shape", "layers", "input_coding", "coding", "timesteps", "leak_shift", "reset",
        "start", "policy_of")}
    rest = {name: value for name, value in dataclasses.asdict(recipe).items() if name not in settings}
    return Header(version=VERSION, **settings, seed=seed, recipe=rest)


def network(float_network: FloatNetwork) -> Trained:
    """Its tensors under the names of the file format."""
    state, header = float_network.state_dict(), float_network.header
    return Trained(header, {name: state[f"layers.{name}"].reshape(shape).to("cpu", copy=True)
                            for name, shape in header.tensor_shapes().items()})
