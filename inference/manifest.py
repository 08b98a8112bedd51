"""What bundle.json says: columns, classes, and how the model is scored, explained and compared."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, cast, get_args

from inference import fields
from inference.refusal import BundleRefused
from inference.remote_source import RemoteSource

FORMAT = 1
RESERVED_PREFIX = "probability:"
MAX_COLUMNS = 10_000
MAX_CLASSES = 1_000

Dtype = Literal["float", "int", "category", "text", "bool"]
TensorType = Literal["float", "double", "int64", "string", "bool"]
WORDS: frozenset[str] = frozenset({"category", "text"})


@dataclass(frozen=True)
class Column:
    """One input column as upstream sends it."""

    name: str
    dtype: Dtype
    nullable: bool = False
    values: tuple[str, ...] | None = None
    # Of a category: whether cases may have values that training did not see.
    is_open: bool = False
    minimum: float | None = None
    maximum: float | None = None
    unit: str = ""
    description: str = ""

    @property
    def is_numeric(self) -> bool:
        return self.dtype not in WORDS

    @classmethod
    def from_json(cls, source: Mapping[str, Any]) -> "Column":
        name = fields.text(source, "name", required=True)
        dtype = fields.text(source, "dtype")
        if dtype not in get_args(Dtype):
            raise fields.invalid(f"column `{name}`", f"needs a dtype out of {', '.join(get_args(Dtype))}")
        if name.startswith(RESERVED_PREFIX):
            raise fields.invalid(f"column `{name}`", f"must not begin with `{RESERVED_PREFIX}`, which is reserved")
        values = None if source.get("values") is None else fields.texts(source, "values")
        if (values is not None) != (dtype == "category") or values == ():
            raise fields.invalid(f"column `{name}`", "lists `values` exactly when it is a category")
        column = cls(
            name=name,
            dtype=cast("Dtype", dtype),  # membership was checked above
            nullable=fields.flag(source, "nullable"),
            values=values,
            is_open=fields.flag(source, "is_open"),
            minimum=fields.number(source, "minimum"),
            maximum=fields.number(source, "maximum"),
            unit=fields.text(source, "unit"),
            description=fields.text(source, "description"),
        )
        if column.minimum is not None and column.maximum is not None and column.minimum > column.maximum:
            raise fields.invalid(f"column `{name}`", "has a minimum above its maximum")
        return column


@dataclass(frozen=True)
class GraphInput:
    """One input tensor of the graph, rows × columns."""

    name: str
    dtype: TensorType
    columns: tuple[str, ...]

    @classmethod
    def from_json(cls, source: Mapping[str, Any]) -> "GraphInput":
        name, dtype = fields.text(source, "name", required=True), fields.text(source, "dtype")
        if dtype not in get_args(TensorType):
            raise fields.invalid(f"graph input `{name}`", f"needs a dtype out of {', '.join(get_args(TensorType))}")
        columns = fields.texts(source, "columns")
        if not columns:
            raise fields.invalid(f"graph input `{name}`", "must name its columns")
        return cls(name=name, dtype=cast("TensorType", dtype), columns=columns)


@dataclass(frozen=True)
class Manifest:
    """The meaning of a bundle; everything outside the graph that scoring and showing a case needs."""

    name: str
    created: str
    classes: tuple[str, ...]
    columns: tuple[Column, ...]
    inputs: tuple[GraphInput, ...]
    outputs: dict[str, str]
    explainer: dict[str, Any] = field(default_factory=dict)
    neighbours: dict[str, Any] = field(default_factory=dict)
    novelty: dict[str, Any] = field(default_factory=dict)
    calibration: dict[str, Any] = field(default_factory=dict)
    lineage: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    transformed: tuple[str, ...] = ()
    owner: str = ""
    licence: str = ""
    image: dict[str, int] | None = None
    remote: RemoteSource | None = None

    @property
    def column_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @property
    def probabilities_output(self) -> str:
        return self.outputs["probabilities"]

    def column(self, name: str) -> Column:
        return next(column for column in self.columns if column.name == name)

    def to_json(self) -> dict[str, Any]:
        """A JSON object that `from_json` reads back equal."""
        content = asdict(self)
        for name in ("classes", "transformed"):
            content[name] = list(content[name])
        content["columns"] = [
            {**asdict(column), "values": None if column.values is None else list(column.values)}
            for column in self.columns
        ]
        content["inputs"] = [{**asdict(item), "columns": list(item.columns)} for item in self.inputs]
        return {"format": FORMAT, **content}

    @classmethod
    def from_json(cls, source: Mapping[str, Any]) -> "Manifest":
        """Read and check the object in bundle.json; raises BundleRefused naming the field."""
        if not isinstance(source, Mapping):
            raise fields.invalid("the file", "must hold one object")
        if source.get("format") != FORMAT:
            raise BundleRefused(
                "format_unknown",
                f"bundle.json: `format` must be {FORMAT}; export the model again with this release.",
            )
        manifest = cls(
            name=fields.text(source, "name", required=True),
            created=fields.text(source, "created", required=True),
            classes=fields.texts(source, "classes"),
            columns=tuple(Column.from_json(item) for item in fields.objects(source, "columns")),
            inputs=tuple(GraphInput.from_json(item) for item in fields.objects(source, "inputs")),
            outputs={key: str(value) for key, value in fields.mapping(source, "outputs").items()},
            explainer=fields.mapping(source, "explainer"),
            neighbours=fields.mapping(source, "neighbours"),
            novelty=fields.mapping(source, "novelty"),
            calibration=fields.mapping(source, "calibration"),
            lineage=fields.mapping(source, "lineage"),
            metrics=fields.mapping(source, "metrics"),
            transformed=_transformed(source),
            owner=fields.text(source, "owner"),
            licence=fields.text(source, "licence"),
            image=_image(source),
            remote=RemoteSource.from_json(source),
        )
        _check_whole(manifest)
        return manifest


def _transformed(source: Mapping[str, Any]) -> tuple[str, ...]:
    value = source.get("transformed", ())
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
        raise fields.invalid("`transformed`", "must list the input column of every transformed column")
    return tuple(value)


def _image(source: Mapping[str, Any]) -> dict[str, int] | None:
    if source.get("image") is None:
        return None
    image = fields.mapping(source, "image")
    sizes = {name: image.get(name) for name in ("height", "width")}
    if not all(isinstance(size, int) and not isinstance(size, bool) and 0 < size <= 4096 for size in sizes.values()):
        raise fields.invalid("`image`", "needs a height and a width between 1 and 4096")
    return cast("dict[str, int]", sizes)  # checked to be integers above


def _check_whole(manifest: Manifest) -> None:
    names = manifest.column_names
    if not 2 <= len(manifest.classes) <= MAX_CLASSES:
        raise fields.invalid("`classes`", f"must name between 2 and {MAX_CLASSES} classes")
    if not 1 <= len(names) <= MAX_COLUMNS or len(set(names)) != len(names):
        raise fields.invalid("`columns`", f"must describe between 1 and {MAX_COLUMNS} columns, none twice")
    if not manifest.outputs.get("probabilities"):
        raise fields.invalid("`outputs`", "must name the graph output that holds the probabilities")
    if manifest.image and manifest.image["height"] * manifest.image["width"] != len(names):
        raise fields.invalid("`image`", f"must have as many pixels as there are columns ({len(names)})")
    unknown = sorted(set(manifest.transformed) - set(names))
    if unknown:
        raise fields.invalid("`transformed`", f"names columns that are not described: {', '.join(unknown[:3])}")
    _check_inputs(manifest)


def _check_inputs(manifest: Manifest) -> None:
    fed = [name for item in manifest.inputs for name in item.columns]
    if sorted(fed) != sorted(manifest.column_names):
        raise fields.invalid("`inputs`", "must feed every described column to the graph exactly once")
    described = {column.name: column for column in manifest.columns}
    for item in manifest.inputs:
        for name in item.columns:
            column = described[name]
            if column.is_numeric == (item.dtype == "string"):
                raise fields.invalid(f"graph input `{item.name}`", f"cannot hold column `{name}` ({column.dtype})")
            if column.nullable and item.dtype in {"int64", "bool"}:
                raise fields.invalid(f"column `{name}`", "cannot be nullable in an integer or boolean graph input")
