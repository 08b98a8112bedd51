"""Makes the exports in this folder: what other people's tools write, and what the models themselves answer.

In an environment of its own, for none of it is needed to run the product or its tests:
    python make.py trees    # xgboost-cpu lightgbm scikit-learn skl2onnx onnxmltools mlflow-skinny pandas onnx
    python make.py torch    # torch onnx onnxscript scikit-learn
"""

import io
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
ROWS = 40
COLUMNS = ("sepal_length", "sepal_width", "petal_length", "petal_width")
SPECIES = ("setosa", "versicolor", "virginica")


def write(name: str, graph: bytes, *, manifest: dict[str, Any], rows: list[dict[str, Any]], answers: Any) -> None:
    """One export: the graph, its small manifest, rows and the model's own probabilities for them."""
    (HERE / f"{name}.onnx").write_bytes(graph)
    about = {
        "manifest": {"name": name, "licence": "CC0-1.0", **manifest},
        "rows": rows,
        "probabilities": np.asarray(answers, dtype=float).round(9).tolist(),
    }
    (HERE / f"{name}.json").write_text(json.dumps(about, indent=None, separators=(",", ":")) + "\n")
    sys.stdout.write(f"{name} {len(graph)}\n")


def flowers() -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import load_iris

    found = load_iris()
    order = np.random.default_rng(0).permutation(len(found.target))
    return found.data[order].astype(np.float32), found.target[order]


def as_rows(data: np.ndarray) -> list[dict[str, float]]:
    return [dict(zip(COLUMNS, map(float, row), strict=True)) for row in data[:ROWS]]


def floats(names: tuple[str, ...] = COLUMNS) -> list[dict[str, str]]:
    return [{"name": name, "dtype": "float"} for name in names]


def scikit_forests() -> None:
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType
    from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier

    data, target = flowers()
    three = {"classes": list(SPECIES), "columns": floats()}
    forest = RandomForestClassifier(5, max_depth=3, random_state=0).fit(data, target)
    graph = to_onnx(forest, initial_types=[("X", FloatTensorType([None, 4]))], options={"zipmap": False})
    write(
        "sklearn_forest",
        graph.SerializeToString(),
        manifest=three,
        rows=as_rows(data),
        answers=forest.predict_proba(data[:ROWS]),
    )

    named = np.array(SPECIES)[target]
    boosted = GradientBoostingClassifier(n_estimators=5, max_depth=2, random_state=0).fit(data, named)
    graph = to_onnx(boosted, initial_types=[("X", FloatTensorType([None, 4]))])
    # The classes are declared in another order than the model's.
    other = {"classes": ["virginica", "setosa", "versicolor"], "columns": floats()}
    write(
        "sklearn_boosting_zipmap",
        graph.SerializeToString(),
        manifest=other,
        rows=as_rows(data),
        answers=boosted.predict_proba(data[:ROWS])[:, [2, 0, 1]],
    )


def scikit_nets() -> None:
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import DoubleTensorType
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    data, target = flowers()
    net = make_pipeline(StandardScaler(), MLPClassifier((6,), max_iter=300, random_state=0)).fit(
        data.astype(float), target
    )
    graph = to_onnx(net, initial_types=[("X", DoubleTensorType([None, 4]))], options={"zipmap": "columns"})
    columns = {"classes": list(SPECIES), "columns": floats()}
    write(
        "sklearn_net_zipmap_columns",
        graph.SerializeToString(),
        manifest=columns,
        rows=as_rows(data),
        answers=net.predict_proba(data[:ROWS].astype(float)),
    )
    graph = to_onnx(net, initial_types=[("X", DoubleTensorType([None, 4]))], options={"zipmap": False})
    write(
        "sklearn_net_double",
        graph.SerializeToString(),
        manifest=columns,
        rows=as_rows(data),
        answers=net.predict_proba(data[:ROWS].astype(float)),
    )


def payments() -> tuple[Any, np.ndarray, dict[str, Any], list[dict[str, Any]]]:
    """Words and numbers: a frame, its labels, the manifest, the first rows."""
    import pandas as pd

    draw = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "Paid by": draw.choice(["card", "cash", "invoice"], 200),
            "country": draw.choice(["de", "fr", "pl"], 200),
            "amount": draw.normal(50, 20, 200).astype(np.float32),
            "age": draw.normal(40, 10, 200).astype(np.float32),
        }
    )
    fraud = np.where(
        (frame["amount"] + 15 * (frame["Paid by"] == "card") + draw.normal(0, 10, 200)) > 62, "fraud", "fine"
    )
    manifest = {
        "classes": ["fine", "fraud"],
        "columns": [
            {"name": "Paid by", "dtype": "category", "values": ["card", "cash", "invoice"]},
            {"name": "country", "dtype": "text"},
            {"name": "amount", "dtype": "float", "minimum": -50},
            {"name": "age", "dtype": "float"},
        ],
    }
    rows = json.loads(frame[:ROWS].to_json(orient="records", double_precision=15))
    rows = [{**row, "amount": float(frame["amount"][i]), "age": float(frame["age"][i])} for i, row in enumerate(rows)]
    return frame, fraud, manifest, rows


def scikit_pipelines() -> None:
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType
    from sklearn.compose import ColumnTransformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    frame, fraud, manifest, rows = payments()
    words, numbers = ["Paid by", "country"], ["amount", "age"]
    prepare = ColumnTransformer(
        [("w", OneHotEncoder(handle_unknown="ignore"), words), ("n", StandardScaler(), numbers)]
    )
    linear = make_pipeline(prepare, LogisticRegression()).fit(frame, fraud)
    types = [(name, StringTensorType([None, 1])) for name in words] + [
        (name, FloatTensorType([None, 1])) for name in numbers
    ]
    graph = to_onnx(linear, initial_types=types)
    write(
        "sklearn_mixed_zipmap",
        graph.SerializeToString(),
        manifest=manifest,
        rows=rows,
        answers=linear.predict_proba(frame[:ROWS]),
    )

    # Two tensors: texts in the one, numbers in the other.
    by_place = ColumnTransformer(
        [("w", OneHotEncoder(handle_unknown="ignore"), [0, 1]), ("n", StandardScaler(), [2, 3])]
    )
    grouped = make_pipeline(by_place, LogisticRegression()).fit(frame.to_numpy(dtype=object), fraud)
    graph = to_onnx(
        grouped,
        initial_types=[("words", StringTensorType([None, 2])), ("numbers", FloatTensorType([None, 2]))],
        options={"zipmap": False},
    )
    write(
        "sklearn_two_tensors",
        graph.SerializeToString(),
        manifest=manifest,
        rows=rows,
        answers=grouped.predict_proba(frame[:ROWS].to_numpy(dtype=object)),
    )


def newer_trees() -> None:
    """TreeEnsemble, which replaces the two older operators from ai.onnx.ml 5 on; no converter writes it yet."""
    from onnx import TensorProto, helper
    from sklearn.tree import DecisionTreeClassifier

    data, target = flowers()
    grown = DecisionTreeClassifier(max_depth=3, random_state=0).fit(data, target == 2)
    tree = grown.tree_
    inner = [place for place in range(tree.node_count) if tree.children_left[place] >= 0]
    leaves = [place for place in range(tree.node_count) if tree.children_left[place] < 0]
    right = [float(tree.value[place][0][1] / tree.value[place][0].sum()) for place in leaves]

    def side(children: np.ndarray) -> dict[str, list[int]]:
        kids = [children[place] for place in inner]
        at_leaf = [int(tree.children_left[kid] < 0) for kid in kids]
        return {
            "ids": [(leaves if leaf else inner).index(kid) for kid, leaf in zip(kids, at_leaf, strict=True)],
            "leafs": at_leaf,
        }

    yes, no = side(tree.children_left), side(tree.children_right)
    node = helper.make_node(
        "TreeEnsemble",
        ["X"],
        ["virginica"],
        domain="ai.onnx.ml",
        n_targets=1,
        tree_roots=[0],
        post_transform=0,
        nodes_featureids=[int(tree.feature[place]) for place in inner],
        nodes_splits=helper.make_tensor(
            "s", TensorProto.FLOAT, [len(inner)], [float(tree.threshold[place]) for place in inner]
        ),
        nodes_modes=helper.make_tensor("m", TensorProto.UINT8, [len(inner)], [0] * len(inner)),
        nodes_truenodeids=yes["ids"],
        nodes_trueleafs=yes["leafs"],
        nodes_falsenodeids=no["ids"],
        nodes_falseleafs=no["leafs"],
        leaf_targetids=[0] * len(leaves),
        leaf_weights=helper.make_tensor("w", TensorProto.FLOAT, [len(leaves)], right),
    )
    values = [
        helper.make_tensor_value_info("X", TensorProto.FLOAT, [None, 4]),
        helper.make_tensor_value_info("virginica", TensorProto.FLOAT, [None, 1]),
    ]
    model = helper.make_model(
        helper.make_graph([node], "trees", values[:1], values[1:]),
        opset_imports=[helper.make_opsetid("ai.onnx.ml", 5)],
        ir_version=10,
    )
    manifest = {"classes": ["other", "virginica"], "columns": floats()}
    write(
        "tree_ensemble_opset5",
        model.SerializeToString(),
        manifest=manifest,
        rows=as_rows(data),
        answers=grown.predict_proba(data[:ROWS]),
    )


def boosters() -> None:
    import lightgbm
    import onnxmltools
    import xgboost
    from onnxmltools.convert.common.data_types import FloatTensorType

    data, target = flowers()
    types = [("input", FloatTensorType([None, 4]))]
    two = {"classes": ["other", "virginica"], "columns": floats()}
    three = {"classes": list(SPECIES), "columns": floats()}
    rows, virginica = as_rows(data), (target == 2).astype(int)
    for name, labels, manifest in (("binary", virginica, two), ("multiclass", target, three)):
        light = lightgbm.LGBMClassifier(n_estimators=6, num_leaves=4, min_child_samples=3, verbose=-1).fit(data, labels)
        graph = onnxmltools.convert_lightgbm(light, initial_types=types, zipmap=name == "binary")
        write(
            f"lightgbm_{name}",
            graph.SerializeToString(),
            manifest=manifest,
            rows=rows,
            answers=light.predict_proba(data[:ROWS]),
        )
        extreme = xgboost.XGBClassifier(n_estimators=6, max_depth=2).fit(data, labels)
        graph = onnxmltools.convert_xgboost(extreme, initial_types=types)
        write(
            f"xgboost_{name}",
            graph.SerializeToString(),
            manifest=manifest,
            rows=rows,
            answers=extreme.predict_proba(data[:ROWS]),
        )


def mlflow_folder() -> None:
    import lightgbm
    import onnxmltools
    import pandas as pd
    from mlflow import onnx as flavour
    from mlflow.models import infer_signature
    from onnxmltools.convert.common.data_types import FloatTensorType

    data, target = flowers()
    frame = pd.DataFrame(data.astype(float), columns=COLUMNS)
    light = lightgbm.LGBMClassifier(n_estimators=6, num_leaves=4, min_child_samples=3, verbose=-1).fit(frame, target)
    types = [("input", FloatTensorType([None, 4]))]
    graph = onnxmltools.convert_lightgbm(light, initial_types=types, zipmap=False)
    folder = HERE / "mlflow_lightgbm"
    shutil.rmtree(folder, ignore_errors=True)
    signature = infer_signature(frame, light.predict_proba(frame))
    flavour.save_model(
        graph, str(folder), signature=signature, input_example=frame[:3], metadata={"owner": "risk team"}
    )
    about = {"rows": as_rows(data), "probabilities": light.predict_proba(frame[:ROWS]).round(9).tolist()}
    (HERE / "mlflow_lightgbm.json").write_text(json.dumps(about, separators=(",", ":")) + "\n")


def fitted(net: Any, inputs: np.ndarray, wanted: Any, loss: Any) -> Any:
    import torch

    optimiser = torch.optim.Adam(net.parameters(), lr=0.05)
    for _ in range(60):
        optimiser.zero_grad()
        loss(net(torch.from_numpy(inputs)), wanted).backward()
        optimiser.step()
    return net.eval()


def without_places(content: bytes) -> bytes:
    """The graph without the exporter's notes, which name folders of the machine it was made on."""
    import onnx

    model = onnx.load_from_string(content)
    for part in (model.graph, *model.graph.node, *model.graph.input, *model.graph.output, *model.graph.value_info):
        del part.metadata_props[:]
    return model.SerializeToString()


def exported(net: Any, inputs: np.ndarray, **options: Any) -> bytes:
    import torch

    target = io.BytesIO()
    torch.onnx.export(net, (torch.from_numpy(inputs),), target, **options)
    return without_places(target.getvalue())


def torch_nets() -> None:
    import torch

    torch.manual_seed(0)
    data, target = flowers()
    net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3))
    fitted(net, data, torch.from_numpy(target).long(), torch.nn.CrossEntropyLoss())
    with torch.no_grad():
        answers = torch.softmax(net(torch.from_numpy(data[:ROWS])), dim=1).numpy()
    logits = {"classes": list(SPECIES), "columns": floats(), "activation": "softmax"}
    graph = exported(net, data[:2], dynamo=True, dynamic_shapes=({0: torch.export.Dim("n")},), input_names=["x"])
    write("torch_logits", graph, manifest=logits, rows=as_rows(data), answers=answers)

    one = torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.Tanh(), torch.nn.Linear(5, 1), torch.nn.Sigmoid())
    fitted(one, data, torch.from_numpy(target == 2).float()[:, None], torch.nn.BCELoss())
    with torch.no_grad():
        right = one(torch.from_numpy(data[:ROWS])).numpy()
    # As the exporter does it when nobody says otherwise: for one row.
    graph = exported(one, data[:1], dynamo=True)
    two = {"classes": ["other", "virginica"], "columns": floats()}
    write("torch_one_row", graph, manifest=two, rows=as_rows(data), answers=np.hstack([1 - right, right]))


def torch_pictures() -> None:
    import torch
    from sklearn.datasets import load_digits

    torch.manual_seed(0)
    digits = load_digits()
    pictures, numbers = digits.images.astype(np.float32)[:, None], torch.from_numpy(digits.target).long()
    pictures, numbers = pictures[digits.target < 3], numbers[numbers < 3]
    cnn = torch.nn.Sequential(
        torch.nn.Conv2d(1, 3, 3),
        torch.nn.ReLU(),
        torch.nn.MaxPool2d(2),
        torch.nn.Flatten(),
        torch.nn.Linear(27, 3),
        torch.nn.Softmax(1),
    )
    fitted(cnn, pictures, torch.nn.functional.one_hot(numbers).float(), torch.nn.MSELoss())
    graph = exported(cnn, pictures[:2], dynamo=True, dynamic_shapes=({0: torch.export.Dim("n")},))
    names = tuple(f"pixel_{row}_{place}" for row in range(8) for place in range(8))
    manifest = {
        "classes": ["0", "1", "2"],
        "columns": [{"name": name, "dtype": "int", "minimum": 0, "maximum": 16} for name in names],
        "image": {"height": 8, "width": 8},
    }
    rows = [dict(zip(names, map(int, picture.ravel()), strict=True)) for picture in pictures[:ROWS]]
    with torch.no_grad():
        answers = cnn(torch.from_numpy(pictures[:ROWS])).numpy()
    write("torch_pictures", graph, manifest=manifest, rows=rows, answers=answers)


if __name__ == "__main__":
    if sys.argv[1:] == ["torch"]:
        torch_nets()
        torch_pictures()
    else:
        scikit_forests()
        scikit_nets()
        scikit_pipelines()
        newer_trees()
        boosters()
        mlflow_folder()
