"""Searches for masks: laws that hold for any weights, and a model in which the needed weights are known."""

from dataclasses import replace

import pytest
import torch
from small_models import planted_chain
from torch.func import functional_call

from helpers.editing.weights import named_weights, weights_restored
from helpers.studies.editing_inside_circuits.masks import (
    ParameterMask,
    full_mask,
    maskable,
    masked,
    random_mask,
    top_mask,
    weight_type,
)
from helpers.studies.editing_inside_circuits.search import (
    divergence,
    first_order,
    hits,
    learn_masks,
    log_probs,
    mask_gradient,
    right_nll,
)
from helpers.studies.editing_inside_circuits.tasks import MaskTask, false_answers, mask_task


def kept_share(model, mask, task):
    return hits(model, full_mask(model) if mask is None else mask, task).mean().item()


def planted_task():
    planted = planted_chain()
    pairs, vocabulary = planted.pairs, planted.model.cfg.d_vocab
    right = torch.zeros(len(pairs), vocabulary, dtype=torch.bool)
    right[torch.arange(len(pairs)), pairs.answer_ids] = True
    about = tuple(str(row[-1]) for row in pairs.clean_ids)
    with torch.no_grad():  # answers that are quite sure leave no gradient
        planted.model.original_model.lm_head.weight.mul_(0.1)
    task = MaskTask(pairs.clean_ids, right, pairs.clean_logits(planted.model), about)
    return planted.model, replace(task, reference=log_probs(planted.model, task).detach())


@pytest.fixture(scope="module")
def chain():
    return planted_task()


def only(mask, kind):
    return {name: part for name, part in mask.kept.items() if weight_type(name) == kind}


def test_keeping_all_is_the_model(chain):
    model, task = chain
    before = log_probs(model, task)
    with masked(model, full_mask(model)):
        assert torch.equal(log_probs(model, task), before)
        assert divergence(model, task).abs() < 1e-5
    assert kept_share(model, None, task) == kept_share(model, full_mask(model), task) == 1


def test_the_gradient_of_a_mask_by_two_routes():
    """Weight times gradient, and autograd through the multiplication in the model's own forward pass."""
    model, task = planted_task()  # a model of its own: functional_call leaves the bridge's aliases broken
    some = task.select([0, 3, 5])
    kept = top_mask(first_order(model, task), 0.3)
    found = mask_gradient(model, some, kept, right_nll)
    entries = {name: part.float().requires_grad_() for name, part in kept.kept.items()}
    weights = {name: w.detach() * entries[name] for name, w in named_weights(model).items() if name in entries}
    inner = model.original_model
    logits = functional_call(inner, weights, (torch.tensor(some.ids),)).logits[:, -1]
    loss = -logits.log_softmax(-1).masked_fill(~some.right, -torch.inf).logsumexp(-1).mean()
    loss.backward()
    for name, entry in entries.items():
        assert torch.allclose(found[name], entry.grad, atol=1e-5), name
    assert max(float(g.abs().max()) for g in found.values()) > 1e-3


@pytest.fixture
def either(small):
    """A random model of each shape, and a task that it does: what it says anyway."""
    model, pairs = small
    right = torch.zeros_like(pairs.clean_logits(model), dtype=torch.bool)
    right[torch.arange(len(pairs)), pairs.clean_logits(model).argmax(-1)] = True
    return model, MaskTask(pairs.clean_ids, right, pairs.clean_logits(model).log_softmax(-1), pairs.clean)


def test_either_shape_has_masks(either):
    model, task = either
    with masked(model, full_mask(model)):
        assert divergence(model, task).abs() < 1e-4
    scores = first_order(model, task, batch=2)
    assert all(part.max() > 0 for name, part in scores.items() if weight_type(name) != "bias"), "every weight is read"
    learned = learn_masks(model, task, (0.5, 0.2), steps=2, batch=2)
    assert [mask.size for mask in learned.values()] == [round(share * learned[0.5].total) for share in learned]
    assert kept_share(model, None, task) == 1


def test_the_gradient_of_a_mask_is_the_slope(either):
    model, task = either
    found = mask_gradient(model, task, full_mask(model), right_nll)
    for name in [n for n in found if weight_type(n) in ("attention K", "MLP out", "LayerNorm")]:
        place = torch.unravel_index(found[name].abs().argmax(), found[name].shape)
        values = []
        for factor in (0.99, 1.01):
            weights = named_weights(model)
            with weights_restored(weights), torch.no_grad():
                weights[name][place] *= factor
                values.append(right_nll(model, task).item())
        assert (values[1] - values[0]) / 0.02 == pytest.approx(found[name][place].item(), rel=0.05, abs=2e-3)


def test_first_order_scores_are_that_gradient_in_the_whole_model(chain):
    model, task = chain
    whole = mask_gradient(model, task.sample(len(task)), full_mask(model), right_nll)
    scores = first_order(model, task, batch=len(task))
    assert all(torch.allclose(scores[name], g.abs(), atol=1e-6) for name, g in whole.items())


def test_the_planted_weights_are_found(chain):
    """Three words, two entries for each in the MLP's two matrices, the unembedding and the two norms on the way.

    The decoy head beside them writes where nothing reads, so it acts through the norm's scale alone.
    """
    model, task = chain
    scores = first_order(model, task)
    largest = max(float(part.max()) for part in scores.values())
    needed = ParameterMask({name: part > 0.02 * largest for name, part in scores.items()})
    sizes = {}
    for name, n in needed.counts.items():
        sizes[weight_type(name)] = sizes.get(weight_type(name), 0) + n
    assert {kind: n for kind, n in sizes.items() if n} == {
        "MLP in": 6,
        "MLP out": 6,
        "unembedding": 6,
        "LayerNorm": 12,
    }
    first, second = (part for _, part in sorted(only(needed, "MLP in").items()))
    assert first.any(0).nonzero().flatten().tolist() == [0, 1, 2] and not second.any()
    assert kept_share(model, needed, task) == 1 and kept_share(model, ~needed, task) < 1
    assert top_mask(scores, needed.size / needed.total).jaccard(needed) == 1
    for share, mask in learn_masks(model, task, (0.01, 0.001), steps=4, batch=6).items():
        assert mask.size == round(share * mask.total) and (mask & needed).size == needed.size
        assert kept_share(model, mask, task) == 1 and kept_share(model, random_mask(mask, 1), task) < 1


def test_the_model_is_as_before(chain):
    model, task = chain
    before = {name: w.clone() for name, w in named_weights(model).items()}
    learn_masks(model, task, (0.1,), steps=1, batch=2)
    first_order(model, task), hits(model, random_mask(full_mask(model)), task)
    assert all(torch.equal(w, before[name]) and not w.requires_grad for name, w in named_weights(model).items())


def test_the_same_seed_gives_the_same_masks(chain):
    model, task = chain
    one, two = (learn_masks(model, task, (0.05,), steps=2, batch=2, seed=3)[0.05] for _ in range(2))
    assert one.jaccard(two) == 1


@pytest.mark.parametrize("shares", [(0.1, 0.2), (0.5, 0.5), (1.5, 0.1), (0.1, 0.0)])
def test_bad_shares(chain, shares):
    with pytest.raises(ValueError, match="shares must fall"):
        learn_masks(*chain, shares)


def test_tasks(atlas):
    task = mask_task(atlas, "country_capital")
    assert kept_share(atlas, None, task.sample(20)) == 1 and task.right.sum(1).eq(1).all()
    other = mask_task(atlas, "country_capital", "test", "held out")
    assert not set(task.about) & set(other.about) and not set(task.ids) & set(other.ids)
    years = mask_task(atlas, "greater-than")
    assert kept_share(atlas, None, years.sample(20)) == 1 and years.right.sum(1).float().mean() > 20
    assert len(task.sample(7)) == 7 and task.select([4]).ids == (task.ids[4],)
    with pytest.raises(ValueError, match="choose from train, test"):
        mask_task(atlas, "country_capital", "both")
    with pytest.raises(ValueError, match="no held-out wordings"):
        mask_task(atlas, "greater-than", "train", "held out")


def test_false_answers_are_others_and_the_same_in_all_wordings(atlas):
    task = mask_task(atlas, "antonym")
    false = false_answers(task)
    assert false.ids == task.ids and (false.right & task.right).any(1).float().mean() < 0.1
    for subject in set(task.about):
        rows = [i for i, about in enumerate(task.about) if about == subject]
        assert (false.right[rows] == false.right[rows[0]]).all()
    assert kept_share(atlas, None, false.sample(60)) < 0.1
    with pytest.raises(ValueError, match="no other answers"):
        false_answers(task.select([0]))
    assert set(maskable(atlas)) == set(full_mask(atlas).kept)
