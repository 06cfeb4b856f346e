from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from simulator.errors import SimulatorError
from simulator.packaging import CELL_PX, PackagingSpec, build_mesh, draw_cell, load_specs, plain_spec, specs_for
from simulator.surfaces import TAGS_IN_CELL, draw_surfaces, draw_tags, tag_rect
from store_layout.model import Product

SPECS = load_specs()
LOOKS = ("kind", "brand", "name", "size_text", "base", "accent", "text", "motif", "font", "lid")


def differences(first: PackagingSpec, second: PackagingSpec) -> list[str]:
    return [field for field in LOOKS if getattr(first, field) != getattr(second, field)]


def test_the_catalogue_is_large_and_covers_every_kind() -> None:
    assert len(SPECS) >= 24
    assert {spec.kind for spec in SPECS.values()} == {"box", "can", "bottle", "bag", "jar", "carton"}
    assert all(spec.price_minor and spec.weight_g for spec in SPECS.values())


def test_at_least_six_pairs_differ_in_a_single_thing() -> None:
    pairs = [
        (first, second)
        for first, second in combinations(SPECS, 2)
        if len(differences(SPECS[first], SPECS[second])) == 1
    ]
    by_field = {differences(SPECS[first], SPECS[second])[0] for first, second in pairs}
    assert len(pairs) >= 6
    assert {"name", "base", "size_text"} <= by_field


def test_no_two_products_look_the_same() -> None:
    pictures = {draw_cell(spec).tobytes() + repr(spec.size_m).encode() for spec in SPECS.values()}
    assert len(pictures) == len(SPECS)


def test_a_product_is_drawn_the_same_every_time() -> None:
    spec = SPECS["krispa-salt"]
    np.testing.assert_array_equal(draw_cell(spec), draw_cell(spec))


@pytest.mark.parametrize("sku", sorted(SPECS))
def test_shapes_fill_their_size_and_face_outwards(sku: str) -> None:
    mesh = build_mesh(SPECS[sku])
    extent = np.ptp(mesh.vertices_m, axis=0)
    np.testing.assert_allclose(extent, SPECS[sku].size_m, rtol=0.16)
    assert mesh.vertices_m[:, 2].min() == pytest.approx(0.0, abs=1e-9)
    assert mesh.uv.min() >= 0
    assert mesh.uv.max() <= 1
    np.testing.assert_allclose(np.linalg.norm(mesh.normals, axis=1), 1.0, atol=1e-6)
    corners = mesh.vertices_m[mesh.faces]
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    assert ((across * mesh.normals[mesh.faces[:, 0]]).sum(axis=1) >= -1e-9).all()


def test_one_word_changes_the_front_and_nothing_else() -> None:
    first, second = draw_cell(SPECS["fizzo-cola"]), draw_cell(SPECS["fizzo-cherry"])
    changed = (first != second).any(axis=2)
    rows = np.flatnonzero(changed.any(axis=1))
    assert 0 < changed.mean() < 0.05
    assert rows.min() > 0.35 * 384
    assert rows.max() < 0.5 * 384


def test_a_wrong_field_is_named_with_its_file(tmp_path: Path) -> None:
    path = tmp_path / "packaging.yaml"
    path.write_text("a:\n  kind: tube\n", encoding="utf-8")
    with pytest.raises(SimulatorError, match=r"packaging\.yaml: a\.kind: "):
        load_specs(path)
    with pytest.raises(SimulatorError, match="not a readable packaging catalogue"):
        load_specs(tmp_path / "none.yaml")


def test_an_unknown_product_gets_a_plain_packaging_of_its_size() -> None:
    product = Product(sku="x1", name="Mystery Thing", size_m=(0.1, 0.04, 0.2), price_minor=100)
    specs = specs_for([product], SPECS)
    assert specs["x1"] == plain_spec(product)
    assert specs["x1"].size_m == (0.1, 0.04, 0.2)
    assert (
        specs_for([Product(sku="krispa-salt", name="n", price_minor=1)], SPECS)["krispa-salt"] is SPECS["krispa-salt"]
    )


def test_price_tags_have_a_place_each() -> None:
    products = [Product(sku=f"p{index}", name=f"Name {index}", price_minor=index) for index in range(TAGS_IN_CELL + 1)]
    cells = draw_tags(products)
    assert cells.shape == (2, CELL_PX, CELL_PX, 3)
    places = {tag_rect(index) for index in range(len(products))}
    assert len(places) == len(products)
    assert tag_rect(TAGS_IN_CELL)[0] == 1


def test_surfaces_are_the_same_on_every_call() -> None:
    np.testing.assert_array_equal(draw_surfaces(), draw_surfaces())
