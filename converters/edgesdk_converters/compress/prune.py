"""Which weights go: scores, levels per layer, masks; then layer by layer pruning and repair."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import cast

import numpy as np
from edgesdk.errors import ConvertError
from numpy.typing import NDArray

from edgesdk_converters.compress.layers import (
    Floats,
    Moments,
    Product,
    Sequences,
    graph_of,
    products,
    record_all,
    record_inputs,
    sequences,
    weights_of,
    with_graph,
    with_weights,
)
from edgesdk_converters.compress.options import Compression
from edgesdk_converters.compress.pattern import Pattern, masks_of_level
from edgesdk_converters.compress.repair import (
    corrected_bias,
    least_squares,
    removal_costs,
    repaired,
)
from edgesdk_converters.execute import Stream
from edgesdk_converters.graph import Graph
from edgesdk_converters.quantise.calibrate import Visit
from edgesdk_converters.quantise.measure import measure
from edgesdk_converters.source import Source

Mask = NDArray[np.bool_]
SCANNED_LEVELS = (0.25, 0.5, 0.625, 0.75, 0.875)
_SCANNED_UTTERANCES = 4
_STAGES = 8
Progress = Callable[[str], None]


def scores_of(weight: Floats, moments: Moments, score: str) -> Floats:
    """What each weight is worth: w^2, times the mean square of its input for "activation"."""
    squares = np.square(weight)
    return squares if score == "magnitude" else squares * moments.power


def layer_masks(
    source: Source, product: Product, moments: Moments, options: Compression, level: float
) -> Mask:
    """The mask [rows, columns] of one product; given masks replace what the level would choose."""
    weight, _ = weights_of(graph_of(source, product.role), product)
    pieces = product.pieces(scores_of(weight, moments, options.score))
    masks = masks_of_level(cast(list[Floats], pieces), options.pattern, level)
    joined = np.array(product.join(masks), np.bool_)
    edge = 0
    for name, width in zip(product.params, product.widths, strict=True):
        given = options.masks.get(f"{product.layer}.{name}")
        if given is not None:
            if given.shape != (len(joined), width):
                raise ConvertError(
                    f"compress.masks: {product.layer}.{name} has shape {given.shape} instead of "
                    f"{(len(joined), width)}, [out, in] of the layer; correct the mask"
                )
            joined[:, edge : edge + width] = given
        edge += width
    return joined


def _check_masks(options: Compression, found: Sequence[Product]) -> None:
    known = [f"{product.layer}.{name}" for product in found for name in product.params]
    for name in options.masks:
        if name not in known:
            raise ConvertError(
                f"compress.masks: the model has no matrix {name!r}; it has {', '.join(known)}"
            )


def _noise(dense: Graph, changed: Graph, given: Sequences) -> float:
    """Noise over signal of the worst output."""
    worst = min(measure(dense, Stream(changed), given).values(), default=np.inf)
    return float(10.0 ** (-worst / 10.0))


def operate(
    weight: Floats,
    bias: Floats,
    product: Product,
    moments: Moments,
    pattern: Pattern,
    levels: Sequence[float],
) -> Iterator[tuple[Floats, Floats]]:
    """W and b at rising levels: blocks whose loss the rest makes up for best go, then a refit."""
    bands, blocks = _spans(product.cuts, pattern.rows), _spans(product.widths, pattern.columns)
    mask = np.ones(weight.shape, np.bool_)
    for level in levels:
        costs = removal_costs(weight, mask, moments, bands, blocks)
        pieces = cast(list[Floats], product.pieces(costs))
        mask = np.array(product.join(masks_of_level(pieces, pattern, level)), np.bool_)
        weight, bias = least_squares(weight, bias, mask, moments)
        yield weight, bias


def _spans(parts: Sequence[int], step: int) -> list[tuple[int, int]]:
    """Blocks of at most `step` inside parts that lie behind each other."""
    edges = np.concatenate([[0], np.cumsum(parts)])
    return [
        (at, min(at + step, int(end)))
        for start, end in pairwise(edges)
        for at in range(int(start), int(end), step)
    ]


def _at_levels(
    source: Source, product: Product, x: Floats, options: Compression, levels: Sequence[float]
) -> Iterator[tuple[Floats, Floats]]:
    """W and b of one product pruned to each level and repaired on the dense model's own inputs."""
    weight, bias = weights_of(graph_of(source, product.role), product)
    moments = Moments.of(x, x @ weight.T + bias)
    if options.operates:
        yield from operate(weight, bias, product, moments, options.pattern, levels)
        return
    for level in levels:
        mask = layer_masks(source, product, moments, options, level)
        yield repaired(weight, bias, mask, moments, options.repair)


def scan(
    source: Source,
    recorded: Mapping[Product, Floats],
    options: Compression,
    given: Mapping[str, Sequences],
    progress: Progress,
) -> dict[str, dict[float, float]]:
    """Noise over signal of each graph's output with one layer pruned and repaired, by level.

    `recorded` holds what goes into each product.
    """
    fixed = options.pattern.fixed_level
    levels = SCANNED_LEVELS if fixed is None else (fixed,)
    noise: dict[str, dict[float, float]] = {}
    for layer in dict.fromkeys(product.layer for product in recorded):
        if layer in options.layers:
            continue
        progress(f"sensitivity of {layer}")
        mine = [product for product in recorded if product.layer == layer]
        dense = graph_of(source, mine[0].role)
        made = [_at_levels(source, it, recorded[it], options, levels) for it in mine]
        noise[layer] = {0.0: 0.0}
        for level, *pairs in zip(levels, *made, strict=True):
            graph = dense
            for product, (weight, bias) in zip(mine, pairs, strict=True):
                graph = with_weights(graph, product, weight, bias)
            noise[layer][level] = _noise(dense, graph, given[dense.name])
    return noise


def allot(
    noise: Mapping[str, Mapping[float, float]],
    sizes: Mapping[str, int],
    fixed: Mapping[str, float],
    target: float,
) -> dict[str, float]:
    """Levels that reach `target` of all weights: always the step with least noise per zero next.

    The last step is shortened so that the target is met and not passed.
    """
    levels = {**dict.fromkeys(noise, 0.0), **fixed}
    wanted = target * sum(sizes.values())
    while True:
        zeros = sum(levels[layer] * sizes[layer] for layer in levels)
        steps = [
            (
                (found[nxt] - found[levels[layer]]) / (sizes[layer] * (nxt - levels[layer])),
                layer,
                nxt,
            )
            for layer, found in noise.items()
            for nxt in found
            if nxt > levels[layer]
        ]
        if zeros >= wanted - 1e-9 or not steps:
            return levels
        _, layer, level = min(steps)
        missing = (wanted - zeros) / sizes[layer]
        if level - levels[layer] > missing and len(noise[layer]) > 2:
            levels[layer] += missing
            return levels
        levels[layer] = level


def choose_levels(
    source: Source,
    recorded: Mapping[Product, Floats],
    options: Compression,
    visits: Sequence[Visit],
    progress: Progress,
) -> dict[str, float]:
    """The sparsity of each layer."""
    sizes: dict[str, int] = {}
    for product in recorded:
        sizes[product.layer] = sizes.get(product.layer, 0) + product.size
    if options.levels == "even" or options.sparsity == 0.0:
        return {**dict.fromkeys(sizes, options.sparsity), **options.layers}
    given = sequences(visits[:_SCANNED_UTTERANCES])
    noise = scan(source, recorded, options, given, progress)
    return allot(noise, sizes, options.layers, options.sparsity)


def prune_source(
    source: Source, visits: Sequence[Visit], options: Compression, progress: Progress
) -> tuple[Source, dict[str, float]]:
    """The source with zeros in blocks and the rest repaired, and the level of each layer.

    Products are repaired in order of execution, each against the dense layer's values, with the
    inputs that the layers before it now give. Joiner inputs are those of the dense search.

    Raises:
        ConvertError: the options name layers or matrices that the model lacks.
    """
    found = products(source)
    options.check_names(product.layer for product in found)
    _check_masks(options, found)
    given = sequences(visits)
    recorded = record_all(source, found, given)
    levels = choose_levels(source, recorded, options, visits, progress)
    result = source
    for product in found:
        moments = Moments.of(recorded[product])
        mask = layer_masks(source, product, moments, options, levels[product.layer])
        if mask.all():
            continue
        progress(f"pruning {product.layer} to {levels[product.layer]:.0%}")
        weight, bias = weights_of(graph_of(source, product.role), product)
        wanted = recorded[product] @ weight.T + bias
        graph = graph_of(result, product.role)
        graph = _repaired(graph, product, mask, wanted, given, options, levels[product.layer])
        result = with_graph(result, graph)
    return result, levels


def _repaired(
    graph: Graph,
    product: Product,
    mask: Mask,
    wanted: Floats,
    given: Mapping[str, Sequences],
    options: Compression,
    level: float,
) -> Graph:
    """One product pruned and repaired so that it gives what is `wanted` [N, rows].

    A recurrent one then feeds itself other states: its bias is corrected once more with them.
    """
    weight, bias = weights_of(graph, product)
    if options.repair == "none":
        return with_weights(graph, product, np.where(mask, weight, 0.0), bias)
    (x,) = record_inputs(graph, [product], given)
    moments = Moments.of(x, wanted)
    if options.operates and not options.gives_mask(product.layer, product.params):
        stages = [level * stage / _STAGES for stage in range(1, _STAGES + 1)]
        *_, (weight, bias) = operate(weight, bias, product, moments, options.pattern, stages)
    else:
        weight, bias = repaired(weight, bias, mask, moments, options.repair)
    graph = with_weights(graph, product, weight, bias)
    if "recurrent" in product.params:
        (x,) = record_inputs(graph, [product], given)
        bias = corrected_bias(weight, bias, Moments.of(x, wanted))
        graph = with_weights(graph, product, weight, bias)
    return graph
