"""A graph that gives the vectors of similar cases itself."""

from dataclasses import replace

import numpy as np
import pytest
from onnx import TensorProto, helper

from inference import bundle, model, neighbours, novelty, predict
from inference.decode import Decoder
from inference.neighbours import Space
from inference.refusal import BundleRefused
from tests.inference import onnx_files

WIDE = 200
ROWS = onnx_files.random_rows(40)


def graph(width):
    draw = np.random.default_rng(5).normal(size=(3, width)).astype(np.float32)
    linear = onnx_files.linear_model()
    linear.graph.node.append(helper.make_node("MatMul", ["numbers", "turn"], ["embedding"]))
    linear.graph.initializer.append(helper.make_tensor("turn", TensorProto.FLOAT, [3, width], draw.ravel()))
    linear.graph.output.append(onnx_files.value("embedding", width))
    return linear, np.array([[row[name] for name in onnx_files.COLUMNS] for row in ROWS]) @ draw


def files(width=6):
    linear, given = graph(width)
    outputs = {"probabilities": "probabilities", "embedding": "embedding"}
    plain = onnx_files.linear_manifest(outputs=outputs)
    table = {name: [row[name] for row in ROWS] for name in onnx_files.COLUMNS}
    importance = dict.fromkeys(onnx_files.COLUMNS, 1.0)
    manifest = replace(plain, neighbours=neighbours.fit(table, plain, importance=importance, given=given))
    placed = Space(manifest).embed({}, given)
    manifest = replace(manifest, novelty=novelty.fit(placed, placed, own=np.arange(len(ROWS))))
    made = onnx_files.bundle_of(
        linear, onnx_files.linear_manifest(), rows=ROWS, probabilities=onnx_files.linear_probabilities(ROWS)
    )
    import json

    return {**made, "bundle.json": json.dumps(manifest.to_json()).encode()}, given


@pytest.mark.parametrize("width", [6, WIDE])
def test_vectors_are_the_models_own_at_the_scale_of_every_space(width):
    made, given = files(width)
    loaded = model.load(made)

    found = predict.predict(loaded, ROWS)

    assert found.embedding.shape == (40, 128)
    # Rows lie about one from the middle, and keep the distances that the model gives them.
    assert (found.embedding**2).sum(axis=1).mean() == pytest.approx(1.0, rel=0.3)
    true = np.linalg.norm(given[:1] - given[1:], axis=1)
    kept = np.linalg.norm(found.embedding[:1] - found.embedding[1:], axis=1)
    assert np.corrcoef(true, kept)[0, 1] > (0.99999 if width < 128 else 0.95)
    assert found.novelty.min() >= 0
    assert found.novelty.max() <= 1
    assert np.allclose(loaded.vectors(Decoder(loaded.manifest).feeds(ROWS)), found.embedding, atol=1e-6)


def test_probabilities_are_the_same_with_and_without_vectors():
    loaded = model.load(files()[0])

    with_vectors, without = (predict.predict(loaded, ROWS, with_embedding=asked) for asked in (True, False))

    assert (with_vectors.probabilities == without.probabilities).all()


def test_an_embedding_that_the_manifest_does_not_place_is_refused():
    made, _ = files()
    made["bundle.json"] = made["bundle.json"].replace(b'"embedding": {', b'"elsewhere": {')

    with pytest.raises(BundleRefused, match=r"neighbours\.embedding"):
        bundle.check(made)


def test_an_embedding_of_another_width_than_described_fails_the_rows():
    made, _ = files()
    other, _ = files(7)
    loaded = model.load({**made, "model.onnx": other["model.onnx"]})

    with pytest.raises(ValueError, match="did not give the vectors"):
        predict.predict(loaded, ROWS)
