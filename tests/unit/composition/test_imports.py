from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from inventories import SITE, layer, part

from hatch_venvstacks.composition.imports import check_imports
from hatch_venvstacks.model.checks import Check

if TYPE_CHECKING:
    from hatch_venvstacks.composition.inventory import LayerContents


def found(*layers: LayerContents) -> list[tuple[str, tuple[str, ...]]]:
    return [(str(one.check), one.names) for one in check_imports(layers, SITE).findings]


def test_layers_with_nothing_in_common() -> None:
    imports = check_imports(
        [layer("app", part("a", "a/__init__.py", "a/x.py")), layer("fw", part("b", "b.py"))], SITE
    )
    assert imports.findings == ()
    assert imports.extended == frozenset()


@pytest.mark.parametrize("kind", ["regular", "open", "pkgutil", "empty", "pkg_resources"])
def test_package_of_which_a_layer_below_hides_modules(kind: str) -> None:
    upper = layer("app", part("up", "p/mine.py"))
    lower = layer("fw", part("low", "p/__init__.py", "p/theirs.py", p=kind))
    if kind == "regular":
        assert found(upper, lower) == [("split-package", ("p", "low", "up"))]
        (finding,) = check_imports([upper, lower], SITE).findings
        assert finding.message == (
            "The package `p` is split over layers: because of that of `low` in layer `fw`,"
            " `p.mine` of `up` in layer `app` cannot be imported"
        )
        return
    imports = check_imports([upper, lower], SITE)
    assert imports.findings == ()
    assert imports.extended == ({"p"} if kind in ("empty", "pkg_resources") else set())


def test_package_of_the_upper_layer_hides_a_namespace_below() -> None:
    upper = layer("app", part("up", "p/__init__.py", "p/mine.py", p="regular"))
    lower = layer("fw", part("low", "p/one.py", "p/two.py", "p/sub/three.py"))
    (finding,) = check_imports([upper, lower], SITE).findings
    assert finding.check == Check.SPLIT_PACKAGE
    assert "`p.one` and 2 more of `low` in layer `fw` cannot be imported" in finding.message


def test_namespaces_without_init_are_followed_further_down() -> None:
    upper = layer("app", part("up", "n/m/p/__init__.py", "n/m/p/a.py"))
    lower = layer("fw", part("low", "n/m/p/__init__.py", "n/m/p/b.py", "n/m/q.py"))
    assert found(upper, lower) == [("split-package", ("n.m.p", "up", "low"))]


def test_code_that_an_empty_init_above_hides() -> None:
    upper = layer("app", part("up", "p/__init__.py", "p/x.py", p="empty"))
    lower = layer("fw", part("low", "p/__init__.py", p="regular"))
    assert found(upper, lower) == [("split-package", ("p", "up", "low"))]


def test_code_below_a_package_that_finds_its_parts() -> None:
    upper = layer("app", part("up", "p/__init__.py", "p/x.py", p="open"))
    assert found(upper, layer("fw", part("low", "p/y.py"))) == []
    lower = layer("fw", part("low", "p/__init__.py", "p/y.py", p="regular"))
    assert found(upper, lower) == [("split-package", ("p", "up", "low"))]


def test_replaced_packages_and_modules() -> None:
    upper = layer("app", part("up", "p/__init__.py", "p/x.py", "p/more.py", "six.py"))
    lower = layer("fw", part("low", "p/__init__.py", "p/x.py", "six.py"))
    assert found(upper, lower) == [
        ("shadowed-module", ("p", "up", "low")),
        ("shadowed-module", ("six", "up", "low")),
    ]
    same = layer("fw", part("low", "p/__init__.py=up", "p/x.py=up", "six.py=up"))
    assert found(upper, same) == []


def test_module_and_package_of_one_name() -> None:
    module, package = part("module", "p.py"), part("package", "p/__init__.py", "p/x.py")
    assert found(layer("app", module), layer("fw", package)) == [
        ("split-package", ("p", "module", "package"))
    ]
    assert found(layer("app", package), layer("fw", module)) == [
        ("shadowed-module", ("p", "package", "module"))
    ]
    namespace = part("namespace", "p/x.py")
    assert found(layer("app", namespace), layer("fw", module)) == [
        ("split-package", ("p", "module", "namespace"))
    ]


def test_extension_modules_count_by_the_name_they_are_imported_by() -> None:
    upper = layer("app", part("up", "fast.cpython-311-x86_64-linux-gnu.so"))
    lower = layer("fw", part("low", "fast.abi3.so"), part("lib", "libfast.so", "fast.so.1"))
    assert found(upper, lower) == [("shadowed-module", ("fast", "up", "low"))]


def test_distribution_in_two_layers_counts_once() -> None:
    first = layer("left", part("lib", "lib/__init__.py", "lib/old.py"))
    second = layer("right", part("lib", "lib/__init__.py", "lib/new.py"), part("other", "o.py"))
    assert found(layer("app"), first, second) == []


def test_layers_that_stand_on_each_other_are_not_reported_above() -> None:
    split = part("up", "p/__init__.py"), part("low", "p/__init__.py", "p/x.py")
    upper, lower = layer("fw", split[0], below=("base",)), layer("base", split[1])
    assert found(upper, lower)
    assert found(layer("app", below=("fw", "base")), upper, lower) == []
    # Two layers that nothing else has joined.
    apart = layer("fw", split[0])
    assert found(layer("app", below=("fw", "base")), apart, lower)
    between = layer("between", below=("fw", "base"))
    assert found(layer("app", below=("between", "fw", "base")), between, apart, lower) == []


def test_joined_namespaces_get_their_init_once() -> None:
    left, right = (
        layer(name, part(name, "n/__init__.py", f"n/{name}.py", n="empty"))
        for name in ("left", "right")
    )
    join = check_imports([layer("join"), left, right], SITE)
    assert join == check_imports([layer("join"), left, right], SITE)
    assert join.extended == {"n"}
    joined = layer("join", extended=("n",), below=("left", "right"))
    assert check_imports([layer("app"), joined, left, right], SITE).extended == frozenset()
    again = layer("app", part("app", "n/__init__.py", "n/app.py", n="empty"))
    assert check_imports([again, joined, left, right], SITE).extended == {"n"}


def test_namespace_within_a_namespace_that_a_layer_below_opens() -> None:
    inner = {"n__m": "empty"}
    upper = layer("app", part("up", "n/m/__init__.py", "n/m/a.py", **inner))
    lower = part("low", "n/__init__.py", "n/m/__init__.py", "n/m/b.py", n="pkgutil", **inner)
    # The outer one would be looked for below first.
    imports = check_imports([upper, layer("fw", lower)], SITE)
    assert imports.extended == {"n", "n/m"}
    assert imports.findings == ()
    # Where the outer one has code, it must stay, and the inner one is split.
    code = part("low", "n/__init__.py", "n/m/__init__.py", "n/m/b.py", n="open", **inner)
    assert found(upper, layer("fw", code)) == [("split-package", ("n.m", "low", "up"))]


def test_folders_that_cannot_be_imported() -> None:
    upper = layer("app", part("up", "p-data/x.py", "p/data/x.txt", "p.libs/liba.so"))
    lower = layer("fw", part("low", "p-data/x.py", "p/__init__.py", "p.libs/liba.so"))
    assert found(upper, lower) == []
