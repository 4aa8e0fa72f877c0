"""Why the cluster refuses to create pods or other objects: its words → one reason. Pure; called by waiting and writer.

A pod is refused not to the operator but to the controller of its Deployment or Job, so only the words are left of it:
those of the admission plugins of k8s.io/apiserver, k8s.io/kubernetes/plugin and k8s.io/pod-security-admission.
"""

import re

from nereid_operator.api.conditions import Reason

_RECORDER = re.compile(r"^(\(combined from similar events\): )?(Error creating: )?")  # of Events, not of conditions
_SUBJECT = re.compile(r'\S+ "[^"]*" is forbidden: ')
_KINDS: tuple[tuple[re.Pattern[str], Reason], ...] = (
    (re.compile(r"\b(exceeded|failed) quota: "), Reason.QUOTA_EXCEEDED),
    (re.compile(r"violates PodSecurity "), Reason.POD_SECURITY_VIOLATION),
    (re.compile(r"\b(maximum|minimum) \S+ usage per |max limit to request ratio per "), Reason.LIMIT_RANGE_VIOLATION),
    (re.compile(r"no PriorityClass with name \S+ was found"), Reason.PRIORITY_CLASS_MISSING),
    (re.compile(r'RuntimeClass "\S*" not found'), Reason.RUNTIME_CLASS_MISSING),
    (
        re.compile(r"admission webhook .* denied the request|failed calling webhook|olicy \S+ .*denied request"),
        Reason.ADMISSION_REFUSED,
    ),
)


def refusal_reason(message: str, *, otherwise: Reason) -> Reason:
    """Return which admission plugin refused, by its words; `otherwise` when they are none of theirs."""
    return next((reason for pattern, reason in _KINDS if pattern.search(message)), otherwise)


def refusal_words(message: str) -> str:
    """Return the words without what another attempt would change: the name of the object, how often it was said."""
    return _SUBJECT.sub("", _RECORDER.sub("", message), count=1)
