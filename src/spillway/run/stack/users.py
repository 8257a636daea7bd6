"""The stack's customers, in its own user pool, and their tokens."""

import io
import secrets
import zipfile
from pathlib import Path
from typing import Any, Literal

import msgspec

from spillway.run.stack.aws import client

_TOKEN_CLAIMS = Path(__file__).with_name("token_claims.py")

#: The company of the last three.
COMPANY = "company-a6d1f07c"
#: In minor units: some of what a company orders is below it, and some above.
PURCHASE_LIMIT = 50_000


class User(msgspec.Struct, frozen=True):
    """Without a company they are a customer of their own. `limit`: an order of theirs above it, in
    minor units of its currency, waits for an approver of the company."""

    groups: tuple[str, ...] = ()
    company: str | None = None
    limit: int | None = None

    @property
    def attributes(self) -> dict[str, str]:
        """By the names of the claims that they become: see `token_claims`."""
        said = {"company_id": self.company, "purchase_limit": self.limit}
        return {name: str(value) for name, value in said.items() if value is not None}


SHOPPER = User()
_BUYER = User(("wholesale",), COMPANY, PURCHASE_LIMIT)
UserName = Literal["shopper", "other", "wholesale", "buyer", "colleague", "approver"]
#: Two shoppers, so that one can try to read the other's orders; a shop that resells; two buyers of
#: one company, and who decides about what they order above their limit.
USERS: dict[UserName, User] = {
    "shopper": SHOPPER,
    "other": SHOPPER,
    "wholesale": User(("wholesale",)),
    "buyer": _BUYER,
    "colleague": _BUYER,
    "approver": User(("wholesale", "approvers"), COMPANY),
}


class Pool(msgspec.Struct, frozen=True):
    """A Cognito user pool of the emulator at `endpoint`, and the client application in it."""

    endpoint: str
    pool_id: str
    client_id: str

    def tell_companies(self) -> None:
        """From now on tokens name a buyer's company and limit: see `token_claims`."""
        cognito = client(self.endpoint, "cognito-idp")
        cognito.add_custom_attributes(
            UserPoolId=self.pool_id,
            CustomAttributes=[
                {"Name": name, "AttributeDataType": "String", "Mutable": True}
                for name in ("company_id", "purchase_limit")
            ],
        )
        code = io.BytesIO()
        with zipfile.ZipFile(code, "w") as archive:
            archive.write(_TOKEN_CLAIMS, _TOKEN_CLAIMS.name)
        function = client(self.endpoint, "lambda").create_function(
            FunctionName="token-claims",
            Runtime="python3.13",
            Role="arn:aws:iam::000000000000:role/token-claims",
            Handler=f"{_TOKEN_CLAIMS.stem}.handler",
            Code={"ZipFile": code.getvalue()},
        )
        cognito.update_user_pool(
            UserPoolId=self.pool_id,
            UserPoolTier="ESSENTIALS",
            LambdaConfig={
                "PreTokenGenerationConfig": {
                    "LambdaVersion": "V2_0",
                    "LambdaArn": function["FunctionArn"],
                }
            },
        )

    def create(self, name: str, user: User = SHOPPER) -> str:
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
                *(
                    {"Name": f"custom:{attribute}", "Value": value}
                    for attribute, value in user.attributes.items()
                ),
            ],
            MessageAction="SUPPRESS",
        )
        cognito.admin_set_user_password(
            UserPoolId=self.pool_id, Username=email(name), Password=password, Permanent=True
        )
        for group in user.groups:
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
