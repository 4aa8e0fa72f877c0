"""`nereid status`: models → table and details."""

from collections.abc import Callable

import pytest

from nereid_operator.amounts import amount
from nereid_operator.cli.listing import details, models_table, models_table_with_namespaces
from nereid_operator.cli.text import age, cores, short_revision, size
from tests.unit.cli.objects import NOW, REVISION, model, unready

MODELS = [
    model(replicas=2),
    model(*unready("Downloading", "The weights are being fetched."), name="smollm2", readyReplicas=0),
    model(name="rolling", revisions={"current": REVISION, "stable": "99999999"}),
    {**model(name="unseen"), "status": {}},
]


def test_a_table_of_models(golden: Callable[[str, str], None]):
    golden("status/a table of models", models_table(MODELS))


def test_a_table_with_namespaces(golden: Callable[[str, str], None]):
    golden("status/a table with namespaces", models_table_with_namespaces(MODELS))


@pytest.mark.parametrize("body", MODELS, ids=lambda body: body["metadata"]["name"])
def test_details(body: dict, golden: Callable[[str, str], None]):
    golden(f"status/details of {body['metadata']['name']}", details(body, now=NOW))


@pytest.mark.parametrize(
    ("size_bytes", "text"), [(91573785, "87.3 MiB"), (272_000_000_000, "253.3 GiB"), (2048, "2 KiB"), (0, "0 KiB")]
)
def test_sizes_are_written_for_people(size_bytes: int, text: str):
    assert size(size_bytes) == text


@pytest.mark.parametrize(("quantity", "text"), [("350m", "0.35"), ("2", "2"), ("100", "100"), ("1500u", "0.002")])
def test_cores_are_written_for_people(quantity: str, text: str):
    assert cores(amount(quantity)) == text


@pytest.mark.parametrize(
    ("then", "text"),
    [
        ("2026-05-04T11:59:59Z", "1s"),
        ("2026-05-04T11:48:00Z", "12m"),
        ("2026-05-04T09:00:00.123456Z", "2h"),
        ("2026-04-30T12:00:00Z", "4d"),
        ("2026-05-04T12:00:07Z", "0s"),
        ("", ""),
    ],
)
def test_ages(then: str, text: str):
    assert age(then, NOW) == text


@pytest.mark.parametrize(
    ("revision", "text"),
    [
        ("c9745ed1d9f207416be6d2e6f8de32d1f16199bf", "c9745ed1d9f2"),
        (f"sha256:{'ab' * 32}", "abababababab"),
        ("v1", "v1"),
    ],
)
def test_revisions_are_short(revision: str, text: str):
    assert short_revision(revision) == text
