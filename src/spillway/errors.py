"""The one exception that the command line shows: what went wrong and what to do next."""


class SpillwayError(Exception):
    """An expected problem in one clear sentence with the next step.

    The command line prints the message and exits with status 1. Everything else that is raised is
    a bug.
    """
