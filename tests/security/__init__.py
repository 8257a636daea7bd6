"""What those try who mean no good."""
