"""How each family of facts becomes true: one module per family, called by `canonical.record` only."""
