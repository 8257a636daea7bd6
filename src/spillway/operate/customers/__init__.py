"""What customers may ask about their own data."""
