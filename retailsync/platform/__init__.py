"""What the product stands on: servers, processes, addresses, keys. Knows no retail words."""
