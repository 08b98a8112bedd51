import json

import pytest

from reviewapp.domain.guardrails import Learned
from reviewapp.registry import training_values
from reviewapp.registry.models import BundleChunk, Stream
from tests.factories import bundles

pytestmark = pytest.mark.django_db


def with_reference(version, content: bytes) -> None:
    BundleChunk.objects.filter(bundle=version.bundle, file="reference.json").update(data=content)


def test_a_bundles_columns_held_what_its_reference_says(bare_stream: Stream) -> None:
    version = bundles.version(bare_stream)
    edges = json.loads(bundles.files()["reference.json"])["columns"]["dent"]["edges"]

    learned = training_values.learned_by(version.pk)

    assert learned is not None
    assert learned["dent"] == Learned(low=edges[0], high=edges[-1], values=None, is_missing_known=False)
    assert 0.0 < edges[0] < edges[-1] < 10.0


def test_words_and_gaps_are_those_that_were_seen(bare_stream: Stream) -> None:
    version = bundles.version(bare_stream)
    version.bundle.manifest["columns"] = [
        {"name": "country", "dtype": "category", "nullable": True, "values": ["DE", "FR"]},
        {"name": "age", "dtype": "int", "nullable": True, "minimum": 0},
    ]
    version.bundle.save(update_fields=["manifest"])
    with_reference(version, b'{"columns": {"country": {"kind": "word", "values": {"DE": 3}, "missing": 2}}}')

    assert training_values.learned_by(version.pk) == {
        "country": Learned(values=frozenset({"DE", "FR"}), is_missing_known=True),
        # Nothing is recorded of it: what the manifest declares holds.
        "age": Learned(low=0, high=None, is_missing_known=True),
    }


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"columns": {"dent": {"edges": ["low", "high"]}}}'])
def test_a_record_that_cannot_be_read_is_none(bare_stream: Stream, content: bytes) -> None:
    version = bundles.version(bare_stream)
    with_reference(version, content)

    assert training_values.learned_by(version.pk) is None


def test_a_model_that_upstream_runs_has_none(bare_stream: Stream) -> None:
    assert training_values.learned_by(bundles.external_primary(bare_stream).pk) is None


def test_a_policy_cannot_ask_for_ranges_of_a_model_that_has_none(bare_stream: Stream) -> None:
    assert not training_values.faults({"is_range_checked": True}, bare_stream)
    bundles.external_primary(bare_stream)

    (fault,) = training_values.faults({"is_range_checked": True}, bare_stream)

    assert fault["field"] == "is_range_checked"
    assert "“upstream-model” brings no record" in fault["message"]
    assert not training_values.faults({"is_range_checked": False}, bare_stream)
