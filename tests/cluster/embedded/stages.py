"""How kwok plays nodes and pods, as Stage objects (pure): nodes are Ready at once, pods run, pods of Jobs complete."""

import json
from typing import Any

Object = dict[str, Any]

_NODE_STATUS = """
{{ $now := Now }}
conditions:
{{ range NodeConditions }}
- {type: {{ .type | Quote }}, status: {{ .status | Quote }}, reason: {{ .reason | Quote }},
   message: {{ .message | Quote }},
   lastHeartbeatTime: {{ $now | Quote }}, lastTransitionTime: {{ $now | Quote }}}
{{ end }}
addresses:
- {type: InternalIP, address: {{ NodeIP | Quote }}}
- {type: Hostname, address: {{ NodeName | Quote }}}
nodeInfo: {architecture: amd64, operatingSystem: linux, osImage: "", kernelVersion: kwok, machineID: "", systemUUID: "",
  bootID: "", containerRuntimeVersion: kwok, kubeletVersion: kwok, kubeProxyVersion: kwok}
phase: Running
"""
_POD_STATUS = """
{{ $now := Now }}
conditions:
- {type: Initialized, status: "True", lastTransitionTime: {{ $now | Quote }}}
- {type: ContainersReady, status: "True", lastTransitionTime: {{ $now | Quote }}}
- {type: Ready, status: "True", lastTransitionTime: {{ $now | Quote }}}
containerStatuses:
{{ range .spec.containers }}
- {name: {{ .name | Quote }}, image: {{ .image | Quote }}, ready: true, restartCount: 0,
   state: {running: {startedAt: {{ $now | Quote }}}}}
{{ end }}
hostIP: {{ index ( NodeIPsWith .spec.nodeName ) 0 | Quote }}
{{ $address := PodIPsWith .spec.nodeName false ( or .metadata.uid "" ) .metadata.name .metadata.namespace }}
podIP: {{ index $address 0 | Quote }}
phase: Running
startTime: {{ $now | Quote }}
"""
_JOB_POD_STATUS = """
{{ $now := Now }}
containerStatuses:
{{ range .spec.containers }}
- {name: {{ .name | Quote }}, image: {{ .image | Quote }}, ready: false, restartCount: 0, state: {terminated:
   {exitCode: 0, reason: Completed, startedAt: {{ $now | Quote }}, finishedAt: {{ $now | Quote }}}}}
{{ end }}
phase: Succeeded
"""


def stages() -> list[Object]:
    """Return the stages; a stage applies when every one of its expressions holds."""
    ready = '.status.conditions.[] | select( .type == "Ready" ) | .status'
    alive, gone = (".metadata.deletionTimestamp", "DoesNotExist"), (".metadata.deletionTimestamp", "Exists")
    of_job = (".metadata.ownerReferences.[].kind", "In", "Job")
    return [
        _stage("node-ready", "Node", [(ready, "NotIn", "True")], {"statusTemplate": _NODE_STATUS}),
        _stage("pod-runs", "Pod", [alive, (".status.phase", "In", "Pending")], {"statusTemplate": _POD_STATUS}),
        _stage(
            "pod-completes",
            "Pod",
            [alive, (".status.phase", "In", "Running"), of_job],
            {"statusTemplate": _JOB_POD_STATUS},
        ),
        _stage("pod-goes", "Pod", [gone], {"delete": True}),
    ]


def stage_file() -> str:
    """Return the stages as kwok's configuration file."""
    return "\n---\n".join(json.dumps(stage, indent=1) for stage in stages())


def _stage(name: str, kind: str, when: list[tuple[str, ...]], then: Object) -> Object:
    expressions = [_expression(*condition) for condition in when]
    return {
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": "Stage",
        "metadata": {"name": name},
        "spec": {
            "resourceRef": {"apiGroup": "v1", "kind": kind},
            "selector": {"matchExpressions": expressions},
            "next": then,
        },
    }


def _expression(key: str, operator: str, *values: str) -> Object:
    return {"key": key, "operator": operator, **({"values": list(values)} if values else {})}
