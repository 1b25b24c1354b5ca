"""Bundle: everything that crosses from the converter to a device, as one value."""

import contextlib
import json
import os
import tempfile
import zlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from edgesdk.bundle.endpoint import EndpointSection, read_endpoint
from edgesdk.bundle.image import device_digest, pack_image, unpack_image
from edgesdk.bundle.layout import (
    BIAS,
    CATALOG,
    DEBUG,
    ENDPOINT,
    ENDPOINT_GRAPH,
    FEATURES,
    GRAPHS,
    META,
    SEARCH,
    TFLITES,
    TOKENS,
    for_host,
)
from edgesdk.bundle.memory import Buffer, graph_buffers, recogniser_buffers
from edgesdk.bundle.plan import NPU_OPERATOR, Plan, read_plan
from edgesdk.bundle.sections import (
    BiasSection,
    Features,
    Search,
    read_bias,
    read_features,
    read_search,
    read_tokens,
)
from edgesdk.errors import BundleError


@dataclass(frozen=True)
class Bundle:
    """Sections by tag, in file order; `source` names the bundle in errors."""

    sections: dict[str, bytes]
    source: str = "bundle"

    def to_bytes(self) -> bytes:
        """The whole .edge file."""
        return pack_image(self.sections)

    def device_bytes(self) -> bytes:
        """The image that goes to a device: without the host's sections."""
        return pack_image({t: p for t, p in self.sections.items() if not for_host(t)})

    @property
    def digest(self) -> str:
        """16 hexadecimal digits that identify what the device runs."""
        return device_digest(self.sections).hex()

    def section(self, tag: str) -> bytes:
        """Payload of a section.

        Raises:
            BundleError: the bundle lacks it.
        """
        if tag not in self.sections:
            raise BundleError(
                f"{self.source}: no section {tag}; it holds {', '.join(self.sections)}; "
                "convert the model again"
            )
        return self.sections[tag]

    @property
    def is_recogniser(self) -> bool:
        """Whether it holds the three graphs of a recogniser, not a single one."""
        return GRAPHS["net"] not in self.sections

    @property
    def roles(self) -> tuple[str, ...]:
        """Roles of its device's graphs: encoder, predictor, joiner, perhaps adapter; or net."""
        return tuple(role for role, tag in GRAPHS.items() if tag in self.sections)

    @property
    def tflite_roles(self) -> tuple[str, ...]:
        """Roles of its .tflite files: also the catalog; none in a device image."""
        return tuple(role for role, tag in TFLITES.items() if tag in self.sections)

    @cached_property
    def graphs(self) -> dict[str, Plan]:
        """Plans by role."""
        return {
            role: read_plan(self.sections[GRAPHS[role]], f"{self.source}: {role}")
            for role in self.roles
        }

    @property
    def has_adapter(self) -> bool:
        """Whether it can be biased by attention."""
        return "adapter" in self.roles

    @cached_property
    def catalog(self) -> Plan:
        """The graph that turns the tokens of a phrase into its key and its value.

        Raises:
            BundleError: the bundle lacks it (a device image has none).
        """
        return read_plan(self.section(CATALOG), f"{self.source}: catalog")

    @property
    def adapter_crc(self) -> int:
        """CRC-32 of the adapter's section, by which an attention table knows its model."""
        return zlib.crc32(self.section(GRAPHS["adapter"]))

    @cached_property
    def features(self) -> Features:
        """The FEAT section."""
        return read_features(self.section(FEATURES), self.source)

    @cached_property
    def tokens(self) -> list[str]:
        """Token texts by id."""
        return read_tokens(self.section(TOKENS), self.source)

    @cached_property
    def search(self) -> Search:
        """The SRCH section."""
        return read_search(self.section(SEARCH), self.source)

    @cached_property
    def bias(self) -> BiasSection:
        """The BIAS section; no tables and no room where it lacks."""
        section = self.sections.get(BIAS)
        return BiasSection(0) if section is None else read_bias(section, self.source)

    @cached_property
    def endpoint(self) -> EndpointSection | None:
        """The ENDP section; None where it lacks."""
        section = self.sections.get(ENDPOINT)
        return None if section is None else read_endpoint(section, self.source)

    @cached_property
    def endpoint_plan(self) -> Plan | None:
        """The graph that scores end points; None where ENDP's own weights do."""
        section = self.sections.get(ENDPOINT_GRAPH)
        return None if section is None else read_plan(section, f"{self.source}: endpoint")

    @property
    def plans(self) -> tuple[Plan, ...]:
        """All plans that a device runs."""
        scorer = () if self.endpoint_plan is None else (self.endpoint_plan,)
        return (*self.graphs.values(), *scorer)

    @property
    def npu_config(self) -> int | None:
        """CONFIG of the NPU that its plans were compiled for; None where they need none."""
        records = (record for plan in self.plans for record in plan.records)
        found = (it.values["config"] for it in records if it.op == NPU_OPERATOR)
        config = next(found, None)
        return config if isinstance(config, int) else None

    @property
    def tokens_crc(self) -> int:
        """CRC-32 of the TOKS section, by which a bias table knows its token set."""
        return zlib.crc32(self.section(TOKENS))

    @cached_property
    def meta(self) -> dict[str, Any]:
        """What the converter wrote about itself; empty in a device image."""
        return self._json(META)

    @cached_property
    def debug(self) -> dict[str, Any]:
        """Role -> names of plan operators, inputs, outputs, and the arena's peak."""
        return self._json(DEBUG)

    def tflite(self, role: str) -> bytes:
        """The .tflite file of a graph.

        Raises:
            BundleError: the bundle lacks it (a device image has none).
        """
        return self.section(TFLITES[role])

    def memory(self) -> tuple[Buffer, ...]:
        """The device's workspace, part by part; their sum is what the device reports."""
        if self.is_recogniser:
            arena = max(plan.arena_bytes for plan in self.plans)
            room = self.bias.room_bytes
            return recogniser_buffers(self.graphs, arena, self.features, self.search, room)
        return graph_buffers(self.graphs["net"])

    @property
    def workspace_bytes(self) -> int:
        """RAM that the bundle needs beside the firmware's own."""
        return sum(buffer.size_bytes for buffer in self.memory())

    def with_sections(self, **sections: bytes) -> "Bundle":
        """A copy with sections added or replaced."""
        return Bundle({**self.sections, **sections}, self.source)

    def _json(self, tag: str) -> dict[str, Any]:
        try:
            value = json.loads(self.sections.get(tag, b"{}"))
        except ValueError as err:
            raise BundleError(
                f"{self.source}: damaged section {tag} ({err}); "
                "copy the file again, or convert the model again"
            ) from None
        if not isinstance(value, dict):
            raise BundleError(
                f"{self.source}: damaged section {tag} (not a JSON object); convert the model again"
            )
        return value


def read_bundle(data: bytes, source: str = "bundle") -> Bundle:
    """The bundle in `data`, checksums verified.

    Raises:
        BundleError: not an .edge image, truncated or damaged.
    """
    return Bundle(unpack_image(data, source), source)


def load_bundle(path: Path) -> Bundle:
    """The bundle in a file.

    Raises:
        BundleError: the file cannot be read, or is damaged.
    """
    try:
        data = path.read_bytes()
    except OSError as err:
        raise BundleError(f"{path}: cannot be read ({err.strerror}); check the path") from None
    return read_bundle(data, str(path))


def save_bundle(bundle: Bundle, path: Path) -> None:
    """Write a bundle so that the file is either the old one or the whole new one.

    Raises:
        BundleError: the file cannot be written.
    """
    data = bundle.to_bytes()
    temporary = None
    try:
        with tempfile.NamedTemporaryFile(
            dir=path.parent, prefix=f".{path.name}.", delete=False
        ) as out:
            temporary = Path(out.name)
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as err:
        if temporary is not None:
            with contextlib.suppress(OSError):
                temporary.unlink()
        raise BundleError(
            f"{path}: cannot be written ({err.strerror}); choose another place"
        ) from None
