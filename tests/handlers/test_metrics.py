"""/metrics of a running operator: named as Prometheus wants it, and moving with what happens."""

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from tests.handlers import cluster
from tests.handlers.conftest import Operator, until
from tests.handlers.fake_api_server import FakeApiServer
from tests.promtool import run_promtool


async def _scrape(operator: Operator) -> str:
    url = f"http://127.0.0.1:{operator.settings.http_port}/metrics"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return await answer.text()


def _samples(text: str) -> dict[str, float]:
    """Return the sums over the label values of what has a reason or verb, and the rest as it is."""
    sums: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            sums[sample.name] = sums.get(sample.name, 0.0) + sample.value
    return sums


async def test_metrics_are_named_as_prometheus_wants_and_move(api: FakeApiServer, operator: Operator):
    await cluster.serve(api, "s3://models/minilm")
    await until(lambda: cluster.condition(api, "Ready")["status"] == "True", "Ready")
    text = await _scrape(operator)
    assert run_promtool("check", "metrics", stdin=text) == ""
    samples = _samples(text)
    assert samples["nereid_leader"] == 1
    assert samples["nereid_reconciles_total"] >= 1
    assert samples["nereid_reconcile_seconds_count"] == samples["nereid_reconciles_total"]
    assert 'nereid_models{reason="Ready",status="True",type="Ready"} 1.0' in text
    assert 'nereid_api_call_seconds_count{code="201",resource="jobs",verb="create"} 1.0' in text
    assert samples["nereid_cache_objects"] >= 5
    assert samples["nereid_resyncs_total"] >= 1
