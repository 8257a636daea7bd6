"""Chaos: the promises must hold whatever goes wrong, and the audit must notice when they do not.

- command: the options of `spillway chaos`
- scenario: what a scenario and its control are; scenarios: all of them
- context: what a scenario can do to a stack and its customers; disruptions: those parts that are
  neither a fault setting nor a fault of the proxy
- mutant: a broken service, deployed over a running stack
- recorder: every answer that customers get; announcements: every event that is published
- trial: one scenario on a stack, judged, and its control
- report, timeline: the results in numbers and words, and as a picture
"""
