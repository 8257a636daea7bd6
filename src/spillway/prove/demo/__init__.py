"""The demo: believable customers order concurrently, then everything is audited.

- command: the options of `spillway demo`
- plan: what will be ordered, cancelled and disturbed, decided before anything is sent
- clients: a customer's calls, with tokens and retries; ids: made before sending
- placing, settling: the orders go out; until all have settled
- run: the whole story; terminal: the bars meanwhile
- inspection: looking at the stack afterwards, and the verdicts
- result, figures, report, chart: what a run yielded, in numbers, in words and as a picture
"""
