"""Who the customers are."""

from __future__ import annotations

from tests.infra.templates import KEPT, Templates


def test_the_pool_is_kept_for_its_ids_are_the_orders_keys(dev: Templates) -> None:
    pool = dev.resource("AWS::Cognito::UserPool", UserPoolName="spillway-dev-customers")
    assert pool["Properties"]["DeletionProtection"] == "ACTIVE"
    assert (pool["DeletionPolicy"], pool["UpdateReplacePolicy"]) == KEPT


def test_customers_sign_in_by_email_and_sign_up_where_the_stage_allows_it(
    dev: Templates, local: Templates
) -> None:
    for templates, sign_up in ((dev, False), (local, True)):
        [pool] = templates.resources("AWS::Cognito::UserPool")
        assert pool["UsernameAttributes"] == ["email"]
        assert pool["AdminCreateUserConfig"] == {"AllowAdminCreateUserOnly": not sign_up}


def test_the_pool_has_the_group_that_intake_asks_for(dev: Templates) -> None:
    [group] = dev.resources("AWS::Cognito::UserPoolGroup")
    intake = dev.functions()["intake"]["Environment"]["Variables"]
    assert group["GroupName"] == intake["WHOLESALE_GROUP"]


def test_where_orders_are_held_it_has_the_group_of_those_who_decide(local: Templates) -> None:
    groups = {group["GroupName"] for group in local.resources("AWS::Cognito::UserPoolGroup")}
    intake = local.functions()["intake"]["Environment"]["Variables"]
    assert groups == {intake["WHOLESALE_GROUP"], intake["APPROVER_GROUP"]}


def test_the_storefront_has_no_secret_and_only_the_code_grant(prod: Templates) -> None:
    [client] = prod.resources("AWS::Cognito::UserPoolClient")
    assert client["GenerateSecret"] is False
    assert client["AllowedOAuthFlows"] == ["code"]
    assert client["CallbackURLs"] == ["https://store.example.com/signed-in"]
    assert client["LogoutURLs"] == ["https://store.example.com/"]


def test_before_the_store_has_an_address_nobody_is_sent_to_one(dev: Templates) -> None:
    """CloudFront gives it, after the first deployment; the second one then has it."""
    assert dev.stage.web.url is None
    [client] = dev.resources("AWS::Cognito::UserPoolClient")
    assert client["AllowedOAuthFlowsUserPoolClient"] is False
    assert not {"CallbackURLs", "LogoutURLs", "AllowedOAuthFlows"} & set(client)


def test_a_token_that_renews_others_lasts_a_day_and_can_be_revoked(dev: Templates) -> None:
    [client] = dev.resources("AWS::Cognito::UserPoolClient")
    assert (client["RefreshTokenValidity"], client["TokenValidityUnits"]) == (
        1440,
        {"RefreshToken": "minutes"},
    )
    assert client["EnableTokenRevocation"] is True


def test_the_pool_has_a_sign_in_page_under_the_stage_s_name(dev: Templates) -> None:
    [domain] = dev.resources("AWS::Cognito::UserPoolDomain")
    assert domain["Domain"] == dev.stage.identity.domain_prefix  # type: ignore[union-attr]


def test_a_password_signs_in_by_the_back_door_only_where_the_stage_allows_it(
    dev: Templates, local: Templates
) -> None:
    [client] = dev.resources("AWS::Cognito::UserPoolClient")
    assert client["ExplicitAuthFlows"] == ["ALLOW_REFRESH_TOKEN_AUTH"]
    [client] = local.resources("AWS::Cognito::UserPoolClient")
    assert "ALLOW_ADMIN_USER_PASSWORD_AUTH" in client["ExplicitAuthFlows"]
