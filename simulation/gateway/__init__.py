"""A fake payment gateway, as the store's server and the service meet it."""
