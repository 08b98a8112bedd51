"""Uploads of models by people: the form, and how far the checks are."""

import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from inference import archive
from reviewapp.cases.actions import checking
from reviewapp.registry.models import ModelVersion
from tests.factories import bundles, streams
from tests.inference import exports

pytestmark = pytest.mark.django_db


def content(response):
    return response.content.decode()


def given(name, data):
    return SimpleUploadedFile(name, data)


def upload(client, stream, **fields):
    return client.post(reverse("models_upload", args=[stream.slug]), fields)


def zipped(name="newer", **changes):
    return given("model.zip", archive.pack({**bundles.files(name), **changes}))


def test_a_bundle_is_uploaded_and_followed_until_it_is_ready(stream, model_owner, signed_in):
    client = signed_in(model_owner)

    response = upload(client, stream, file=zipped(), name="spring")

    assert response.status_code == 302
    assert "Model 2 is being checked." in content(client.get(response.url))
    part = client.get(reverse("models_uploads", args=[stream.slug]), headers={"HX-Request": "true"})
    assert "hx-get" in content(part)
    assert "spring" in content(part)
    assert "<html" not in content(part)
    checking.check_batch()
    part = client.get(reverse("models_uploads", args=[stream.slug]), headers={"HX-Request": "true"})
    assert "hx-get" not in content(part)
    assert "spring" not in content(part)


def test_a_refused_model_shows_its_reason(stream, model_owner, signed_in):
    client = signed_in(model_owner)
    upload(client, stream, file=zipped(**{"golden.parquet": b"x"}))
    checking.check_batch()

    assert "golden.parquet is not readable parquet" in content(
        client.get(reverse("models_uploads", args=[stream.slug]))
    )


def test_a_bare_model_is_uploaded_with_its_manifest(model_owner, signed_in):
    stream, export = streams.bare(classes=("other", "virginica")), exports.export("torch_one_row")

    response = upload(
        signed_in(model_owner),
        stream,
        file=given("net.onnx", export.graph),
        manifest=given("net.json", json.dumps(export.manifest).encode()),
        sample=given("rows.json", json.dumps(export.rows).encode()),
    )

    assert response.status_code == 302
    checking.check_batch()
    assert ModelVersion.objects.get().bundle.state == "ready"


def test_what_is_here_already_is_told_with_a_link_and_not_as_a_refusal(model_owner, signed_in):
    stream, export = streams.bare(classes=("other", "virginica")), exports.export("torch_one_row")
    client = signed_in(model_owner)
    for _ in range(2):
        parts = {
            "file": given("net.onnx", export.graph),
            "manifest": given("net.json", json.dumps(export.manifest).encode()),
        }
        upload(client, stream, **parts)
        checking.check_batch()

    for page in ("models_uploads", "models"):
        shown = content(client.get(reverse(page, args=[stream.slug])))
        link = reverse("models_card", args=[stream.slug, 1])
        assert f'This is <a href="{link}">model 1</a>, which is here already.' in shown
        assert "badge-glyph tone-red" not in shown
    upload_page = content(client.get(reverse("models_uploads", args=[stream.slug])))
    assert upload_page.count("Upload a model") == 1
    assert client.get(link).status_code == 200


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "This field is required."),
        ({"file": given("net.onnx", b"x")}, "Add the small manifest of the model."),
        ({"file": given("model.zip", b"x")}, "not a readable zip file"),
        ({"file": given("model.pkl", b"\x80\x04")}, "not a readable zip file"),
    ],
)
def test_what_is_no_upload_is_refused_in_the_form(fields, said, stream, model_owner, signed_in):
    for one in fields.values():
        one.seek(0)

    response = upload(signed_in(model_owner), stream, **fields)

    assert response.status_code == 422
    assert said in content(response)


def test_a_model_that_does_not_fit_is_refused_with_every_difference(model_owner, signed_in):
    stream = streams.bare(classes=("intact", "lost"))

    response = upload(signed_in(model_owner), stream, file=zipped())

    assert response.status_code == 422
    assert "The model lacks the class “lost”." in content(response)
    assert "The stream does not have the model&#x27;s class “damaged”." in content(response)


def test_a_file_over_the_limit_is_refused(stream, model_owner, signed_in, monkeypatch):
    monkeypatch.setattr("reviewapp.web.forms.upload.MAX_BYTES", 10)

    response = upload(signed_in(model_owner), stream, file=zipped())

    assert response.status_code == 422
    assert "at most 10" in content(response)


def test_others_than_the_model_owner_see_the_checks_and_upload_nothing(stream, rosa, signed_in):
    client = signed_in(rosa)

    assert "Only a model owner" in content(client.get(reverse("models_uploads", args=[stream.slug])))
    assert upload(client, stream, file=zipped()).status_code == 403
    assert ModelVersion.objects.count() == 1


def test_strangers_find_nothing(stream, outsider, signed_in):
    client = signed_in(outsider)

    assert client.get(reverse("models_uploads", args=[stream.slug])).status_code == 404
    assert upload(client, stream, file=zipped()).status_code == 404


def test_the_models_page_shows_the_uploads(stream, model_owner, signed_in):
    shown = content(signed_in(model_owner).get(reverse("models", args=[stream.slug])))

    assert f'hx-get="{reverse("models_uploads", args=[stream.slug])}"' in shown


def test_a_model_that_upstream_runs_is_registered_by_its_name(stream, model_owner, rosa, signed_in):
    where = reverse("models_external", args=[stream.slug])
    client = signed_in(model_owner)

    response = client.post(where, {"external_name": "upstream-7"})

    assert response.status_code == 302
    assert "upstream-7 is model 2" in content(client.get(response.url))
    assert stream.model_versions.get(number=2).kind == ModelVersion.Kind.EXTERNAL
    assert client.post(where, {"external_name": ""}).status_code == 422
    refused = client.post(where, {"external_name": "a\tb"})
    assert refused.status_code == 422
    assert "printable characters" in content(refused)
    assert signed_in(rosa).post(where, {"external_name": "mine"}).status_code in {403, 404}
    assert stream.model_versions.count() == 2
