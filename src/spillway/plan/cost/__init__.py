"""What an order costs: counted from real runs, priced from the price book, compared and budgeted.

| module | what it does |
| --- | --- |
| measurement | what a run used, as it was counted; kept as data in `measured/` |
| meter, running | counts a run on a local stack: the proxy, functions' reports, processes |
| model | counts the same in the simulation's model, with batches as full as one likes |
| durations | from counted calls and processor time to what Lambda would bill |
| loads | how full batches are at so many orders a second |
| usage | from a measurement to AWS's billing units |
| idle | what the deployed stacks use without any order |
| alternatives | the same orders on other designs |
| sensitivity | what moves the price |
| budget | what an order may cost; `make check` fails when it costs more |
"""
