"""A run under a mask that is changed edge by edge: only what a change can reach is computed again.

A search that cuts one edge at a time, from the logits back, changes the input of one reader. Everything earlier stays
as in the clean run; of what comes later, only the nodes that kept edges connect to that reader change. Many candidate
changes of one reader go through the model as one batch.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from helpers.circuits.ablation import PatchingRun
from helpers.circuits.graph import Graph
from helpers.models.run import head_writes, qkv


class MaskedRun:
    """The state of a run under a mask: each reader's input and what each source writes.

    It begins as the clean run (nothing cut). `trial` computes what the unembedding reads for many changes of one
    reader's input, `commit` makes one of them the new state. ``kept`` is shared with the search, which clears the edges
    that it cuts; after that, `trim` spares what the cuts made needless.
    """

    def __init__(self, scene: PatchingRun, graph: Graph, kept: Bool[Tensor, "reader source"]) -> None:
        self.scene, self.net, self.graph, self.kept = scene, scene.net, graph, kept
        writes, final = scene.clean
        self.written = list(writes.expand(self.net))
        self.differences = (writes - scene.ablated).expand(self.net)
        self.inputs: list[Tensor] = [final] * len(graph.readers)
        self.q: list[list[Tensor]] = []
        self.k: list[list[Tensor]] = []
        self.v: list[list[Tensor]] = []
        resid = scene.embed
        for n, layer in enumerate(self.net.layers):
            self._set_inputs(2 * n, resid)
            q, k, v = qkv(layer, layer.norm1(resid))
            past = None if scene.past is None else tuple(t.expand(len(q), -1, -1, -1) for t in scene.past[n])
            k = self.net.rotate(k, scene.start)
            if past is not None:
                k, v = torch.cat((past[0], k), 1), torch.cat((past[1], v), 1)
            self.q.append(list(self.net.rotate(q, scene.start).unbind(2)))
            self.k.append(list(k.unbind(2)))
            self.v.append(list(v.unbind(2)))
            resid = resid + head_writes(layer, writes.heads[n]).sum(0) + layer.b_O
            self._set_inputs(2 * n + 1, resid)
            resid = resid + writes.mlps[n] + layer.b_out

    def trim(self) -> None:
        """Forget positions that nothing reads any more: without a key or value on its way, only the last one counts.

        Cut edges never come back, so what is forgotten is never asked for again.
        """
        graph, kept, feeds = self.graph, self.kept, self.graph.feeds
        alive = kept.any(0)
        wide = torch.zeros_like(alive)  # sources that are read at other positions, too
        for sublayer in reversed(range(2 * graph.n_layers)):
            rows = graph.reader_rows(sublayer)
            anywhere = (feeds[rows] & wide).any(1)
            if sublayer % 2 == 0:
                anywhere[graph.n_heads :] |= (feeds[rows] & alive).any(1)[graph.n_heads :]  # keys and values
            wide |= kept[rows][anywhere].any(0)
        self._keep_last([len(graph.readers) - 1], [])
        for sublayer in range(2 * graph.n_layers):
            row, first = graph.reader_rows(sublayer).start, graph.source_rows(sublayer).start
            narrow = [n for n in range(graph.n_heads if sublayer % 2 == 0 else 1) if not wide[first + n]]
            self._keep_last([row + n for n in narrow], [first + n for n in narrow])
            if sublayer % 2 == 0:
                for n in narrow:
                    self.q[sublayer // 2][n] = self.q[sublayer // 2][n][:, -1:]

    def _keep_last(self, readers: list[int], sources: list[int]) -> None:
        for reader in readers:
            self.inputs[reader] = self.inputs[reader][:, -1:]
        for source in sources:
            self.written[source] = self.written[source][:, -1:]

    def cuts(self, reader: int, sources: Int[Tensor, " trial"]) -> Float[Tensor, "trial batch pos d_model"]:
        """How a reader's input changes if the first of these edges is cut, the first two, and so on."""
        return -self.differences[sources, :, -self.inputs[reader].shape[1] :].cumsum(0)

    def _set_inputs(self, sublayer: int, resid: Tensor) -> None:
        for reader in range(len(self.graph.readers))[self.graph.reader_rows(sublayer)]:
            self.inputs[reader] = resid

    def trial(
        self, reader: int, change: Float[Tensor, "trial batch pos d_model"]
    ) -> Float[Tensor, "trial batch d_model"]:
        """The final residual at the last position if so much were added to a reader's input."""
        return self._spread(reader, change, commit=False)

    def own_change(
        self, reader: int, change: Float[Tensor, "trial batch pos d_model"]
    ) -> Float[Tensor, "trial batch pos d_model"]:
        """How much more the reader's own node would write; nothing later is computed."""
        sublayer = sublayer_of(self.graph, reader)
        news = self._mlp if sublayer % 2 else self._heads
        alive = [True] * len(self.graph.sources)
        return sum(new for _, new in news(sublayer, lambda row: change if row == reader else None, alive, commit=False))

    def commit(self, reader: int, change: Float[Tensor, "batch pos d_model"]) -> None:
        """Add to a reader's input for good."""
        self._spread(reader, change[None], commit=True)

    def _spread(self, reader: int, change: Tensor, commit: bool) -> Tensor:
        graph, last = self.graph, len(self.graph.readers) - 1
        changed: dict[
            int, Tensor
        ] = {}  # source -> how much more it writes than in the state, [trial batch pos d_model]
        alive = self.kept.any(0).tolist()

        def input_change(row: int) -> Tensor | None:
            if row == reader:
                return change
            own = self.inputs[row].shape[1]  # all positions, or the last one alone
            return sum_of(changed[s][:, :, -own:] for s in changed if self.kept[row, s])

        for sublayer in range(sublayer_of(graph, reader), 2 * graph.n_layers):
            news = self._mlp if sublayer % 2 else self._heads
            for source, difference in news(sublayer, input_change, alive, commit):
                changed[source] = difference
        end = input_change(last)
        if commit:
            if end is not None:
                self.inputs[last] = self.inputs[last] + end[0]
            for source, difference in changed.items():
                self.written[source] = self.written[source] + difference[0]
        resid = self.inputs[last][:, -1]
        return resid[None] if end is None or commit else resid + end[:, :, -1]

    def _mlp(self, sublayer: int, input_change, alive: list[bool], commit: bool):
        row, source = self.graph.reader_rows(sublayer).start, self.graph.source_rows(sublayer).start
        change = input_change(row) if alive[source] else None
        if change is None:
            return
        layer, x = self.net.layers[sublayer // 2], self.inputs[row] + change
        if commit:
            self.inputs[row] = x[0]
        yield source, layer.neurons(layer.norm2(x)) @ layer.W_out - self.written[source]

    def _heads(self, sublayer: int, input_change, alive: list[bool], commit: bool):
        graph, n = self.graph, sublayer // 2
        layer, first = self.net.layers[n], graph.source_rows(sublayer).start
        row, size = graph.reader_rows(sublayer).start, graph.n_heads // graph.n_groups
        for group in range(graph.n_groups):
            heads = [h for h in range(group * size, (group + 1) * size) if alive[first + h]]
            if not heads:
                continue
            k_row = row + graph.n_heads + group
            v_row = k_row + graph.n_groups
            changes = {r: input_change(r) for r in (k_row, v_row, *(row + h for h in heads))}
            k = self._project(n, self.k[n], group, k_row, changes[k_row], layer.W_K, layer.b_K, True, commit)
            v = self._project(n, self.v[n], group, v_row, changes[v_row], layer.W_V, layer.b_V, False, commit)
            for h in heads:
                if all(changes[r] is None for r in (k_row, v_row, row + h)):
                    continue
                q = self._project(n, self.q[n], h, row + h, changes[row + h], layer.W_Q, layer.b_Q, True, commit)
                pattern = self.net.pattern(q[..., None, :], k[..., None, :])[..., 0, :, :]
                yield first + h, (pattern @ v) @ layer.W_O[h] - self.written[first + h]

    def _project(
        self, n: int, state: list[Tensor], place: int, row: int, change: Tensor | None, W, b, turn: bool, commit: bool
    ) -> Tensor:
        """A head's queries, keys or values: the state's, or new ones where the reader's input changes."""
        if change is None:
            return state[place]
        x = self.inputs[row] + change
        new = self.net.layers[n].norm1(x) @ W[place] + b[place]
        if turn:
            start = self.scene.tokens.shape[1] - x.shape[-2]
            new = self.net.rotate(new[..., None, :], start)[..., 0, :]
        before = state[place].shape[-2] - new.shape[-2]
        if before:
            new = torch.cat((state[place][..., :before, :].expand(*new.shape[:-2], -1, -1), new), -2)
        if commit:
            self.inputs[row], state[place] = x[0], new[0]
        return new


def sublayer_of(graph: Graph, reader: int) -> int:
    """The sublayer that a reader belongs to."""
    layer, within = divmod(reader, graph.attention_readers + 1)
    return 2 * layer + (within == graph.attention_readers)


def sum_of(tensors) -> Tensor | None:
    """The sum, or None of nothing."""
    total = None
    for tensor in tensors:
        total = tensor if total is None else total + tensor
    return total
