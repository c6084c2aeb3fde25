"""What heads do at the end agrees with the measurements behind the classes; copy scores with hooks."""

import pytest
import torch

from helpers import head_place
from helpers.atlas.skills import indirect_object_pairs
from helpers.studies.indirect_objects.end_heads import at_the_end, class_members, copy_scores, name_ids
from helpers.studies.indirect_objects.skill_classes import measure_indirect
from helpers.studies.tables import read_table


def test_the_end_is_measured_as_for_the_classes(atlas):
    pairs = indirect_object_pairs(atlas, 4)
    here, there = at_the_end(atlas, pairs), measure_indirect(atlas, pairs)
    for column, other in (("to_io", "to_io"), ("to_s2", "to_s2"), ("writes", "writes_io")):
        assert here[column].tolist() == pytest.approx(there[other].tolist(), abs=1e-4)


def test_a_copy_score_is_what_hooks_say(atlas):
    ids = torch.tensor(name_ids(atlas))
    _, cache = atlas.run_with_cache(ids[:, None])
    scores = copy_scores(atlas).set_index("head")
    assert len(scores) == 6 * 8
    name = scores.copies.idxmax()
    assert copy_scores(atlas, [name]).copies.tolist() == [scores.copies[name]] and scores.copies[name] > 0.3
    layer, head = head_place(name)
    block = atlas.blocks[layer]
    stream = block.ln1(cache["blocks.0.hook_resid_post"][:, 0])
    written = stream @ block.attn.W_V[head] @ block.attn.W_O[head]
    raised = (written - written.mean(-1, keepdim=True)) * atlas.ln_final.weight @ atlas.W_U
    top, low = (sign * raised for sign in (1, -1))
    for column, order in (("copies", top), ("against", low)):
        among = (order.topk(5).indices == ids[:, None]).any(-1).float().mean().item()
        assert scores.loc[f"a{layer}.h{head}", column] == pytest.approx(among, abs=0.02)


def test_a_class_holds_all_heads_that_fit_it():
    table = read_table("smollm2_skill_heads")
    assert "a23.h7" in class_members(table, "name mover"), "its first class is another one"
    assert "a21.h7" not in class_members(table, "name mover"), "a negative mover is no mover"
