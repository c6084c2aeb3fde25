"""Signs agree with the searches they are built from, and know nothing of the answer."""

import pytest
import torch

from helpers import eap, logit_diff, relation
from helpers.atlas.questions import ask, question_rows, type_ids
from helpers.circuits.metrics import higher_is_better
from helpers.studies.hallucination.warning_signs import (
    edge_contributions,
    error_predictors,
    sign_pairs,
)


@pytest.fixture(scope="module")
def asked(atlas2):
    facts = [f for f in relation("person_hometown").facts if f.exposures in (0, 300)]
    table = ask(atlas2, question_rows([("x", f, 1, "", "") for f in facts[:12] + facts[-12:]], "atlas2"))
    lengths = table.prompt.map(lambda p: len(atlas2.tokenizer.encode(p)))
    return table[lengths.map(lengths.value_counts()) > 1].reset_index(drop=True)


def test_partners_are_alike(atlas2, asked):
    pairs = sign_pairs(atlas2, asked)
    assert all(a != b and len(a) == len(b) for a, b in zip(pairs.clean_ids, pairs.corrupt_ids, strict=True))
    assert pairs.answer_ids.tolist() == asked.said_id.tolist()
    with pytest.raises(ValueError, match="no other question is like"):
        sign_pairs(atlas2, asked.head(1))


def test_contributions_average_to_the_scores_of_the_search(atlas2, asked):
    pairs = sign_pairs(atlas2, asked)
    members = type_ids(atlas2.tokenizer, "person_hometown", asked.prompt[0]).tolist()

    @higher_is_better
    def lead(logits, pairs):
        return logits.gather(-1, pairs.answer_ids[:, None])[:, 0] - logits[:, members].mean(-1)

    scores = eap(atlas2, pairs, lead)
    circuit = scores.top(40)
    work = edge_contributions(atlas2, circuit, pairs, members)
    assert work.shape == (len(pairs), 40)
    assert torch.allclose(work.mean(0), scores.values[circuit.mask], atol=1e-3)


def test_signs(atlas2, asked):
    circuit = eap(atlas2, sign_pairs(atlas2, asked), logit_diff).top(30)
    known = torch.tensor((asked.right & (asked.half == "train")).tolist())
    signs = error_predictors(atlas2, asked, circuit, known)
    assert signs["edges at work"].between(0, 1).all() and signs["like known facts"].abs().max() <= 1 + 1e-6
    blind = error_predictors(atlas2, asked.assign(first=0, answer="?"), circuit, known)
    for name in ("circuit lead", "edges at work", "like known facts"):
        assert torch.allclose(torch.tensor(signs[name]), torch.tensor(blind[name])), "no sign knows the answer"
    with pytest.raises(ValueError, match="train half"):
        error_predictors(atlas2, asked, circuit, torch.ones(len(asked), dtype=torch.bool))
    two = asked.assign(relation=["person_craft", *asked.relation[1:]])
    with pytest.raises(ValueError, match="one relation, not 2"):
        error_predictors(atlas2, two, circuit, known)
