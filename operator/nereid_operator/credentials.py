"""May the Secret that a model names be mounted? By its type alone; the data of no Secret ever gets here.

Called by resolver.py and reconciler.py before they create what mounts it. Whoever may write ModelDeployments could
otherwise have any Secret of the namespace mounted by pods and sent to a host of their choice.
"""

from nereid_operator.api.conditions import Reason
from nereid_operator.api.resources import CREDENTIALS_TYPE
from nereid_operator.errors import RefusalError, RejectedError
from nereid_operator.plan.ir import ModelSource
from nereid_operator.writer import Writer


async def check_credentials(writer: Writer, source: ModelSource) -> None:
    """Raise RefusalError for a Secret of another type; one that is not there is for the resolve Job to tell."""
    name = source.credentials_secret
    if name is None:
        return
    try:
        found = await writer.kube.secret_type(writer.key.namespace, name)
    except RejectedError as error:
        words = f"Secret {name} of spec.model.credentials cannot be looked at: {error.message}"
        raise RefusalError(Reason.APPLY_REFUSED, words) from error
    if found not in (None, CREDENTIALS_TYPE):
        raise RefusalError(Reason.CREDENTIALS_REFUSED, _refusal(name, found))


def _refusal(name: str, found: str | None) -> str:
    return (
        f"spec.model.credentials.secretName names Secret {name} of type {found}; it must be of type {CREDENTIALS_TYPE} "
        "and name in its key hosts where it may be sent. No pod mounts it. The type of a Secret cannot be changed: "
        "delete it and create it again."
    )
