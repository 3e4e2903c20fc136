from models_store.onnx.errors import clean_message

# What onnxruntime-openvino 1.24.1 raises for a classifier of scikit-learn.
OPENVINO = """\
[ONNXRuntimeError] : 1 : FAIL : Exception during initialization: \
/onnxruntime/onnxruntime/core/providers/openvino/ov_interface.cc:28 \
auto onnxruntime::openvino_ep::OvExceptionBoundary(Func&&, std::format_string<Args ...>&&, \
Args&& ...) [with bool typed = false; Func = OVCore::CompileModel(std::shared_ptr<const \
ov::Model>&, std::string&, ov::AnyMap&, bool, const std::string&)::<lambda()>; Args = {const \
std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char> >&}; \
std::format_string<Args ...> = std::basic_format_string<char, const \
std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char> >&>] \
[OpenVINO-EP] Exception while Loading Network: Exception from src/inference/src/cpp/core.cpp:114:
Check '!shape.rank().is_dynamic()' failed at src/plugins/intel_cpu/src/node.cpp:106:
Unexpected: CPU plug-in doesn't support Parameter operation with dynamic rank.

"""


def test_template_arguments_and_signatures_do_not_hide_the_reason() -> None:
    message = clean_message(RuntimeError(OPENVINO))
    assert message.startswith("Exception during initialization: [OpenVINO-EP] Exception while")
    assert message.endswith("doesn't support Parameter operation with dynamic rank")
    assert "basic_string" not in message
    assert len(message) < 400
