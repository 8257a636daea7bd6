"""The stack's customers, in its own user pool, and their tokens."""

import secrets
from typing import Any

import msgspec

from spillway.run.stack.aws import client

# Name and group: two retail customers, so that one can try to read the other's orders.
USERS: dict[str, str | None] = {"shopper": None, "other": None, "wholesale": "wholesale"}


class Pool(msgspec.Struct, frozen=True):
    """A Cognito user pool of the emulator at `endpoint`, and the client application in it."""

    endpoint: str
    pool_id: str
    client_id: str

    def create(self, name: str, group: str | None = None) -> str:
        """Create `<name>@example.com` and return the password."""
        cognito = client(self.endpoint, "cognito-idp")
        # For a person to type; the prefix has the classes of character that the policy asks for.
        password = f"Mill1-{secrets.token_hex(2)}-{secrets.token_hex(2)}"
        cognito.admin_create_user(
            UserPoolId=self.pool_id,
            Username=email(name),
            UserAttributes=[
                {"Name": "email", "Value": email(name)},
                {"Name": "email_verified", "Value": "true"},
            ],
            MessageAction="SUPPRESS",
        )
        cognito.admin_set_user_password(
            UserPoolId=self.pool_id, Username=email(name), Password=password, Permanent=True
        )
        if group is not None:
            cognito.admin_add_user_to_group(
                UserPoolId=self.pool_id, Username=email(name), GroupName=group
            )
        return password

    def token(self, name: str, password: str) -> str:
        """A new access token, a JWT valid for one hour.

        The access token and not the id token: it is the one made for calling an API. The HTTP API's
        authorizer finds the audience it wants in its `client_id` (an id token has it in `aud`),
        and both tokens carry `sub` and `cognito:groups`.
        """
        token: str = self.tokens(name, password)["AccessToken"]
        return token

    def tokens(self, name: str, password: str) -> dict[str, Any]:
        """All that a sign-in gives, by Cognito's names: `AccessToken`, `IdToken`, `RefreshToken`,
        and `ExpiresIn` (s)."""
        cognito = client(self.endpoint, "cognito-idp")
        answer = cognito.admin_initiate_auth(
            UserPoolId=self.pool_id,
            ClientId=self.client_id,
            AuthFlow="ADMIN_USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": email(name), "PASSWORD": password},
        )
        given: dict[str, Any] = answer["AuthenticationResult"]
        return given


def email(name: str) -> str:
    """The e-mail address a user signs in with; `example.com` is reserved."""
    return f"{name}@example.com"
