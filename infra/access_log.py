"""What the API logs of each request: the fields, apart from the CDK."""

#: Enough to see what never reached a function and why. No address and no name of a person.
ACCESS_LOG_FIELDS = {
    "request_id": "$context.requestId",
    "route": "$context.routeKey",
    "status": "$context.status",
    "latency_ms": "$context.responseLatency",
    "error": "$context.error.message",
    "authorizer_error": "$context.authorizer.error",
    "integration_error": "$context.integrationErrorMessage",
}
