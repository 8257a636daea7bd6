"""How far the service goes: a spike at scale, simulated against AWS's published limits.

| module | what it does |
| --- | --- |
| limits | AWS's limits, with their sources |
| profile | how many orders come when |
| service | the stage's settings and the functions' times |
| simulate | the flow of orders, step by step |
| outcome | what came of it: waits, bottlenecks, what was lost and why nothing |
| remedies | what to raise, to what, for what price, and what that gains |
"""
