"""What Lambda calls. Each is decode, call, encode, and nothing more."""
