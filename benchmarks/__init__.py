"""What the service costs in time and instructions, as ratios within one run (`make bench`)."""
