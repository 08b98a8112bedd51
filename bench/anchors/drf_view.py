"""The plainest DRF view that stores a case: one serializer, one INSERT by the ORM. No key, no contract, no replay."""

from typing import Any

from django.db import models
from django.http import HttpResponse
from django.urls import path
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView


class StoredCase(models.Model):
    """A row of the table that `bench.anchors.bare_drain` makes."""

    external_id = models.TextField(unique=True)
    features = models.JSONField()

    class Meta:
        app_label = "anchor"
        managed = False
        db_table = "bench_case"

    def __str__(self) -> str:
        return self.external_id


class CaseInput(serializers.Serializer[Any]):
    external_id = serializers.CharField(max_length=200)
    features = serializers.DictField(child=serializers.FloatField())


class Cases(APIView):
    def post(self, request: Request) -> Response:
        given = CaseInput(data=request.data)
        given.is_valid(raise_exception=True)
        stored = StoredCase.objects.create(**given.validated_data)
        return Response({"id": stored.pk, "external_id": stored.external_id}, status=201)


urlpatterns = [path("cases", Cases.as_view()), path("readyz", lambda _: HttpResponse("ready"))]
