"""The audit log → writes and times."""

import json

import pytest

from bench.control.audit import AuditLog, Write, arrival_seconds, counted, edit_delays, missing, parse, span_seconds
from bench.errors import BenchError

OPERATOR = "system:serviceaccount:nereid-system:nereid-operator"
KINDS = frozenset({"deployments", "services"})


def _line(verb="patch", resource="services", name="m00001", user=OPERATOR, subresource=None):
    target = {"resource": resource, "namespace": "models", "name": name, "subresource": subresource}
    return json.dumps(
        {
            "verb": verb,
            "user": {"username": user},
            "objectRef": {key: value for key, value in target.items() if value},
            "responseStatus": {"code": 200},
            "requestReceivedTimestamp": "2026-01-02T03:04:05.000000Z",
            "stageTimestamp": "2026-01-02T03:04:05.250000Z",
        },
        separators=(",", ":"),
    )


def _write(resource, name, received, answered, *, subresource="", code=200):
    return Write(OPERATOR, "patch", resource, subresource, "models", name, code, received, answered)


def test_a_write_has_its_target_and_its_times():
    write = parse(_line().encode())
    assert (write.verb, write.resource, write.name, write.code) == ("patch", "services", "m00001", 200)
    assert write.answered - write.received == pytest.approx(0.25)


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(_line(verb="list"), id="a list"),
        pytest.param(_line(verb="watch"), id="a watch"),
        pytest.param(_line(resource="leases", name="nereid-operator"), id="the leader renews its Lease"),
    ],
)
def test_what_is_no_write_of_the_operator_does_not_count(line):
    assert parse(line.encode()) is None


def test_only_whole_lines_of_the_user_behind_the_position_are_read(tmp_path):
    log = AuditLog(tmp_path / "audit.log")
    log.path.write_text(_line(name="m00000") + "\n")
    start = log.position()
    with log.path.open("a") as file:
        file.write(_line(name="m00001") + "\n" + _line(user="kubelet") + "\n" + _line(name="m00002")[:100])
    assert [write.name for write in log.writes(start, OPERATOR)] == ["m00001"]


def test_what_is_missing_is_named():
    wanted = frozenset({("services", "m00001"), ("services", "m00002")})
    assert missing([_write("services", "m00001", 0, 1)], wanted) == {("services", "m00002")}


def test_a_span_reaches_from_the_first_arrival_to_the_last_answer():
    assert span_seconds([_write("services", "m00002", 5, 9), _write("services", "m00001", 4, 6)]) == 5


def test_nothing_has_no_span():
    with pytest.raises(BenchError, match="nothing was written"):
        span_seconds([])


def test_an_arrival_begins_with_any_write_and_ends_with_a_child():
    writes = [
        _write("services", "m00001", 3, 7),
        _write("modeldeployments", "m00001", 2, 3, subresource="status"),
        _write("modeldeployments", "m00001", 8, 99, subresource="status"),
        _write("services", "m00002", 20, 30, code=409),
    ]
    assert arrival_seconds(writes, KINDS) == 5


@pytest.mark.parametrize(
    ("writes", "expected"),
    [
        pytest.param([_write("deployments", "m00001-abc", 10.5, 11)], [1.0], id="from arrival to answer"),
        pytest.param(
            [_write("deployments", "m00001-abc", 12, 13), _write("services", "m00001", 11, 11.5)],
            [1.5],
            id="the first of two writes counts, in any order",
        ),
        pytest.param(
            [_write("services", "m00001", 9, 9.5), _write("services", "m00001", 12, 14)],
            [4.0],
            id="what was under way before the edit does not count",
        ),
        pytest.param(
            [_write("services", "m00002", 10, 10.1), _write("services", "m00001", 12, 14)],
            [4.0],
            id="the child of another does not count",
        ),
    ],
)
def test_the_delay_of_an_edit(writes, expected):
    assert edit_delays({"m00001": 10.0}, writes) == expected


def test_an_edit_that_nothing_follows_is_an_error():
    with pytest.raises(BenchError, match="1 of 2 edits were followed by no write, the first of m00002"):
        edit_delays({"m00001": 1.0, "m00002": 1.0}, [_write("services", "m00001", 2, 3)])


def test_writes_are_counted_by_sort():
    writes = [_write("services", "a", 0, 1), _write("services", "b", 0, 1)]
    status = _write("modeldeployments", "a", 0, 1, subresource="status", code=409)
    assert list(counted([*writes, status])) == ["1 x patch modeldeployments/status 409", "2 x patch services 200"]
