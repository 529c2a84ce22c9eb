"""EC2, SSM, STS and Service Quotas on 127.0.0.1: moto's server behind a shim that adds what moto leaves out of AWS's documented behaviour."""
