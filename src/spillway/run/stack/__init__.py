"""The whole service on one machine: the emulator, the real stacks, the downstreams, one origin.

One *supervisor* process owns a stack and all its parts. Whoever starts it (`spillway up`, the
demo, a test) only holds a pipe to it: when the holder is gone the supervisor ends, and when the
supervisor is gone, even by SIGKILL, its children end (see `group_guard`). Nothing is global to the
machine: each stack has its own ports and its own folder under `.spillway/`. What goes wrong raises
`SpillwayError`, which says why and what to do next.
"""

from spillway.run.stack.handle import Stack, attach
from spillway.run.stack.keys import SigningKey
from spillway.run.stack.starting import running

__all__ = ["SigningKey", "Stack", "attach", "running"]
