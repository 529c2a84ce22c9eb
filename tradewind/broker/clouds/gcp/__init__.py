"""Google Cloud: Compute Engine and Cloud TPU behind the provider protocol. May import the broker's seam, the catalog's offers and Google's SDK."""
