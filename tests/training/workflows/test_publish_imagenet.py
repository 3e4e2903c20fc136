"""Weights of other people's making, through the real export and the real service."""

import io
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_sample_image
from torch import nn
from torchvision.models import MobileNet_V2_Weights, mobilenet_v2, resnet18
from torchvision.transforms.functional import pil_to_tensor

from models_store.tasks import Classification
from models_store.verify import read_manifest
from tests.service.serving import running_app
from training.cli.main import app
from training.workflows.publish_imagenet import publish_pretrained

pytestmark = pytest.mark.anyio

WEIGHTS = MobileNet_V2_Weights.IMAGENET1K_V1


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(0)
    network: nn.Module = mobilenet_v2().eval()
    with torch.no_grad():  # random ones say the same of every image: let them be of some opinion
        network.get_parameter("classifier.1.weight").mul_(40)
    return network


@pytest.fixture(scope="module")
def version(network: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("pretrained")
    torch.save(network.state_dict(), home / "weights.pth")
    return publish_pretrained("mobilenet_v2", home / "store", home / "weights.pth")


async def test_service_predicts_what_torchvision_predicts(
    version: Path, network: nn.Module
) -> None:
    photograph = Image.fromarray(load_sample_image("china.jpg")[50:306, 100:356])
    with torch.inference_mode():
        expected = network(WEIGHTS.transforms()(pil_to_tensor(photograph))[None]).softmax(1)[0]
    file = io.BytesIO()
    photograph.save(file, "PNG")
    async with running_app(version.parents[1]) as client:
        response = await client.post("/v1/classify?top_k=1000", content=file.getvalue())
    document = response.json()
    assert document["model"] == "mobilenet-imagenet"
    predictions = document["results"][0]["predictions"]
    assert len(predictions) == 1000
    assert predictions[0]["index"] == int(expected.argmax())
    for prediction in predictions:
        assert prediction["label"] == WEIGHTS.meta["categories"][prediction["index"]]
        assert prediction["probability"] == pytest.approx(
            float(expected[prediction["index"]]), abs=2e-3
        )


def test_card_names_the_weights_and_states_no_metric(version: Path) -> None:
    manifest = read_manifest(version)
    assert isinstance(manifest.task, Classification)
    assert manifest.task.labels == tuple(WEIGHTS.meta["categories"])
    assert (manifest.task.image.width, manifest.task.image.resize) == (256, "crop")
    assert manifest.parameters == 3_504_872
    assert manifest.metrics == ()
    assert manifest.data[0].title.endswith("weights.pth (hash of the file)")
    assert str(version.parents[2]) not in manifest.model_dump_json()
    assert manifest.provenance.command.endswith("mobilenet_v2 --weights-path weights.pth")
    with Image.open(version / "preview.png") as preview:
        assert np.asarray(preview.convert("L")).std() > 30


def _fails(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as exit_:
        app(["publish-pretrained", *arguments])
    assert exit_.value.code
    return " ".join(capsys.readouterr().err.split())


def test_error_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store, path = ["--store", str(tmp_path / "store")], tmp_path / "resnet.pth"
    torch.save(resnet18().state_dict(), path)
    predictions = _fails(["mobilenet_v2", "--weights-path", "nowhere.pth", *store], capsys)
    assert "there are no weights at nowhere.pth (--weights-path)" in predictions
    predictions = _fails(["mobilenet_v2", "--weights-path", str(path), *store], capsys)
    assert "resnet.pth does not fit this network: features.0.0.weight is missing" in predictions
    tensorflow = ["--preprocessing", "tensorflow", *store]
    predictions = _fails(["resnet18", "--weights-path", str(path), *tensorflow], capsys)
    assert "preprocessing tensorflow is for the mobilenets" in predictions
    assert not (tmp_path / "store").exists()


def test_missing_weights_name_the_file_to_download(
    data_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def offline(*_: object, **__: object) -> None:
        raise URLError("no route to host")

    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    predictions = _fails(["resnet50", "--store", str(data_home / "store")], capsys)
    assert "no route to host" in predictions
    assert "downloading https://download.pytorch.org/models/resnet50-" in predictions
    assert predictions.endswith("or set --weights-path")
