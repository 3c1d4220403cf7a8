"""What an operator is told when something is wrong. One base; the message says what, which, and what to do next."""


class OrderflowError(Exception):
    """Something that a person can act on. The command line prints it as one line and exits with `exit_code`."""

    exit_code = 1
