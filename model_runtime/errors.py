"""Why a command of the runtime failed: each error is one reason of the command-line contract, with its exit code.

    ModelRuntimeError
    ├── PermanentError            exit code 3: trying again at once cannot mend it
    │   ├── SourceNotFound        no such folder, bucket, repository, revision or file
    │   ├── SourceUnauthorized    the source refused the credentials, or wants some
    │   ├── EgressRefused         a host or an address that the egress policy does not allow
    │   ├── DigestMissing         a file whose digest nobody states
    │   ├── DigestMismatch        other bytes than the digest says
    │   ├── UnsafeFile            what could run code, reach out of the folder or exhaust the machine
    │   │   ├── RemoteCode        the model wants Python files of its repository to be run
    │   │   ├── PickledWeights    pickle, by name or by its bytes
    │   │   ├── PackedFile        an archive or a compressed file where plain bytes are expected
    │   │   ├── UnsafePath        a path or a link that leaves the folder
    │   │   ├── UnsafeTokenizer   too large, or with a regular expression that takes forever
    │   │   └── UnsafeTemplate    a chat template that loops, grows without end or reaches out
    │   ├── UnsupportedArchitecture   a model that no engine here can run
    │   ├── InvalidModel          files that are not a whole, well-formed model
    │   │   ├── InvalidHeader     the header of a weights file is not well-formed, or lies about its length
    │   │   ├── InvalidTensors    tensors that overlap, are cut short, are there twice or have absurd shapes
    │   │   └── InvalidConfig     a value of config.json that no model can have
    │   ├── InvalidArgument       a flag or a credential that cannot be right
    │   └── DeviceMissing         no GPU where the pod should run on one
    └── TransientError            exit code 1: it may mend itself
        ├── SourceUnreachable     no connection, 429 or 5xx
        │   ├── SourceTimeout     a host that accepts and says nothing
        │   ├── SourceTooSlow     bytes that drip in too slowly ever to be all
        │   ├── ConnectionCut     the connection broke in the middle
        │   └── SourceTruncated   the source ends a file before the size it listed
        ├── CredentialsMissing    the Secret is not there, or lacks a key
        ├── CredentialsRefused    a Secret of another type, or one that does not name this host
        ├── CaBundleMissing       the ConfigMap is not there, or lacks the key
        ├── InsufficientDisk      the volume is too small or full
        └── EngineDied            the engine ended by itself while it served

The class name is the reason in the termination message; `model_runtime.termination` writes it.
"""


class ModelRuntimeError(Exception):
    """Anything the runtime refuses or cannot do. The text is one sentence that names what and what would be right."""

    exit_code = 1

    @property
    def reason(self) -> str:
        """The CamelCase reason of the command-line contract."""
        return type(self).__name__


class PermanentError(ModelRuntimeError):
    """Trying again with the same arguments gives the same end."""

    exit_code = 3


class TransientError(ModelRuntimeError):
    """Trying again later may succeed."""

    exit_code = 1


class SourceNotFound(PermanentError):  # noqa: N818 - the name is the reason of the contract, as for those below
    """The source answers, but what the URI names is not there."""


class SourceUnauthorized(PermanentError):  # noqa: N818
    """The source wants credentials, or refuses those it got."""


class DigestMissing(PermanentError):  # noqa: N818
    """The source states no digest for a file that the model needs."""


class DigestMismatch(PermanentError):  # noqa: N818
    """The bytes are not those that the digest names."""


class UnsafeFile(PermanentError):  # noqa: N818
    """A file that could run code or reach out of the model's folder."""


class RemoteCode(UnsafeFile):
    """The model wants Python files of its repository to be run."""


class PickledWeights(UnsafeFile):
    """Pickle, which runs code when it is loaded, by its name or by its bytes."""


class PackedFile(UnsafeFile):
    """An archive or a compressed file where plain bytes are expected."""


class UnsafePath(UnsafeFile):
    """A path or a link that leaves the model's folder."""


class UnsafeTokenizer(UnsafeFile):
    """A tokenizer that is too large, or whose regular expressions take forever."""


class UnsafeTemplate(UnsafeFile):
    """A chat template that loops, grows without end or reaches out of its sandbox."""


class UnsupportedArchitecture(PermanentError):  # noqa: N818
    """A well-formed model which no engine of this version runs."""


class InvalidModel(PermanentError):  # noqa: N818
    """The files are not a whole, well-formed model."""


class InvalidHeader(InvalidModel):
    """The header of a weights file is not well-formed, or lies about its length."""


class InvalidTensors(InvalidModel):
    """Tensors that overlap, are cut short, are there twice or have absurd shapes."""


class InvalidConfig(InvalidModel):
    """A value of config.json that no model can have."""


class InvalidArgument(PermanentError):  # noqa: N818
    """A flag, or a file that a flag names, cannot be right."""


class DeviceMissing(PermanentError):  # noqa: N818
    """The accelerator that the pod asked for is not to be seen from inside it."""


class EgressRefused(PermanentError):  # noqa: N818
    """A host or an address that the egress policy does not allow."""


class SourceUnreachable(TransientError):  # noqa: N818
    """No answer, a cut answer, or one that asks to come back later, after `retry_after_seconds` where it says so."""

    def __init__(self, message: str, retry_after_seconds: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class SourceTimeout(SourceUnreachable):
    """A host that accepts the connection and then says nothing."""


class SourceTooSlow(SourceUnreachable):
    """Bytes that drip in too slowly ever to be all."""


class ConnectionCut(SourceUnreachable):
    """The connection broke in the middle of an answer."""


class SourceTruncated(SourceUnreachable):
    """The source ends a file before the size that it listed."""


class CredentialsMissing(TransientError):  # noqa: N818
    """The Secret that holds the credentials is not there, or has no such key."""


class CredentialsRefused(TransientError):  # noqa: N818
    """A Secret of another type than ours, or one that does not name the host it would be sent to."""


class CaBundleMissing(TransientError):  # noqa: N818
    """The ConfigMap that holds the certificates is not there, or has no such key."""


class InsufficientDisk(TransientError):  # noqa: N818
    """The volume cannot hold the model."""


class EngineDied(TransientError):  # noqa: N818
    """The engine ended by itself while it served; the container ends with it and is started again."""
