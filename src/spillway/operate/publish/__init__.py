"""The storefront's files, uploaded to a deployed stage."""
