"""One gateway's stream: what it asked for, has and refused → what it is sent next. No I/O, no clock.

ads.py hands in every request and sends what `next_response` returns until that is None. At most one response of a
type is under way; while one is, whatever else is published coalesces, so a slow gateway costs nothing and gets the
newest. State of the world, in an order in which no request meets something that is not there yet:

- clusters first, then their endpoints, and the routes when every cluster is in service (make before break);
- a cluster that is gone is kept until the routes without it are acknowledged;
- a changed cluster or listener waits for its endpoints or routes, also for unchanged ones, so they are sent again,
  right behind it: Envoy acknowledges clusters only when they have their endpoints.

Of clusters and listeners the gateway gets all (what is missing is removed), of the others what changed.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from nereid_operator.render.envoy.resources import CLUSTER, ENDPOINTS, LISTENER, ROUTES, SECRET
from nereid_operator.xds.encoding import Content, Encoded, Snapshot, content_version, versions
from nereid_operator.xds.quarantine import Quarantine

_ORDER = (CLUSTER, ENDPOINTS, SECRET, LISTENER, ROUTES)
_WHOLE = frozenset({CLUSTER, LISTENER})
_DEPENDENT = {CLUSTER: ENDPOINTS, LISTENER: ROUTES}  # has the same name
# Envoy's words when it applied the clusters or listeners of a response but for those that it names.
_REST_APPLIED = re.compile("Error adding/updating (cluster|listener)")
_DUMPED = re.compile(r'^(?:cluster_)?name: "([^"]+)"$', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Request:
    """A DiscoveryRequest; `names` is empty for everything, `error` None where nothing was refused."""

    type_url: str
    names: frozenset[str] = frozenset()
    version: str = ""
    nonce: str = ""
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Response:
    """A DiscoveryResponse."""

    type_url: str
    version: str
    nonce: str
    resources: Sequence[Encoded]


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a gateway would not take; no names where its message does not tell and trying apart is not safe."""

    type_url: str
    names: tuple[str, ...]
    message: str


@dataclass(slots=True)
class _Channel:
    """One type on the stream.

    `accepted` is name → version as the gateway has it; `offered` what the last response held; `again` what has to be
    sent although it is accepted; `untried` groups of resources, of which the first alone is offered, to find out which
    one is refused; `inherited`: the gateway may hold what another operator or stream gave it; `in_step` is the
    published content for which nothing was left to send, so that the next look at it costs nothing.
    """

    names: frozenset[str]
    inherited: bool
    nonce: str = ""
    under_way: bool = False
    offered: Content | None = None
    accepted: dict[str, str] = field(default_factory=dict)
    again: set[str] = field(default_factory=set)
    untried: list[frozenset[str]] = field(default_factory=list)
    in_step: Content | None = None

    def withheld(self) -> frozenset[str]:
        return frozenset[str]().union(*self.untried[1:])


class Session:
    """The stream of one gateway; `quarantine` is the gateway's and outlives it."""

    def __init__(self, quarantine: Quarantine) -> None:
        self._quarantine = quarantine
        self._channels: dict[str, _Channel] = {}
        self._responses = 0

    def receive(self, request: Request) -> tuple[Refusal, ...]:
        """Take a request in; return what it says to be refused."""
        channel = self._channels.get(request.type_url)
        if channel is None:
            self._channels[request.type_url] = _Channel(request.names, inherited=bool(request.version))
            return ()
        if request.nonce != channel.nonce:
            return ()  # was on its way when a newer response went out; the answer to that one says it all again
        refusals: tuple[Refusal, ...] = ()
        if channel.under_way:
            channel.under_way = False
            if request.error is None:
                self._accept(request.type_url, channel)
            else:
                refusals = self._refuse(request.type_url, channel, request.error)
        if request.type_url not in _WHOLE:
            self._subscribe(channel, request.names)
        return refusals

    def accepted(self, type_url: str) -> Mapping[str, str]:
        """Return what the gateway has acknowledged of a type: name → version."""
        channel = self._channels.get(type_url)
        return channel.accepted if channel else {}

    def next_response(self, snapshot: Snapshot) -> Response | None:
        """Return what shall be sent now, and count it as sent; None while there is nothing, or an answer is awaited."""
        for type_url in _ORDER:
            channel = self._channels.get(type_url)
            if channel is None or channel.under_way:
                continue
            due = self._due(type_url, channel, snapshot)
            if due is not None:
                return self._send(type_url, channel, due, snapshot)
        return None

    def _send(self, type_url: str, channel: _Channel, due: Content, snapshot: Snapshot) -> Response:
        self._responses += 1
        channel.nonce = str(self._responses)
        channel.under_way = True
        self._ask_for_dependents(type_url, due)
        channel.offered = due
        channel.again -= due.keys()
        version = content_version(versions(due)) if type_url in _WHOLE else snapshot.version(type_url)
        return Response(type_url, version, channel.nonce, tuple(due.values()))

    def _ask_for_dependents(self, type_url: str, sent: Content) -> None:
        dependent = self._channels.get(_DEPENDENT.get(type_url, ""))
        if dependent is None:
            return
        accepted = self._channels[type_url].accepted
        dependent.again |= {name for name, one in sent.items() if accepted.get(name) != one.version} & dependent.names
        dependent.in_step = None

    def _due(self, type_url: str, channel: _Channel, snapshot: Snapshot) -> Content | None:
        """Return what the gateway lacks; groups of which nothing is left to try are dropped on the way."""
        if channel.in_step is snapshot.content(type_url):
            return None
        lacking = self._lacking_of_whole if type_url in _WHOLE else self._lacking_of_parts
        due = lacking(type_url, channel, snapshot)
        while due is None and channel.untried:
            channel.untried.pop(0)
            due = lacking(type_url, channel, snapshot)
        return due

    def _lacking_of_whole(self, type_url: str, channel: _Channel, snapshot: Snapshot) -> Content | None:
        content = self._whole(type_url, channel, snapshot)
        if channel.offered is None or versions(content) != versions(channel.offered):
            return content
        published = snapshot.content(type_url)
        if not channel.untried and content.keys() <= published.keys():
            channel.in_step = published
        return None

    def _lacking_of_parts(self, type_url: str, channel: _Channel, snapshot: Snapshot) -> Content | None:
        due = self._changed(type_url, channel, snapshot)
        if not due and not channel.untried and not channel.again:
            channel.in_step = snapshot.content(type_url)
        if not due or (type_url == ROUTES and not self._clusters_serve(snapshot)):
            return None
        return due

    def _whole(self, type_url: str, channel: _Channel, snapshot: Snapshot) -> Content:
        published = snapshot.content(type_url)
        content = dict(self._quarantine.allowed(type_url, published))
        for name in channel.withheld() & content.keys():
            good = self._quarantine.last_accepted(type_url, name)
            if good is None:
                del content[name]
            else:
                content[name] = good
        if type_url == CLUSTER and channel.offered and not self._routes_are(snapshot):
            content |= {name: old for name, old in channel.offered.items() if name not in published}
        return content

    def _changed(self, type_url: str, channel: _Channel, snapshot: Snapshot) -> Content:
        allowed = self._quarantine.allowed(type_url, snapshot.content(type_url))
        withheld = channel.withheld()
        return {
            name: allowed[name]
            for name in channel.names & allowed.keys()
            if (channel.accepted.get(name) != allowed[name].version or name in channel.again) and name not in withheld
        }

    def _routes_are(self, snapshot: Snapshot) -> bool:
        """Tell whether the gateway routes by the snapshot already, or was never asked for routes."""
        channel = self._channels.get(ROUTES)
        if channel is None:
            return True
        wanted = versions(snapshot.content(ROUTES))
        return all(channel.accepted.get(name) == wanted[name] for name in channel.names & wanted.keys())

    def _clusters_serve(self, snapshot: Snapshot) -> bool:
        """Tell whether the gateway has every cluster of the snapshot, with its endpoints."""
        clusters, endpoints = self._channels.get(CLUSTER), self._channels.get(ENDPOINTS)
        if clusters is None:
            return True
        content = self._whole(CLUSTER, clusters, snapshot)
        if clusters.under_way or clusters.offered is None or versions(clusters.offered) != versions(content):
            return False
        served = self._quarantine.allowed(ENDPOINTS, snapshot.content(ENDPOINTS)).keys()
        needed = {name for name in content.keys() & served if name in clusters.accepted}
        return not needed or (endpoints is not None and needed <= endpoints.accepted.keys() - endpoints.again)

    def _subscribe(self, channel: _Channel, names: frozenset[str]) -> None:
        """Forget what is not asked for any more, so that it is sent when it is asked for again."""
        if names == channel.names:
            return
        channel.in_step = None
        channel.names = names
        channel.accepted = {name: version for name, version in channel.accepted.items() if name in names}
        channel.again &= names

    def _accept(self, type_url: str, channel: _Channel) -> None:
        self._settle(type_url, channel, channel.offered or {})
        channel.inherited = False
        if channel.untried:
            channel.untried.pop(0)

    def _settle(self, type_url: str, channel: _Channel, taken: Content) -> None:
        """Note what of a response the gateway has taken."""
        if type_url in _WHOLE:
            offered = channel.offered or {}
            channel.accepted = {name: version for name, version in channel.accepted.items() if name in offered}
        channel.accepted |= versions(taken)
        self._quarantine.accept(type_url, taken.values())

    def _refuse(self, type_url: str, channel: _Channel, message: str) -> tuple[Refusal, ...]:
        channel.in_step = None
        offered = channel.offered or {}
        suspects = {name: one for name, one in offered.items() if channel.accepted.get(name) != one.version}
        named = {name: suspects[name] for name in _named(message, suspects)}
        if named and _REST_APPLIED.match(message):
            self._settle(type_url, channel, {name: one for name, one in offered.items() if name not in named})
            return self._blame(type_url, named, message, rest_applied=True)
        if suspects and type_url not in _WHOLE:
            channel.again |= offered.keys() - suspects.keys()
        if channel.untried or not named:
            return self._try_apart(type_url, channel, suspects, named, message)
        return self._blame(type_url, named, message, rest_applied=False)

    def _try_apart(
        self, type_url: str, channel: _Channel, suspects: Content, named: Content, message: str
    ) -> tuple[Refusal, ...]:
        """Narrow down which resource of the group that was offered is refused: one that is named, or the last one."""
        group = channel.untried.pop(0) if channel.untried else frozenset(suspects)
        guilty = named or {name: suspects[name] for name in group & suspects.keys() if len(group) == 1}
        if guilty:
            channel.untried[:0] = [rest for rest in (group - guilty.keys(),) if rest]
            return self._blame(type_url, guilty, message, rest_applied=False)
        if len(group) < 2 or not self._may_be_left_out(type_url, channel, suspects):
            return (Refusal(type_url, (), message),)
        channel.untried[:0] = _halves(group)
        return ()

    def _blame(self, type_url: str, guilty: Content, message: str, *, rest_applied: bool) -> tuple[Refusal, ...]:
        new = [one for one in guilty.values() if not self._quarantine.is_refused(type_url, one)]
        for one in new:
            self._quarantine.refuse(type_url, one, rest_applied=rest_applied)
        return (Refusal(type_url, tuple(one.name for one in new), message),) if new else ()

    def _may_be_left_out(self, type_url: str, channel: _Channel, suspects: Content) -> bool:
        """Tell whether resources can be tried apart: no cluster may vanish that another operator put there."""
        if type_url not in _WHOLE or not channel.inherited:
            return True
        return all(self._quarantine.last_accepted(type_url, name) for name in suspects)


def _named(message: str, suspects: Iterable[str]) -> set[str]:
    """Return the suspects that a message is about, of the three forms in which Envoy says so.

    `Error adding/updating cluster(s) a: why, b: why`; a dump of the resource, which begins with its name, and may hold
    the names of others; or the name anywhere in a sentence, as a word of its own: `a/b/http` is no mention of `b/http`.
    """
    if _REST_APPLIED.match(message):
        return {name for name in suspects if re.search(rf"[\s,]{re.escape(name)}: ", message)}
    dumped = _DUMPED.search(message)
    if dumped:
        return {dumped[1]} & set(suspects)
    return {name for name in suspects if re.search(rf"(?<![\w./-]){re.escape(name)}(?![\w/-]|\.\w)", message)}


def _halves(group: frozenset[str]) -> Iterator[frozenset[str]]:
    ordered = sorted(group)
    middle = len(ordered) // 2
    yield frozenset(ordered[:middle])
    yield frozenset(ordered[middle:])
