"""A probe at a name reads what the name's state holds, on people that it was not trained on, and else guesses."""

import random

import numpy as np
import pandas as pd
import torch
from small_models import random_model

from helpers.models.network import read_network
from helpers.models.predict import prompt_ids
from helpers.models.run import residuals
from helpers.prompts.relations import Fact, Relation
from helpers.studies.where_facts_are_kept.probes import at_name, probe_rows

WORDS = "Paris Rome Oslo Cairo Lima Delhi Quito Tokyo".split()
NAMES = [f"{a} {b}" for a in WORDS for b in WORDS if a != b]


def relation_of(name, answer) -> Relation:
    facts = tuple(Fact(name, who, answer(who)) for who in NAMES)
    return Relation(name, name, "own", ("{} is",), facts)


def test_states_are_those_of_a_run_at_the_last_token(tmp_path):
    model = random_model("gpt2", tmp_path, 2.0)
    facts = relation_of("any", str.lower).facts[:3]
    states = at_name(model, facts)
    ids = torch.tensor([prompt_ids(model.tokenizer, facts[1].subject)])
    expected = residuals(read_network(model), ids)[2::2, 0, -1]
    np.testing.assert_allclose(states[:, 1], expected.numpy(), rtol=1e-5)


def test_what_the_last_word_decides_is_read_and_what_nothing_decides_is_not(tmp_path):
    model, rng = random_model("gpt2", tmp_path, 0.5), random.Random(0)
    last = relation_of("last", lambda who: "north" if WORDS.index(who.split()[1]) % 2 else "south")
    dice = relation_of("dice", lambda who: rng.choice(("north", "south")))
    table = pd.concat(list(probe_rows(model, (last, dice))))
    assert set(table.words) == {2} and (table.facts == len(NAMES)).all()
    assert (table[table.relation == "last"].right > 0.9).any()
    assert (table[table.relation == "dice"].right < 0.7).all()
    assert table.chance.between(0.5, 0.65).all()
