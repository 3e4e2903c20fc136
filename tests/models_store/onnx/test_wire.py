import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from models_store.onnx.wire import has_external_data
from tests.models_store.tampering import external_tensor, save_graph


def _inline() -> onnx.TensorProto:
    return numpy_helper.from_array(np.eye(4, dtype=np.float32), "w")


def _in_initializer(tensor: onnx.TensorProto) -> bytes:
    return save_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], [tensor])


def _in_constant(tensor: onnx.TensorProto) -> bytes:
    constant = helper.make_node("Constant", [], ["w"], value=tensor)
    return save_graph([constant, helper.make_node("MatMul", ["x", "w"], ["y"])], [])


def _in_branch(tensor: onnx.TensorProto) -> bytes:
    value = helper.make_tensor_value_info("z", TensorProto.FLOAT, [4, 4])
    branch = helper.make_graph(
        [helper.make_node("Identity", ["w"], ["z"])], "branch", [], [value], [tensor]
    )
    choice = helper.make_node("If", ["c"], ["m"], then_branch=branch, else_branch=branch)
    condition = numpy_helper.from_array(np.array(1, bool), "c")
    return save_graph([choice, helper.make_node("MatMul", ["x", "m"], ["y"])], [condition])


def _in_function(tensor: onnx.TensorProto) -> bytes:
    function = helper.make_function(
        "own",
        "Multiply",
        ["a"],
        ["b"],
        [
            helper.make_node("Constant", [], ["w"], value=tensor),
            helper.make_node("MatMul", ["a", "w"], ["b"]),
        ],
        [helper.make_opsetid("", 17)],
    )
    node = helper.make_node("Multiply", ["x"], ["y"], domain="own")
    return save_graph([node], [], functions=[function])


_PLACES = [_in_initializer, _in_constant, _in_branch, _in_function]


@pytest.mark.parametrize("embed", _PLACES)
def test_a_tensor_of_another_file_is_found_wherever_it_stands(embed: object) -> None:
    assert callable(embed)
    assert has_external_data(embed(external_tensor("weights.bin")))
    assert not has_external_data(embed(_inline()))


def test_either_sign_of_another_file_is_enough() -> None:
    marked, named = external_tensor("weights.bin"), external_tensor("weights.bin")
    del marked.external_data[:]
    named.ClearField("data_location")
    assert has_external_data(_in_initializer(marked))
    assert has_external_data(_in_initializer(named))


def test_tensor_marked_as_internal_is_not_external() -> None:
    tensor = _inline()
    tensor.data_location = TensorProto.DEFAULT
    assert not has_external_data(_in_initializer(tensor))


def test_sparse_and_listed_tensors_are_searched() -> None:
    sparse = onnx.SparseTensorProto(values=external_tensor("weights.bin"), dims=[4, 4])
    graph = onnx.GraphProto(sparse_initializer=[sparse])
    assert has_external_data(onnx.ModelProto(graph=graph).SerializeToString())
    attribute = onnx.AttributeProto(tensors=[_inline(), external_tensor("weights.bin")])
    graph = onnx.GraphProto(node=[onnx.NodeProto(attribute=[attribute])])
    assert has_external_data(onnx.ModelProto(graph=graph).SerializeToString())


def test_weights_that_resemble_a_reference_are_accepted() -> None:
    # The bytes of a message are no message where they are a tensor's values, or a text.
    disguised = _in_initializer(external_tensor("weights.bin"))
    tensor = onnx.TensorProto(name="w", data_type=TensorProto.UINT8, raw_data=disguised)
    graph = onnx.GraphProto(initializer=[tensor], doc_string="\x70\x01")
    assert not has_external_data(onnx.ModelProto(graph=graph).SerializeToString())


def test_the_numbers_of_the_fields_are_those_of_onnx() -> None:
    # Read from onnx's own descriptors: every way from a model to a tensor must be walked.
    from models_store.onnx.wire import _NESTED_MESSAGES

    def ways(message: str) -> dict[int, str]:
        fields = getattr(onnx, message).DESCRIPTOR.fields
        return {
            field.number: field.message_type.name
            for field in fields
            if field.message_type is not None and field.message_type.name in _NESTED_MESSAGES
        }

    assert {message: ways(message) for message in _NESTED_MESSAGES} == _NESTED_MESSAGES
    numbers = onnx.TensorProto.DESCRIPTOR.fields_by_name
    assert (numbers["external_data"].number, numbers["data_location"].number) == (13, 14)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x3a\x05\x00", "longer than its message"),
        (b"\x3a", "a number is truncated"),
        (b"\xff" * 12, "a number is truncated"),
        (b"\x08\xff", "a number is truncated"),
        (b"\x0f", "unknown wire type 7"),
        (b"\x02\x00", "a field is numbered 0"),
        (b"\x0d\x00\x00", "longer than its message"),
    ],
)
def test_bytes_that_are_no_protobuf_message_are_rejected(content: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        has_external_data(content)


def test_every_truncation_of_a_graph_is_rejected_or_classified() -> None:
    whole = _in_initializer(_inline())
    judged = 0
    for size in range(len(whole)):
        try:
            assert not has_external_data(whole[:size])
            judged += 1
        except ValueError:
            continue
    assert 0 < judged < 10  # cuts between two fields of the model
