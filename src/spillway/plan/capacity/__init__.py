"""How far the service goes: a spike at scale, simulated against AWS's published limits.

| module | what it does |
| --- | --- |
| service | the stage's settings and the functions' times |
| simulate | the flow of orders, step by step |
| outcome | waits, bottlenecks, what was lost and why nothing |
| recommendations | what to raise, to what, for what price, and what that gains |
| planning | all of these with measured times and prices |
| report, chart | a plan as a table, JSON and a picture |
"""
