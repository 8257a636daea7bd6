"""What an operator does with a running service, on this machine's emulator and on AWS alike.

Each package is one command. Every read has a limit, is paged, and goes by key where there is one.

| package | what it does | writes |
| --- | --- | --- |
| `status` | what waits before each function, the alarms, charts | no |
| `orders` | one order's life; lists; hands lost orders to the watchdog | only `resume` |
| `logs` | what the functions logged | no |
| `redrive` | shows dead letters and moves them back to their queues | yes, not with `--dry-run` |
| `console` | all of this in a browser | only when you press a button |
| `restore` | copies missing orders back from a restored backup | yes, not with `--dry-run` |
| `customers` | erases a customer's name and address | yes |
| `smoke` | checks the API of a new deployment | no |
| `publish` | uploads the storefront | yes |

`archive` is no command: `make templates` packs a stage with it for those who deploy without the
CDK. Several of them use `arguments`, `batches` (SQS's batch requests) and `example` (an order).
"""
