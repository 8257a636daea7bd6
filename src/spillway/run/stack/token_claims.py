"""Names a buyer's company in the local pool's tokens, as a store's own issuer would.

Cognito puts no attribute of a user into access tokens. A *pre token generation* trigger may (event
version 2.0, from the plan Essentials up), and this is one, with nothing but Python's own library:
https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-lambda-pre-token-generation.html.
On AWS the application's client must not be able to write these attributes.
"""

from typing import Any

_CUSTOM = "custom:"


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Each custom attribute of a user becomes a claim. Who is in no company is their own, under the
    id that they have anyway."""
    attributes = event["request"]["userAttributes"]
    claims = {"company_id": attributes["sub"]}
    for name, value in attributes.items():
        if name.startswith(_CUSTOM):
            claims[name.removeprefix(_CUSTOM)] = value
    added = {"claimsToAddOrOverride": claims}
    event["response"]["claimsAndScopeOverrideDetails"] = {
        "idTokenGeneration": added,
        "accessTokenGeneration": added,
    }
    return event
