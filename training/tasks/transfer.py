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

from models_store.base import FrozenModel
from models_store.manifest import Metric
from training.datasets.base import ImageData, ImageSplit
from training.datasets.batches import epoch_seed
from training.datasets.data_dir import scratch_dir
from training.errors import DataError, RecipeError
from training.metrics.feature_cache import FeatureCache
from training.networks.mobilenet import MobileNet
from training.pretrained.mobilenet import features_fingerprint, load_weights, weights_data_source
from training.publish.spec import ExportSpec, GraphFns
from training.publish.tasks import classification as export
from training.tasks.base import Scores, Split
from training.tasks.classification import Classification, ClassificationConfig

if TYPE_CHECKING:
    from training.config.recipe import Recipe

__all__ = ["HeadConfig", "Transfer"]


class HeadConfig(FrozenModel):
    """How the head is trained on features that stay as they are: AdamW, half a cosine."""

    epochs: Annotated[int, Field(ge=0)] = 40
    batch_size: PositiveInt = 32
    lr: PositiveFloat = 1e-3
    weight_decay: NonNegativeFloat = 0.01


class Transfer(Classification):
    """`frozen_logits_NK` are of the test split before anything but the head was trained."""

    class Config(ClassificationConfig):
        kind: Literal["transfer"] = "transfer"
        head: HeadConfig = HeadConfig()
        head_rate: PositiveFloat = 10.0
        """The head's learning rate in fine-tuning, as a multiple of `optimizer.lr`."""

        def build(self, recipe: "Recipe", data: ImageData, fabric: Fabric) -> "Transfer":
            return Transfer(self, recipe, data, fabric)

    def __init__(self, config: Config, recipe: "Recipe", data: ImageData, fabric: Fabric) -> None:
        self.head_config, self.head_rate = config.head, config.head_rate
        self.pretrained_config = _require_mobilenet_config(recipe)
        if recipe.schedule.kind in ("cyclic", "one_cycle"):
            raise RecipeError(
                f"schedule {recipe.schedule.kind} sets one rate for all weights, and transfer has "
                "two: use constant, step, exponential or cosine"
            )
        super().__init__(config, recipe, data, fabric)

    def statistics(self, recipe: "Recipe", data: ImageData) -> tuple[list[float], list[float]]:
        del recipe, data
        return self.pretrained_config.statistics

    def build_network(self) -> nn.Module:
        network = super().build_network()
        if not isinstance(network, MobileNet):
            raise TypeError(type(network))
        load_weights(network, self.pretrained_config)
        network.to(self.fabric.device).eval()
        cache = FeatureCache(
            scratch_dir() / "features", features_fingerprint(network, self.pretrained_config)
        )

        def pooled(split: ImageSplit) -> Tensor:
            with torch.inference_mode():
                return cache(
                    split.images_NCHW,
                    lambda images: network.pool(self.normalize(self.to_floats(images))),
                ).clone()

        self._fit_head(network.head, pooled(self.data.train))
        self.frozen_logits_NK = torch.empty(0, self.pretrained_config.classes)
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
        head_ids = {id(parameter) for parameter in network.get_submodule("head").parameters()}
        for group in list(optimizer.param_groups):
            head_params = [p for p in group["params"] if id(p) in head_ids]
            group["params"] = [p for p in group["params"] if id(p) not in head_ids]
            optimizer.add_param_group(
                {**group, "params": head_params, "lr": group["lr"] * self.head_rate}
            )
        return optimizer

    def evaluate(self, split: Split) -> Scores:
        """Nothing for the test split of a run on all photographs: there is none left."""
        return super().evaluate(split) if len(self.split(split)) else {}

    def export_spec(self) -> ExportSpec:
        spec = export.export_spec(self)
        pretrained = weights_data_source(self.pretrained_config)
        return replace(
            spec,
            data=(*spec.data, *([pretrained] if pretrained else [])),
            report=spec.report if len(self.data.test) else _reject_empty_test_split,
        )


def _reject_empty_test_split(_runs: GraphFns, _preview: Path) -> tuple[Metric, ...]:
    raise DataError(
        "this run was trained on all photographs, so there is none to measure it on: "
        "`python -m training transfer` cross-validates and publishes; or set data.held_out"
    )


def _require_mobilenet_config(recipe: "Recipe") -> MobileNet.Config:
    if not isinstance(recipe.network, MobileNet.Config):
        raise RecipeError(f"task transfer needs network mobilenet, not {recipe.network.kind}")
    return recipe.network
