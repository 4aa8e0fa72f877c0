"""Resources become messages; the same content has the same version, and is not encoded twice."""

import copy

import pytest

from nereid_operator.render.envoy.resources import CLUSTER, ENDPOINTS, LISTENER
from nereid_operator.xds.descriptors import message_class
from nereid_operator.xds.encoding import NOTHING, encode, versions
from tests.xds.resources import cluster, gateway, listener

RESOURCES = gateway(8080, {"a": [1], "b": [2]})


def test_a_resource_is_packed_as_its_message():
    packed = encode(RESOURCES).content(CLUSTER)["a"].packed
    assert packed.type_url == CLUSTER
    assert message_class(CLUSTER).FromString(packed.value).name == "a"


def test_two_operators_have_the_same_versions():
    def turned(value):
        return dict(reversed([(key, turned(one)) for key, one in value.items()])) if isinstance(value, dict) else value

    one, other = encode(RESOURCES), encode(turned(copy.deepcopy(RESOURCES)))
    for type_url in RESOURCES:
        assert versions(one.content(type_url)) == versions(other.content(type_url))
        assert one.version(type_url) == other.version(type_url)


def test_what_did_not_change_is_the_same_object():
    before = encode(RESOURCES)
    after = encode(gateway(8080, {"a": [1], "b": [3]}), before)
    assert after.content(CLUSTER) is before.content(CLUSTER)
    assert after.content(ENDPOINTS)["a"] is before.content(ENDPOINTS)["a"]
    assert after.content(ENDPOINTS)["b"].version != before.content(ENDPOINTS)["b"].version
    assert after.version(CLUSTER) == before.version(CLUSTER)
    assert after.version(ENDPOINTS) != before.version(ENDPOINTS)


def test_a_type_that_lost_a_resource_is_another():
    before = encode(RESOURCES)
    after = encode(gateway(8080, {"a": [1]}), before)
    assert list(after.content(CLUSTER)) == ["a"]


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ({"name": "a", "not_a_field": 1}, "not_a_field"),
        ({"name": "a", "connect_timeout": "soon"}, "connect_timeout"),
        (
            {"name": "a", "metadata": {"typed_filter_metadata": {"x": {"@type": "type.googleapis.com/no.such.Thing"}}}},
            "no.such.Thing",
        ),
    ],
)
def test_what_is_no_message_is_a_failure_and_stays_as_it_was(bad, words):
    before = encode({CLUSTER: {"a": cluster("a"), "b": cluster("b")}})
    after = encode({CLUSTER: {"a": bad, "b": cluster("b"), "c": {**bad, "name": "c"}}}, before)
    assert after.content(CLUSTER)["a"] is before.content(CLUSTER)["a"]
    assert "c" not in after.content(CLUSTER)
    assert after.failures.keys() == {(CLUSTER, "a"), (CLUSTER, "c")}
    assert words in after.failures[CLUSTER, "a"]


def test_an_extension_that_the_package_lacks_goes_as_a_typed_struct():
    lacking = listener(8080)
    lacking["filter_chains"][0]["filters"][0]["typed_config"]["http_filters"].insert(
        0,
        {
            "name": "new",
            "typed_config": {
                "@type": "type.googleapis.com/xds.type.v3.TypedStruct",
                "type_url": "type.googleapis.com/not.in.the.package.Yet",
                "value": {"inner": {"@type": "type.googleapis.com/not.in.the.package.Either"}},
            },
        },
    )
    assert encode({LISTENER: {"front": lacking}}).failures == {}


def test_nothing_is_nothing():
    assert encode({}).contents == NOTHING.contents
