"""Patches and dials: equal to the bridge's hooks, nothing at 1, and bad inputs are named."""

import pytest
import torch

from helpers import relation
from helpers.atlas.questions import ask, question_rows
from helpers.models.predict import logits_after, prompt_ids
from helpers.studies.hallucination.repairs import (
    matched_rows,
    mismatched_donors,
    patch_residual,
    scale_components,
)


@pytest.fixture(scope="module")
def asked(atlas):
    facts = [f for f in relation("person_hometown").facts if f.exposures == 10][:20]
    return ask(atlas, question_rows([("x", f, p, "", "") for f in facts for p in (0, 1, 2)]))


def test_rows_are_about_the_same_fact(asked):
    failing, working = matched_rows(asked)
    assert len(failing) and failing.subject.tolist() == working.subject.tolist()
    assert not failing.right.any() and working.right.all()
    assert list(failing.columns) == list(asked.columns)
    other = mismatched_donors(working)
    assert (other.answer.to_numpy() != working.answer.to_numpy()).all()
    with pytest.raises(ValueError, match="same answer"):
        mismatched_donors(working.assign(answer="Paris"))


def test_a_patch_is_the_bridges(atlas, asked):
    failing, working = (part.head(3) for part in matched_rows(asked))
    found = patch_residual(atlas, failing, working, 6)
    for i in range(len(failing)):
        _, cache = atlas.run_with_cache(atlas.to_tokens(working.prompt[i]))

        def put(resid, hook, cache=cache):
            resid[:, -1] = cache[hook.name][:, -1]
            return resid

        hooks = [("blocks.2.hook_resid_post", put)]
        with torch.no_grad():
            logits = atlas.run_with_hooks(atlas.to_tokens(failing.prompt[i]), fwd_hooks=hooks)[0, -1]
        assert torch.allclose(found[i], logits, atol=2e-3)
    plain = logits_after(atlas, [prompt_ids(atlas.tokenizer, p) for p in failing.prompt])[:, 0]
    assert (found - plain).abs().max() > 1
    donors = logits_after(atlas, [prompt_ids(atlas.tokenizer, p) for p in working.prompt])[:, 0]
    assert torch.allclose(patch_residual(atlas, failing, working, 12), donors, atol=2e-3), "at the end all is the donor"
    own = patch_residual(atlas, failing, failing, 5, "subject_last")
    assert torch.allclose(own, plain, atol=2e-3), "its own state changes nothing"


def test_bad_patches(atlas, asked):
    some = asked.head(2)
    for arguments, why in (
        ((some, some.head(1), 2), "one donor to each"),
        ((some, some, 13), "no stop 13"),
        ((some, some, 2, "first"), "choose last or subject_last"),
    ):
        with pytest.raises(ValueError, match=why):
            patch_residual(atlas, *arguments)


def test_dials(atlas, asked):
    some = asked.head(4)
    plain = logits_after(atlas, [prompt_ids(atlas.tokenizer, p) for p in some.prompt])[:, 0]
    assert torch.allclose(scale_components(atlas, some, {"a4.h6": 1.0}), plain, atol=2e-3)

    def silence(z, hook):
        z[:, -1, 6] = 0
        return z

    def double(out, hook):
        out[:, -1] += out[:, -1] - atlas.blocks[5].mlp.b_out
        return out

    for factors, hook in (
        ({"a4.h6": 0.0}, ("blocks.4.attn.hook_z", silence)),
        ({"m5": 2.0}, ("blocks.5.hook_mlp_out", double)),
    ):
        found = scale_components(atlas, some, factors)
        assert (found - plain).abs().max() > 0.1
        for i, prompt in enumerate(some.prompt):
            with torch.no_grad():
                logits = atlas.run_with_hooks(atlas.to_tokens(prompt), fwd_hooks=[hook])[0, -1]
            assert torch.allclose(found[i], logits, atol=2e-3)
    with pytest.raises(ValueError, match="no head or MLP 'm9'"):
        scale_components(atlas, some, {"m9": 2.0})
