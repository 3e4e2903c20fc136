"""Classification of images: cross entropy and accuracy, from scratch or by fine-tuning.

`Transfer` first trains the head on pooled features, which are computed once; then every weight, the
features at a fraction of the head's rate. Fine-tuning with a random head would distort the features
(Kumar et al. 2022, arXiv 2202.10054).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Optimizer

from training.config.tasks import ClassificationConfig, ClassifierConfig, TransferConfig
from training.datasets.base import Batch, ImageSplit, epoch_generator
from training.datasets.data_dir import scratch_dir
from training.datasets.transforms import Transform, alternately_flipped
from training.errors import RecipeError
from training.metrics.feature_cache import FeatureCache
from training.networks.mobilenet import MobileNet
from training.pretrained.mobilenet import features_fingerprint, load_weights
from training.tasks.base import Monitor, Scores, Split, build_task, classification_scores
from training.tasks.single_network import ImageTask


@build_task.register(ClassificationConfig)
class Classification(ImageTask):
    """Cross entropy with label smoothing (Szegedy et al. 2015, arXiv 1512.00567, section 7)."""

    config: ClassifierConfig
    monitor = Monitor("accuracy", higher_is_better=True)

    def setup(self) -> None:
        classes, labels = self.train_config.network.class_count, self.data.labels
        if classes not in (None, len(labels)):
            raise RecipeError(
                f"network.classes is {classes}, but {self.data.title} has {len(labels)} classes: "
                f"{', '.join(labels[:10])}"
            )
        self.mean, self.std = self.statistics()
        super().setup()

    def build_network(self) -> nn.Module:
        network = super().build_network()
        if self.train_config.network.class_count is None:
            self._check_logits(network)
        return network

    def _check_logits(self, network: nn.Module) -> None:
        """Run a network whose configuration does not state its channels and classes."""
        images = self.init_images()[:2]
        try:
            with torch.inference_mode():
                logits = network.eval()(images)
        except RuntimeError as error:
            raise RecipeError(
                f"the network fails on images {tuple(images.shape)}: {error}"
            ) from error
        expected = (2, len(self.data.labels))
        if tuple(logits.shape) != expected:
            raise RecipeError(
                f"the network returns {tuple(logits.shape)} for two images, but a classifier of "
                f"{self.data.title} returns logits {expected}"
            )

    def statistics(self) -> tuple[list[float], list[float]]:
        """Return the mean and deviation per channel, of images in 0–1, to normalize with."""
        return self.data.statistics()

    def init_images(self) -> Tensor:
        return self.normalize(super().init_images())

    def transforms(self) -> tuple[Transform, ...]:
        return self.config.transforms

    def images(self, epoch: int) -> ImageSplit:
        if not self.config.alternating_flip:
            return self.data.train
        return alternately_flipped(self.data.train, self.train_config.seed, epoch)

    def normalize(self, images_BCHW: Tensor) -> Tensor:
        """Map floats in 0–1 to zero mean and unit deviation per channel, by `statistics`."""
        shape = (1, -1, 1, 1)
        mean = torch.tensor(self.mean, device=images_BCHW.device).view(shape)
        std = torch.tensor(self.std, device=images_BCHW.device).view(shape)
        return (images_BCHW - mean) / std

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        images, labels = batch[0], batch[1].to(self.fabric.device)
        logits_BK = self.network(self.normalize(self.to_floats(images)))
        loss = functional.cross_entropy(
            logits_BK.float(), labels, label_smoothing=self.config.label_smoothing
        )
        return {"loss": loss, "accuracy": (logits_BK.detach().argmax(1) == labels).float().mean()}

    def predict(self, network: nn.Module, split: ImageSplit) -> tuple[Tensor, Tensor]:
        """Return logits (N, K) in float32 and labels (N,) of a split, in its order."""
        logits = []
        for batch in split.batches(self.eval_batch_size):
            images = self.normalize(self.to_floats(batch.images_NCHW))
            logits.append(network(images).float().cpu())
        return torch.cat(logits), split.labels_N

    def measure(self, network: nn.Module, split: ImageSplit) -> Scores:
        return classification_scores(*self.predict(network, split))


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
