"""Which class a photograph is of, by a network that has seen a million others.

First the head alone, on pooled features that are computed once; then every weight, the features at
a fraction of the head's rate. Fine-tuning under a random head would distort the features before the
head knows what it wants of them (Kumar et al. 2022, arXiv 2202.10054).
"""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import torch
from lightning_fabric import Fabric
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Optimizer

from models_store.base import Frozen
from models_store.manifest import Metric
from training.datasets.base import ImageData, ImageSplit
from training.datasets.batches import epoch_seed
from training.datasets.data_dir import scratch_dir
from training.errors import DataError, RecipeError
from training.metrics.feature_cache import FeatureCache
from training.networks.mobilenet import MobileNet
from training.pretrained.mobilenet import describe, fingerprint, load_weights
from training.publish.spec import Publication, Runs
from training.publish.tasks import classification as export
from training.tasks.base import Scores, Split
from training.tasks.classification import Classification, Objective

if TYPE_CHECKING:
    from training.config.recipe import Recipe

__all__ = ["Head", "Transfer"]


class Head(Frozen):
    """How the head is trained on features that stay as they are: AdamW, half a cosine."""

    epochs: Annotated[int, Field(ge=0)] = 40
    batch_size: PositiveInt = 32
    lr: PositiveFloat = 1e-3
    weight_decay: NonNegativeFloat = 0.01


class Transfer(Classification):
    """`frozen_logits_NK` are of the test split before anything but the head was trained."""

    class Config(Objective):
        kind: Literal["transfer"] = "transfer"
        head: Head = Head()
        head_rate: PositiveFloat = 10.0
        """The head's learning rate in fine-tuning, as a multiple of `optimizer.lr`."""

        def build(self, recipe: "Recipe", data: ImageData, fabric: Fabric) -> "Transfer":
            return Transfer(self, recipe, data, fabric)

    def __init__(self, config: Config, recipe: "Recipe", data: ImageData, fabric: Fabric) -> None:
        self.head_config, self.head_rate = config.head, config.head_rate
        self.start = _mobilenet(recipe)
        if recipe.schedule.kind in ("cyclic", "one_cycle"):
            raise RecipeError(
                f"schedule {recipe.schedule.kind} sets one rate for all weights, and transfer has "
                "two: use constant, step, exponential or cosine"
            )
        super().__init__(config, recipe, data, fabric)

    def statistics(self, recipe: "Recipe", data: ImageData) -> tuple[list[float], list[float]]:
        del recipe, data
        return self.start.statistics

    def build_network(self) -> nn.Module:
        network = super().build_network()
        if not isinstance(network, MobileNet):
            raise TypeError(type(network))
        load_weights(network, self.start)
        network.to(self.fabric.device).eval()
        cache = FeatureCache(scratch_dir() / "features", fingerprint(network, self.start))

        def pooled(split: ImageSplit) -> Tensor:
            with torch.inference_mode():
                return cache(
                    split.images_NCHW,
                    lambda images: network.pool(self.normalise(self.prepare(images))),
                ).clone()

        self._fit_head(network.head, pooled(self.data.train))
        self.frozen_logits_NK = torch.empty(0, self.start.classes)
        if len(self.data.test):
            with torch.inference_mode():
                features_NC = pooled(self.data.test).to(self.fabric.device)
                self.frozen_logits_NK = network.head.eval()(features_NC).cpu()
        return network

    def _fit_head(self, head: nn.Module, features_NC: Tensor) -> None:
        config, labels_N = self.head_config, self.data.train.labels_N
        optimizer = torch.optim.AdamW(
            head.parameters(), lr=config.lr, weight_decay=config.weight_decay
        )
        steps = config.epochs * -(-len(labels_N) // config.batch_size)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(1, steps))
        head.train()
        for epoch in range(config.epochs):
            generator = torch.Generator().manual_seed(epoch_seed(self.recipe.seed, epoch))
            order = torch.randperm(len(labels_N), generator=generator)
            for chosen in torch.split(order, config.batch_size):
                logits_BK = head(features_NC[chosen].to(self.fabric.device))
                loss = functional.cross_entropy(
                    logits_BK,
                    labels_N[chosen].to(self.fabric.device),
                    label_smoothing=self.config.label_smoothing,
                )
                optimizer.zero_grad()
                torch.autograd.backward(loss)
                optimizer.step()
                schedule.step()

    def build_optimizer(self, network: nn.Module) -> Optimizer:
        """The recipe's, with the head's weights in groups of their own, at the head's rate."""
        optimizer = super().build_optimizer(network)
        head = {id(parameter) for parameter in network.get_submodule("head").parameters()}
        for group in list(optimizer.param_groups):
            mine = [p for p in group["params"] if id(p) in head]
            group["params"] = [p for p in group["params"] if id(p) not in head]
            optimizer.add_param_group({**group, "params": mine, "lr": group["lr"] * self.head_rate})
        return optimizer

    def evaluate(self, split: Split) -> Scores:
        """Nothing for the test split of a run on all photographs: there is none left."""
        return super().evaluate(split) if len(self.split(split)) else {}

    def publication(self) -> Publication:
        publication = export.publication(self)
        pretrained = describe(self.start)
        return replace(
            publication,
            data=(*publication.data, *([pretrained] if pretrained else [])),
            report=publication.report if len(self.data.test) else _nothing_to_measure_on,
        )


def _nothing_to_measure_on(_runs: Runs, _preview: Path) -> tuple[Metric, ...]:
    raise DataError(
        "this run was trained on all photographs, so there is none to measure it on: "
        "`python -m training transfer` cross-validates and publishes; or set data.held_out"
    )


def _mobilenet(recipe: "Recipe") -> MobileNet.Config:
    if not isinstance(recipe.network, MobileNet.Config):
        raise RecipeError(f"task transfer needs network mobilenet, not {recipe.network.kind}")
    return recipe.network
