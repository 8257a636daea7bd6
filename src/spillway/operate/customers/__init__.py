"""What a customer may ask of the store about themselves."""
