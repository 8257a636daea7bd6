"""Payment gateways, one module each: the `Gateway` port on what each one has."""
