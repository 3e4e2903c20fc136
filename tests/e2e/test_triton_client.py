"""The real `tritonclient[http]` against the real service on a real socket."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput
from tritonclient.utils import InferenceServerException

from models_store.layout import version_dir
from models_store.onnx.runtime import load_graph_fn
from tests.e2e.server import Server, running_server
from tests.fakes.factorized_codec import SIDE, FakeFactorizedCodec, publish_factorized_codec
from tests.fakes.image_models import BoxBlurDenoiser, MeanColorClassifier, publish_image_model
from tests.fakes.text_model import (
    VOCABULARY,
    AlphabetModel,
    RandomLstmModel,
    publish_text_model,
    publish_text_model_with_int8,
)

KEY = "an administrator's key"
ADMIN = {"Authorization": f"Bearer {KEY}"}

Array = NDArray[np.generic]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    publish_image_model(folder, "paint", MeanColorClassifier())
    publish_image_model(folder, "paint", MeanColorClassifier(sharpness=20.0))
    publish_image_model(folder, "all-paint", MeanColorClassifier(members=3))
    publish_image_model(folder, "blur", BoxBlurDenoiser(reach=1))
    publish_factorized_codec(folder, "squeeze", FakeFactorizedCodec(step=2))
    publish_text_model(folder, "alphabet", AlphabetModel())
    publish_text_model(folder, "babble", RandomLstmModel())
    publish_text_model_with_int8(folder, "twofold", tmp_path_factory.mktemp("other"))
    return folder


@pytest.fixture(scope="module")
def server(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    log = tmp_path_factory.mktemp("log") / "log"
    settings = {
        "max_body_bytes": 400_000,
        "max_images": 4,
        "max_concurrent_generations": 8,
        "store_poll_interval_s": 0,
    }
    with running_server(store, log, admin_key=KEY, max_prompt_chars=50, **settings) as server:
        yield server


@pytest.fixture
def client(server: Server) -> Iterator[InferenceServerClient]:
    with InferenceServerClient(f"127.0.0.1:{server.port}") as client:
        yield client


def sent(name: str, array: Array, datatype: str, *, binary: bool = True) -> InferInput:
    tensor = InferInput(name, list(array.shape), datatype)
    tensor.set_data_from_numpy(array, binary_data=binary)
    return tensor


def random_images(count: int, *shape: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (count, *shape), np.uint8)


def rejected(client: InferenceServerClient, model: str, *inputs: InferInput, **more: object) -> str:
    with pytest.raises(InferenceServerException) as raised:
        client.infer(model, list(inputs), **more)
    assert raised.value.status() == "400"
    message = raised.value.message()
    assert isinstance(message, str)
    return message


def test_server_metadata(client: InferenceServerClient) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    reported = client.get_server_metadata()
    assert reported["name"] == "deepshelf"
    assert {"binary_tensor_data", "model_repository", "statistics"} <= set(reported["extensions"])


def test_model_metadata_lists_inputs_and_outputs(client: InferenceServerClient) -> None:
    assert client.get_model_metadata("paint") == {
        "name": "paint",
        "versions": ["1", "2"],
        "platform": "onnxruntime_onnx",
        "inputs": [{"name": "images", "datatype": "UINT8", "shape": [-1, 8, 8, 3]}],
        "outputs": [{"name": "probabilities", "datatype": "FP32", "shape": [-1, 3]}],
    }
    config = client.get_model_config("paint", "1")
    assert (config["name"], config["max_batch_size"]) == ("paint", 4)
    assert config["input"] == [{"name": "images", "data_type": "TYPE_UINT8", "dims": [8, 8, 3]}]
    step = client.get_model_config("babble.step")
    assert step["max_batch_size"] == 0
    assert step["input"][1] == {"name": "hidden", "data_type": "TYPE_FP32", "dims": [1, -1, 24]}


def test_readiness_is_per_model_and_version(client: InferenceServerClient) -> None:
    assert client.is_model_ready("paint")
    assert client.is_model_ready("paint", "2")
    assert client.is_model_ready("squeeze.decoder", "1")
    assert not client.is_model_ready("paint", "3")
    assert not client.is_model_ready("paint", "x")
    assert not client.is_model_ready("nobody")
    assert not client.is_model_ready("paint.decoder")


@pytest.mark.parametrize("binary", [True, False])
def test_images_are_classified(client: InferenceServerClient, store: Path, binary: bool) -> None:
    images = random_images(3, 8, 8, 3)
    outputs_requested = [InferRequestedOutput("probabilities", binary_data=binary)]
    response = client.infer(
        "paint",
        [sent("images", images, "UINT8", binary=binary)],
        "1",
        outputs_requested,
        request_id="seven",
    )
    run = load_graph_fn(version_dir(store, "paint", 1) / "model.onnx")
    expected = run({"images": images})["probabilities"]
    assert np.allclose(response.as_numpy("probabilities"), expected.astype(float), rtol=1e-6)
    reported = response.get_response()
    assert (reported["id"], reported["model_name"], reported["model_version"]) == (
        "seven",
        "paint",
        "1",
    )


def test_default_is_the_highest_version_with_all_outputs(
    client: InferenceServerClient,
) -> None:
    images = sent("images", random_images(2, 8, 8, 3), "UINT8")
    assert client.infer("paint", [images]).get_response()["model_version"] == "2"
    response = client.infer("all-paint", [images])
    assert response.as_numpy("probabilities").shape == (2, 3)
    assert response.as_numpy("members").shape == (2, 3, 3)


@pytest.mark.parametrize("binary", [True, False])
def test_classification_extension_returns_labels(
    client: InferenceServerClient, binary: bool
) -> None:
    images = np.zeros((2, 8, 8, 3), np.uint8)
    images[0, ..., 1] = images[1, ..., 2] = 255
    outputs_requested = [InferRequestedOutput("probabilities", binary_data=binary, class_count=2)]
    response = client.infer("paint", [sent("images", images, "UINT8")], outputs=outputs_requested)
    best = response.as_numpy("probabilities")
    first = [text.decode() if isinstance(text, bytes) else text for text in best[:, 0]]
    assert [text.split(":")[1:] for text in first] == [["1", "green"], ["2", "blue"]]
    assert best.shape == (2, 2)


def test_a_denoiser_takes_any_size_that_it_can(client: InferenceServerClient, store: Path) -> None:
    noisy = random_images(2, 12, 20, 1)
    response = client.infer("blur", [sent("images", noisy, "UINT8")])
    run = load_graph_fn(version_dir(store, "blur", 1) / "model.onnx")
    assert np.array_equal(response.as_numpy("denoised"), run({"images": noisy})["denoised"])
    odd = rejected(client, "blur", sent("images", random_images(1, 13, 20, 1), "UINT8"))
    assert "multiples of 4" in odd
    large = rejected(client, "blur", sent("images", random_images(1, 36, 32, 1), "UINT8"))
    assert "1024 pixels" in large


@pytest.mark.parametrize("binary", [True, False])
def test_an_encoder_and_its_decoder_are_two_models(
    client: InferenceServerClient, binary: bool
) -> None:
    images = random_images(2, SIDE, SIDE, 1)
    outputs_requested = [InferRequestedOutput("latents", binary_data=binary)]
    encoded = client.infer(
        "squeeze", [sent("images", images, "UINT8", binary=binary)], outputs=outputs_requested
    )
    latents = encoded.as_numpy("latents")
    assert latents.dtype == np.int16
    decoded = client.infer("squeeze.decoder", [sent("latents", latents, "INT16", binary=binary)])
    assert np.array_equal(
        decoded.as_numpy("images"), FakeFactorizedCodec(step=2).expected_reconstruction(images)
    )


@pytest.mark.parametrize("binary", [True, False])
def test_a_step_graph_takes_tokens_and_states(
    client: InferenceServerClient, store: Path, binary: bool
) -> None:
    random = np.random.default_rng(0)
    given: dict[str, Array] = {
        "tokens": random.integers(0, len(VOCABULARY), (3, 5)),
        "hidden": random.standard_normal((1, 3, 24)).astype(np.float32),
        "cell": random.standard_normal((1, 3, 24)).astype(np.float32),
    }
    inputs = [
        sent(name, array, "INT64" if name == "tokens" else "FP32", binary=binary)
        for name, array in given.items()
    ]
    response = client.infer("babble.step", inputs)
    expected = load_graph_fn(version_dir(store, "babble", 1) / "step.onnx")(given)
    for name, array in expected.items():
        assert np.allclose(response.as_numpy(name), array.astype(float), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("binary", [True, False])
def test_texts_go_in_and_out_as_bytes(client: InferenceServerClient, binary: bool) -> None:
    prompts = np.array([b"abc", "é".encode()], object)
    outputs_requested = [
        InferRequestedOutput(n, binary) for n in ("text_output", "finish_reason", "seed")
    ]
    response = client.infer(
        "alphabet",
        [sent("text_input", prompts, "BYTES", binary=binary)],
        outputs=outputs_requested,
        parameters={"max_chars": 3, "temperature": 0, "seed": 5},
    )
    texts = [t.decode() if isinstance(t, bytes) else t for t in response.as_numpy("text_output")]
    assert texts == ["def", "€😀\n"]
    assert response.as_numpy("seed").tolist() == [5, 6]
    assert response.as_numpy("finish_reason").astype(str).tolist() == ["length", "length"]


def test_a_request_chooses_the_precision(client: InferenceServerClient) -> None:
    tokens = sent("tokens", np.array([[1]]), "INT64")
    count = sent("count", np.zeros((1, 1, 1), np.float32), "FP32")
    prompt = sent("text_input", np.array([b"a"], object), "BYTES")
    for requested, reported, sure in (
        (None, "int8", 49.97),
        ("int8", "int8", 49.97),
        ("fp32", "fp32", 50),
    ):
        more: dict[str, object] = {} if requested is None else {"precision": requested}
        response = client.infer("twofold.step", [tokens, count], parameters=more)
        assert response.get_response()["parameters"] == {"precision": reported}
        assert response.as_numpy("logits").max() == pytest.approx(sure, abs=1e-3)
        text = client.infer("twofold", [prompt], parameters={**more, "max_chars": 2})
        assert text.get_response()["parameters"] == {"precision": reported}
        assert text.as_numpy("text_output").tolist() == [b"bc"]
    only = client.infer("alphabet", [prompt], parameters={"precision": "fp32"})
    assert "parameters" not in only.get_response()


def test_unknown_precision_is_rejected(client: InferenceServerClient) -> None:
    prompt = sent("text_input", np.array([b"a"], object), "BYTES")
    images = sent("images", random_images(1, 8, 8, 3), "UINT8")
    for model, tensor in (("alphabet", prompt), ("paint", images)):
        assert "accepted: fp32, int8" in rejected(
            client, model, tensor, parameters={"precision": "bf16"}
        )
        assert f"precision is int8; {model}" in rejected(
            client, model, tensor, parameters={"precision": "int8"}
        )


@pytest.mark.parametrize("request_coding", [None, "gzip", "deflate"])
@pytest.mark.parametrize("response_coding", [None, "gzip", "deflate"])
@pytest.mark.parametrize("binary", [True, False])
def test_bodies_are_compressed_both_ways(
    client: InferenceServerClient, request_coding: str, response_coding: str, binary: bool
) -> None:
    images = random_images(1, 12, 16, 1)
    response = client.infer(
        "blur",
        [sent("images", images, "UINT8", binary=binary)],
        outputs=[InferRequestedOutput("denoised", binary)],
        request_compression_algorithm=request_coding,
        response_compression_algorithm=response_coding,
    )
    assert response.as_numpy("denoised").shape == (1, 12, 16, 1)


def test_wrong_tensors_are_rejected_with_the_requirement(client: InferenceServerClient) -> None:
    images = random_images(1, 8, 8, 3)
    good = sent("images", images, "UINT8")
    assert "expected UINT8" in rejected(
        client, "paint", sent("images", images.astype(np.float32), "FP32")
    )
    assert "expected [batch, 8, 8, 3]" in rejected(
        client, "paint", sent("images", images[0], "UINT8")
    )
    assert "expected [batch, 8, 8, 3]" in rejected(
        client, "paint", sent("images", images[:, :7], "UINT8")
    )
    assert "required: 'images', each once" in rejected(client, "paint", good, good)
    assert "required: 'images'" in rejected(client, "paint", sent("picture", images, "UINT8"))
    assert "the batch has 5 rows; the limit is 4" in rejected(
        client, "paint", sent("images", random_images(5, 8, 8, 3), "UINT8")
    )
    assert "outputs: probabilities" in rejected(
        client, "paint", good, outputs=[InferRequestedOutput("logits")]
    )
    assert "shape.1: must be at least 1" in rejected(
        client, "paint", sent("images", images[:, :0], "UINT8")
    )


def test_invalid_inputs_of_a_step_graph_are_rejected(client: InferenceServerClient) -> None:
    tokens = np.array([[1, 2]])
    state = np.zeros((1, 1, 24), np.float32)

    def step(tokens: Array = tokens, hidden: Array = state, cell: Array = state) -> str:
        return rejected(
            client,
            "babble.step",
            sent("tokens", tokens, "INT64"),
            sent("hidden", hidden, "FP32"),
            sent("cell", cell, "FP32"),
        )

    assert "tokens are 1 to 30; they must be 0 to 29" in step(np.array([[1, 30]]))
    assert "tokens are -1 to 2" in step(np.array([[-1, 2]]))
    assert "NaN" in step(hidden=np.full_like(state, np.nan))
    assert "where batch = 1" in step(cell=np.zeros((1, 2, 24), np.float32))
    assert "60 steps in total; the limit is 50" in step(np.ones((1, 60), np.int64))


def test_wrong_text_inputs_are_rejected_with_the_requirement(client: InferenceServerClient) -> None:
    def rejection(*prompts: bytes, **parameters: object) -> str:
        tensor = sent("text_input", np.array(prompts, object), "BYTES")
        return rejected(client, "alphabet", tensor, parameters=parameters)

    assert "'A' (U+0041)" in rejection(b"A")
    assert "not UTF-8" in rejection(b"\xff")
    assert "51 characters; the limit is 50" in rejection(b"a" * 51)
    assert "9 texts are requested; one request may ask for 1 to 8" in rejection(*[b"a"] * 9)
    assert "parameters.temperature" in rejection(b"a", temperature=3)
    assert "unknown parameter 'temprature'; did you mean 'temperature'?" in rejection(
        b"a", temprature=1
    )


def test_unsupported_extensions_are_reported(client: InferenceServerClient) -> None:
    images = sent("images", random_images(1, 8, 8, 3), "UINT8")
    assert "sequences are not supported" in rejected(
        client, "paint", images, sequence_id=3, sequence_start=True
    )
    shared = InferInput("images", [1, 8, 8, 3], "UINT8")
    shared.set_shared_memory("region", 192)
    assert "shared memory is not supported" in rejected(client, "paint", shared)
    for rejection in (
        client.get_system_shared_memory_status,
        client.get_cuda_shared_memory_status,
        client.get_trace_settings,
        client.get_log_settings,
        lambda: client.get_trace_settings("paint"),
        lambda: client.register_system_shared_memory("region", "/key", 8),
        lambda: client.update_log_settings({"log_info": True}),
    ):
        with pytest.raises(InferenceServerException, match="this server has no extension for"):
            rejection()


def test_unknown_model_error_lists_the_models(client: InferenceServerClient) -> None:
    for rejection in (
        client.get_model_metadata,
        client.get_model_config,
        client.get_inference_statistics,
    ):
        with pytest.raises(InferenceServerException, match="models: all-paint") as raised:
            rejection("nobody")
        assert raised.value.status() == "404"
    with pytest.raises(InferenceServerException, match=r"available: squeeze, squeeze\.decoder"):
        client.get_model_metadata("squeeze.step")
    with pytest.raises(InferenceServerException, match="paint has no version 7"):
        client.get_model_metadata("paint", "7")


def test_statistics_count_requests(client: InferenceServerClient) -> None:
    images = sent("images", random_images(3, SIDE, SIDE, 1), "UINT8")

    def counted() -> tuple[int, int, int, int]:
        (reported,) = client.get_inference_statistics("squeeze", "1")["model_stats"]
        stats = reported["inference_stats"]
        assert stats["compute_infer"]["count"] == stats["success"]["count"]
        assert stats["success"]["ns"] >= stats["compute_infer"]["ns"]
        return (
            reported["inference_count"], reported["execution_count"], stats["success"]["count"],
            stats["fail"]["count"],
        )  # fmt: skip

    before = counted()
    client.infer("squeeze", [images])
    rejected(client, "squeeze", images, images)
    after = counted()
    assert [b - a for a, b in zip(before, after, strict=True)] == [3, 3, 1, 1]
    every = client.get_inference_statistics()["model_stats"]
    named = {reported["name"] for reported in every}
    assert {"squeeze", "paint", "babble.step"} <= named  # loaded or not, as in Triton


def test_the_index_lists_everything(client: InferenceServerClient) -> None:
    index = client.get_model_repository_index()
    assert {"name": "paint", "version": "2", "state": "READY", "reason": ""} in index
    assert {"squeeze", "squeeze.decoder", "babble", "babble.step"} <= {m["name"] for m in index}


def test_the_administrator_unloads_and_loads(client: InferenceServerClient) -> None:
    images = sent("images", random_images(1, 8, 8, 3), "UINT8")
    client.unload_model("all-paint", headers=ADMIN)
    assert not client.is_model_ready("all-paint")
    with pytest.raises(InferenceServerException, match="unloaded by the administrator") as raised:
        client.infer("all-paint", [images])
    assert raised.value.status() == "503"
    (entry,) = [m for m in client.get_model_repository_index() if m["name"] == "all-paint"]
    assert (entry["state"], entry["reason"]) == ("UNAVAILABLE", "unloaded by the administrator")
    client.load_model("all-paint", headers={"X-API-Key": KEY})
    assert client.infer("all-paint", [images]).as_numpy("probabilities").shape == (1, 3)


def test_other_keys_are_rejected(client: InferenceServerClient) -> None:
    for headers in (None, {"Authorization": "Bearer wrong"}, {"X-API-Key": "wrong"}):
        for act in (client.load_model, client.unload_model):
            with pytest.raises(InferenceServerException, match="administrator's key") as raised:
                act("paint", headers=headers)
            assert raised.value.status() == "401"
    with pytest.raises(InferenceServerException, match="there is no model 'nobody'"):
        client.load_model("nobody", headers=ADMIN)
    with pytest.raises(InferenceServerException, match="'config' is not supported"):
        client.load_model("paint", headers=ADMIN, config="{}")


def test_concurrent_requests_get_their_own_responses(server: Server) -> None:
    with InferenceServerClient(f"127.0.0.1:{server.port}", concurrency=4) as client:
        requested = [np.full((1, 4, 4, 1), value, np.uint8) for value in range(12)]
        pending = [client.async_infer("blur", [sent("images", a, "UINT8")]) for a in requested]
        for given, request in zip(requested, pending, strict=True):
            middle = request.get_result().as_numpy("denoised")[0, 1, 1, 0]
            assert middle == given[0, 0, 0, 0]
