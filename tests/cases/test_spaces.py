"""After a change of models the earlier settled cases get the vectors they lack."""

from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from reviewapp.accounts.models import User
from reviewapp.cases.actions import embedding, retired_spaces, spaces
from reviewapp.cases.models import Case, Embedding, Prediction, VectorBuild, Work
from reviewapp.cases.nearest import Filters
from reviewapp.cases.similar import Similar, similar
from reviewapp.registry.actions import versions
from reviewapp.registry.actors import SYSTEM
from reviewapp.registry.models import Stream
from tests.factories import bundles, cases, reviews, streams


@pytest.fixture(autouse=True)
def labels_count_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A label that was just given is waited for in production, for it may not be committed."""
    monkeypatch.setattr(spaces, "LAG", timedelta(0))


@pytest.fixture
def cautious(db: None) -> Stream:
    return streams.ready(policy={"threshold": 1.0})


def settle(stream: Stream, user: User, number: int) -> list[Case]:
    return [
        reviews.settled(stream, user, case=cases.scored(stream, {"dent": 5.0 + place, "tear": 5.0}))
        for place in range(number)
    ]


def work_off() -> None:
    while spaces.rebuild() or embedding.embed_batch():
        pass


def look(case: Case) -> Similar:
    prediction = Prediction.objects.select_related("model_version__bundle").get(case=case)
    return similar(case, prediction, filters=Filters())


def test_earlier_cases_become_precedents_of_the_new_model(cautious: Stream, rosa: User) -> None:
    earlier = settle(cautious, rosa, 3)
    bundles.primary(cautious, "parcels-2")
    case = cases.scored(cautious, {"dent": 5.0, "tear": 5.0})
    assert not look(case).cases

    work_off()

    assert [one.case_id for one in look(case).cases] == [one.pk for one in earlier]
    assert not Work.objects.filter(kind="embed").exists()


def test_vectors_of_models_that_neither_serve_nor_may_come_back_are_deleted_in_chunks(
    cautious: Stream, rosa: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(cautious, rosa, 3)
    open_case = cases.scored(cautious, {"dent": 5.0, "tear": 5.0})
    first = spaces.serving_bundles(cautious.pk)[0].digest
    work_off()
    bundles.primary(cautious, "parcels-2")
    work_off()

    assert retired_spaces.drop() == 0  # the first is what a rollback would bring back

    second = spaces.serving_bundles(cautious.pk)[0].digest
    bundles.primary(cautious, "parcels-3")
    work_off()
    assert retired_spaces.retired(cautious) == []  # somebody may still open the case that the first one scored

    reviews.settled(cautious, rosa, case=open_case)
    work_off()
    monkeypatch.setattr(retired_spaces, "CHUNK", 3)
    monkeypatch.setattr(retired_spaces, "CHUNKS", 1)
    assert [retired_spaces.drop(), retired_spaces.drop(), retired_spaces.drop()] == [3, 1, 0]
    third = spaces.serving_bundles(cautious.pk)[0].digest
    assert set(Embedding.objects.values_list("space", flat=True)) == {second, third}
    assert not VectorBuild.objects.filter(space=first).exists()

    versions.roll_out(primary=cautious.model_versions.get(bundle=first), by=SYSTEM)
    work_off()
    assert Embedding.objects.filter(space=first).count() == 4


def test_it_is_said_while_vectors_are_being_made(cautious: Stream, rosa: User) -> None:
    settle(cautious, rosa, 2)
    bundles.primary(cautious, "parcels-2")
    case = cases.scored(cautious, {"dent": 5.0, "tear": 5.0})

    spaces.rebuild()
    assert look(case).is_building
    work_off()

    assert not look(case).is_building


def test_a_pass_takes_a_chunk_and_the_newest_first(
    cautious: Stream, rosa: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spaces, "CHUNK", 2)
    earlier = settle(cautious, rosa, 5)
    bundle = bundles.primary(cautious, "parcels-2").bundle

    assert spaces.rebuild() == 2
    assert set(Work.objects.filter(kind="embed").values_list("subject", flat=True)) == {
        str(one.pk) for one in earlier[-2:]
    }
    assert spaces.rebuild() == 0, "no more is asked for while that waits"
    work_off()

    assert Embedding.objects.filter(space=bundle.digest).count() == 5  # type: ignore[union-attr]  # it is a bundle


def test_a_case_answered_after_the_change_but_scored_before_it_is_found(cautious: Stream, rosa: User) -> None:
    late = cases.scored(cautious, {"dent": 5.0, "tear": 5.0})
    settle(cautious, rosa, 1)
    bundles.primary(cautious, "parcels-2")
    work_off()
    reviews.settled(cautious, rosa, case=late)

    work_off()

    case = cases.scored(cautious, {"dent": 5.0, "tear": 5.0})
    assert late.pk in [one.case_id for one in look(case).cases]


def test_a_stream_without_labels_is_complete_and_follows_the_first_ones(cautious: Stream, rosa: User) -> None:
    work_off()
    assert VectorBuild.objects.get().completed_at is not None
    settle(cautious, rosa, 1)

    work_off()

    build = VectorBuild.objects.get()
    assert build.newest == build.oldest
    assert build.completed_at is not None


def test_streams_that_upstream_scores_have_no_spaces(db: None) -> None:
    streams.upstream_scored()

    assert spaces.rebuild() == 0
    assert not VectorBuild.objects.exists()


class TestIndex:
    """The owner's index: refused where it is not worth it, used where it is made."""

    def test_it_is_refused_below_its_worth(self, cautious: Stream) -> None:
        with pytest.raises(CommandError, match="the exact search is fast"):
            call_command("index_similar", "--stream", cautious.slug)

    def test_an_unknown_stream_is_named(self, db: None) -> None:
        with pytest.raises(CommandError, match="no stream “nowhere”"):
            call_command("index_similar", "--stream", "nowhere")

    def test_a_stream_without_bundle_is_told_so(self, db: None) -> None:
        stream = streams.upstream_scored()

        with pytest.raises(CommandError, match="no vectors"):
            call_command("index_similar", "--stream", stream.slug)

    @pytest.mark.django_db(transaction=True)
    def test_it_is_made_found_by_the_search_and_dropped(self, transactional_db: None) -> None:
        from tests.factories import teams

        rosa = teams.member(role="reviewer")
        stream = streams.ready(policy={"threshold": 1.0})
        earlier = settle(stream, rosa, 3)
        case = cases.scored(stream, {"dent": 5.0, "tear": 5.0})
        exact = [one.case_id for one in look(case).cases]

        call_command("index_similar", "--stream", stream.slug, "--anyway")
        with connection.cursor() as cursor:
            cursor.execute("SELECT indexdef FROM pg_indexes WHERE indexname LIKE 'similar_%'")
            ((definition,),) = cursor.fetchall()
            assert "hnsw" in definition
            assert str(stream.pk) in definition
            cursor.execute("SET enable_seqscan = off; SET enable_sort = off")
            assert [one.case_id for one in look(case).cases] == exact == [one.pk for one in earlier]
            cursor.execute("RESET enable_seqscan; RESET enable_sort")
        call_command("index_similar", "--stream", stream.slug, "--drop")

        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_indexes WHERE indexname LIKE 'similar_%'")
            assert cursor.fetchone() == (0,)
