"""What a bundle is made of: whoever changes that raises its format, or older ones are misread."""

from recsys.bundle import FORMAT
from recsys.models.model import COLUMN

# Of a shop of 240 items, 19 segments, 4 factors and, the unknown one among them, 25 groups.
SHAPES = {
    "item_ids": (240,),
    "item_available": (240,),
    "item_columns": (240, 25),
    "newcomer_columns": (25, 25),
    "item_price_position": (240,),
    "item_launched": (240,),
    "item_supported": (240,),
    "gram": (4, 4),
    "spread": (4, 4),
    "mean_user": (4,),
    "segment_effects": (19, 4),
    "segment_shares": (19,),
    "precisions": (2, 4, 4),
    "repeat_rate": (240,),
    "repeat_pace": (240,),
    "repeat_coefficients": (51,),
    "rebought": (240,),
    "newcomer_repeat_rate": (25,),
    "newcomer_repeat_pace": (25,),
    "newcomer_rebought": (25,),
    "neighbour_starts": (241,),
    "together_support": (240,),
    "together_indptr": (241,),
    "similar_row": (240,),
    "similar_indptr": (265,),
    "trending_indptr": (21,),
}
# As long as there is something to tell.
LISTS = {
    *("neighbour_items", "neighbour_values", "together_items", "together_values"),
    *("together_pairs", "together_pair_support", "together_pair_indptr"),
    *("together_pair_items", "together_pair_values"),
    *("similar_items", "similar_values", "trending_items", "trending_values"),
}
NUMBERS = {
    *("axes", "evidence", "interactions", "kappa", "model", "norms", "own_brands"),
    *("popularity_half_life", "repeat_mean", "slope", "timed", "together", "trending"),
}


def test_another_layout_is_another_format(trained):
    arrays = {**trained.model.arrays(), **trained.related.arrays()}
    found = {name: one.shape for name, one in arrays.items() if not name.startswith(COLUMN)}
    assert {name: shape for name, shape in found.items() if name not in LISTS} == SHAPES
    assert found.keys() == SHAPES.keys() | LISTS
    assert {**trained.model.learnt(), **trained.related.learnt()}.keys() == NUMBERS
    assert FORMAT == 5
