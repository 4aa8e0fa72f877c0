"""The custom resource ModelDeployment in pydantic; the CRD is generated from these classes (api/crd.py).

Comes in: the body of an object. Goes out: a frozen `ModelDeployment`, or pydantic's ValidationError, which
api/validation.py turns into sentences. Every field here works; a field whose feature is not built is not here.
"""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from nereid_operator.api.api_type import DNS_NAME_MAX_LENGTH, DNS_NAME_PATTERN, ApiType, Size
from nereid_operator.api.pod import Pod
from nereid_operator.api.resources import ANNOTATION_REFRESH, Body, Key
from nereid_operator.api.runtime import Runtime
from nereid_operator.api.traffic import Traffic

NAME_PATTERN = r"^[a-z]([-a-z0-9]*[a-z0-9])?$"
NAME_MAX_LENGTH = 40
URI_PATTERN = (
    r"^(hf://[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*"
    r"|s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[^\s?#]+)?"
    r"|https://[^\s?#/@]+(/[^\s?#]*)?"
    r"|oci://[A-Za-z0-9][A-Za-z0-9.-]*(:[0-9]{1,5})?(/[a-z0-9][a-z0-9._-]*)+"
    r"|pvc://[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?(/[.]?[^\s?#/.][^\s?#/]*)*)$"
)
CLAIM_SCHEME = "pvc://"
GGUF_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._+-]*\.gguf$"
CA_BUNDLE_KEY = "ca.crt"
CONFIG_MAP_KEY_PATTERN = r"^[A-Za-z0-9_-][A-Za-z0-9._-]*$"
URI_FORMS = (
    "hf://<organization>/<name>, s3://<bucket>/<prefix>, https://<host>/<folder>, oci://<host>/<repository> "
    "or pvc://<claim>/<folder>"
)
URI_HELP = f"must be {URI_FORMS}, nothing more"


class Task(StrEnum):
    """What a model does, and so which API it is served by."""

    AUTO = "Auto"
    CHAT = "Chat"
    COMPLETION = "Completion"
    EMBEDDING = "Embedding"
    CLASSIFICATION = "Classification"
    TENSOR = "Tensor"


# Those whose answers are texts of any length, one token after the other.
GENERATION = frozenset({Task.CHAT, Task.COMPLETION})


class CaBundle(ApiType):
    """Certificates of authorities to trust besides the system's, in PEM."""

    config_map_name: str = Field(
        pattern=DNS_NAME_PATTERN,
        max_length=DNS_NAME_MAX_LENGTH,
        description="ConfigMap in the same namespace, mounted where the model is resolved and fetched.",
    )
    key: str = Field(
        default=CA_BUNDLE_KEY,
        pattern=CONFIG_MAP_KEY_PATTERN,
        max_length=DNS_NAME_MAX_LENGTH,
        description="Key of the ConfigMap that holds the certificates.",
    )


class Source(ApiType):
    """How to reach the place that the URI names."""

    endpoint: Annotated[str, Field(pattern=r"^https?://[^\s?#@]+$", max_length=512)] | None = Field(
        default=None,
        description=(
            "URL of the S3 API for s3:// (default: AWS), of the hub for hf:// (default: Hugging Face), or of the "
            "registry for oci:// (default: https at the host of the URI)."
        ),
    )
    region: Annotated[str, Field(pattern=r"^[a-z0-9-]+$", max_length=64)] | None = Field(
        default=None, description="Region of the bucket; only for s3://."
    )
    ca_bundle: CaBundle | None = Field(
        default=None, description="Certificates of authorities to trust besides the system's."
    )


class Credentials(ApiType):
    """Where the credentials for the source are."""

    secret_name: str = Field(
        pattern=DNS_NAME_PATTERN,
        max_length=DNS_NAME_MAX_LENGTH,
        description="Secret in the same namespace, mounted where the model is resolved and fetched.",
    )


class ModelCache(ApiType):
    """Where the replicas of models share what was fetched."""

    claim_name: str = Field(
        pattern=DNS_NAME_PATTERN,
        max_length=DNS_NAME_MAX_LENGTH,
        description="PersistentVolumeClaim in the same namespace, mounted where replicas fetch the model.",
    )
    size: Size | None = Field(
        default=None,
        description=(
            "Bytes that the models in it may have together; the least recently used ones go first. "
            "Default: 90 % of the volume."
        ),
    )


class Model(ApiType):
    """Which model."""

    uri: str = Field(
        max_length=1024,
        pattern=URI_PATTERN,
        description=f"Where the model is: {URI_FORMS}, a PersistentVolumeClaim in the same namespace.",
    )
    revision: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/:-]*$", max_length=128)] | None = Field(
        default=None,
        description=(
            "Branch, tag or commit; for oci:// a tag or the digest of a manifest. A moving name is resolved "
            "once and pinned until spec.model or the annotation nereid.dev/refresh changes."
        ),
    )
    digest: Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$", max_length=71)] | None = Field(
        default=None, description="Digest that the manifest of the model's files must have; anything else is refused."
    )
    file: Annotated[str, Field(pattern=GGUF_PATTERN, max_length=255)] | None = Field(
        default=None, description="The GGUF file to serve, by its name, where the folder has several."
    )
    source: Source | None = Field(default=None, description="How to reach the place that the URI names.")
    credentials: Credentials | None = Field(
        default=None, description="Credentials for the source; none means anonymous."
    )
    cache: ModelCache | None = Field(
        default=None, description="A volume on which models are kept, so that a replica need not ask the source."
    )
    task: Task = Field(default=Task.AUTO, description="What the model does; Auto reads it from the model's own files.")
    served_name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=128)] | None = Field(
        default=None, description="Name of the model in requests; default metadata.name."
    )


Replicas = Annotated[int, Field(ge=0, le=1000, description="Pods that serve the model; also set by kubectl scale.")]


class Spec(ApiType):
    """What is wanted."""

    model: Model = Field(description="Which model is served.")
    replicas: Replicas = 1
    runtime: Runtime = Field(default_factory=Runtime, description="How a replica runs.")
    pod: Pod | None = Field(default=None, description="What is added to the pods of the model.")
    traffic: Traffic = Field(
        default_factory=Traffic, description="How requests reach the replicas through the gateway."
    )


class Metadata(ApiType):
    """The part of ObjectMeta that matters here."""

    name: str = Field(pattern=NAME_PATTERN, max_length=NAME_MAX_LENGTH)
    namespace: str
    uid: str
    generation: int = 1
    annotations: dict[str, str] = Field(default_factory=dict)


class ModelDeployment(ApiType):
    """One object, checked; status is read apart (api/model_status.py), since a spoilt status must not stop a spec."""

    metadata: Metadata
    spec: Spec

    @property
    def key(self) -> Key:
        """Return the name under which cache and queue know the object."""
        return Key(self.metadata.namespace, self.metadata.name)

    @property
    def served_name(self) -> str:
        """Return the name of the model in requests."""
        return self.spec.model.served_name or self.metadata.name

    @property
    def refresh(self) -> str:
        """Return the value whose change asks what the model is now; empty when nobody asks."""
        return self.metadata.annotations.get(ANNOTATION_REFRESH, "")


def spec_schema() -> dict[str, Any]:
    """Return pydantic's own JSON schema of the spec; api/schema.py makes it structural."""
    return Spec.model_json_schema(by_alias=True)


def parse(body: Body) -> ModelDeployment:
    """Return the checked object; pydantic's ValidationError names each wrong field."""
    return ModelDeployment.model_validate(body)


_REPLICAS: TypeAdapter[int] = TypeAdapter(Replicas)


def wanted_replicas(body: Body) -> int | None:
    """Return spec.replicas of an object of which other fields are wrong; None when this one is."""
    try:
        return _REPLICAS.validate_python(body.get("spec", {}).get("replicas", 1))
    except ValidationError:
        return None
