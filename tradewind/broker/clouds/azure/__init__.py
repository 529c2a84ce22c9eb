"""Azure: virtual machines behind the provider protocol, one resource group a cluster and region. May import the broker's seam, the catalog's offers and Azure's SDK."""
