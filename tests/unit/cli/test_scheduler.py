"""The scheduler's words in plain ones; what is not understood is kept."""

import pytest

from nereid_operator.cli.scheduler import plain

CASES = {
    "memory and a taint": (
        "0/3 nodes are available: 1 Insufficient memory, 2 node(s) had untolerated taint {a: b}. preemption: x.",
        "0 of 3 nodes can take it: 1 has too little memory free, 2 have a taint that the pod does not tolerate (a: b)",
    ),
    "a taint without a value": (
        "0/1 nodes are available: 1 node(s) had untolerated taint {example.com/storage: }.",
        "0 of 1 nodes can take it: 1 has a taint that the pod does not tolerate (example.com/storage)",
    ),
    "taints without a name": (
        "0/2 nodes are available: 2 node(s) had untolerated taint(s). no new claims to deallocate, preemption: y",
        "0 of 2 nodes can take it: 2 have taints in the way",
    ),
    "no accelerator": (
        "0/2 nodes are available: 2 Insufficient nvidia.com/gpu.",
        "0 of 2 nodes can take it: 2 have too little nvidia.com/gpu free",
    ),
    "cordoned, and labels": (
        "0/4 nodes are available: 1 node(s) were unschedulable, 3 node(s) didn't match Pod's node affinity/selector.",
        "0 of 4 nodes can take it: 1 is cordoned, 3 lack the labels that the pod asks for",
    ),
    "words of a later scheduler": (
        "0/4 nodes are available: 4 node(s) had a bad day.",
        "0 of 4 nodes can take it: 4 node(s) had a bad day",
    ),
    "no counts at all": ("no nodes available to schedule pods", "no nodes available to schedule pods"),
    "what is not from the scheduler": ('secret "x" not found', 'secret "x" not found'),
}


@pytest.mark.parametrize(("message", "words"), CASES.values(), ids=CASES.keys())
def test_plain(message: str, words: str):
    assert plain(message) == words
