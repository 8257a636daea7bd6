"""`python -m spillway`, the same as the command `spillway`."""

from spillway.cli import main

main()
