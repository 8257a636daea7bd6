"""The parts of a first configuration, a module for each; each setting with its reason."""
