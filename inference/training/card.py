"""The model card: one HTML page that needs no other file, script or address."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from inference.manifest import Column, Manifest
from inference.training import report

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 56rem; margin: 2rem auto; padding: 0 1rem; color: #1d273b; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 1.5rem; }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #dce1e7; vertical-align: top; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
code { overflow-wrap: anywhere; }
svg { max-width: 22rem; height: auto; }
@media (prefers-color-scheme: dark) { body { background: #182433; color: #dce1e7; } th, td { border-color: #3a4859; } }
"""
_CAUTION = (
    "The figures hold for cases like the validation rows. When cases change, confidence may say less than it promises; "
    "the audit of automatic decisions is what shows it."
)
_SIDE = 240
MAX_VALUES = 12

Cells = Sequence[str]


def render(manifest: Manifest, *, title: str, digest: str) -> str:
    """The page of any bundle; what its manifest does not tell is left out."""
    metrics = manifest.metrics
    sections = [
        f"<h1>{escape(title)}</h1>",
        _table((), _origin(manifest, digest)),
        _validation(metrics) if "levels" in metrics else _plain(metrics),
        "<h2>Columns</h2>",
        _table(("column", "kind", "values", "meaning"), (_column(one) for one in manifest.columns)),
        "<h2>Classes</h2>",
        _classes(manifest),
        "<h2>Where it comes from</h2>",
        _table((), (_pair(name, value) for name, value in sorted(manifest.lineage.items()))),
        "<h2>What to keep in mind</h2>",
        f"<p>{_CAUTION}</p>",
    ]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(sections)
        + "\n</body>\n</html>\n"
    )


def _origin(manifest: Manifest, digest: str) -> list[Cells]:
    method = str(manifest.explainer.get("method", "")).replace("_", " ")
    told = {
        "Bundle": digest,
        "Trained": manifest.created,
        "Owner": manifest.owner,
        "Licence": manifest.licence,
        "Explained by": method,
        "Calibrated by": str(manifest.calibration.get("method", "")),
    }
    return [_pair(name, value) for name, value in told.items() if value]


def _validation(metrics: dict[str, Any]) -> str:
    tried = [
        (one["kind"] + (" (chosen)" if one["chosen"] else ""), f"{one['log_loss']:.4f}", f"{one['seconds']:.1f}")
        for one in metrics.get("candidates", ())
    ]
    parts = [
        "<h2>How good it is</h2>",
        f"<p>Measured on {metrics['rows']:,} rows: {escape(metrics['method'])}.</p>",
        _table((), report.figures(metrics)),
        "".join(f"<p>{escape(report.level_in_words(one))}</p>" for one in metrics["levels"]),
        "<h2>Confidence and accuracy</h2>",
        _reliability(metrics["reliability"]),
    ]
    if tried:
        parts += ["<h2>What was tried</h2>", _table(("model", "log loss", "seconds"), tried)]
    return "\n".join(parts)


def _plain(metrics: dict[str, Any]) -> str:
    rows = [_pair(name, value) for name, value in sorted(metrics.items()) if not isinstance(value, list | dict)]
    return f"<h2>How good it is</h2>\n{_table((), rows)}" if rows else ""


def _reliability(steps: Sequence[dict[str, Any]]) -> str:
    """Points on the diagonal keep their promise; the larger a point, the more rows it stands for."""
    most = max(one["rows"] for one in steps)
    points = "".join(
        f'<circle cx="{_SIDE * one["confidence"]:.1f}" cy="{_SIDE * (1 - one["accuracy"]):.1f}" '
        f'r="{3 + 7 * (one["rows"] / most) ** 0.5:.1f}" fill="#206bc4" fill-opacity=".7">'
        f"<title>confidence {one['confidence']:.1%}, right {one['accuracy']:.1%}, {one['rows']} rows</title></circle>"
        for one in steps
    )
    rows = [(f"{one['confidence']:.1%}", f"{one['accuracy']:.1%}", f"{one['rows']:,}") for one in steps]
    return (
        f'<svg viewBox="-12 -12 {_SIDE + 24} {_SIDE + 24}" role="img" aria-label="Accuracy over confidence">'
        f'<rect width="{_SIDE}" height="{_SIDE}" fill="none" stroke="#929dab"/>'
        f'<line x1="0" y1="{_SIDE}" x2="{_SIDE}" y2="0" stroke="#929dab" stroke-dasharray="4"/>{points}</svg>'
        + _table(("confidence", "right", "rows"), rows)
    )


def _classes(manifest: Manifest) -> str:
    found = manifest.metrics.get("per_class")
    if not isinstance(found, list):
        return f"<p>{escape(', '.join(manifest.classes))}</p>"
    rows = [
        (one["class"], f"{one['rows']:,}", _share(one["recall"]), f"{one['predicted']:,}", _share(one["precision"]))
        for one in found
    ]
    return _table(("class", "rows", "of them found", "predicted", "of these right"), rows)


def _column(column: Column) -> Cells:
    values = ", ".join(column.values[:MAX_VALUES]) if column.values else ""
    if column.values and len(column.values) > MAX_VALUES:
        values += f" and {len(column.values) - MAX_VALUES:,} more"
    kind = column.dtype + (", may be missing" if column.nullable else "")
    return column.name, kind, values, " ".join(filter(None, [column.description, column.unit]))


def _pair(name: str, value: Any) -> Cells:
    if isinstance(value, dict):
        value = ", ".join(f"{key} {one}" for key, one in value.items())
    elif isinstance(value, list):
        value = ", ".join(map(str, value)) or "none"
    elif isinstance(value, float):
        value = f"{value:.4g}"
    return name.replace("_", " "), str(value)


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def _table(head: Cells, rows: Iterable[Cells]) -> str:
    title = f"<tr>{''.join(f'<th>{escape(cell)}</th>' for cell in head)}</tr>\n" if head else ""
    body = "\n".join(f"<tr>{''.join(f'<td>{escape(str(cell))}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table>\n{title}{body}\n</table>"
