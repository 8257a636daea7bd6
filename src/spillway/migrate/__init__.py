"""Move orders from an older MySQL database while its shop stays open: docs/migration/README.md."""
