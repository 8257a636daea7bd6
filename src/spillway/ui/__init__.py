"""What every command shows and asks in the same way. It knows nothing of orders.

| module | what is there |
| --- | --- |
| `formatting` | durations, ages, clocks, RFC 3339 times, counts with their noun |
| `statistics` | percentiles and histograms |
| `panels` | the terminal's tables: rows in a panel, marks for good and bad |
| `progress` | a bar for counts, and a stage line with bars below it |
| `charts` | matplotlib: colours, an empty figure, axes with titles, saving as PNG |
| `options` | options that several commands have, and a result as JSON or as a view |

`progress`, `panels` and `charts` import Rich and Matplotlib, which take time to load: a command
imports them inside its function, so that `spillway --help` stays fast.
"""
