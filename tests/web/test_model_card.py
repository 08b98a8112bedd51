"""`/s/{stream}/models/{number}/card`."""

import pytest
from django.test import Client

from reviewapp.accounts.models import User
from reviewapp.registry.models import Stream
from tests.factories import streams

pytestmark = pytest.mark.django_db


def test_the_card_is_one_file_to_keep(client: Client, model_owner: User, stream: Stream) -> None:
    client.force_login(model_owner)

    answer = client.get(f"/s/{stream.slug}/models/1/card")

    page = answer.content.decode()
    assert answer["Content-Disposition"] == f'attachment; filename="{stream.slug}-model-1.html"'
    assert "Depth of the deepest dent." in page
    assert stream.model_versions.get().bundle_id in page
    assert "<script" not in page
    assert "src=" not in page


def test_the_models_page_links_to_it(client: Client, model_owner: User, stream: Stream) -> None:
    client.force_login(model_owner)

    assert f"/s/{stream.slug}/models/1/card".encode() in client.get(f"/s/{stream.slug}/models").content


def test_there_is_none_of_a_model_that_runs_upstream(client: Client, model_owner: User) -> None:
    client.force_login(model_owner)
    stream = streams.upstream_scored()

    assert client.get(f"/s/{stream.slug}/models/1/card").status_code == 404


def test_outsiders_do_not_know_of_it(client: Client, outsider: User, stream: Stream) -> None:
    client.force_login(outsider)

    assert client.get(f"/s/{stream.slug}/models/1/card").status_code == 404
