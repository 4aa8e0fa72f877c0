"""Everything the command raises on purpose; __main__ prints the message as one line and ends with the exit code.

NereidError
└── CliError                 exit code 1
    ├── UsageError           the command line or the file it names cannot be used; exit code 2
    ├── ClusterError         the API server cannot be reached, or refuses
    │   └── ForbiddenError   this user may not do it (401, 403)
    ├── MissingError         what was asked for is not there
    └── ChatError            the model does not answer, or answered with an error
"""

from typing import ClassVar

from nereid_operator.errors import NereidError


class CliError(NereidError):
    """Base of the tree above; the message is one sentence for the person at the terminal."""

    exit_code: ClassVar[int] = 1


class UsageError(CliError):
    """The command line, or the file it names, cannot be used; the message says what would be right."""

    exit_code: ClassVar[int] = 2


class ClusterError(CliError):
    """The API server cannot be reached, or refused; the message holds its own words."""


class ForbiddenError(ClusterError):
    """The user may not do it (401, 403)."""


class MissingError(CliError):
    """What was asked for is not there; the message names it and where it was looked for."""


class ChatError(CliError):
    """The model cannot be talked to, or answered with an error."""
