"""The models of a sweep: the last two stay in memory, and each is known by a digest of its weights."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from helpers.models.load import load_model

if TYPE_CHECKING:
    from transformer_lens.model_bridge import TransformerBridge


def load_once(source: str) -> tuple[TransformerBridge, str]:
    """A model and its `weights_digest`; the last two stay in memory until the files of their folders change."""
    return _load_once(source, tuple(sorted((f.name, f.stat().st_mtime_ns) for f in Path(source).glob("*"))))


@lru_cache(maxsize=2)
def _load_once(source: str, files: tuple) -> tuple[TransformerBridge, str]:
    model = load_model(source)
    return model, weights_digest(model)


def weights_digest(model) -> str:
    """A digest of a model's weights and of its configuration, whatever folder or name it came from."""
    original = model.original_model
    config = {k: v for k, v in original.config.to_dict().items() if k[0] != "_" and k != "transformers_version"}
    total = hashlib.sha256(json.dumps(config, sort_keys=True, default=str).encode())
    for name, tensor in sorted(original.state_dict().items()):
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        total.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return total.hexdigest()[:32]
