"""The demo: realistic customers order concurrently, then everything is audited.

- command: the options of `spillway demo`
- plan: what will be ordered and cancelled and which faults there are, decided before sending
- faults: downstreams that misbehave for a while
- run: the whole run, whatever its steps
- inspection: inspects the stack afterwards, and gives the verdicts
- result, report, chart: the result, in numbers and words, and as a picture
"""
