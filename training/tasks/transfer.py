"""Classification of photographs by fine-tuning a pretrained network.

First the head is trained on pooled features, which are computed once; then every weight, the
features at a fraction of the head's rate. Fine-tuning with a random head would distort the features
(Kumar et al. 2022, arXiv 2202.10054).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Optimizer

from training.config.tasks import TransferConfig
from training.datasets.base import ImageSplit, epoch_generator
from training.datasets.data_dir import scratch_dir
from training.errors import RecipeError
from training.metrics.feature_cache import FeatureCache
from training.networks.mobilenet import MobileNet
from training.pretrained.mobilenet import features_fingerprint, load_weights
from training.tasks.base import Scores, Split, build_task
from training.tasks.classification import Classification


@build_task.register(TransferConfig)
class Transfer(Classification):
    """`frozen_logits_NK` are the test split's logits after training the head alone."""

    config: TransferConfig

    def setup(self) -> None:
        network, schedule = self.train_config.network, self.train_config.schedule.kind
        if not isinstance(network, MobileNet.Config):
            raise RecipeError(f"the task transfer needs the network mobilenet, got {network.kind}")
        self.pretrained_config = network
        if schedule in ("cyclic", "one_cycle"):
            raise RecipeError(
                f"schedule {schedule} sets one rate for all weights, and "
                "transfer has two; use constant, step, exponential or cosine"
            )
        super().setup()

    def statistics(self) -> tuple[list[float], list[float]]:
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
        config, labels_N = self.config.head, self.data.train.labels_N
        optimizer = torch.optim.AdamW(
            head.parameters(), lr=config.lr, weight_decay=config.weight_decay
        )
        steps = config.epochs * -(-len(labels_N) // config.batch_size)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(1, steps))
        head.train()
        for epoch in range(config.epochs):
            generator = epoch_generator(self.train_config.seed, epoch)
            order = torch.randperm(len(labels_N), generator=generator)
            for indices in torch.split(order, config.batch_size):
                logits_BK = head(features_NC[indices].to(self.fabric.device))
                loss = functional.cross_entropy(
                    logits_BK,
                    labels_N[indices].to(self.fabric.device),
                    label_smoothing=self.config.label_smoothing,
                )
                optimizer.zero_grad()
                torch.autograd.backward(loss)
                optimizer.step()
                schedule.step()

    def build_optimizer(self, network: nn.Module) -> Optimizer:
        """Return the recipe's optimizer, with separate groups for the head at the head's rate."""
        optimizer = super().build_optimizer(network)
        head_ids = {id(parameter) for parameter in network.get_submodule("head").parameters()}
        for group in list(optimizer.param_groups):
            head_params = [p for p in group["params"] if id(p) in head_ids]
            group["params"] = [p for p in group["params"] if id(p) not in head_ids]
            optimizer.add_param_group(
                {**group, "params": head_params, "lr": group["lr"] * self.config.head_rate}
            )
        return optimizer

    def evaluate(self, split: Split) -> Scores:
        """Return no scores for an empty test split, as of a run on all photographs."""
        return super().evaluate(split) if len(self.split(split)) else {}
