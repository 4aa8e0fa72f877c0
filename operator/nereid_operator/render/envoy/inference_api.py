"""As much of the Open Inference Protocol's gRPC service as it takes to find a request's model. Read by filters.py.

Envoy skips the fields that a descriptor does not have, so each request is described by the one field that names the
model. Field numbers are those of the protocol: 1 everywhere.
"""

import base64
from functools import cache

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet

from nereid_operator.render.envoy.paths import GRPC_SERVICE, MODEL_FIELDS

_PACKAGE, _SERVICE = GRPC_SERVICE.split(".")


@cache
def descriptor_set() -> str:
    """Return the FileDescriptorSet in base64, as proto JSON has bytes."""
    file = FileDescriptorProto(name="inference.proto", package=_PACKAGE, syntax="proto3")
    file.message_type.add(name="Answer")
    service = file.service.add(name=_SERVICE)
    for method, field in MODEL_FIELDS.items():
        request = file.message_type.add(name=f"{method}Request")
        request.field.add(
            name=field, number=1, type=FieldDescriptorProto.TYPE_STRING, label=FieldDescriptorProto.LABEL_OPTIONAL
        )
        streams = method == "ModelStreamInfer"
        service.method.add(
            name=method,
            input_type=f".{_PACKAGE}.{method}Request",
            output_type=f".{_PACKAGE}.Answer",
            client_streaming=streams,
            server_streaming=streams,
        )
    return base64.b64encode(FileDescriptorSet(file=[file]).SerializeToString(deterministic=True)).decode()
