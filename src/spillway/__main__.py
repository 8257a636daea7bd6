"""The command `spillway`, also as `python -m spillway`."""

import sys

from spillway.errors import INTERRUPTED


def main() -> None:
    """Run the command line. Ctrl+C while it is still being imported ends it like any other."""
    try:
        from spillway.cli import main as command_line
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    command_line()


if __name__ == "__main__":
    main()
