"""Kubernetes' recommended labels stand on every object and pod that is rendered."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nereid_operator.plan.ir import Platform
from tests.golden.test_golden import CLOSED, EXAMPLES, PLATFORM, planned, rendered

COMPONENTS = {
    "Job": "resolve",
    "ServiceAccount": "model",
    "NetworkPolicy": "model",
    "Deployment": "replica",
    "Service": "replica",
    "PodDisruptionBudget": "replica",
}


def _labelled(manifest: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield manifest["metadata"]["labels"]
    if "template" in manifest.get("spec", {}):
        yield manifest["spec"]["template"]["metadata"]["labels"]


@pytest.mark.parametrize("platform", [PLATFORM, CLOSED], ids=["open", "closed"])
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_every_object_and_pod_bears_the_recommended_labels(example: Path, platform: Platform):
    asked, plan = planned(example, platform)
    for manifest in rendered(asked, plan):
        for labels in _labelled(manifest):
            recommended = {key: value for key, value in labels.items() if key.startswith("app.kubernetes.io/")}
            # A version would replace pods for a release that changes nothing about them.
            assert recommended == {
                "app.kubernetes.io/name": "nereid-model",
                "app.kubernetes.io/instance": plan.owner.name,
                "app.kubernetes.io/component": COMPONENTS[manifest["kind"]],
                "app.kubernetes.io/part-of": "nereid",
                "app.kubernetes.io/managed-by": "nereid",
            }, manifest["kind"]


def test_what_selects_pods_asks_for_two_labels_alone():
    """A Deployment's selector can never be changed, so a label that is added must not become part of it."""
    asked, plan = planned(EXAMPLES[0], PLATFORM)
    (deployment,) = (manifest for manifest in rendered(asked, plan) if manifest["kind"] == "Deployment")
    assert deployment["spec"]["selector"]["matchLabels"] == {
        "nereid.dev/model": plan.owner.name,
        "nereid.dev/revision": plan.revision.hash,
    }
