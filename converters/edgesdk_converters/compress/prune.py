"""Which weights go: scores, levels per layer, masks; then layer by layer pruning and repair."""

from collections.abc import Callable, Mapping, Sequence
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


def scan(
    source: Source,
    found: Sequence[Product],
    moments: Sequence[Moments],
    options: Compression,
    given: Mapping[str, Sequences],
    progress: Progress,
) -> dict[str, dict[float, float]]:
    """Noise over signal of each graph's output with one layer pruned, by layer and level.

    The bias is corrected, so that a level is judged nearer to what repair will make of it.
    """
    levels = [options.pattern.fixed_level] if options.pattern.keep else SCANNED_LEVELS
    noise: dict[str, dict[float, float]] = {}
    for layer in dict.fromkeys(product.layer for product in found):
        if layer in options.layers:
            continue
        progress(f"sensitivity of {layer}")
        noise[layer] = {0.0: 0.0}
        for level in levels:
            assert level is not None
            role = layer.partition(".")[0]
            graph = dense = graph_of(source, role)
            for product, moment in zip(found, moments, strict=True):
                if product.layer == layer:
                    weight, bias = weights_of(dense, product)
                    mask = layer_masks(source, product, moment, options, level)
                    pruned = np.where(mask, weight, 0.0)
                    lost = (weight - pruned) @ moment.means
                    graph = with_weights(graph, product, pruned, bias + lost)
            noise[layer][level] = _noise(dense, graph, given[role])
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
    found: Sequence[Product],
    moments: Sequence[Moments],
    options: Compression,
    visits: Sequence[Visit],
    progress: Progress,
) -> dict[str, float]:
    """The sparsity of each layer."""
    names = list(dict.fromkeys(product.layer for product in found))
    if options.levels == "even" or options.sparsity == 0.0:
        return {**dict.fromkeys(names, options.sparsity), **options.layers}
    sizes = {n: sum(p.size for p in found if p.layer == n) for n in names}
    given = sequences(visits[:_SCANNED_UTTERANCES])
    noise = scan(source, found, moments, options, given, progress)
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
    moments = [Moments.of(recorded[product]) for product in found]
    levels = choose_levels(source, found, moments, options, visits, progress)
    result = source
    for product, moment in zip(found, moments, strict=True):
        mask = layer_masks(source, product, moment, options, levels[product.layer])
        if mask.all():
            continue
        progress(f"pruning {product.layer} to {levels[product.layer]:.0%}")
        weight, bias = weights_of(graph_of(source, product.role), product)
        wanted = recorded[product] @ weight.T + bias
        graph = graph_of(result, product.role)
        graph = _repaired(graph, product, mask, wanted, given, options, levels[product.layer])
        result = with_graph(result, graph)
    return result, levels


def _spans(parts: Sequence[int], step: int) -> list[tuple[int, int]]:
    """Blocks of at most `step` inside parts that lie behind each other."""
    edges = np.concatenate([[0], np.cumsum(parts)])
    return [
        (at, min(at + step, int(end)))
        for start, end in zip(edges[:-1], edges[1:], strict=True)
        for at in range(int(start), int(end), step)
    ]


def _surgeon(
    weight: Floats,
    bias: Floats,
    product: Product,
    moments: Moments,
    pattern: Pattern,
    level: float,
) -> tuple[Floats, Floats, Mask]:
    """Blocks taken away in stages, those first whose loss the rest makes up for best."""
    bands, blocks = _spans(product.cuts, pattern.rows), _spans(product.widths, pattern.columns)
    mask = np.ones(weight.shape, np.bool_)
    for stage in range(1, _STAGES + 1):
        costs = removal_costs(weight, mask, moments, bands, blocks)
        pieces = cast(list[Floats], product.pieces(costs))
        masks = masks_of_level(pieces, pattern, level * stage / _STAGES)
        mask = np.array(product.join(masks), np.bool_)
        weight, bias = least_squares(weight, bias, mask, moments)
    return weight, bias, mask


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
    if options.score == "surgeon" and not options.gives_mask(product.layer, product.params):
        weight, bias, mask = _surgeon(weight, bias, product, moments, options.pattern, level)
    else:
        weight, bias = repaired(weight, bias, mask, moments, options.repair)
    graph = with_weights(graph, product, weight, bias)
    if "recurrent" in product.params:
        (x,) = record_inputs(graph, [product], given)
        bias = corrected_bias(weight, bias, Moments.of(x, wanted))
        graph = with_weights(graph, product, weight, bias)
    return graph
