"""A model card as the README.md of a Hugging Face repository: YAML front matter, then Markdown.

The front matter follows https://github.com/huggingface/hub-docs/blob/main/modelcard.md.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from models_store.manifest import Manifest, Metric

_PIPELINE_TAGS = {
    "classification": "image-classification",
    "denoising": "image-to-image",
    "compression": "image-to-image",
    "faces": "unconditional-image-generation",
    "text": "text-generation",
}
"""The Hub's name of a task, where it has one."""
_LICENCES = {"Apache-2.0": "apache-2.0", "MIT": "mit", "BSD-3-Clause": "bsd-3-clause"}
"""SPDX identifiers and the Hub's names of them."""


def render_card(manifest: Manifest) -> str:
    """Return the card of a version."""
    lines = ["---"]
    # JSON is YAML, and is quoted safely without a YAML library.
    lines += [
        f"{key}: {json.dumps(value, ensure_ascii=False)}"
        for key, value in _front_matter(manifest).items()
    ]
    return "\n".join([*lines, "---", "", *_body(manifest)]) + "\n"


def _front_matter(manifest: Manifest) -> dict[str, Any]:
    kind = manifest.task.kind
    licence = re.match(r"[\w.-]+", manifest.licence)
    identifier = _LICENCES.get(licence[0] if licence else "", "other")
    matter: dict[str, Any] = {"license": identifier}
    if identifier == "other":
        matter["license_name"] = manifest.licence
    matter |= {"library_name": "onnx", "tags": ["deepshelf", "onnx", kind]}
    if kind in _PIPELINE_TAGS:
        matter["pipeline_tag"] = _PIPELINE_TAGS[kind]
    if manifest.metrics:
        task = {"type": _PIPELINE_TAGS.get(kind, kind)}
        results = [{"task": task, **_result(metric)} for metric in manifest.metrics]
        matter["model-index"] = [{"name": manifest.name, "results": results}]
    return matter


def _result(metric: Metric) -> dict[str, Any]:
    slug = re.sub(r"[^a-z0-9]+", "-", metric.dataset.lower()).strip("-")
    name = f"{metric.name} ({metric.precision})" if metric.precision != "fp32" else metric.name
    return {
        "dataset": {"type": slug, "name": metric.dataset, "split": metric.split},
        "metrics": [{"type": metric.name, "name": name, "value": metric.value}],
    }


def _body(manifest: Manifest) -> Iterator[str]:
    provenance = manifest.provenance
    yield f"# {manifest.name} {manifest.version}\n"
    yield f"{manifest.summary}\n"
    yield f"- **Parameters:** {manifest.parameters:,}"
    for file in manifest.files:
        yield f"- **{file.role.capitalize()}:** `{file.path}`, {file.bytes:,} bytes"
    yield f"- **Licence:** {manifest.licence}\n"
    yield f"## Intended use\n\n{manifest.intended_use}\n"
    yield f"## Limits\n\n{manifest.limits}\n"
    if manifest.metrics:
        yield "## Metrics\n"
        yield "| metric | value | data | n | precision | note |\n|---|---|---|---|---|---|"
        yield from map(_table_row, manifest.metrics)
        yield ""
    if manifest.data:
        yield "## Training data\n"
        for source in manifest.data:
            yield f"- {source.title}, n = {source.n:,}; {source.licence}; {source.source}"
        yield ""
    yield "## Training\n"
    yield f"`{provenance.command}`: {provenance.duration_s:,.0f} s on {provenance.hardware}.\n"
    recipe = json.dumps(provenance.recipe, indent=2, ensure_ascii=False)
    yield f"```json\n{recipe}\n```\n"
    yield "## Use\n"
    yield f"```sh\ndeepshelf serve --models {manifest.name}\n```"


def _table_row(metric: Metric) -> str:
    value = f"{metric.value:.4f} {metric.unit}".strip()
    data = f"{metric.dataset}, {metric.split}"
    cells = (metric.name, value, data, f"{metric.n:,}", metric.precision, metric.note)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
