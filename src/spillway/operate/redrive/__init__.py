"""Redrive: shows what is in the dead-letter queues and why, and moves it back to its queues.

Messages are moved here one by one, not with SQS's StartMessageMoveTask, although that is one call.
That task cannot do what is needed:

- It moves only from the dead-letter queue of another SQS queue. Relay's dead letters come from a
  Lambda destination and go to another queue than they came from. Some are not messages but
  references to stream records, which must be read first.
- It moves until the queue is empty. While a contract is still broken, each message comes back
  within seconds, and the task never ends. Here only the messages of the start are moved, each once.
- It shows neither the messages nor their reasons, leaves the old `reason` on a message, and
  continues when the operator presses Ctrl+C.

The price is three requests for ten messages, and their bodies pass through this machine. For the
number of messages that a person looks after, that is nothing.

Safe to interrupt, to repeat, and while orders come in. A dead letter is deleted only after its
queue has acknowledged the copy, so at worst it is in both queues. That is harmless, because every
step behind the queues is idempotent (`one_effect_per_step`).
"""
