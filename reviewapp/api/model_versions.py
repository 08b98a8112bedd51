"""A stream's model versions, and uploads of new ones."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from reviewapp.api.base import ApiView
from reviewapp.api.idempotency import idempotent
from reviewapp.api.inputs import Input, checked
from reviewapp.api.pages import PAGE_PARAMETERS, newest_first, page, page_of
from reviewapp.api.parsers import StrictJSONParser
from reviewapp.api.uploads import Upload, UploadFormParser, ZipParser
from reviewapp.cases.actions import checking
from reviewapp.domain.errors import Invalid, NotFound
from reviewapp.registry.actions import bundles, versions
from reviewapp.registry.models import Bundle, ModelVersion, Stream

NAME = OpenApiParameter("name", OpenApiTypes.STR, description="Name of the version where the body is a zip.")


class RunBudgetOutput(serializers.Serializer[Any]):
    peak_rss = serializers.IntegerField(help_text="Most memory that the check took, in bytes.")
    seconds = serializers.FloatField(help_text="Of the whole check.")
    load_seconds = serializers.FloatField()
    batch_rows = serializers.IntegerField()
    batch_seconds = serializers.FloatField(help_text="For `batch_rows` rows at once.")
    row_seconds = serializers.FloatField(help_text="For one row alone.")
    isolation = serializers.CharField(help_text="How the check's process was kept from the network.")


class ModelVersionOutput(serializers.Serializer[Any]):
    number = serializers.IntegerField()
    kind = serializers.ChoiceField(ModelVersion.Kind.choices)
    name = serializers.CharField()
    bundle = serializers.CharField(allow_null=True, help_text="SHA-256 of the bundle.")
    state = serializers.ChoiceField(
        Bundle.State.choices, help_text="`ready` may be rolled out; `checking` is in the upload gate."
    )
    refusal = serializers.CharField(help_text="Why it is refused; else empty.")
    run_budget = RunBudgetOutput(allow_null=True, help_text="What loading and scoring cost in the upload gate.")
    created_at = serializers.DateTimeField()
    created_by = serializers.CharField()


class UploadForm(serializers.Serializer[Any]):
    """`file` is a zip (a bundle, an MLflow model folder, or model.onnx with manifest.json), or a bare .onnx."""

    file = serializers.FileField()
    manifest = serializers.FileField(
        required=False, help_text="For a bare .onnx: JSON with `name`, `classes` and `columns`."
    )
    sample = serializers.FileField(required=False, help_text="Rows of its columns: .parquet, .csv or .json.")
    name = serializers.CharField(required=False, max_length=bundles.MAX_NAME)


class ExternalBody(Input):
    """A model that upstream runs: cases come with its probabilities."""

    name = serializers.CharField(max_length=versions.MAX_NAME, help_text="What cases quote as `prediction.model`.")


class ModelVersionsView(ApiView):
    scopes = {"GET": "streams:read", "POST": "streams:write"}
    parser_classes = [ZipParser, UploadFormParser, StrictJSONParser]

    @extend_schema(
        operation_id="model_version_list",
        parameters=PAGE_PARAMETERS,
        responses=page_of(ModelVersionOutput, "ModelVersionPage"),
    )
    def get(self, request: Request, stream: str) -> Response:
        """The stream's model versions, newest first."""
        rows = self.stream(stream).model_versions.select_related("bundle")
        found, more = newest_first(request, rows)
        return Response(page([_version(one) for one in found], more))

    @extend_schema(
        operation_id="model_version_upload",
        parameters=[NAME],
        request={
            "multipart/form-data": UploadForm,
            "application/zip": OpenApiTypes.BINARY,
            "application/json": ExternalBody,
        },
        responses={200: ModelVersionOutput, 202: ModelVersionOutput},
    )
    @idempotent
    def post(self, request: Request, stream: str) -> Response:
        """Upload a model, at most 200 MB, or name one that upstream runs (JSON).

        An upload is checked apart (202); the same again answers what it is by now (200). An external model is ready at
        once (200).
        """
        known = self.stream(stream)
        version = self._uploaded(known, request.data) if isinstance(request.data, Upload) else self._named(known)
        shown = _version(version)
        headers = {"Location": f"/api/v1/streams/{known.slug}/model-versions/{version.number}"}
        return Response(shown, status=202 if shown["state"] == Bundle.State.CHECKING else 200, headers=headers)

    def _uploaded(self, stream: Stream, upload: Upload) -> ModelVersion:
        if "file" not in upload.files:
            raise Invalid("Send the model as `file` of a form, or a zip as the body.", code="file_missing")
        files = bundles.files_of_parts(upload.files)
        return checking.upload(stream=stream, files=files, by=self.actor, name=upload.texts["name"])

    def _named(self, stream: Stream) -> ModelVersion:
        body = checked(ExternalBody, self.request.data)
        return versions.register_external(stream=stream, name=body["name"], by=self.actor)


class ModelVersionView(ApiView):
    scopes = {"GET": "streams:read"}

    @extend_schema(operation_id="model_version_read", responses=ModelVersionOutput)
    def get(self, request: Request, stream: str, number: int) -> Response:  # noqa: ARG002
        """One model version, and how far its check is."""
        found = self.stream(stream).model_versions.select_related("bundle").filter(number=number).first()
        if found is None:
            raise NotFound("There is no such model version.", code="model_version_unknown")
        return Response(_version(found))


def _version(version: ModelVersion) -> dict[str, Any]:
    bundle = version.bundle
    budget = bundle.run_budget if bundle else None
    return {
        "number": version.number,
        "kind": version.kind,
        "name": version.name,
        "bundle": version.bundle_id,
        "state": bundle.state if bundle else Bundle.State.READY,
        "refusal": bundle.refusal if bundle else "",
        "run_budget": budget,
        "created_at": version.created_at,
        "created_by": version.created_by,
    }
