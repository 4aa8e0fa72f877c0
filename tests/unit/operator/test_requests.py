"""What is sent to the API server, and what its answers become."""

from typing import Any

import pytest

from nereid_operator.api.resources import DEPLOYMENT, MODEL_DEPLOYMENT, POD, SERVICE
from nereid_operator.clients import requests
from nereid_operator.clients.kube import KubeClient
from nereid_operator.clients.requests import Request, Response
from nereid_operator.errors import ApiError, ConflictError, NotFoundError, RejectedError

MANIFEST = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "m", "namespace": "ns"}}


_READ = {"metadata": {"name": "m", "namespace": "ns", "resourceVersion": "7", "uid": "u"}}


def test_apply_is_a_forced_server_side_apply_by_one_manager():
    assert requests.apply(SERVICE, MANIFEST, "nereid") == Request(
        "PATCH",
        "/api/v1/namespaces/ns/services/m",
        {"fieldManager": "nereid", "force": "true"},
        MANIFEST,
        "application/apply-patch+yaml",
    )


def test_a_new_object_is_an_apply_over_a_version_that_no_object_has():
    request = requests.apply_new(SERVICE, MANIFEST, "nereid")
    assert request.body == {**MANIFEST, "metadata": {**MANIFEST["metadata"], "resourceVersion": "1"}}
    assert (request.method, request.content_type) == ("PATCH", "application/apply-patch+yaml")


def test_status_is_written_to_its_subresource():
    request = requests.apply_status(MODEL_DEPLOYMENT, _READ, {"replicas": 1})
    assert request.path == "/apis/nereid.dev/v1alpha1/namespaces/ns/modeldeployments/m/status"
    assert request.query["fieldManager"] == "nereid-status"


def test_status_is_only_for_the_very_object_that_was_read():
    """A uid would be ignored by the server, and another object may have the name by now."""
    body = requests.apply_status(MODEL_DEPLOYMENT, _READ, {"replicas": 1}).body
    assert body is not None
    assert body["metadata"] == {"name": "m", "namespace": "ns", "resourceVersion": "7"}


def test_replicas_are_written_to_the_scale_subresource():
    request = requests.scale("ns", "m-1", 3)
    assert request.path == "/apis/apps/v1/namespaces/ns/deployments/m-1/scale"
    assert request.body is not None
    assert (request.body["kind"], request.body["spec"]) == ("Scale", {"replicas": 3})
    assert request.query == {"fieldManager": "nereid-scale", "force": "true"}


def test_a_deletion_names_the_very_object():
    body = requests.delete(DEPLOYMENT, "ns", "m-1", uid="u").body
    assert body is not None
    assert body["preconditions"] == {"uid": "u"}


async def test_a_list_is_read_in_chunks():
    seen: list[Request] = []

    async def transport(request: Request) -> Response:
        seen.append(request)
        token = "" if "continue" in request.query else "next"
        return Response(200, {"metadata": {"continue": token, "resourceVersion": "7"}, "items": [{"n": len(seen)}]})

    listing = await KubeClient(transport).list(POD, selector="a=b")
    assert [item["n"] for item in listing.items] == [1, 2]
    assert {(item["apiVersion"], item["kind"]) for item in listing.items} == {("v1", "Pod")}
    assert listing.resource_version == "7"
    assert [request.query.get("continue") for request in seen] == [None, "next"]
    assert seen[0].path == "/api/v1/pods"


@pytest.mark.parametrize(
    ("status", "error"),
    [(404, NotFoundError), (409, ConflictError), (422, RejectedError), (403, RejectedError), (500, ApiError)],
)
async def test_an_error_answer_becomes_an_error_with_the_servers_words(status: int, error: type[ApiError]):
    async def transport(_: Request) -> Response:
        return Response(status, {"message": "because"})

    with pytest.raises(error, match="because"):
        await KubeClient(transport).apply(SERVICE, MANIFEST, manager="nereid")


async def test_what_is_not_there_is_none_and_deleting_it_is_done():
    async def transport(_: Request) -> Response:
        return Response(404, {"message": "not found"})

    client = KubeClient(transport)
    assert await client.get(MODEL_DEPLOYMENT, "ns", "m") is None
    await client.delete(SERVICE, "ns", "m", uid="u")


def test_cluster_wide_and_namespaced_paths():
    paths: list[Any] = [requests.path_of(MODEL_DEPLOYMENT, None), requests.path_of(POD, "ns", "p", "log")]
    assert paths == ["/apis/nereid.dev/v1alpha1/modeldeployments", "/api/v1/namespaces/ns/pods/p/log"]


SECRET_TABLE: dict[str, Any] = {
    "kind": "Table",
    "columnDefinitions": [{"name": "Name"}, {"name": "Type"}, {"name": "Data"}],
    "rows": [{"cells": ["hub", "Opaque", 2], "object": None}],
}


async def test_of_a_secret_the_type_alone_is_asked_for():
    asked: list[Request] = []

    async def answer(request: Request) -> Response:
        asked.append(request)
        return Response(200, SECRET_TABLE)

    assert await KubeClient(answer).secret_type("ns", "hub") == "Opaque"
    table = "application/json;as=Table;v=v1;g=meta.k8s.io"
    assert asked == [Request("GET", "/api/v1/namespaces/ns/secrets/hub", {"includeObject": "None"}, accept=table)]


async def test_a_secret_that_is_not_there_has_no_type():
    async def answer(_: Request) -> Response:
        return Response(404, {"message": "not found"})

    assert await KubeClient(answer).secret_type("ns", "hub") is None


@pytest.mark.parametrize(
    "body",
    [{"kind": "Secret", "type": "Opaque", "data": {"token": "eA=="}}, {**SECRET_TABLE, "columnDefinitions": []}],
    ids=["the object itself", "a table without the column"],
)
async def test_an_answer_without_the_type_is_an_error_and_its_data_is_told_nowhere(body: dict[str, Any]):
    async def answer(_: Request) -> Response:
        return Response(200, body)

    with pytest.raises(ApiError, match="without the column Type") as raised:
        await KubeClient(answer).secret_type("ns", "hub")
    assert "eA==" not in str(raised.value)
