"""What a case is, for people: grouped facts with units and usual ranges, or a picture."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

# A value this many standard deviations from the middle of the training rows is marked as unusual.
UNUSUAL = 2.0
WIDEST = 3.0


@dataclass(frozen=True)
class Picture:
    values: list[Any]
    height: int
    width: int
    maximum: float
    label: str


@dataclass(frozen=True)
class Fact:
    """One value. `position` in [0, 1] is its place among the training rows, None where that means nothing."""

    label: str
    value: str | None
    unit: str = ""
    hint: str = ""
    position: float | None = None
    is_unusual: bool = False
    usual: str = ""


@dataclass(frozen=True)
class Group:
    title: str
    facts: list[Fact]


@dataclass(frozen=True)
class Matrix:
    """Groups that measure the same things, side by side: a row per thing, a column per group."""

    titles: list[str]
    rows: list[tuple[str, list[Fact]]]


@dataclass(frozen=True)
class Display:
    """How a stream shows its cases: its display revision over what contract and manifest know of the columns."""

    body: Mapping[str, Any]
    columns: Sequence[str]
    properties: Mapping[str, Mapping[str, Any]]
    usual: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    image: Mapping[str, Any] | None = None

    def picture(self, features: Mapping[str, Any], label: str) -> Picture | None:
        """The case as a grey image, where the stream shows images."""
        if self.image is None:
            return None
        return Picture(
            values=[_number(features.get(name)) for name in self.columns],
            height=int(self.image["height"]),
            width=int(self.image["width"]),
            maximum=float(self.image.get("maximum") or self._maximum()),
            label=label,
        )

    def groups(self, features: Mapping[str, Any]) -> list[Group]:
        """The facts in the display's groups; whatever no group names comes last."""
        grouped: list[Group] = []
        rest = [*self.columns, *sorted(features.keys() - set(self.columns))]
        for entry in self.body.get("groups", ()):
            names = [name for name in entry["columns"] if name in features or name in rest]
            rest = [name for name in rest if name not in names]
            grouped.append(Group(str(entry["title"]), [self._fact(name, features) for name in names]))
        if rest:
            title = "Other values" if grouped else ""
            grouped.append(Group(title, [self._fact(name, features) for name in rest]))
        return grouped

    def label(self, name: str) -> str:
        return str(self.body.get("labels", {}).get(name) or name.replace("_", " "))

    def full_label(self, name: str) -> str:
        """The label, with its group's title where another column has the same one."""
        label = self.label(name)
        if sum(self.label(other) == label for other in self.columns) < 2:
            return label
        titles = [entry["title"] for entry in self.body.get("groups", ()) if name in entry["columns"]]
        return f"{label}, {titles[0].lower()}" if titles else name

    def _maximum(self) -> float:
        limits = [self.properties.get(name, {}).get("maximum") for name in self.columns]
        return max((float(limit) for limit in limits if limit), default=1.0)

    def _fact(self, name: str, features: Mapping[str, Any]) -> Fact:
        value = features.get(name)
        known = self.properties.get(name, {})
        unit = str(self.body.get("units", {}).get(name) or known.get("x-unit") or "")
        centre, scale = self.usual.get(name, (0.0, 0.0))
        if value is None or not _is_number(value) or not scale:
            return Fact(self.label(name), written(value), unit, known.get("description", ""))
        distance = (value - centre) / scale
        low, high = max(centre - UNUSUAL * scale, known.get("minimum", float("-inf"))), centre + UNUSUAL * scale
        return Fact(
            self.label(name),
            written(value),
            unit,
            known.get("description", ""),
            position=(min(max(distance, -WIDEST), WIDEST) + WIDEST) / (2 * WIDEST),
            is_unusual=abs(distance) > UNUSUAL,
            usual=f"usually {written(low)} to {written(high)}",
        )


def display_from(*, display: Mapping[str, Any], contract: Mapping[str, Any], manifest: Mapping[str, Any]) -> Display:
    """The display of a stream out of its revisions in force and its model's manifest; each may be empty."""
    # A schema may also be true or false, which says nothing of a column.
    properties = {
        name: known if isinstance(known, Mapping) else {} for name, known in contract.get("properties", {}).items()
    }
    # JSON objects lose their order in the database; lists keep it.
    columns = (
        display.get("columns")
        or [column["name"] for column in manifest.get("columns", ())]
        or [*contract.get("required", ()), *sorted(set(properties) - set(contract.get("required", ())))]
    )
    image = display if display.get("kind") == "image" else manifest.get("image") if not display else None
    usual = {
        entry["name"]: (entry["centre"], entry["scale"])
        for entry in manifest.get("neighbours", {}).get("columns", ())
        if entry["kind"] == "number"
    }
    return Display(display, columns, properties, usual, image)


def matrix_of(groups: Sequence[Group]) -> Matrix | None:
    """The groups as one table, where there are several and all have the same labels."""
    labels = [[fact.label for fact in group.facts] for group in groups]
    if len(groups) < 2 or any(names != labels[0] for names in labels):
        return None
    rows = [(label, [group.facts[index] for group in groups]) for index, label in enumerate(labels[0])]
    return Matrix([group.title for group in groups], rows)


def written(value: Any) -> str | None:
    """A value for people: five significant digits, no scientific notation where it can be avoided."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        text = f"{value:.5g}"
        return f"{value:,.0f}" if "e+" in text else text
    return str(value)


def _number(value: Any) -> float:
    return float(value) if _is_number(value) else 0.0


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
