"""What Entra ID (login.microsoftonline.com) says of itself to those who come for a token."""

from __future__ import annotations

from clouds.fakes.wire import Answer, Request

HOST = "login.microsoftonline.com"


def entra(request: Request) -> Answer | None:
    """The answer to a question about its addresses; None for a request for a token."""
    base, tenant = f"https://{HOST}", request.path.split("/")[1]
    if request.path.endswith("/openid-configuration"):
        root = f"{base}/{tenant}/oauth2/v2.0"
        found = {
            "token_endpoint": f"{root}/token",
            "authorization_endpoint": f"{root}/authorize",
            "issuer": f"{base}/{tenant}/v2.0",
        }
        return Answer(200, found)
    if request.path.endswith("/discovery/instance"):
        entry = {"preferred_network": HOST, "preferred_cache": HOST, "aliases": [HOST]}
        discovery = f"{base}/{tenant}/v2.0/.well-known/openid-configuration"
        return Answer(200, {"tenant_discovery_endpoint": discovery, "metadata": [entry]})
    return None
