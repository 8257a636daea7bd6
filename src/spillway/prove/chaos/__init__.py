"""Chaos: what customers were promised must hold whatever goes wrong, and the audit must be able to
tell when it does not.

- command: the options of `spillway chaos`
- scenario: what a scenario and a control are; scenarios: all of them, each a short story
- ordeal: what a story can do to a stack and its customers; troubles: the parts of it that are not
  a switch or a fault of the proxy
- planting: the service with a bug planted, deployed over a running stack; accidents: what a run
  without its guard must come to
- witness: listens to what customers are answered; announcements: to what everybody is told
- trial: one scenario on a stack of its own, with or without its guards, judged; controls: all of
  those without
- report, timeline, terminal: in numbers, in words, as a picture, and the bars meanwhile
"""
