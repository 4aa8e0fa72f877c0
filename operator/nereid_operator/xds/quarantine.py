"""What a gateway refused, and what it has accepted before: published content → content that is sent to it.

One for each gateway, kept by ads.py beyond the gateway's streams; session.py asks for what it may send and says what
came of it. A refused resource stays at the last version that was accepted, or is left out where none is known, until
its content changes. Endpoints are never left out: their cluster, and every change of clusters, would wait for them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from nereid_operator.render.envoy.resources import ENDPOINTS
from nereid_operator.xds.encoding import Content, Encoded, no_endpoints


class Instead(StrEnum):
    """What is sent in place of a refused resource for which no accepted version is known.

    OUT: nothing. SAME: it is sent as it is, since the gateway applied everything else that came with it, and may hold
    an older version that it would lose if the resource were left out.
    """

    OUT = "Out"
    SAME = "Same"


@dataclass(frozen=True, slots=True)
class _Refused:
    version: str
    instead: Instead


class Quarantine:
    """Refused and accepted resources by (type URL, name)."""

    def __init__(self) -> None:
        self._refused: dict[str, dict[str, _Refused]] = {}
        self._accepted: dict[str, dict[str, Encoded]] = {}

    def allowed(self, type_url: str, published: Content) -> Content:
        """Return what may be sent for the published content of a type."""
        refused = self._refused.get(type_url)
        if not refused:
            return published
        allowed = dict(published)
        for name, verdict in refused.items():
            if name in published and published[name].version == verdict.version and verdict.instead is Instead.OUT:
                self._replace(type_url, name, allowed)
        return allowed

    def accept(self, type_url: str, resources: Iterable[Encoded]) -> None:
        """Remember what a gateway has accepted, but for what was sent only because nothing better is known."""
        accepted = self._accepted.setdefault(type_url, {})
        accepted.update((resource.name, resource) for resource in resources if not self.is_refused(type_url, resource))

    def refuse(self, type_url: str, resource: Encoded, *, rest_applied: bool) -> None:
        """Keep a resource from being sent; `rest_applied`: the gateway took what came with it."""
        refused = self._refused.setdefault(type_url, {})
        good = self.last_accepted(type_url, resource.name)
        if good is None or good.version != resource.version:
            instead = Instead.SAME if rest_applied and good is None else Instead.OUT
            refused[resource.name] = _Refused(resource.version, instead)
            return
        # Was fine once and is not any more. What it stood in for stays refused, so that neither is tried for ever.
        del self._accepted[type_url][resource.name]
        refused.setdefault(resource.name, _Refused(resource.version, Instead.OUT))

    def is_refused(self, type_url: str, resource: Encoded) -> bool:
        """Tell whether a gateway has refused this very content."""
        verdict = self._refused.get(type_url, {}).get(resource.name)
        return verdict is not None and verdict.version == resource.version

    def last_accepted(self, type_url: str, name: str) -> Encoded | None:
        """Return the version of a resource that a gateway accepted last; None when none is known."""
        return self._accepted.get(type_url, {}).get(name)

    def forget_others(self, type_url: str, published: Content) -> None:
        """Forget what is not published any more, and refusals of content that has changed."""
        refused = self._refused.get(type_url, {})
        self._refused[type_url] = {
            name: verdict
            for name, verdict in refused.items()
            if name in published and published[name].version == verdict.version
        }
        accepted = self._accepted.get(type_url, {})
        if len(accepted) > len(published):  # a look at every name of every type on each change would add up
            self._accepted[type_url] = {name: one for name, one in accepted.items() if name in published}

    def _replace(self, type_url: str, name: str, allowed: dict[str, Encoded]) -> None:
        good = self.last_accepted(type_url, name)
        if good is not None:
            allowed[name] = good
        elif type_url == ENDPOINTS:
            allowed[name] = no_endpoints(name)
        else:
            del allowed[name]
