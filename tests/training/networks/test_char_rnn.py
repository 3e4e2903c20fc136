from typing import Any

import pytest
import torch

from training.networks.char_rnn import CharRNN
from training.networks.recurrent import run_rnn

CELLS = ("lstm", "gru")
# Zaremba's count for an LSTM: four gates of inputs, hidden and two biases each; a GRU has three.
GATES = {"lstm": 4, "gru": 3}


def network(**fields: Any) -> CharRNN:
    torch.manual_seed(0)
    settings = {"layers": 2, "hidden": 16, "embedding": 8, "vocabulary": 11, **fields}
    return CharRNN.Config.model_validate(settings).build()


def tokens(batch: int = 3, time: int = 7) -> torch.Tensor:
    return torch.randint(11, (batch, time), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(("batch", "time"), [(1, 1), (3, 7), (2, 1)])
def test_every_character_gets_logits_and_the_state_keeps_its_shape(
    cell: str, batch: int, time: int
) -> None:
    logits, state = network(cell=cell)(tokens(batch, time))
    assert logits.shape == (batch, time, 11)
    assert [part.shape for part in state] == [(2, batch, 16)] * (2 if cell == "lstm" else 1)


@pytest.mark.parametrize("cell", CELLS)
def test_parameters_are_as_many_as_the_equations_have(cell: str) -> None:
    count = sum(parameter.numel() for parameter in network(cell=cell).parameters())
    layers = GATES[cell] * 16 * ((8 + 16 + 2) + (16 + 16 + 2))
    assert count == 11 * 8 + layers + 16 * 11 + 11


@pytest.mark.parametrize("cell", CELLS)
def test_a_text_in_parts_is_the_text_in_one(cell: str) -> None:
    net, text = network(cell=cell).eval(), tokens()
    with torch.inference_mode():
        whole, last = net(text)
        state, parts = None, []
        for part in torch.split(text, [1, 4, 2], 1):
            logits, state = net(part, state)
            parts.append(logits)
    torch.testing.assert_close(torch.cat(parts, 1), whole)
    torch.testing.assert_close(state, last)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("weight_drop", [0.0, 0.3])
def test_every_parameter_gets_a_gradient(cell: str, weight_drop: float) -> None:
    net = network(cell=cell, dropout=0.2, weight_drop=weight_drop).train()
    net(tokens())[0].square().sum().backward()
    idle = [name for name, p in net.named_parameters() if p.grad is None or not p.grad.any()]
    assert idle == []


@pytest.mark.parametrize("cell", CELLS)
def test_dropped_weights_are_dropped_in_training_alone(cell: str) -> None:
    net = network(cell=cell, weight_drop=0.5)
    plain = network(cell=cell)
    plain.load_state_dict(net.state_dict())
    text = tokens()
    torch.testing.assert_close(net.eval()(text)[0], plain.eval()(text)[0])
    assert not torch.allclose(net.train()(text)[0], net(text)[0])


@pytest.mark.parametrize("cell", CELLS)
def test_weight_drop_of_probability_zero_computes_what_the_layers_compute(cell: str) -> None:
    net = network(cell=cell)
    embedded = net.embedding(tokens())
    dropping = run_rnn(net.rnn, embedded, weight_drop=1e-12)
    torch.testing.assert_close(dropping, run_rnn(net.rnn, embedded))


def test_forget_gates_start_open() -> None:
    rnn = network().rnn
    for layer in range(2):
        biases = [getattr(rnn, f"bias_{kind}_l{layer}")[16:32] for kind in ("ih", "hh")]
        assert torch.equal(sum(biases), torch.ones(16))


def test_a_network_without_a_text_needs_a_vocabulary() -> None:
    with pytest.raises(ValueError, match=r"network\.vocabulary"):
        network(vocabulary=None)
