"""How fast the product is beside floors measured in the same run. Only ratios travel; nothing here is a test."""
