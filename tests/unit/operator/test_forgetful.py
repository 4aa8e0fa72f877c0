"""kopf delivers events and remembers nothing."""

import kopf

from nereid_operator.handlers import make_settings

BODY = kopf.Body({"metadata": {"name": "m", "labels": {"a": "b"}}, "spec": {"replicas": 1}})


def test_kopf_neither_copies_nor_compares_objects():
    storage = make_settings().persistence.diffbase_storage
    assert storage.fetch(body=BODY) is None
    assert storage.build(body=BODY) == {}


def test_kopf_keeps_no_progress_of_handlers():
    storage, patch = make_settings().persistence.progress_storage, kopf.Patch()
    record = kopf.ProgressRecord(
        started="now",
        stopped=None,
        delayed=None,
        purpose=None,
        retries=0,
        success=False,
        failure=False,
        message=None,
        subrefs=None,
    )
    storage.store(key=kopf.HandlerId("h"), record=record, body=BODY, patch=patch)
    storage.touch(body=BODY, patch=patch, value="now")
    assert storage.fetch(key=kopf.HandlerId("h"), body=BODY) is None
    assert not patch
