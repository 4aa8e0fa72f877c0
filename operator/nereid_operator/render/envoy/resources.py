"""What a snapshot is, and the words of proto JSON that its parts share. Used by every module beside it.

Names are those of Envoy's messages, in snake_case. A message inside a field of type Any carries its type in `@type`; a
resource itself does not, since the snapshot files it under its type.
"""

from collections.abc import Mapping
from typing import Any

TYPE_PREFIX = "type.googleapis.com/"
LISTENER = f"{TYPE_PREFIX}envoy.config.listener.v3.Listener"
ROUTES = f"{TYPE_PREFIX}envoy.config.route.v3.RouteConfiguration"
CLUSTER = f"{TYPE_PREFIX}envoy.config.cluster.v3.Cluster"
ENDPOINTS = f"{TYPE_PREFIX}envoy.config.endpoint.v3.ClusterLoadAssignment"
SECRET = f"{TYPE_PREFIX}envoy.extensions.transport_sockets.tls.v3.Secret"

# The listener, its routes and its certificate all have this name.
FRONT = "front"
# Dynamic metadata of a request, and the filter state that its route is chosen by.
NAMESPACE = "nereid"
MODEL_STATE = "nereid.model"
# The cluster that leads to the operator; it is part of the bootstrap.
CONTROL_CLUSTER = "xds"

Message = dict[str, Any]
# Type URL → resource name → the resource as proto JSON.
Resources = Mapping[str, Mapping[str, Mapping[str, Any]]]

ADS: Message = {"ads": {}, "resource_api_version": "V3"}


def message(kind: str, /, **fields: object) -> Message:
    """Return a message for a field of type Any; `kind` is its full name."""
    return {"@type": f"{TYPE_PREFIX}{kind}", **fields}


def struct(kind: str, /, **fields: object) -> Message:
    """Return a message, for a field of type Any, that Envoy knows and the Python package of its messages does not."""
    return message("xds.type.v3.TypedStruct", type_url=f"{TYPE_PREFIX}{kind}", value=fields)


def extension(name: str, config: Message) -> Message:
    """Return an extension with its configuration."""
    return {"name": name, "typed_config": config}


def text(content: str) -> Message:
    """Return a substitution format that gives a text."""
    return {"text_format_source": {"inline_string": content}}
