"""A stage's settings are read strictly."""

from __future__ import annotations

import re
from contextlib import nullcontext
from pathlib import Path

import pytest
from msgspec.structs import replace

from infra.bundle import TARGETS
from infra.stage import (
    STAGES,
    Downstream,
    Downstreams,
    Express,
    FunctionSize,
    Stage,
    StageError,
    load,
)
from orders.domain.events import EventType
from orders.domain.saga import DOWNSTREAMS
from orders.settings import PricesBy

LOCAL = (STAGES / "local.toml").read_text()


def load_with(directory: Path, old: str, new: str, name: str = "local") -> object:
    """The local stage with one thing different."""
    assert old in LOCAL
    (directory / f"{name}.toml").write_text(LOCAL.replace(old, new, 1))
    return load(name, directory)


PRICED = 'prices = "book_or_signed"'


@pytest.mark.parametrize("name", [path.stem for path in STAGES.glob("*.toml")])
def test_every_stage_in_the_repository_loads_and_can_be_built(name: str) -> None:
    stage = load(name)
    assert stage.name == name
    assert stage.bundle in TARGETS


def test_a_file_of_downstreams_stands_in_place_of_a_stages_own(tmp_path: Path) -> None:
    (tmp_path / "local.toml").write_text(LOCAL)
    theirs = re.sub(r"concurrency_max = \d", "concurrency_max = 9", LOCAL)
    (tmp_path / "downstreams").mkdir()
    others = tmp_path / "downstreams" / "others.toml"
    others.write_text(theirs[theirs.index("[downstreams.") : theirs.index("[express]")])
    stage = load("local", tmp_path, downstreams="others")
    assert {one.concurrency_max for one in stage.downstreams.by_name().values()} == {9}
    assert (stage.name, stage.express) == ("local", None)
    with pytest.raises(StageError, match=r"no file of downstreams 'x'; there are: others\.$"):
        load("local", tmp_path, downstreams="x")
    others.write_text("[downstreams]")
    with pytest.raises(StageError, match=r"^others\.toml: Object missing required field"):
        load("local", tmp_path, downstreams="others")


def test_the_examples_stand_in_place_of_the_local_downstreams() -> None:
    stage = load("local", downstreams="examples")
    assert stage.descriptions == {
        "inventory": "erp",
        "fulfilment": "warehouse",
        "accounting": "books",
    }
    assert stage.express is None


def test_a_stage_that_names_no_events_publishes_all_of_them(tmp_path: Path) -> None:
    """As every stage did before it could name them: an upgrade takes no event from anybody."""
    [every] = re.findall(r"^published = .*$", LOCAL, re.MULTILINE)
    load_with(tmp_path, f"[events]\n{every}\n", "")
    unnamed = load("local", tmp_path)
    assert set(unnamed.events.published) == {type_.name.lower() for type_ in EventType}
    load_with(tmp_path, every, "published = []")
    assert load("local", tmp_path).events.published == ()


def test_good_news_is_sampled_only_where_lines_still_tell_what_they_must(tmp_path: Path) -> None:
    text = (STAGES / "dev.toml").read_text()

    def loaded(old: str, new: str) -> Stage:
        assert old in text
        (tmp_path / "dev.toml").write_text(text.replace(old, new, 1))
        return load("dev", tmp_path)

    sampled = "good_news_one_in = 10\n"
    assert loaded(sampled, "").logs.good_news_one_in == 1
    with pytest.raises(StageError, match=r"Expected `int` >= 1 - at `\$\.logs\.good_news_one_in`"):
        loaded(sampled, "good_news_one_in = 0\n")
    with pytest.raises(StageError, match=r"watchdog\.delay_seconds of 300 or more"):
        loaded("delay_seconds = 900", "delay_seconds = 299")
    with pytest.raises(StageError, match=r"alarms\.unsettled_seconds of 300 or more"):
        loaded("unsettled_seconds = 14_400", "unsettled_seconds = 299")
    with pytest.raises(StageError, match="must be 1 on the emulator"):
        load_with(tmp_path, 'system_level = "INFO"\n', f'system_level = "INFO"\n{sampled}')


def test_the_stage_names_the_downstreams_of_the_domain() -> None:
    assert tuple(load("local").downstreams.by_name()) == DOWNSTREAMS


FUNCTION_ARN = "arn:aws:lambda:eu-west-1:111122223333:function:stock"


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("bundle = ", "bundle == ", r"^local\.toml is not TOML: "),
        ("burst_max = 1_000", "burst = 1_000", r"unknown field `burst` - at `\$\.api\.place`"),
        (", burst_max = 1_000", "", r"missing required field `burst_max` - at `\$\.api\.place`"),
        ("burst_max = 1_000", "burst_max = 5_001", r"`int` <= 5000 - at `\$\.api\.place\.burst"),
        ("burst_max = 1_000", 'burst_max = "1k"', r"Expected `int`, got `str`"),
        ('published = ["accepted"', 'published = ["placed"', r"Invalid enum value 'placed'"),
        (
            'published = ["accepted"',
            'published = ["confirmed"',
            r"published must name each type once - at `\$\.events`",
        ),
        ('published = ["acc', 'publish = ["acc', r"unknown field `publish` - at `\$\.events`"),
        ('by = "cognito"', 'by = "guess"', r"Invalid value 'guess' - at `\$\.identity\.by`"),
        ("/inventory", "/inventory/", r"at `\$\.downstreams\.inventory\.url`"),
        (
            "intake = { memory_mb = 512, timeout_seconds = 10 }",
            "intake = { memory_mb = 512, timeout_seconds = 30 }",
            r"intake must time out before the API does, after 30 s - at `\$\.functions`",
        ),
        (
            "deliver = { memory_mb = 256, timeout_seconds = 12 }",
            "deliver = { memory_mb = 256, timeout_seconds = 6 }",
            r"deliver must have 10 s, for a turn at inventory may begin after 2 s and take 2 s",
        ),
        (
            "timeout_seconds = 2\n",
            'timeout_seconds = 3\nidempotency = "lookup"\n',
            r"deliver must have 15 s, for a turn at inventory may begin after 3 s and take 6 s",
        ),
        (
            "concurrency_max = 3 #",
            "concurrency_max = 2 #",
            r"accounting must have a concurrency_max of 3 or more, because with \[express\]",
        ),
        ("[express]\nseconds = 2", "[express]", r"missing required field `seconds`"),
        ("[express]\nseconds = 2", "[express]\nseconds = 0.1", r">= 0\.2 - at `\$\.express"),
        (
            'auth = "api_key"',
            'auth = "api_key"\nidempotency = "hope"',
            r"Invalid enum value 'hope'",
        ),
        (
            'auth = "api_key"',
            'auth = "api_key"\ndescription = "erpp"',
            r"There is no description 'erpp'; there are: accounting, ",
        ),
        (
            'auth = "api_key"',
            'auth = "api_key"\ndescription = "accounting"',
            r"accounting\.toml: has no \[reserve\], and inventory does reserve and release",
        ),
        *(
            (
                'domain_prefix = "spillway-local"',
                f'domain_prefix = "my-{word}-store"',
                rf"Cognito takes no domain_prefix with '{word}' in it - at `\$\.identity`",
            )
            for word in ("aws", "amazon", "cognito")
        ),
        (
            'url = "http://127.0.0.1:8080"',
            'certificate_arn = "arn:aws:acm:us-east-1:111122223333:certificate/1"',
            r"certificate_arn goes with url, the address that it is for - at `\$\.web`",
        ),
        # Above INFO, Lambda would drop every line that an alarm counts.
        (
            "system_level = ",
            'application_level = "WARN"\nsystem_level = ',
            r"unknown field `application_level` - at `\$\.logs`",
        ),
        (
            PRICED,
            f'wholesale_group = ""\n{PRICED}',
            r"at `\$\.orders\.wholesale_group`",
        ),
        *(
            (
                "http://localhost:3000",
                origin,
                r"allowed_origins has '.*', and a browser sends .* - at `\$\.api`",
            )
            for origin in (
                "https://app.example.com/",
                "https://App.example.com",
                "http://app.example.com",
                "app.example.com",
                "*",
            )
        ),
        ("days = 60", "days = 59", r"`int` >= 60 - at `\$\.keeping\.days`"),
        ("days = 60", "imported = true", r"imported goes with days, after which orders leave"),
        (
            "[logs]",
            "[functions.archive]\nmemory_mb = 512\ntimeout_seconds = 180\n\n[logs]",
            r"archive must have more than 180 s: one batch may take that",
        ),
        (PRICED, 'prices = "guess"', r"Invalid enum value 'guess'"),
        (PRICED, 'prices = "client"', r"goes with anyone_may_name_a_price = true, and"),
        (PRICED, f"{PRICED}\nanyone_may_name_a_price = true", r"goes with anyone_may_name_a_price"),
        ('auth = "api_key"', 'auth = "sigv4"', r"invoke_arn goes with auth sigv4"),
        ('auth = "api_key"', 'auth = "api_key"\ninvoke_arn = "arn"', r"invoke_arn goes with auth"),
        ('auth = "api_key"', 'auth = "oauth"', r"token_url goes with auth oauth, and only with it"),
        (
            'auth = "api_key"',
            'auth = "oauth"\ntoken_url = "https://login.example/token"',
            r"client_id goes with auth oauth",
        ),
        (
            'auth = "api_key"',
            'auth = "api_key"\nclient_id = "us"',
            r"client_id goes with auth oauth",
        ),
        (
            'auth = "api_key"',
            'auth = "api_key"\nscope = "books"',
            r"scope, audience and client_auth go with auth oauth",
        ),
        (
            'url = "http://127.0.0.1:8090/inventory"\nauth = "api_key"',
            f'url = "{FUNCTION_ARN}"\nauth = "api_key"',
            r"a function or a queue goes with auth sigv4, and neither with",
        ),
        (
            'url = "http://127.0.0.1:8090/inventory"\nauth = "api_key"',
            'url = "arn:aws:lambda:eu-west-1:111122223333:stock"\nauth = "sigv4"',
            r"url must be a function's ARN, arn:aws:lambda:<Region>",
        ),
        (
            'url = "http://127.0.0.1:8090/inventory"\nauth = "api_key"',
            f'url = "{FUNCTION_ARN}"\nauth = "sigv4"',
            r"inventory has a function's address, and its description says by = \"https\"",
        ),
        (
            'description = "fulfilment-parcels"',
            'description = "warehouse"',
            r"fulfilment has a web address, and its description says by = \"queue\"",
        ),
        *(
            ('url = "http://127.0.0.1:8090/inventory"', f'url = "{url}"', "that paths can follow")
            for url in ("https://a:b@h.example", "https://h.example?x", "https://h.example/ü")
        ),
        ('auth = "api_key"', 'auth = "none"', r"auth none goes with client_certificate = true"),
        (
            'auth = "api_key"',
            'auth = "sigv4"\ninvoke_arn = "arn:aws:execute-api:*:*:abc/prod/POST/*"',
            r"invoke_arn must be an API's .* with its Region and account",
        ),
        (
            'auth = "api_key"',
            'auth = "sigv4"\ninvoke_arn = "arn:aws:sqs:eu-west-1:111122223333:stock"',
            r"invoke_arn must be an API's .* a VPC Lattice service's",
        ),
        (
            'url = "http://127.0.0.1:8090/inventory"\nauth = "api_key"',
            (
                'url = "https://a.execute-api.eu-west-1.amazonaws.com/prod"\nauth = "sigv4"\n'
                'invoke_arn = "arn:aws:execute-api:eu-central-1:111122223333:a/prod/POST/*"'
            ),
            r"execute-api in eu-west-1, and invoke_arn is of execute-api in eu-central-1",
        ),
        (
            'url = "http://127.0.0.1:8090/inventory"\nauth = "api_key"',
            (
                'url = "https://a.lambda-url.eu-west-1.on.aws"\nauth = "sigv4"\n'
                'invoke_arn = "arn:aws:execute-api:eu-west-1:111122223333:a/prod/POST/*"'
            ),
            r"lambda-url in eu-west-1, and invoke_arn is of execute-api in eu-west-1",
        ),
    ],
)
def test_a_wrong_setting_is_one_sentence_that_names_it(
    tmp_path: Path, old: str, new: str, complaint: str
) -> None:
    with pytest.raises(StageError, match=complaint) as raised:
        load_with(tmp_path, old, new)
    assert "\n" not in str(raised.value)
    assert str(raised.value).endswith(".")


@pytest.mark.parametrize(
    ("url", "by", "signing"),
    [
        (FUNCTION_ARN, "lambda", ("lambda", "eu-west-1")),
        (f"{FUNCTION_ARN}:live", "lambda", ("lambda", "eu-west-1")),
        (
            "https://sqs.eu-central-1.amazonaws.com/111122223333/ship.fifo",
            "queue",
            ("sqs", "eu-central-1"),
        ),
        (
            "https://sqs.cn-north-1.amazonaws.com.cn/111122223333/ship",
            "queue",
            ("sqs", "cn-north-1"),
        ),
        ("http://127.0.0.1:4566/000000000000/ship", "queue", ("sqs", None)),
    ],
)
def test_a_function_or_a_queue_is_known_by_its_address(
    url: str, by: str, signing: tuple[str, str | None]
) -> None:
    settings = Downstream(url=url, auth="sigv4", timeout_seconds=5, concurrency_max=2)
    assert (settings.by, settings.signing) == (by, signing)


NETWORK = """[network]
subnet_ids = ["subnet-0123abcd", "subnet-4567abcd"]
security_group_ids = ["sg-0123abcd"]
aws_by = "endpoints"
vpc_id = "vpc-0123abcd"
route_table_ids = ["rtb-0123abcd"]

[logs]"""
LATTICE = (
    'auth = "sigv4"\n'
    'invoke_arn = "arn:aws:vpc-lattice:eu-west-1:111122223333:service/svc-0123456789abcdef0/*"'
)
FUNCTION = 'auth = "sigv4"\ninvoke_arn = "arn:aws:lambda:eu-west-1:111122223333:function:stock"'


@pytest.mark.parametrize(
    ("network", "auth", "complaint"),
    [
        (NETWORK.replace("subnet-0123abcd", "public"), "", r"\$\.network\.subnet_ids"),
        (NETWORK.replace("subnet-0123abcd", "subnet-4567abcd"), "", r"each subnet once"),
        (NETWORK.replace('["sg-0123abcd"]', "[]"), "", r"\$\.network\.security_group_ids"),
        (NETWORK.replace("endpoints", "hope"), "", r"Invalid enum value 'hope'"),
        (NETWORK.replace("endpoints", "nat"), "", r"vpc_id and route_table_ids go with aws_by"),
        (NETWORK.replace('["rtb-0123abcd"]', "[]"), "", r"vpc_id and route_table_ids go with"),
        ("[logs]", LATTICE, r"inventory is a VPC Lattice service: only a stage with \[network\]"),
        (NETWORK, FUNCTION, r'inventory is a function.s URL.* needs network.aws_by = "nat"'),
    ],
)
def test_a_network_that_cannot_work_is_one_sentence(
    tmp_path: Path, network: str, auth: str, complaint: str
) -> None:
    text = LOCAL.replace("[logs]", network, 1)
    text = text.replace('auth = "api_key"', auth, 1) if auth else text
    (tmp_path / "own.toml").write_text(text)
    with pytest.raises(StageError, match=complaint) as raised:
        load("own", tmp_path)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("auth", ['auth = "api_key"', LATTICE])
def test_a_network_of_one_s_own_is_taken(tmp_path: Path, auth: str) -> None:
    text = LOCAL.replace("[logs]", NETWORK, 1).replace('auth = "api_key"', auth, 1)
    (tmp_path / "own.toml").write_text(text)
    network = load("own", tmp_path).network
    assert network is not None
    assert network.subnet_ids == ("subnet-0123abcd", "subnet-4567abcd")


def test_a_stage_s_name_goes_into_the_names_of_resources(tmp_path: Path) -> None:
    with pytest.raises(StageError, match=r"at `\$\.name`"):
        load_with(tmp_path, "bundle", "bundle", name="Not_A_Name")


def test_no_order_is_sent_to_an_address_that_is_still_an_example() -> None:
    with pytest.raises(StageError, match=r"^dev\.toml: downstreams\.inventory\.url is still "):
        load("dev").check_addresses()


def test_a_stage_of_fakes_has_no_addresses_of_its_own_to_check() -> None:
    load("local").check_addresses()


def test_addresses_of_one_s_own_are_taken(tmp_path: Path) -> None:
    dev = (STAGES / "dev.toml").read_text()
    (tmp_path / "own.toml").write_text(owned(dev))
    load("own", tmp_path).check_addresses()


def test_the_sign_in_page_needs_a_name_of_one_s_own(tmp_path: Path) -> None:
    """The shipped one is taken as soon as anybody has deployed it."""
    for name in ("dev", "prod"):
        example = (STAGES / f"{name}.toml").read_text().replace("example.com", "shop.internal")
        (tmp_path / f"{name}.toml").write_text(example)
        with pytest.raises(StageError, match=r"identity\.domain_prefix is still example-"):
            load(name, tmp_path).check_addresses()


def test_a_store_s_address_may_come_later_and_must_be_https(tmp_path: Path) -> None:
    dev = owned((STAGES / "dev.toml").read_text())
    for address, complaint in (
        ("https://d111.cloudfront.net", None),
        ("https://store.example.com", r"web\.url is still https://store\.example\.com"),
        ("http://d111.cloudfront.net", r"web\.url is http://.*must be https"),
    ):
        (tmp_path / "own.toml").write_text(dev.replace("[web]", f'[web]\nurl = "{address}"'))
        expected = pytest.raises(StageError, match=complaint) if complaint else nullcontext()
        with expected:
            load("own", tmp_path).check_addresses()


def owned(settings: str) -> str:
    """The settings of a stage with addresses of one's own."""
    own = settings.replace("example.com", "shop.internal")
    return own.replace('domain_prefix = "example-', 'domain_prefix = "shop-')


def test_an_example_issuer_is_no_issuer(tmp_path: Path) -> None:
    dev = (STAGES / "dev.toml").read_text().replace(".example.com", ".shop.internal")
    head, _, tail = dev.partition("[identity]")
    _, _, tail = tail.partition("[web]")
    issuer = 'by = "issuer"\nissuer = "https://login.example.com/"\n'
    issuer += 'audience = ["orders"]\nclient_id = "shop"\n'
    (tmp_path / "own.toml").write_text(f"{head}[identity]\n{issuer}[web]{tail}")
    with pytest.raises(StageError, match=r"identity\.issuer is still https://login"):
        load("own", tmp_path).check_addresses()


@pytest.mark.parametrize(
    ("audience", "scopes", "api_scopes"),
    [
        ("orders", "", ("openid",)),
        ("shop", "", ("openid",)),
        ("orders", 'api_scopes = ["orders.place"]', ("orders.place",)),
        # Where no ID token is made for the audience there may be none.
        ("orders", "api_scopes = []", ()),
        ("shop", "api_scopes = []", None),
    ],
)
def test_an_issuer_s_id_tokens_are_no_access_tokens(
    tmp_path: Path, audience: str, scopes: str, api_scopes: tuple[str, ...] | None
) -> None:
    dev = (STAGES / "dev.toml").read_text()
    head, _, tail = dev.partition("[identity]")
    _, _, tail = tail.partition("[web]")
    issuer = 'by = "issuer"\nissuer = "https://login.shop.internal/"\nclient_id = "shop"\n'
    issuer += f'audience = ["{audience}"]\n{scopes}\n'
    (tmp_path / "own.toml").write_text(f"{head}[identity]\n{issuer}[web]{tail}")
    if api_scopes is None:
        with pytest.raises(StageError, match=r"without api_scopes ID tokens are taken"):
            load("own", tmp_path)
    else:
        assert load("own", tmp_path).api_scopes == api_scopes


def test_no_function_on_aws_has_less_time_than_it_may_need(tmp_path: Path) -> None:
    dev = (STAGES / "dev.toml").read_text()
    for function, seconds, complaint in (
        ("intake", 20, r"intake must have 18 s, .* the table has 1\.5 s"),
        ("deliver", 30, r"deliver must have 26 s, for a turn at inventory"),
    ):
        size = f"\n{function} = {{ memory_mb = {512 if function == 'intake' else 256}"
        enough, short = (f"{size}, timeout_seconds = {most} }}" for most in (seconds, 15))
        assert enough in dev
        (tmp_path / "own.toml").write_text(dev.replace(enough, short))
        with pytest.raises(StageError, match=complaint):
            load("own", tmp_path)


def test_no_order_travels_in_the_clear(tmp_path: Path) -> None:
    dev = owned((STAGES / "dev.toml").read_text())
    plain = dev.replace("https://fulfilment", "http://fulfilment")
    (tmp_path / "own.toml").write_text(plain)
    with pytest.raises(StageError, match=r"downstreams\.fulfilment\.url is http://.*must be https"):
        load("own", tmp_path).check_addresses()


@pytest.mark.parametrize(
    ("prices", "parameter"),
    [
        ("book", None),
        ("signed", "/spillway/dev/price-keys"),
        ("book_or_signed", "/spillway/dev/price-keys"),
    ],
)
def test_price_keys_are_read_only_where_signatures_are_taken(
    prices: PricesBy, parameter: str | None
) -> None:
    stage = load("dev")
    stage = replace(stage, orders=replace(stage.orders, prices=prices))
    assert stage.price_keys_parameter == parameter


def test_express_calls_only_who_has_idempotency_keys() -> None:
    stage = load("dev")

    def with_lookups(*names: str) -> Stage:
        downstreams = {
            name: replace(one, idempotency="lookup" if name in names else "keys")
            for name, one in stage.downstreams.by_name().items()
        }
        functions = replace(stage.functions, deliver=FunctionSize(128, 40))
        express = Express(seconds=1)
        return replace(
            stage, express=express, functions=functions, downstreams=Downstreams(**downstreams)
        )

    assert with_lookups().called_by("inventory") == DOWNSTREAMS
    partly = with_lookups("accounting", "inventory")
    assert partly.called_by("inventory") == ("inventory", "fulfilment")
    assert partly.deliveries_max == {"inventory": 20, "fulfilment": 10, "accounting": 20}
    with pytest.raises(ValueError, match=r"\[express\] needs idempotency keys"):
        with_lookups("fulfilment", "accounting")
