"""The config file: what it may say, and what is said of a file that cannot be meant."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from recsys.cli.demo import CONFIG as DEMO
from recsys.config import RecsysConfig, json_schema, load_config, parse_config
from recsys.errors import ConfigError
from recsys.events.queries import Query
from recsys.segments.axes.imported import ImportedConfig

LEAST = '[data]\nevents = "events.csv"\n'
RULES = "[segments.mine]\nkind = 'rules'\n[[segments.mine.segments]]\nname = 'x'\n"


def parsed(text: str) -> RecsysConfig:
    return parse_config(tomllib.loads(text), Path("/shop"), name="recsys.toml")


def refused(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parsed(text)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[modl]\n", "at the top: 'modl' is no key; did you mean 'model'?"),
        ("[data]\nevent = 'e.csv'\n", "[data] 'event' is no key; did you mean 'events'?"),
        (
            "[interactions]\nhalflife = '9d'\n",
            "[interactions] 'halflife' is no key; did you mean 'half_life'?",
        ),
        (
            "[segments.age]\nkind = 'attribute'\ncolumn = 'age'\nmots = 3\n",
            "[segments.age] 'mots' is no key; did you mean 'most'?",
        ),
        (
            "[segments.life]\nkind = 'lifecycle'\nactve = '9d'\n",
            "[segments.life] 'actve' is no key; did you mean 'active'?",
        ),
        ("[model]\nfactor = 3\n", "[model] 'factor' is no key; did you mean 'factors'?"),
        (
            "[variants.mine]\nsignals = ['als']\ncenter = 'mean'\n",
            "[variants.mine] 'center' is no key; did you mean 'centre'?",
        ),
        ("[evaluation]\ncuts = 1\n", "[evaluation] 'cuts' is no key; did you mean 'cut'?"),
        ("[store]\npth = 'x'\n", "[store] 'pth' is no key; did you mean 'path'?"),
        ("users = { url = 'x', qery = 'y' }\n", "[data.users] 'qery' is no key; did you mean"),
        ("users = { url = 'x' }\n", "[data.users] 'query' is missing"),
        ("[state]\nurn = 'x'\n", "[state] 'urn' is no key; did you mean 'url'?"),
        (
            "[service]\nvariant = 'als'\n",
            "[service] 'variant' is no key; did you mean 'default_variant'?",
        ),
        ("[store]\nzzzzzz = 1\n", "[store] 'zzzzzz' is no key; known are path"),
    ],
)
def test_an_unknown_key_names_its_table_and_the_nearest_key(text: str, said: str) -> None:
    assert said in refused(text if "[data]" in text else LEAST + text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[model]\nfactors = 'many'\n", "[model] factors = 'many': "),
        ("[model]\nfactors = 0\n", "[model] factors = 0: Input should be greater than 0"),
        ("[model]\nseed = -1\n", "[model] seed = -1: "),
        ("[data.columns]\nuser_id = 5\n", "[data.columns] user_id = 5: "),
        ("[interactions.event_weights]\nview = 'a'\n", "[interactions.event_weights] view = 'a': "),
        ("[interactions]\nhalf_life = '9x'\n", "half_life '9x' is not a duration"),
        ("[interactions]\ntarget = []\n", "[interactions] target = []: "),
        ("[evaluation]\nk = [0]\n", "[evaluation] k = 0: "),
        ("[evaluation]\nk = []\n", "[evaluation] k = []: "),
        ("[evaluation]\ncut = 'soon'\n", "cut 'soon' is not an ISO 8601 time"),
        ("[evaluation]\ntest_window = '1 month'\n", "test_window '1 month' is not a duration"),
        ("[evaluation]\nprotocol = 'sampled'\n", "[evaluation] protocol = 'sampled': "),
        ("[evaluation]\nprotocol = 'given'\n", "[evaluation] protocol = 'given' needs targets"),
        ("[evaluation]\nmeasure = 'ndgc'\n", "[evaluation] measure = 'ndgc': "),
        ("[evaluation]\nreveal = [1]\n", "[evaluation] reveal is not read by protocol"),
        ("[variants.mine]\nsignals = []\n", "[variants.mine] signals is missing; name some"),
        ("[variants.mine]\nlike = 'als2'\n", "[variants.mine] like = 'als2' is no variant"),
        (
            "[variants.a]\nlike = 'b'\n[variants.b]\nlike = 'a'\n",
            "[variants] are like each other in a circle: a → b → a",
        ),
        (
            "[variants.mine]\nlike = 'als'\n[variants.mine.rules.top]\nkind = 'pn'\n",
            "[variants.mine.rules.top] kind = 'pn' is none of 'pin', 'boost'",
        ),
        (
            "[variants.mine]\nlike = 'als'\n[variants.mine.rules.top]\nitems = ['a']\n",
            "[variants.mine.rules.top] 'kind' is missing; known are 'boost', 'bury'",
        ),
        (
            "[variants.mine]\nlike = 'als'\n[variants.mine.diversity]\nkind = 'mrr'\n",
            "[variants.mine.diversity] kind = 'mrr' is none of 'mmr', 'calibration'",
        ),
        (
            "[variants.mine]\nlike = 'als'\n[variants.mine.rules.top]\n"
            "kind = 'cap'\ncolumn = 'brand'\nmost = 2\n",
            "[variants.mine.rules.top] 'most' is no key; did you mean 'at_most'?",
        ),
        (
            "[variants.mine]\nsignals = ['als']\nrepeat = 'nevr'\n",
            "[variants.mine] repeat = 'nevr': ",
        ),
        (
            "[variants.mine]\nsignals = ['als']\nweights = {als = -1}\n",
            "[variants.mine] weights = -1: ",
        ),
        (
            "[variants.mine]\nsignals = ['als']\nweights = {habit = 1}\n",
            "[variants.mine] weights must name exactly the signals ['als'], not ['habit']",
        ),
        (
            "[variants.mine]\nsignals = ['lucky']\n",
            "[variants.mine] unknown signal 'lucky'; known are als, popularity, trend",
        ),
        (
            "[segments.life]\nkind = 'lifecycl'\n",
            "[segments.life] kind = 'lifecycl' is no kind of axis; did you mean 'lifecycle'?",
        ),
        (
            "[segments.life]\nnew = '9d'\n",
            "[segments.life] 'kind' is missing; known are lifecycle, aipl, rfm, ",
        ),
        ("[segments.age]\nkind = 'attribute'\n", "[segments.age] 'column' is missing"),
        ("[segments.Age]\nkind = 'rfm'\n", "[segments.Age]: an axis is named by lower-case"),
        ("[segments]\nage = 3\n", "[segments] age = 3 is no table"),
        (
            "[segments.life]\nkind = 'lifecycle'\nnew = 'a month'\n",
            "[segments.life] new 'a month' is not a duration; write it like",
        ),
        (
            "[segments.money]\nkind = 'spending'\nquantiles = [0.8, 0.5]\n",
            "[segments.money] quantiles = [0.8, 0.5]: quantiles [0.8, 0.5] are not ascending",
        ),
        (
            "[segments.money]\nkind = 'spending'\ncuts = ['a']\n",
            "[segments.money] cuts = 'a': Input should be a valid number",
        ),
        (
            "[segments.money]\nkind = 'spending'\n[segments.money.calm]\nevery = 'fortnight'\n",
            "[segments.money] every 'fortnight' is no grid of moments; write week, month, ",
        ),
        (
            "[segments.money]\nkind = 'spending'\n[segments.money.calm]\nconfrm = 1\n",
            "[segments.money.calm] 'confrm' is no key; did you mean 'confirm'?",
        ),
        (
            RULES + "when = { feature = 'spnd', above = 1 }\n",
            "[segments.mine.segments.0.when] 'spnd' is no profile feature; did you mean 'spend'?",
        ),
        (
            RULES + "when = { all = [{ not = { feature = 'spend', abve = 1 } }] }\n",
            "[segments.mine.segments.0.when.all.0.not] 'abve' is no key; did you mean 'above'?",
        ),
        (
            RULES + "whn = { feature = 'spend', above = 1 }\n",
            "[segments.mine.segments.0] 'whn' is no key; did you mean 'when'?",
        ),
        (
            "[segments.tiers]\npreset = 'taobao_tier'\n",
            "[segments.tiers] preset = 'taobao_tier' is no preset; did you mean 'taobao_tiers'?",
        ),
        (
            "[segments.tiers]\npreset = 'taobao_tiers'\n[segments.tiers.spending]\nnams = 1\n",
            "[segments.tiers.spending] 'nams' is no key; did you mean 'names'?",
        ),
        (
            "[segments.Tiers]\npreset = 'taobao_tiers'\n",
            "[segments.Tiers.spending]: an axis is named by lower-case",
        ),
        (
            "[service]\ndefault_variant = 'segment_awar'\n",
            "[service] default_variant = 'segment_awar' is no variant; "
            "did you mean 'segment_aware'?",
        ),
    ],
)
def test_a_value_that_cannot_be_meant_is_named_with_its_place(text: str, said: str) -> None:
    assert said in refused(LEAST + text)


def test_tables_that_are_none_and_what_is_missing() -> None:
    assert refused("data = 3\n").endswith("at the top: data = 3 is no table")
    assert refused("").endswith("at the top: 'data' is missing")
    assert refused("[data]\n").endswith("[data] 'events' is missing")


def test_every_problem_is_named_at_once_and_the_file_with_them() -> None:
    said = refused(LEAST + "[model]\nfactors = 0\nfactor = 1\n[store]\npth = 'x'\n")
    assert said.startswith("recsys.toml: ")
    assert all(part in said for part in ("factors = 0", "'factor' is no key", "'pth' is no key"))
    assert refused(LEAST + "[evaluation]\ncut = 'soon'\n").startswith("recsys.toml: ")


def test_a_file_that_is_not_there_or_no_toml(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no config file .*`recsys init EVENTS`"):
        load_config(tmp_path / "recsys.toml")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path)
    (tmp_path / "recsys.toml").write_text("[data\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"recsys\.toml is not TOML"):
        load_config(tmp_path / "recsys.toml")
    (tmp_path / "recsys.toml").write_bytes(b"\xff\xfe[data]")
    with pytest.raises(ConfigError, match="is not TOML"):
        load_config(tmp_path / "recsys.toml")


def test_relative_paths_start_at_the_configs_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = tmp_path / "shop"
    shop.mkdir()
    text = '[data]\nevents = "in/*.csv"\nusers = "../users.csv"\nitems = "/all/items.csv"\n'
    (shop / "recsys.toml").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    config = load_config("shop/recsys.toml")
    assert config.data.events == str(shop / "in" / "*.csv")
    assert Path(str(config.data.users)).resolve() == tmp_path / "users.csv"
    assert config.data.items == "/all/items.csv"
    assert config.store.path == str(shop / "store")
    assert config.state.url == f"sqlite:///{shop}/store/state.db"


@pytest.mark.parametrize(
    ("url", "read"),
    [
        ("sqlite:///s.db?timeout=5", "sqlite:////shop/s.db?timeout=5"),
        ("sqlite:////var/s.db", "sqlite:////var/s.db"),
        ("postgresql://host/db", "postgresql://host/db"),
        ("sqlite:///:memory:", "sqlite:///:memory:"),
        ("sqlite:///file:s.db?mode=memory", "sqlite:///file:s.db?mode=memory"),
    ],
)
def test_only_a_relative_sqlite_file_is_moved(url: str, read: str) -> None:
    assert parsed(LEAST + f'[state]\nurl = "{url}"\n').state.url == read
    query = parsed(LEAST + f'users = {{ url = "{url}", query = "SELECT 1" }}\n').data.users
    assert isinstance(query, Query)
    assert query.url == read


def test_a_document_of_the_config_shows_no_secret() -> None:
    database = "postgresql://me:hunter2@shop/db?sslpassword=hunter3"
    text = f'users = {{ url = "{database}", query = "SELECT 1" }}\n[state]\nurl = "{database}"\n'
    written = parsed(LEAST + text).model_dump_json()
    assert "hunter" not in written
    assert "postgresql://me:***@shop/db" in written


def test_a_configured_variant_replaces_the_built_in_one() -> None:
    config = parsed(LEAST + "[variants.als]\nsignals = ['als', 'popularity']\n")
    assert config.every_variant()["als"].digest != parsed(LEAST).every_variant()["als"].digest
    assert [v.name for v in config.chosen(["popular", "als"])] == ["popular", "als"]
    assert len(config.chosen([])) == len(config.every_variant())
    with pytest.raises(ConfigError, match="no variant 'popula'; did you mean 'popular'"):
        config.chosen(["popula"])


def test_a_config_is_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        parsed(LEAST).model.factors = 3  # type: ignore[misc]


def test_a_preset_becomes_its_axes() -> None:
    text = LEAST + "[segments.shop]\npreset = 'pdd'\n[segments.shop.spending]\nwindow = '30d'\n"
    axes = parsed(text + "[segments.life]\nkind = 'lifecycle'\n").segments
    assert list(axes) == ["shop_price", "shop_frequency", "shop_spending", "life"]
    assert axes["shop_spending"].model_dump()["window"] == "30d"


def test_imported_segments_are_kept_under_their_axis_name_and_read_from_the_configs_folder() -> (
    None
):
    axes = parsed(
        LEAST + "[segments.vip]\nkind = 'imported'\nfile = 'vip.csv'\n"
        "[segments.club]\nkind = 'imported'\ncolumn = 'club'\n"
    ).segments
    vip, club = axes["vip"], axes["club"]
    assert isinstance(vip, ImportedConfig)
    assert isinstance(club, ImportedConfig)
    assert (vip.column, vip.file) == ("imported:vip", str(Path("/shop/vip.csv")))
    assert (club.column, club.file) == ("club", None)


AXES = [
    "[segments.vip]\nkind = 'imported'\nfile = 'vip.csv'\n",
    "[segments.shop]\npreset = 'pdd'\nwithout = ['price']\ncolumns = { a = 'b' }\n",
    "[segments.shop]\npreset = 'pdd'\n[segments.shop.spending]\nwindow = '30d'\n",
    RULES + "when = { all = [{ not = { attribute = 'age', in = [1, 'b'] } }] }\n",
    "[segments.money]\nkind = 'spending'\ncalm = { every = 'week' }\ncuts = [10, 20.5]\n",
]


@pytest.mark.parametrize(
    "text",
    [DEMO, LEAST, LEAST + "[evaluation]\nk = [5]\n", *(LEAST + axis for axis in AXES)],
)
def test_the_schema_takes_what_the_config_takes(text: str) -> None:
    parsed(text)
    assert problems(tomllib.loads(text), json_schema()) == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        LEAST + "[modl]\n",
        LEAST + "[model]\nfactors = 'many'\n",
        LEAST + "[segments.age]\nkind = 'attribute'\n",
        LEAST + "[segments.age]\nkind = 'age'\n",
        LEAST + "[segments.shop]\npreset = 'taobao'\n",
        LEAST + RULES + "when = { feature = 'spend', abve = 1 }\n",
        LEAST + "[variants.mine]\nsignals = ['als']\nrepeat = 'nevr'\n",
    ],
)
def test_the_schema_refuses_what_the_config_refuses(text: str) -> None:
    refused(text)
    assert problems(tomllib.loads(text), json_schema())


TYPES = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}


def problems(value: Any, node: dict[str, Any], root: dict[str, Any] | None = None) -> list[str]:
    """Check by the words of JSON Schema that the config's schema is written in."""
    root = root or node
    if "$ref" in node:
        return problems(value, root["$defs"][node["$ref"].rpartition("/")[2]], root)
    if "anyOf" in node or "oneOf" in node:
        found = [problems(value, part, root) for part in node.get("anyOf") or node["oneOf"]]
        return [] if [] in found else found[0]
    if "type" in node and not isinstance(value, TYPES[node["type"]]):
        return [f"{value!r} is no {node['type']}"]
    if value not in node.get("enum", [node.get("const", value)]):
        return [f"{value!r} is not among the allowed"]
    if isinstance(value, list):
        return [p for part in value for p in problems(part, node.get("items", {}), root)]
    if isinstance(value, dict):
        return table_problems(value, node, root)
    return []


def table_problems(value: dict[str, Any], node: dict[str, Any], root: dict[str, Any]) -> list[str]:
    found = [f"{key} is missing" for key in node.get("required", []) if key not in value]
    for key, part in value.items():
        inside = node.get("properties", {}).get(key, node.get("additionalProperties", {}))
        found += [f"{key} is no key"] if inside is False else problems(part, inside, root)
    return found


def test_a_wrong_rule_is_named_alone_and_not_the_list_it_stands_in(tmp_path):
    rule = {"name": "x", "when": {"feature": "spnd", "at_least": 3}}
    segments = {"b": {"kind": "rules", "segments": [rule]}}
    with pytest.raises(ConfigError) as caught:
        parse_config({"data": {"events": "e.csv"}, "segments": segments}, tmp_path)
    assert "'spnd' is no profile feature; did you mean 'spend'?" in str(caught.value)
    assert "at least 1 item" not in str(caught.value)
    segments["b"]["segments"] = []
    with pytest.raises(ConfigError, match="at least 1 item"):
        parse_config({"data": {"events": "e.csv"}, "segments": segments}, tmp_path)
