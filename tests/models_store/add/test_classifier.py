"""`add --labels` builds the preprocessing that the options describe into the graph."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from models_store.add.classification import ClassifierOptions, add_preprocessing
from models_store.add.photos import read_photo
from models_store.add.rewrite import input_specs, set_tensors
from models_store.cli import app
from models_store.manifest import TensorSpec
from models_store.tasks import FixedImage
from models_store.verify import read_manifest
from service.codecs.images import decode_resized
from tests.command_line import exit_code
from tests.fakes.image_models import encode_png, solid_image
from tests.fakes.tensor_models import make_model
from tests.service.serving import running_app

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
COLORS = ["red", "green", "blue"]


def mean_color(
    layout: str = "nchw",
    *,
    dtype: int = TensorProto.FLOAT,
    softmax: bool = False,
    batch: int | str = "n",
    channels: int = 3,
    side: int | str = 8,
    name: str = "x",
) -> onnx.ModelProto:
    """Return a network whose logits are 4 times the means of the channels."""
    shape = [batch, channels, side, side] if layout == "nchw" else [batch, side, side, channels]
    axes = [2, 3] if layout == "nchw" else [1, 2]
    four = numpy_helper.from_array(np.array(4, helper.tensor_dtype_to_np_dtype(dtype)), "four")
    nodes = [
        helper.make_node("ReduceMean", [name], ["means"], axes=axes, keepdims=0),
        helper.make_node("Mul", ["means", "four"], ["logits"]),
    ]
    if softmax:
        nodes.append(helper.make_node("Softmax", ["logits"], ["y"], axis=1))
    output = "y" if softmax else "logits"
    values = {output: (dtype, [batch, channels])}
    return make_model(nodes, {name: (dtype, shape)}, values, [four], opset=13)


def expected(images_BHWC: NDArray[np.uint8], bgr: bool) -> NDArray[np.float64]:
    pixels = images_BHWC[..., ::-1] if bgr else images_BHWC
    logits = 4 * ((pixels / 255 - MEAN) / STD).mean((1, 2))
    exponentials = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(1, keepdims=True))


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
@pytest.mark.parametrize("channels", ["rgb", "bgr"])
@pytest.mark.parametrize("dtype", [TensorProto.FLOAT, TensorProto.FLOAT16])
def test_preprocessing_computes_what_numpy_does(layout: Any, channels: Any, dtype: int) -> None:
    # Its input already has the name that the contract requires for the pixels.
    model = mean_color(layout, dtype=dtype, name="images")
    options = ClassifierOptions(
        COLORS, mean=MEAN, std=STD, layout=layout, channels=channels, softmax=True
    )
    wrapped, task = add_preprocessing(model, input_specs(model, {}), options)
    images = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), np.uint8)
    specs = [TensorSpec(name="images", dtype="uint8", shape=("batch", 8, 8, 3))]
    session = onnxruntime.InferenceSession(set_tensors(wrapped, specs, ()).SerializeToString())
    (probabilities,) = session.run(["probabilities"], {"images": images})
    tolerance = 1e-5 if dtype == TensorProto.FLOAT else 1e-2
    assert probabilities == pytest.approx(expected(images, channels == "bgr"), abs=tolerance)
    assert task.image == FixedImage(width=8, height=8, mode="RGB", resize="crop")


Add = Callable[..., tuple[int, str, str]]


@pytest.fixture
def add(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Add:
    """Return a function that adds a classifier of colours: exit code, stdout and stderr."""
    (tmp_path / "labels.txt").write_text("red\ngreen\nblue\n")

    def add(model: onnx.ModelProto, *options: str) -> tuple[int, str, str]:
        (tmp_path / "net.onnx").write_bytes(model.SerializeToString())
        file, store = str(tmp_path / "net.onnx"), str(tmp_path / "store")
        labels = ("--name", "mine", "--labels", str(tmp_path / "labels.txt"))
        return exit_code(
            app, "--store", store, "add", file, *labels, *options
        ), *capsys.readouterr()

    return add


@pytest.mark.anyio
async def test_added_classifier_labels_photos_and_is_served(add: Add, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for index, name in enumerate(COLORS):
        color = [0, 0, 0]
        color[index] = 200
        image = encode_png(solid_image(30, 20, (color[0], color[1], color[2])))
        (photos / f"{name}.png").write_bytes(image)
    options = ("--mean", "0.485,0.456,0.406", "--std", "0.229,0.224,0.225", "--softmax")
    code, out, err = add(mean_color(batch=1), *options, "--samples", str(photos))
    assert (code, err) == (0, "")
    assert re.findall(r"sample      (\w+)\.png: (\w+) 1\.00", out) == [
        ("blue", "blue"), ("green", "green"), ("red", "red"),
    ]  # fmt: skip
    manifest = read_manifest(tmp_path / "store" / "mine" / "1")
    assert manifest.task.kind == "classification"
    assert manifest.golden.cases == 2
    async with running_app(tmp_path / "store") as client:
        content = (photos / "green.png").read_bytes()
        response: httpx.Response = await client.post("/v1/classify?top_k=1", content=content)
        (best,) = response.json()["results"][0]["predictions"]
        assert best["label"] == "green"


@pytest.mark.parametrize("rule", ["crop", "stretch", "pad"])
def test_photos_are_resized_as_the_service_does(tmp_path: Path, rule: Any) -> None:
    ramp = np.linspace(0, 255, 60 * 40 * 3).reshape(40, 60, 3).astype(np.uint8)
    (tmp_path / "ramp.png").write_bytes(encode_png(ramp))
    spec = FixedImage(width=16, height=16, mode="RGB", resize=rule)
    served = decode_resized(encode_png(ramp), spec, 10_000)
    ours = read_photo(tmp_path / "ramp.png", spec)
    assert np.abs(ours.astype(int) - served.astype(int)).mean() < 3


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        (mean_color(), (), "the outputs are not probabilities (a row sums to"),
        (mean_color(softmax=True), ("--softmax",), "probabilities already: leave out --softmax"),
        (mean_color(channels=1), ("--mean", "1,2,3"), "--mean has 3 values, but the graph takes"),
        (mean_color(channels=1), ("--softmax",), "there are 3 labels, but the graph returns 1"),
        (mean_color(channels=4), ("--layout", "nchw"), "images of 4 channels; only 1"),
        (mean_color(channels=4), (), "cannot tell which dimension of the input"),
        (mean_color(side="s"), (), "give --size, such as --size 224"),
        (mean_color(), ("--size", "16"), "--size is 16 × 16, but the graph takes 8 × 8"),
        (mean_color(), ("--size", "big"), "--size is 'big'; expected a number such as 224"),
        (mean_color(), ("--std", "0"), "--std must not contain 0"),
        (mean_color(), ("--scale", "x"), "--scale is 'x'; expected numbers such as"),
        (mean_color(), ("--scale", "1/0"), "--scale is '1/0'; expected numbers such as"),
        (mean_color(), ("--mean", "1e400"), "--mean is '1e400'; expected numbers such as"),
        (mean_color(), ("--std", "nan"), "--std is 'nan'; expected numbers such as"),
        (mean_color(), ("--samples", "none.jpg"), "there is no photo or folder none.jpg"),
        (mean_color(dtype=TensorProto.DOUBLE), (), "a classifier takes one input of four"),
    ],
)  # fmt: skip
def test_options_that_do_not_fit_the_graph_are_rejected(
    add: Add, tmp_path: Path, model: onnx.ModelProto, options: tuple[str, ...], message: str
) -> None:
    code, _, err = add(model, *options)
    assert code == 1
    assert message in err
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    ("text", "message"), [("one", "has 1 labels; it needs two"), ("a\n\nb", "line 2 of")]
)
def test_too_few_or_empty_labels_are_rejected(
    add: Add, tmp_path: Path, text: str, message: str
) -> None:
    (tmp_path / "labels.txt").write_text(text)
    assert message in add(mean_color())[2]
