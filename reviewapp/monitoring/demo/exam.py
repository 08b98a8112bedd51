"""A first exam of a demo stream's model: rows that it never learnt from, brought in as a labelled history."""

import csv
import io
from typing import TYPE_CHECKING

from reviewapp import inference_client
from reviewapp.cases.actions import certifying
from reviewapp.cases.loading import loaded
from reviewapp.gating.actions import exams
from reviewapp.gating.models import LabelledHistory
from reviewapp.monitoring.demo.people import Person
from reviewapp.registry.actions import policies, versions
from reviewapp.registry.models import Bundle, Stream

if TYPE_CHECKING:
    from inference.training.demo import DemoRows

FILE = "kept-for-the-exam.csv"


def ensure(stream: Stream, *, by: Person) -> None:
    """Have the model that serves examined and its certificates issued, where rows were kept back for that.

    A model that was not trained beside those rows may have learnt from them: it is left alone.
    """
    version, policy = versions.primary_of(stream), policies.active_policy(stream)
    if version is None or version.bundle is None or LabelledHistory.objects.filter(stream=stream).exists():
        return
    rows = inference_client.demo_exam(stream.slug)
    if not rows.ids or inference_client.manifest(version.bundle.manifest).lineage.get("kept_for_exam") != len(rows.ids):
        return
    floor = float(policy.body.get("novelty_floor") or 0.0) if policy else 0.0
    content, left_out = _scored(version.bundle, rows, novelty_floor=floor)
    upload = exams.Upload(content, FILE, LabelledHistory.Drawn.RANDOM, _declaration(len(rows.ids), left_out))
    exams.history_import(version=version, upload=upload, by=by.actor)
    look(stream)


def look(stream: Stream) -> None:
    """Look at the evidence now, as the sweeper does every two minutes."""
    policy = policies.active_policy(stream)
    if policy is not None:
        certifying.look(policy=policy)


def _scored(bundle: Bundle, rows: "DemoRows", *, novelty_floor: float) -> tuple[bytes, int]:
    """The file, and how many rows it leaves out: those that the novelty guard would have sent to people anyway."""
    found = inference_client.predict(loaded(bundle), rows.rows)
    file = io.StringIO(newline="")
    table = csv.writer(file)
    table.writerow(["predicted", "confidence", "truth"])
    told = zip(found.predicted, found.confidence.tolist(), rows.labels, found.novelty.tolist(), strict=True)
    kept = [(predicted, repr(confidence), truth) for predicted, confidence, truth, new in told if new >= novelty_floor]
    table.writerows(kept)
    return file.getvalue().encode(), len(rows.ids) - len(kept)


def _declaration(rows: int, left_out: int) -> str:
    return (
        f"{rows} rows of the data set, drawn at random before the training, which saw none of them; none is sent as a "
        f"case either. {left_out} that the novelty guard stops are left out."
    )
