"""Graphs that must never reach a session."""

import numpy as np
import pytest
from onnx import AttributeProto, ModelProto, TensorProto, helper

from inference import bundle, graph
from inference.refusal import BundleRefused
from tests.inference import onnx_files


def refusal_of(model: ModelProto | bytes) -> BundleRefused:
    with pytest.raises(BundleRefused) as refusal:
        bundle.check(onnx_files.linear_bundle(model))
    return refusal.value


def external(tensor: TensorProto, *, only_location: bool = False, only_entry: bool = False) -> TensorProto:
    if not only_entry:
        tensor.data_location = TensorProto.EXTERNAL
    if not only_location:
        entry = tensor.external_data.add()
        entry.key, entry.value = "location", "../.env"
    return tensor


def plain_tensor(name: str = "hidden") -> TensorProto:
    return helper.make_tensor(name, TensorProto.FLOAT, [1], [1.0])


def if_node(tensor: TensorProto):
    """An If whose branch holds the tensor as an initializer."""
    branch = helper.make_graph(
        [helper.make_node("Identity", ["hidden"], ["out"])],
        "branch",
        [],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, [1])],
        initializer=[tensor],
    )
    return helper.make_node("If", ["condition"], ["chosen"], then_branch=branch, else_branch=branch)


def with_external_initializer(**how) -> ModelProto:
    model = onnx_files.linear_model()
    external(model.graph.initializer[0], **how)
    return model


def with_external_attribute() -> ModelProto:
    model = onnx_files.linear_model()
    node = model.graph.node.add()
    node.op_type, node.output[:] = "Constant", ["unused"]
    node.attribute.append(helper.make_attribute("value", external(plain_tensor())))
    return model


def with_external_attribute_list() -> ModelProto:
    model = onnx_files.linear_model()
    attribute = AttributeProto(name="values", type=AttributeProto.TENSORS)
    attribute.tensors.append(external(plain_tensor()))
    model.graph.node[0].attribute.append(attribute)
    return model


def with_external_sparse(*, part: str) -> ModelProto:
    model = onnx_files.linear_model()
    values, indices = plain_tensor("values"), helper.make_tensor("indices", TensorProto.INT64, [1], [0])
    external(values if part == "values" else indices)
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [3]))
    return model


def with_external_in_subgraph() -> ModelProto:
    model = onnx_files.linear_model()
    model.graph.node.append(if_node(external(plain_tensor())))
    return model


def with_external_in_function(*, nested: bool) -> ModelProto:
    model = onnx_files.linear_model()
    if nested:
        node = if_node(external(plain_tensor()))
    else:
        node = helper.make_node("Constant", [], ["out"])
        node.attribute.append(helper.make_attribute("value", external(plain_tensor())))
    function = helper.make_function("mine", "F", ["condition"], ["out"], [node], [helper.make_opsetid("", 17)])
    model.functions.append(function)
    return model


def with_external_training_info() -> ModelProto:
    model = onnx_files.linear_model()
    info = model.training_info.add()
    info.algorithm.initializer.append(external(plain_tensor()))
    return model


@pytest.mark.parametrize(
    "model",
    [
        pytest.param(with_external_initializer(), id="initializer"),
        pytest.param(with_external_initializer(only_location=True), id="initializer-without-entry"),
        pytest.param(with_external_initializer(only_entry=True), id="initializer-without-location"),
        pytest.param(with_external_attribute(), id="attribute"),
        pytest.param(with_external_attribute_list(), id="attribute-list"),
        pytest.param(with_external_sparse(part="values"), id="sparse-values"),
        pytest.param(with_external_sparse(part="indices"), id="sparse-indices"),
        pytest.param(with_external_in_subgraph(), id="subgraph"),
        pytest.param(with_external_in_function(nested=False), id="function"),
        pytest.param(with_external_in_function(nested=True), id="function-subgraph"),
        pytest.param(with_external_training_info(), id="training-info"),
    ],
)
def test_tensor_kept_in_another_file_is_refused(model):
    assert refusal_of(model).code == "external_data"


def with_node(*args, domain: str = "", **attributes) -> ModelProto:
    model = onnx_files.linear_model()
    model.graph.node.append(helper.make_node(*args, domain=domain, **attributes))
    if domain:
        model.opset_import.append(helper.make_opsetid(domain, 1))
    return model


@pytest.mark.parametrize("domain", ["com.example", "com.microsoft.experimental", "ai.onnx.training", "ai.onnx.preview"])
def test_foreign_domain_is_refused(domain):
    refusal = refusal_of(with_node("Anything", ["numbers"], ["out"], domain=domain))

    assert refusal.code == "domain"
    assert domain in str(refusal)


@pytest.mark.parametrize(
    "operator", ["Loop", "Scan", "If", "SequenceConstruct", "RandomNormal", "Multinomial", "NonZero", "Unheard"]
)
def test_operator_off_the_list_is_refused(operator):
    refusal = refusal_of(with_node(operator, ["numbers"], ["out"]))

    assert refusal.code == "operator"
    assert operator in str(refusal)


def test_microsoft_operator_other_than_tokenizer_is_refused():
    assert refusal_of(with_node("FusedGemm", ["numbers"], ["out"], domain="com.microsoft")).code == "operator"


def test_long_tokenizer_pattern_is_refused():
    model = with_node(
        "Tokenizer",
        ["words"],
        ["out"],
        domain="com.microsoft",
        mark=0,
        mincharnum=1,
        pad_value="#",
        tokenexp="a?" * 100,
    )

    assert refusal_of(model).code == "pattern"


def test_model_with_functions_of_its_own_is_refused():
    model = onnx_files.linear_model()
    body = [helper.make_node("Identity", ["x"], ["y"])]
    model.functions.append(helper.make_function("", "Relu", ["x"], ["y"], body, [helper.make_opsetid("", 17)]))

    assert refusal_of(model).code == "functions"


@pytest.mark.parametrize(
    ("operator", "inputs"),
    [("ConstantOfShape", ["size"]), ("Expand", ["numbers", "size"]), ("Tile", ["numbers", "size"])],
)
@pytest.mark.parametrize("is_constant", [True, False])
def test_output_that_can_grow_without_bound_is_refused(operator, inputs, is_constant):
    model = with_node(operator, inputs, ["out"])
    if is_constant:
        model.graph.initializer.append(helper.make_tensor("size", TensorProto.INT64, [2], [1 << 20, 1 << 20]))

    assert refusal_of(model).code == "unbounded"


def test_small_constant_growth_is_allowed():
    model = with_node("Tile", ["numbers", "size"], ["out"])
    model.graph.initializer.append(helper.make_tensor("size", TensorProto.INT64, [2], [1, 4]))

    assert bundle.check(onnx_files.linear_bundle(model)).name == "test"


@pytest.mark.parametrize(("part", "is_admitted"), [({}, True), ({"start": 1}, False)])
def test_a_tensor_as_large_as_another_is_no_growth_and_as_a_part_of_its_size_may_be(part, is_admitted):
    model = with_node("ConstantOfShape", ["size"], ["out"])
    model.graph.node.insert(0, helper.make_node("Shape", ["numbers"], ["size"], **part))

    if is_admitted:
        assert bundle.check(onnx_files.linear_bundle(model)).name == "test"
    else:
        assert refusal_of(model).code == "unbounded"


def test_old_opset_is_refused():
    model = onnx_files.linear_model()
    model.opset_import[0].version = 7

    assert refusal_of(model).code == "opset"


def test_too_many_nodes_are_refused(monkeypatch):
    monkeypatch.setattr(graph, "MAX_NODES", 1)

    assert refusal_of(onnx_files.linear_model()).code == "too_many_nodes"


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_truncated_model_is_refused(share):
    content = onnx_files.linear_model().SerializeToString()

    assert refusal_of(content[: int(len(content) * share)]).code in {"model_unreadable", "model_invalid"}


@pytest.mark.parametrize("content", [b"\x80\x04\x95", b"PK\x03\x04", b"GIF89a", np.random.default_rng(0).bytes(5_000)])
def test_foreign_file_is_refused(content):
    assert refusal_of(content).code == "model_unreadable"


def test_invalid_graph_is_refused():
    model = onnx_files.linear_model()
    model.graph.node[0].input[0] = "nothing"

    assert refusal_of(model).code == "model_invalid"


def test_output_missing_in_the_graph_is_named():
    files = onnx_files.linear_bundle()

    with pytest.raises(BundleRefused, match="`other`"):
        bundle.check(onnx_files.with_json(files, outputs={"probabilities": "other"}))


@pytest.mark.parametrize("width", [2, 4])
def test_input_of_another_width_is_refused(width):
    model = onnx_files.linear_model()
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = width

    assert refusal_of(model).code == "inputs"


def test_input_the_manifest_does_not_know_is_refused():
    model = onnx_files.linear_model()
    model.graph.input.append(onnx_files.value("more", 1))

    assert refusal_of(model).code == "inputs"
