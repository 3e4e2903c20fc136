"""The codec's transform is the paper's; its prior is exact, and the same in onnxruntime."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from models_store.compression.hyperprior import LATENT_RESOLUTION
from models_store.onnx.runtime import load_graph_fn
from training.networks.photo_codec import PhotoCodec
from training.networks.photo_codec.integer_ops import MAX_EXACT_INTEGER
from training.networks.photo_codec.lapped import lapped_basis, lapped_kernels
from training.networks.photo_codec.prior import GroupPrior, SidePrior, max_abs_sum
from training.publish.onnx.photo_graphs import freeze
from training.publish.spec import export_graph
from training.publish.tasks.photo_compression import graph_specs


@pytest.fixture(scope="module")
def codec() -> PhotoCodec:
    """Return a small codec without weights near zero."""
    torch.manual_seed(0)
    config = PhotoCodec.Config(
        chroma=4, groups=(8, 16), hidden=8, prior_hidden=8, features=4, side=4, qualities=2
    )
    codec = config.build()
    codec.init_from_data(torch.rand(4, 3, 64, 64))
    codec.init_quantizers(torch.tensor([60.0, 15.0]))
    for group in codec.priors:
        for name, parameter in group.named_parameters():
            torch.nn.init.normal_(parameter, std=0.02 if "linear" in name else 0.2)
    return freeze(codec)


def test_the_transform_is_orthonormal_over_its_neighbours_too() -> None:
    basis = lapped_basis()
    assert basis.shape == (8, 16)
    np.testing.assert_allclose(basis @ basis.T, np.eye(8), atol=1e-12)
    np.testing.assert_allclose(basis[:, 8:] @ basis[:, :8].T, 0, atol=1e-12)


def test_it_packs_energy_as_malvar_reports() -> None:
    """Malvar and Staelin 1989: 9.22 dB of coding gain at a correlation of 0.95 with 8 bands."""
    basis = lapped_basis()
    distance = np.abs(np.subtract.outer(np.arange(16), np.arange(16)))
    variances = np.diag(basis @ 0.95**distance @ basis.T)
    gain_db = 10 * np.log10(variances.mean() / np.exp(np.log(variances).mean()))
    assert gain_db == pytest.approx(9.22, abs=0.02)


def test_all_its_coefficients_give_the_image_back() -> None:
    kernels, _ = lapped_kernels(64)
    image = torch.rand(1, 3, 40, 24)
    padded = functional.pad(image, (8,) * 4, mode="reflect")
    back = functional.conv_transpose2d(
        functional.conv2d(padded, kernels, stride=8), kernels, stride=8
    )
    torch.testing.assert_close(back[:, :, 8:-8, 8:-8], image, atol=1e-5, rtol=0)


def test_every_parameter_learns(codec: PhotoCodec) -> None:
    fresh = codec.config.build()
    fresh.init_from_data(torch.rand(4, 3, 64, 64))
    fresh.init_quantizers(torch.tensor([60.0, 15.0]))
    coded = fresh(torch.rand(4, 3, 72, 64), torch.tensor([0, 1, 0, 1]))
    (coded.bits_B.mean() + coded.estimate.square().sum()).backward()
    silent = [name for name, p in fresh.named_parameters() if p.grad is None]
    assert not silent


def test_no_sum_leaves_the_whole_numbers_that_float32_holds(codec: PhotoCodec) -> None:
    priors: list[SidePrior | GroupPrior] = [codec.side_prior, *codec.priors]
    for prior in priors:
        assert max_abs_sum(prior) < MAX_EXACT_INTEGER
    worst = freeze(codec).priors[2]
    worst.second.weight.data.fill_(300.0)
    assert max_abs_sum(worst) >= MAX_EXACT_INTEGER


def test_prior_does_not_depend_on_the_order_of_its_sums(codec: PhotoCodec) -> None:
    """Against int64, with input channels permuted, and in float32 as it is served."""
    conv = codec.priors[1].before
    assert conv is not None
    x = torch.randint(-255, 256, (1, conv.weight.shape[1], 9, 7))
    order = torch.randperm(x.shape[1])
    whole = conv.integer_weight()
    exact = _convolved(x, whole.long())
    assert torch.equal(conv(x.float()).long(), exact)
    permuted = functional.conv2d(x[:, order].float(), whole[:, order], padding=1)
    assert torch.equal(permuted.long(), exact)
    assert torch.equal(functional.conv2d(x.double(), whole.double(), padding=1).long(), exact)


def _convolved(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Convolve in 64-bit integers."""
    columns = functional.unfold(x.double(), 3, padding=1).long()
    flat = weight.flatten(1) @ columns[0]
    return flat.view(1, len(weight), *x.shape[2:])


def test_published_graphs_agree_with_torch_and_the_prior_to_the_last_bit(
    codec: PhotoCodec, tmp_path: Path
) -> None:
    for graph in graph_specs(codec):
        if graph.role not in ("low", "middle"):
            continue
        exported = export_graph(graph, tmp_path)
        run = load_graph_fn(exported.path)
        for case in exported.cases:
            got = run(case.inputs)
            for name, expected in case.outputs.items():
                np.testing.assert_array_equal(got[name], expected)


def test_the_loss_and_the_coder_use_the_same_parameters(codec: PhotoCodec) -> None:
    """Training sees all phases at once; a decoder, one after the other."""
    images = torch.rand(1, 3, 48, 56)
    quality = torch.tensor([1])
    latents = (codec.encode(images, quality) * LATENT_RESOLUTION).round() / LATENT_RESOLUTION
    side = codec.hyper_encode(latents).round()
    expected = codec.entropy_parameters(latents, side, quality)
    features = codec.side_prior(side, quality)[:, :, : latents.shape[2], : latents.shape[3]]
    size = codec.group_sizes[0]
    group, decoded = codec.priors[0], expected.decoded[:, :size]
    rows, columns = torch.meshgrid(
        torch.arange(latents.shape[2]), torch.arange(latents.shape[3]), indexing="ij"
    )
    corner = 2 * (rows % 2) + columns % 2
    seen = torch.zeros_like(decoded)
    for phase, corners in enumerate(group.phases):
        means, levels = group(group.context(features, None), seen, phase, quality)
        mask = torch.isin(corner, torch.tensor(corners))
        assert torch.equal(levels[..., mask], expected.levels[:, :size][..., mask])
        steps = (decoded - means)[..., mask] / 16
        assert torch.equal(steps, steps.round())
        seen = torch.where(mask, decoded, seen)
