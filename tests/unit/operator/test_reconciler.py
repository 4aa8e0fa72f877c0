"""How a pass ends of which there is nothing to do."""

from datetime import UTC, datetime

import pytest

from nereid_operator.api.resources import Key
from nereid_operator.cache import Cache
from nereid_operator.clients.kube import KubeClient
from nereid_operator.clients.requests import Request, Response
from nereid_operator.outcome import Outcome, Result
from nereid_operator.plan.ir import Image, Platform
from nereid_operator.reconciler import Reconciler
from nereid_operator.reporter import Reporter


@pytest.mark.parametrize("key", [Key("default", "m"), Key("", "p")], ids=["a model", "a policy"])
async def test_what_is_gone_is_told_as_gone_so_that_nobody_remembers_it(key: Key):
    async def transport(_: Request) -> Response:
        raise AssertionError("nothing is to be read or written")

    cache, kube = Cache(), KubeClient(transport)
    reporter = Reporter(cache, kube, clock=lambda: 0.0)
    platform = Platform(Image("nereid.dev/model-runtime:test", "IfNotPresent"))
    reconciler = Reconciler(
        cache,
        kube,
        platform,
        reporter,
        fetch_of=lambda _: None,
        routing_of=lambda _: None,
        now=lambda: datetime(2026, 1, 1, tzinfo=UTC),
    )
    assert await reconciler.reconcile(key) == Outcome(Result.GONE)
