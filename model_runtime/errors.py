"""Why a command of the runtime failed: each error is one reason of the command-line contract, with its exit code.

    ModelRuntimeError
    ├── PermanentError            exit code 3: trying again cannot mend it
    │   ├── SourceNotFound        no such folder, bucket, repository, revision or file
    │   ├── SourceUnauthorized    the source refused the credentials, or wants some
    │   ├── DigestMissing         a file whose digest nobody states
    │   ├── DigestMismatch        other bytes than the digest says
    │   ├── UnsafeFile            pickle, remote code, a path or link that leaves the folder
    │   ├── UnsupportedArchitecture   a model that no engine here can run
    │   ├── InvalidModel          files that are not a whole, well-formed model
    │   ├── InvalidArgument       a flag or a credential that cannot be right
    │   └── DeviceMissing         no GPU where the pod should run on one
    └── TransientError            exit code 1: it may mend itself
        ├── SourceUnreachable     no connection, cut off, timed out, 429 or 5xx
        ├── CredentialsMissing    the Secret is not there, or lacks a key
        ├── CaBundleMissing       the ConfigMap is not there, or lacks the key
        └── InsufficientDisk      the volume is too small or full

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


class UnsupportedArchitecture(PermanentError):  # noqa: N818
    """A well-formed model which no engine of this version runs."""


class InvalidModel(PermanentError):  # noqa: N818
    """The files are not a whole, well-formed model."""


class InvalidArgument(PermanentError):  # noqa: N818
    """A flag, or a file that a flag names, cannot be right."""


class DeviceMissing(PermanentError):  # noqa: N818
    """The accelerator that the pod asked for is not to be seen from inside it."""


class SourceUnreachable(TransientError):  # noqa: N818
    """No answer, a cut answer, or one that asks to come back later."""


class CredentialsMissing(TransientError):  # noqa: N818
    """The Secret that holds the credentials is not there, or has no such key."""


class CaBundleMissing(TransientError):  # noqa: N818
    """The ConfigMap that holds the certificates is not there, or has no such key."""


class InsufficientDisk(TransientError):  # noqa: N818
    """The volume cannot hold the model."""
