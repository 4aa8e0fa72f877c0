"""The label of the operator that leads: put on, taken from others, given up, and never written twice."""

from typing import Any

import pytest

from nereid_operator.clients.kube import KubeClient
from nereid_operator.clients.requests import Request, Response
from nereid_operator.errors import ApiError, NotLeadingError
from nereid_operator.leader_label import LOOK_SECONDS, LeaderLabel

PODS = "/api/v1/namespaces/nereid-system/pods"


class _Stand:
    """An API server that has pods, some of them labelled, and a process that leads or does not."""

    def __init__(self, *labelled: str, leading: bool = True) -> None:
        self.labelled = set(labelled)
        self.leading = leading
        self.now = 0.0
        self.writes: list[str] = []
        self.status = 200
        self.status_of_writes = 200
        kube = KubeClient(self._answer)
        self.label = LeaderLabel(kube, kube, "nereid-system", "me", lambda: self.leading, lambda: self.now)

    async def _answer(self, request: Request) -> Response:
        if self.status != 200:
            return Response(self.status, {"message": "no"})
        if request.method == "GET":
            assert request.query["labelSelector"] == "nereid.dev/leader=true"
            items = [{"metadata": {"name": name}} for name in sorted(self.labelled)]
            return Response(200, {"metadata": {}, "items": items})
        if self.status_of_writes != 200:
            return Response(self.status_of_writes, {"message": "no"})
        name = request.path.removeprefix(f"{PODS}/")
        body: dict[str, Any] = dict(request.body or {})
        assert request.query["fieldManager"] == "nereid-leader"
        if "labels" in body["metadata"]:
            self.labelled.add(name)
            self.writes.append(f"on {name}")
        else:
            self.labelled.discard(name)
            self.writes.append(f"off {name}")
        return Response(200, body)


async def test_who_leads_has_the_label_and_nobody_else():
    stand = _Stand("other", "third")
    await stand.label.step()
    assert stand.labelled == {"me"}
    assert stand.writes == ["off other", "off third", "on me"]


async def test_nothing_is_written_while_it_is_where_it_belongs():
    stand = _Stand("me")
    for stand.now in (0.0, 1.0, 2 * LOOK_SECONDS):
        await stand.label.step()
    assert stand.writes == []


async def test_a_label_that_somebody_takes_away_comes_back():
    stand = _Stand()
    await stand.label.step()
    stand.labelled.clear()
    stand.now = LOOK_SECONDS
    await stand.label.step()
    assert stand.writes == ["on me", "on me"]


async def test_who_leads_no_more_takes_it_off_once():
    stand = _Stand()
    await stand.label.step()
    stand.leading = False
    await stand.label.step()
    await stand.label.step()
    assert stand.writes == ["on me", "off me"]
    stand.leading = True
    await stand.label.step()
    assert stand.labelled == {"me"}


async def test_who_follows_takes_off_what_an_earlier_process_of_the_pod_left():
    stand = _Stand("me", leading=False)
    await stand.label.step()
    assert stand.labelled == set()


async def test_what_could_not_be_written_is_tried_again():
    stand = _Stand()
    stand.status = 503
    with pytest.raises(ApiError):
        await stand.label.step()
    stand.status = 200
    await stand.label.step()
    assert stand.labelled == {"me"}


async def test_a_pod_that_is_gone_has_no_label_to_take():
    stand = _Stand("me", leading=False)
    stand.status_of_writes = 422
    await stand.label.step()
    assert stand.writes == []


async def test_who_follows_from_the_start_writes_nothing():
    stand = _Stand(leading=False)
    await stand.label.step()
    await stand.label.step()
    assert stand.writes == []


async def test_a_process_that_ceases_to_lead_meanwhile_writes_nothing():
    stand = _Stand("other")

    async def refuse(_: Request) -> Response:
        raise NotLeadingError("not any more")

    stand.label.writes = KubeClient(refuse)
    with pytest.raises(NotLeadingError):
        await stand.label.step()
    assert stand.writes == []
