"""Each chart/*.values.yaml through the real `helm template`, compared with the file of the same name.

The custom resource definitions are left out: they are compared with crds/ elsewhere. Of the gateway's own cases only
what differs from the defaults is on file, and its bootstrap with the defaults alone.
"""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.binaries import binary
from tests.stack.helm import CHART, NAMESPACE, RELEASE

FOLDER = Path(__file__).parent / "chart"
DEFAULTS = FOLDER / "defaults.values.yaml"
VALUES = sorted(FOLDER.glob("*.values.yaml"))


def _rendered(values: Path) -> str:
    objects = _objects(values)
    if values != DEFAULTS:
        objects = [item for item in objects if "envoy.yaml" not in item.get("data", {})]
    if values.name.startswith("gateway-"):
        known = _objects(DEFAULTS)
        objects = [item for item in objects if item not in known]
    # A new version of the chart alone changes no file.
    return yaml.safe_dump_all(objects, sort_keys=False, width=120).replace(_version(), "VERSION")


def _objects(values: Path) -> list[dict[str, Any]]:
    command = [str(binary("helm")), "template", RELEASE, str(CHART), "-n", NAMESPACE, "-f", str(values)]
    text = subprocess.run(command, text=True, capture_output=True, timeout=60, check=True).stdout
    objects = [item for item in yaml.safe_load_all(text) if item and item["kind"] != "CustomResourceDefinition"]
    return sorted(
        objects, key=lambda item: (item["kind"], item["metadata"].get("namespace", ""), item["metadata"]["name"])
    )


def _version() -> str:
    version: str = yaml.safe_load((CHART / "Chart.yaml").read_text())["version"]
    return version


@pytest.mark.parametrize("values", VALUES, ids=lambda path: path.name.removesuffix(".values.yaml"))
def test_the_chart_gives_the_objects_on_file(values: Path, update_golden: bool):
    golden = values.with_name(values.name.replace(".values.yaml", ".objects.yaml"))
    text = _rendered(values)
    if update_golden:
        golden.write_text(text)
    assert golden.read_text() == text, f"{golden.name} differs: review, then pytest tests/golden --update-golden"
