"""Words of the matcher that chooses a route: predicates over the request, and what follows from them.

Used by routes.py. A request is looked up in maps and in a handful of patterns that do not depend on the models, so the
cost of a route is the same for one model and for thousands.
"""

from collections.abc import Iterable, Mapping, Sequence

from nereid_operator.render.envoy.resources import MODEL_STATE, Message, extension, message

_HEADER = "envoy.type.matcher.v3.HttpRequestHeaderMatchInput"
_STATE = "envoy.extensions.matching.common_inputs.network.v3.FilterStateInput"


def header_is(name: str, value: str) -> Message:
    """Hold where a header has exactly a value; the method and the path are the headers :method and :path."""
    return _single(name, {"exact": value})


def header_matches(name: str, pattern: str) -> Message:
    """Hold where a header as a whole matches a pattern."""
    return _single(name, {"safe_regex": {"google_re2": {}, "regex": pattern}})


def both(*predicates: Message) -> Message:
    """Hold where all do; there are at least two."""
    return {"and_matcher": {"predicate": list(predicates)}}


def either(*predicates: Message) -> Message:
    """Hold where one does; there are at least two."""
    return {"or_matcher": {"predicate": list(predicates)}}


def every(predicates: Sequence[Message]) -> Message:
    """Hold where all of one or more do."""
    return predicates[0] if len(predicates) == 1 else both(*predicates)


def first_of(rows: Iterable[tuple[Message, Message]], otherwise: Message) -> Message:
    """Choose by the first predicate that holds; a row is the predicate and what follows."""
    fields = [{"predicate": predicate, "on_match": follows} for predicate, follows in rows]
    return {"matcher": {"matcher_list": {"matchers": fields}, "on_no_match": otherwise}}


def by_model(rows: Mapping[str, Message], otherwise: Message) -> Message:
    """Choose by the model's name; without any model there is nothing to look up."""
    if not rows:
        return otherwise
    tree = {
        "input": extension("model", message(_STATE, key=MODEL_STATE)),
        "exact_match_map": {"map": dict(rows)},
    }
    return {"matcher": {"matcher_tree": tree, "on_no_match": otherwise}}


def to(route: Message) -> Message:
    """Follow a route."""
    return {"action": extension("route", message("envoy.config.route.v3.Route", **route))}


def _single(name: str, value: Message) -> Message:
    return {"single_predicate": {"input": extension(name, message(_HEADER, header_name=name)), "value_match": value}}
