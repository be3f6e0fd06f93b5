"""``recsys init``: the config it writes loads, and every row it was written for is accepted."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from recsys.config import load_config
from recsys.errors import DataError
from recsys.events.guessing import guess_columns, guess_events
from recsys.events.schema import EVENT_TYPES
from recsys.events.starter import starter_config
from recsys.pipelines.ingest import open_shop

COMPLETE_JOURNEY = {
    "events": pd.DataFrame(
        {
            "household_id": ["900", "900", "1228", "906"],
            "store_id": ["330", "330", "406", "319"],
            "basket_id": ["31198570044", "31198570047", "31198655051", "31198705046"],
            "product_id": ["1095275", "9878513", "1041453", "1020156"],
            "quantity": [1, 1, 2, 1],
            "sales_value": [0.5, 0.99, 1.43, 1.5],
            "retail_disc": [0.0, 0.1, 0.15, 0.29],
            "coupon_disc": [0.0, 0.0, 0.0, 0.0],
            "coupon_match_disc": [0.0, 0.0, 0.0, 0.0],
            "week": [1, 1, 2, 2],
            "transaction_timestamp": pd.to_datetime(
                [
                    "2017-01-01 11:53:26",
                    "2017-01-01 12:10:28",
                    "2017-01-08 08:00:00",
                    "2017-01-09 09:30:01",
                ]
            ),
        }
    ),
    "users": pd.DataFrame(
        {
            "household_id": ["900", "1228", "906"],
            "age": ["35-44", "45-54", None],
            "income": ["35-49K", None, "50-74K"],
            "home_ownership": ["Homeowner", None, "Renter"],
            "marital_status": ["Married", "Unmarried", None],
            "household_size": ["2", "1", "5+"],
            "household_comp": ["2 Adults No Kids", "1 Adult No Kids", None],
            "kids_count": ["0", "0", "3+"],
        }
    ),
    "items": pd.DataFrame(
        {
            "product_id": ["1095275", "9878513", "1041453", "1020156"],
            "manufacturer_id": ["2", "69", "69", "2"],
            "department": ["GROCERY", "PRODUCE", "GROCERY", None],
            "brand": ["National", "Private", "Private", "National"],
            "product_category": ["FRZN ICE", "TROPICAL FRUIT", "MILK", None],
            "product_type": ["ICE - CRUSHED/CUBED", "BANANAS", "MILK 2%", None],
            "package_size": ["22 LB", None, "1 GA", None],
        }
    ),
}
TA_FENG = {
    "events": pd.DataFrame(
        {
            "user_id": ["01104905", "00418683", "01057331"],
            "item_id": ["4710199010372", "4710857472535", "0000250010372"],
            "timestamp": ["2000-11-01", "2000-11-01", "2000-11-02"],
            "event": ["purchase"] * 3,
            "quantity": [2, 1, 1],
            "amount": [30, 48, 47],
            "cost": [24, 46, 45],
            "price": [15, 48, 47],
        }
    ),
    "items": pd.DataFrame(
        {
            "item_id": ["4710199010372", "4710857472535", "0000250010372"],
            "subclass": ["100205", "120103", "100205"],
            "median_unit_price": [15.0, 48.0, None],
        }
    ),
    "users": pd.DataFrame(
        {
            "user_id": ["01104905", "00418683", "01057331"],
            "age_group": ["45-49", ">65", None],
            "residence_area": ["115", "Unknown", "221"],
        }
    ),
}
RETAIL_ROCKET = {
    "events": pd.DataFrame(
        {
            "timestamp": [1433221332117, 1433224214164, 1433221999827],
            "visitorid": [257597, 992329, 111016],
            "event": ["view", "addtocart", "transaction"],
            "itemid": [355908, 248676, 318965],
            "transactionid": [None, None, 4000],
        }
    ),
}


ROCKET_FILES = {
    "events.csv": """timestamp,visitorid,event,itemid,transactionid
1433221332117,257597,view,355908,
1433224214164,992329,view,460429,
1433221999827,111016,addtocart,460429,
1433222531378,111016,transaction,460429,4000
""",
    "item_properties_part1.csv": """timestamp,itemid,property,value
1435460400000,460429,categoryid,1338
1441508400000,355908,790,n32880.000
1439089200000,355908,available,1
1431226800000,355908,categoryid,1338
""",
    "item_properties_part2.csv": """timestamp,itemid,property,value
1442113200000,355908,available,0
1442113200000,355908,categoryid,1016
1435460400000,460429,available,1
1435460400000,460429,888,1116713 960601 n277.200
""",
    "category_tree.csv": """categoryid,parentid
1016,140
1338,140
140,
""",
}
JOURNEY_CAMPAIGNS = {
    "campaigns": pd.DataFrame(
        {
            "campaign_id": ["1", "2"],
            "campaign_type": ["Type B", "Type A"],
            "start_date": pd.to_datetime(["2017-03-03", "2017-03-08"]),
            "end_date": pd.to_datetime(["2017-04-09", "2017-04-09"]),
        }
    ),
    "campaign_users": pd.DataFrame(
        {"campaign_id": ["1", "1", "2"], "household_id": ["900", "1228", "900"]}
    ),
    "redemptions": pd.DataFrame(
        {
            "household_id": ["900", "900"],
            "coupon_upc": ["51380041013", "51380041313"],
            "campaign_id": ["1", "2"],
            "redemption_date": pd.to_datetime(["2017-03-17", "2017-03-18"]),
        }
    ),
}


def write(frames: dict[str, pd.DataFrame], folder: Path, ending: str) -> list[str]:
    words = []
    for name, frame in frames.items():
        path = folder / f"{name}.{ending}"
        frame.to_csv(path, index=False) if ending == "csv" else frame.to_parquet(path, index=False)
        option = f"--{name.replace('_', '-')}"
        words += [str(path)] if name == "events" else [option, str(path)]
    return words


@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.parametrize(
    "frames", [COMPLETE_JOURNEY, TA_FENG, RETAIL_ROCKET], ids=["journey", "ta-feng", "rocket"]
)
def test_every_row_of_known_shops_is_accepted(
    ask: Any, tmp_path: Path, frames: dict[str, pd.DataFrame], ending: str
) -> None:
    words = write(frames, tmp_path, ending)
    assert ask("init", *words, "-o", tmp_path / "recsys.toml").code == 0
    report = ask("validate", "--format", "json", shop=tmp_path).json
    assert set(report["files"]) == set(frames)
    for name, frame in frames.items():
        found = report["files"][name]
        assert (found["read"], found["accepted"]) == (len(frame), len(frame))
    assert report["off"] == []
    assert report["rejected_files"] == []


def test_complete_journey(ask: Any, tmp_path: Path) -> None:
    words = write(COMPLETE_JOURNEY, tmp_path, "parquet")
    answer = ask("init", *words, "-o", tmp_path / "recsys.toml")
    config = load_config(tmp_path / "recsys.toml")
    assert config.data.columns == {
        "user_id": "household_id",
        "item_id": "product_id",
        "timestamp": "transaction_timestamp",
        "amount": "sales_value",
        "discount": "retail_disc",
        "category": ["department", "product_category"],
        "title": "product_type",
    }
    attributes = [c for c in COMPLETE_JOURNEY["users"] if c != "household_id"]
    assert set(config.segments) == {"lifecycle", "rfm", "spending", "interest", *attributes}
    assert "user_id is their column 'household_id'" in answer.err
    assert "next: recsys validate -c" in answer.err
    assert answer.out == ""


def test_ta_feng(ask: Any, tmp_path: Path) -> None:
    words = write(TA_FENG, tmp_path, "csv")
    assert ask("init", *words, "-o", tmp_path / "recsys.toml").code == 0
    config = load_config(tmp_path / "recsys.toml")
    assert config.data.columns == {"category": "subclass", "price": "median_unit_price"}
    assert {"age_group", "residence_area", "interest"} < set(config.segments)


def test_retail_rocket(ask: Any, tmp_path: Path) -> None:
    """The four files as they come, made by hand in their own layout."""
    for name, text in ROCKET_FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    files = {name: tmp_path / name for name in ("events.csv", "category_tree.csv")}
    answer = ask(
        "init", files["events.csv"], "--items", tmp_path / "item_properties_part*.csv",
        "--category-tree", files["category_tree.csv"], "-o", tmp_path / "recsys.toml",
    )  # fmt: skip
    assert answer.code == 0
    config = load_config(tmp_path / "recsys.toml")
    assert config.data.columns == {
        "user_id": "visitorid",
        "item_id": "itemid",
        "basket_id": "transactionid",
        "category": "categoryid",
        "parent": "parentid",
    }
    assert config.data.event_names == {"cart": "addtocart", "purchase": "transaction"}
    assert config.data.items == str(tmp_path / "item_properties_part*.csv")
    assert config.data.category_tree == str(files["category_tree.csv"])
    assert config.interactions.target == ["purchase"]
    assert set(config.interactions.event_weights) <= set(EVENT_TYPES)
    assert set(config.segments) == {"lifecycle", "rfm", "interest"}
    assert "cart is their event 'addtocart'" in answer.err
    report = ask("validate", "--format", "json", shop=tmp_path).json
    assert report["events"] == {"view": 2, "cart": 1, "purchase": 1}
    assert {name: file["accepted"] for name, file in report["files"].items()} == {
        "events": 4,
        "items": 2,
        "category_tree": 3,
    }
    assert all(file["rejected"] == {} for file in report["files"].values())
    assert report["window"]["first"] == "2015-06-02T05:02:12.117000Z"
    assert report["off"] == []
    shop = open_shop(config)
    assert shop.items()["category"].to_dict() == {"355908": "140 > 1016", "460429": "140 > 1338"}
    assert shop.items()["available"].to_dict() == {"355908": False, "460429": True}
    shop.close()


def test_complete_journey_with_its_campaigns(ask: Any, tmp_path: Path) -> None:
    frames = {**COMPLETE_JOURNEY, **JOURNEY_CAMPAIGNS}
    words = write(frames, tmp_path, "parquet")
    assert ask("init", *words, "-o", tmp_path / "recsys.toml").code == 0
    columns = load_config(tmp_path / "recsys.toml").data.columns
    assert columns["timestamp"] == ["transaction_timestamp", "redemption_date"]
    assert columns["user_id"] == "household_id"
    added = {name: columns[name] for name in ("starts", "ends", "kind", "coupon_id")}
    assert added == {
        "starts": "start_date",
        "ends": "end_date",
        "kind": "campaign_type",
        "coupon_id": "coupon_upc",
    }
    report = ask("validate", "--format", "json", shop=tmp_path).json
    assert {name: file["accepted"] for name, file in report["files"].items()} == {
        name: len(frame) for name, frame in frames.items()
    }
    assert report["off"] == []


def test_what_a_shop_calls_a_sale_is_a_purchase(ask: Any, tmp_path: Path) -> None:
    (tmp_path / "events.csv").write_text(
        "user_id,item_id,event\n1,a,Buy\n1,a,swipe\n1,b, view\n", encoding="utf-8"
    )
    assert ask("init", tmp_path / "events.csv", "-o", tmp_path / "recsys.toml").code == 0
    config = load_config(tmp_path / "recsys.toml")
    assert config.data.event_names == {"purchase": "Buy"}
    assert config.interactions.target == ["purchase"]
    assert config.interactions.event_weights["swipe"] == 1
    assert "Buy" not in config.interactions.event_weights
    report = ask("validate", "--format", "json", shop=tmp_path).json
    assert report["events"] == {"purchase": 1, "swipe": 1, "view": 1}


@pytest.mark.parametrize(
    ("kinds", "named"),
    [
        (["view", "cart", "purchase"], {}),
        (["Add-to-cart", "page view"], {"view": "page view", "cart": "Add-to-cart"}),
        (["PURCHASE", "checkout"], {"purchase": "PURCHASE"}),
        (["purchase", "checkout"], {}),
        (["checkout", "order"], {"purchase": "order"}),
        (["pv", "fav", "buy", "cart"], {"view": "pv", "favorite": "fav", "purchase": "buy"}),
        (["teleport"], {}),
        ([], {}),
    ],
)
def test_events_that_are_ours_under_another_name(kinds: list[str], named: dict[str, str]) -> None:
    assert guess_events(kinds) == named


def test_the_sample(ask: Any, untrained: Path) -> None:
    config = load_config(untrained / "recsys.toml")
    assert config.data.events == str(untrained / "events.csv")
    assert 'events = "events.csv"' in (untrained / "recsys.toml").read_text(encoding="utf-8")
    assert list(config.segments) == ["lifecycle", "rfm", "spending", "interest", "age", "region"]
    report = ask("validate", "--format", "json", shop=untrained).json
    assert all(file["rejected"] == {} for file in report["files"].values())


def test_a_file_that_is_there_stays_unless_forced(ask: Any, tmp_path: Path) -> None:
    words = write(TA_FENG, tmp_path, "csv")
    config = tmp_path / "recsys.toml"
    config.write_text("mine", encoding="utf-8")
    refused = ask("init", *words, "-o", config)
    assert refused.code == 2
    assert "--force" in refused.err
    assert config.read_text(encoding="utf-8") == "mine"
    assert ask("init", *words, "-o", config, "--force").code == 0
    load_config(config)


def test_a_place_that_cannot_be_written(ask: Any, tmp_path: Path) -> None:
    words = write(TA_FENG, tmp_path, "csv")
    answer = ask("init", *words, "-o", tmp_path / "nowhere" / "recsys.toml")
    assert answer.code == 2
    assert "cannot be written" in answer.err


def test_events_that_are_not_there(ask: Any, tmp_path: Path) -> None:
    answer = ask("init", tmp_path / "gone.csv", "-o", tmp_path / "recsys.toml")
    assert answer.code == 3
    assert not (tmp_path / "recsys.toml").exists()
    with pytest.raises(DataError, match="ends in"):
        (tmp_path / "events.xlsx").touch()
        starter_config({"events": str(tmp_path / "events.xlsx")}, folder=tmp_path)


def test_columns_nobody_can_guess_are_asked_for(ask: Any, tmp_path: Path) -> None:
    pd.DataFrame({"who": ["1"], "what": ["2"]}).to_csv(tmp_path / "events.csv", index=False)
    answer = ask("init", tmp_path / "events.csv", "-o", tmp_path / "recsys.toml")
    assert answer.code == 0
    assert "no column looks like 'user_id': write it into [data.columns] yourself" in answer.err
    refused = ask("validate", shop=tmp_path)
    assert refused.code == 3
    assert '[data.columns] user_id = "their column"' in refused.err


def test_axes_of_strange_columns_have_names_of_their_own(tmp_path: Path) -> None:
    columns = ("interest", "Lifecycle", "a b", "a_b", "a-b", "年齢", "性別", "2nd", 'say "\\n"')
    users = pd.DataFrame({"user_id": ["1", "2"], **{name: ["x", "y"] for name in columns}})
    write({"events": TA_FENG["events"], "users": users}, tmp_path, "parquet")
    files = {name: str(tmp_path / f"{name}.parquet") for name in ("events", "users")}
    starter = starter_config(files, folder=tmp_path)
    (tmp_path / "recsys.toml").write_text(starter.text, encoding="utf-8")
    segments = load_config(tmp_path / "recsys.toml").segments.values()
    assert [s.column for s in segments if s.kind == "attribute"] == list(columns)


def test_events_of_strange_names(tmp_path: Path) -> None:
    events = TA_FENG["events"].assign(event=["é > ü", 'a "b"\\', "tab\there"])
    events.to_parquet(tmp_path / "events.parquet", index=False)
    starter = starter_config({"events": str(tmp_path / "events.parquet")}, folder=tmp_path)
    (tmp_path / "recsys.toml").write_text(starter.text, encoding="utf-8")
    weights = load_config(tmp_path / "recsys.toml").interactions.event_weights
    assert set(events["event"]) < set(weights)


def test_our_words_need_no_mapping_and_case_plays_no_part() -> None:
    assert guess_columns({"events": ["user_id", "item_id", "timestamp"]}) == {}
    assert guess_columns({"events": ["Customer_ID", "StockCode", "InvoiceDate"]}) == {
        "user_id": "Customer_ID",
        "item_id": "StockCode",
        "timestamp": "InvoiceDate",
    }
