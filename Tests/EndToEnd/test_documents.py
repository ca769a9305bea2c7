"""What the documents promise is what the programs say."""

import os
import re

from rig import hoststate, product
from rig.cases import demand, test


def document(name):
    with open(os.path.join(product.REPOSITORY, name)) as file:
        return file.read()


@test("docs/equality.md lists what the comparison masks and looks at, to the letter")
def masks():
    text = document("docs/equality.md").replace("\\|", "|")
    for name, meaning in [*hoststate.MASKS, *hoststate.SECTIONS.items()]:
        demand(f"| {name} | {meaning} |" in text, f"{name}: {meaning}")


@test("docs/conformance.md says `holds` only where a test carries the number")
def conformance():
    carried = set()
    for tree in ("Tests", "Integration"):
        for folder, _, names in os.walk(os.path.join(product.REPOSITORY, tree)):
            for name in names:
                with open(os.path.join(folder, name), errors="ignore") as file:
                    carried |= set(re.findall(r"§7-(\d+)", file.read()))
    for line in document("docs/conformance.md").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 4 and cells[2].startswith("holds"):
            demand(cells[0] in carried, f"no test carries §7-{cells[0]}: {cells[1]}")


@test("links between the documents lead somewhere")
def links():
    for name in ["README.md", "CONTRIBUTING.md", *sorted(os.listdir(os.path.join(product.REPOSITORY, "docs")))]:
        path = name if os.path.exists(os.path.join(product.REPOSITORY, name)) else f"docs/{name}"
        for target in re.findall(r"\]\(([^)#:]+)\)", re.sub(r"`[^`\n]*`", "", document(path))):
            full = os.path.join(product.REPOSITORY, os.path.dirname(path), target)
            demand(os.path.exists(full), f"{path}: {target}")


