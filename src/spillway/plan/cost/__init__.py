"""What an order costs: counted in real runs, priced from the price list, compared and budgeted.

| module | what it does |
| --- | --- |
| measurement | what a run used, as counted; kept in docs/measured |
| meter, running | count a run on a local stack: the proxy, functions' reports, processes |
| simulated | counts the same in the simulation, call by call |
| durations | from counted calls and processor time to what Lambda would bill |
| batches | how full batches are at so many orders a second |
| usage | from a measurement, and from what a stage deploys, to AWS's billing units |
| model | the cost model: all of these with settings and prices |
| alternatives | the same orders on other designs |
| budget | what an order may cost; `make check` fails when it costs more |
| findings | all figures of a report; report, chart and page show them |
| sizing | what each function costs at each size of memory |
"""
