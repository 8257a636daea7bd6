"""What AWS publishes about its limits, us-east-1, gathered on 2026-11-23."""

#: API Gateway's quotas, over all APIs of an account. AWS raises the rate on request, not the burst.
API_REQUESTS_PER_SECOND = 10_000.0
API_BURST = 5_000.0

#: Lambda's quota of an account, which AWS raises on request; a new account can start at 10.
LAMBDA_CONCURRENCY = 1_000.0
#: Lambda's scaling behaviour, of each function.
LAMBDA_ENVIRONMENTS_PER_10_SECONDS = 1_000.0
LAMBDA_REQUESTS_PER_ENVIRONMENT_AND_SECOND = 10.0

#: Parameter Store, of an account in a Region, for all reads. A paid setting raises it: to 3,000 as
#: published in 2022. https://docs.aws.amazon.com/general/latest/gr/ssm.html
PARAMETER_READS_PER_SECOND = 40.0
PARAMETER_READS_PER_SECOND_MAX = 3_000.0

#: Lambda with SQS: concurrent batches of a queue, at first, gained, at most.
SQS_POLLERS_FIRST = 5.0
SQS_POLLERS_PER_MINUTE = 300.0
SQS_POLLERS_MAX = 1_250.0
#: The same, on a quiet queue. Only where a mapping has no maximum concurrency, which all here have,
#: Lambda goes down to 2 (docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html).
SQS_POLLERS_IDLE = 5
#: SQS's longest wait. No source confirms that Lambda waits so long; it is commonly observed.
SQS_POLL_SECONDS = 20
#: Messages of a queue that were received and not deleted, those that wait for their next attempt
#: too. Above it SQS hands out nothing, without an error where the poll is long; more on request
#: (https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-queues.html).
SQS_IN_FLIGHT_MAX = 120_000
#: The queues here keep messages as long as SQS can.
SQS_RETENTION_SECONDS = 14 * 24 * 60 * 60

#: Lambda with DynamoDB streams: of a shard.
STREAM_POLLS_PER_SECOND = 4
STREAM_RETENTION_SECONDS = 24 * 60 * 60

#: DynamoDB on demand: what a new table takes. A setting, warm throughput, raises it.
TABLE_NEW_WRITE_UNITS_PER_SECOND = 4_000.0
#: DynamoDB on demand: more than twice the peak of so long ago may be throttled.
TABLE_DOUBLING_SECONDS = 30 * 60
#: DynamoDB's quota of a table, which AWS raises on request.
TABLE_WRITE_UNITS_PER_SECOND = 40_000.0
#: DynamoDB: a partition, and so a shard of the stream.
PARTITION_WRITE_UNITS_PER_SECOND = 1_000.0
