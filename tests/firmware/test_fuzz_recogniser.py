"""Seeded fuzzing of features, search, tokens and recogniser under ASan and UBSan."""

import random
import subprocess
from pathlib import Path

import front_sections
import pytest
from attention_bundle import attention_bundle
from edgesdk.bundle.image import pack_image
from edgesdk.bundle.layout import for_host
from edgesdk.core.compile import find_compiler
from front_sections import FrontEnd, Search

pytestmark = pytest.mark.needs_cc

HERE = Path(__file__).parent
RUNTIME = HERE.parents[1] / "firmware_templates" / "runtime"
PIECES = ["<blk>", "▁", *"abcdefghijklmn"]
FRONTS = {
    "16_kHz": FrontEnd(mel_bins=20, tail_padding=1600),
    "8_kHz_edges": FrontEnd(
        sample_rate=8000,
        frame_length=200,
        frame_shift=80,
        mel_bins=20,
        tail_padding=800,
        snip_edges=False,
        use_power=False,
    ),
}


@pytest.fixture(scope="module")
def fuzzer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = tmp_path_factory.mktemp("fuzz") / "fuzz_recogniser"
    sources = [path for path in (RUNTIME / "src").glob("*.c") if path.name != "wire.c"]
    sources += [path for part in ("kernels", "npu") for path in (RUNTIME / part).rglob("*.c")]
    flags = ["-std=c11", "-O1", "-g", "-ffp-contract=off"]
    flags += ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    if "clang" not in find_compiler()[0]:
        flags.append("-fsanitize=float-cast-overflow")
    flags += [f"-I{RUNTIME / folder}" for folder in ("include", "kernels")]
    files = [str(HERE / "fuzz_recogniser.c"), *map(str, sources)]
    subprocess.run([*find_compiler(), *flags, *files, "-o", str(program)], check=True)
    return program


SEARCHES = {
    "16_kHz": Search(),
    "8_kHz_edges": Search(beam=4, prune_q16=9 << 16, max_tokens=9, cache=8, nbest=4, max_arcs=12),
}


def _sections(name: str) -> dict[str, bytes]:
    if name != "attending":
        return front_sections.recogniser_image(FRONTS[name], SEARCHES[name], PIECES)
    sections = attention_bundle().sections
    kept = {tag: data for tag, data in sections.items() if not for_host(tag) and tag != "BIAS"}
    return kept | {"ENDP": front_sections.endpoint_section()}


@pytest.mark.parametrize("name", [*FRONTS, "attending"])
def test_damaged_sections_and_images_then_stay_in_their_buffers(
    fuzzer: Path, tmp_path: Path, name: str
) -> None:
    image = tmp_path / "image.edge"
    image.write_bytes(pack_image(_sections(name)))
    seed = random.randrange(1 << 31)
    done = subprocess.run(
        [str(fuzzer), str(image), str(seed), "6000"], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, f"seed {seed}: {done.stdout}{done.stderr}"
    accepted = [int(word) for word in done.stdout.split()]
    assert min(accepted) > 100, f"seed {seed}: too few inputs pass the checks: {accepted}"
