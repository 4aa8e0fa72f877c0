"""What can go wrong when a cluster is brought up, loaded or taken down.

ClusterError                 the command line prints the message as one line and ends with code 2
├── MissingToolError         a program is not there, or is too old
├── NotRootError             the embedded cluster makes namespaces and cgroups
├── DiskSpaceError           too little room to build or to run
├── CommandError             a program that was started failed; the message ends with what it said
├── NotReadyError            something did not become ready in time
├── NotRunningError          the command needs a running cluster
└── LeftoverError            something is still there after `down`
"""


class ClusterError(Exception):
    """Anything below; the message is one line that says what to do."""


class MissingToolError(ClusterError):
    """A program is not there, or is too old."""


class NotRootError(ClusterError):
    """The embedded cluster needs root."""


class DiskSpaceError(ClusterError):
    """Too little room on the disk."""


class CommandError(ClusterError):
    """A program failed."""


class NotReadyError(ClusterError):
    """Something did not become ready in time."""


class NotRunningError(ClusterError):
    """There is no running cluster."""


class LeftoverError(ClusterError):
    """`down` could not remove everything."""
