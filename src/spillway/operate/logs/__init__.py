"""What the functions logged, read from CloudWatch Logs."""
