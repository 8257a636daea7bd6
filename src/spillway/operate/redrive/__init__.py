"""Redrive: what lies with the dead letters, why, and back with it to where it is worked on.

The letters are moved here, message by message, and not by SQS's own StartMessageMoveTask, although
that is one call. It can not do what is needed:

- It takes letters only from the dead-letter queue of another SQS queue. Relay's letters come from a
  Lambda destination, go to another queue than the one they came from, and some of them are no
  messages at all but the whereabouts of stream records, which must be read first.
- It moves what lies there until nothing does. While a contract is still broken every letter comes
  back within seconds, and the task goes round in circles; here only what lay there at the start is
  moved, so each letter once.
- It says neither what it moves nor why it lay there, leaves the old `reason` on the message, and
  goes on by itself when the operator's Ctrl+C says stop.

The price is three requests for ten letters, and their bodies come this way once: nothing, at the
number of letters that a person looks after.

Safe to interrupt and to repeat, also while orders come in: a letter is deleted only after its queue
has acknowledged the copy, so at worst it lies in both places. That is harmless, because every step
behind the queues is idempotent (`one_effect_per_step`).

- letters: what a letter is and what it says (pure); stream: the records that Lambda's letters mean
- moving: take, send, delete, put back; found: what that came to
- report: for people and for scripts; command: the options
"""
