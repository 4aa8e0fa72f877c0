"""The scheduler's own words → plain words. Pure; what is not understood stays as it is.

0/3 nodes are available: 1 Insufficient memory, 2 node(s) had untolerated taint {gpu: true}. preemption: …
→ 0 of 3 nodes can take it: 1 has too little memory free, 2 have a taint that the pod does not tolerate (gpu: true)
"""

import re

_MESSAGE = re.compile(
    r"(?P<fit>\d+)/(?P<all>\d+) nodes are available: (?P<causes>.*?)\.?(?: (?:preemption:|no new).*)?"
)
_CAUSE = re.compile(r"(\d+) ((?:[^,{]|\{[^}]*\})+)")

# Pattern of the scheduler's words; what one node and several nodes do.
_PLAIN: tuple[tuple[re.Pattern[str], str, str], ...] = (
    (re.compile(r"Insufficient (.+)"), "has too little {0} free", "have too little {0} free"),
    (re.compile(r"Too many pods"), "is full of pods", "are full of pods"),
    (
        re.compile(r"node\(s\) had untolerated taint \{([^}]*?)(?:: )?\}"),
        "has a taint that the pod does not tolerate ({0})",
        "have a taint that the pod does not tolerate ({0})",
    ),
    (re.compile(r"node\(s\) had untolerated taint\(s\)"), "has a taint in the way", "have taints in the way"),
    (re.compile(r"node\(s\) were unschedulable"), "is cordoned", "are cordoned"),
    (
        re.compile(r"node\(s\) didn't match Pod's node affinity/selector"),
        "lacks the labels that the pod asks for",
        "lack the labels that the pod asks for",
    ),
    (
        re.compile(r"node\(s\) didn't match pod topology spread constraints.*"),
        "would spread the pods unevenly",
        "would spread the pods unevenly",
    ),
)


def plain(message: str) -> str:
    """Return the message of a PodScheduled condition in plain words."""
    found = _MESSAGE.fullmatch(message.strip())
    if found is None:
        return message
    causes = [_cause(int(count), words.strip()) for count, words in _CAUSE.findall(found["causes"])]
    if not causes:
        return message
    return f"{found['fit']} of {found['all']} nodes can take it: {', '.join(causes)}"


def _cause(count: int, words: str) -> str:
    for pattern, one, many in _PLAIN:
        if match := pattern.fullmatch(words):
            return f"{count} {(one if count == 1 else many).format(*match.groups())}".replace(" ()", "")
    return f"{count} {words}"
