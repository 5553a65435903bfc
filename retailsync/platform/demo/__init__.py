"""The demonstration: simulated systems, the whole product, and a look at what arrived. Knows no wire format of the product's own."""
