"""What is linked of files that are no modules, and what their packages do not find, on values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hatch_venvstacks.composition.data_links import link_data
from hatch_venvstacks.composition.file_checks import package_files
from hatch_venvstacks.composition.inventory import Inventory, LayerContents
from hatch_venvstacks.composition.library_links import link_libraries
from hatch_venvstacks.composition.native_files import Native
from hatch_venvstacks.model.layout import layout_of
from hatch_venvstacks.model.platforms import PLATFORMS

if TYPE_CHECKING:
    from collections.abc import Iterable

LINUX, WINDOWS = PLATFORMS["linux_x86_64"], PLATFORMS["win_amd64"]
LAYOUT = layout_of(LINUX, "3.11")
SITE = LAYOUT.site_packages


def dist(
    name: str, *paths: str, natives: dict[str, Native] | None = None, init: str = "regular"
) -> Inventory:
    """A distribution, by paths in the layer; a leading `@` stands for the site directory."""
    found = [path.replace("@", f"{SITE}/") for path in (*paths, *(natives or {}))]
    return Inventory(
        name=name,
        version="1.0",
        files={path: f"{name} {path}" for path in found},
        inits={path: init for path in found if path.endswith("/__init__.py")},
        natives={path.replace("@", f"{SITE}/"): one for path, one in (natives or {}).items()},
    )


def layer(
    name: str, *parts: Inventory, below: Iterable[str] = (), excluded: tuple[str, ...] = ()
) -> LayerContents:
    return LayerContents(name, parts, frozenset(below), excluded)


def links(*layers: LayerContents) -> dict[str, str]:
    """All links of the top layer, as its wiring gets them."""
    packages = package_files(layers, SITE, links=True)
    libraries = link_libraries(layers, SITE, LINUX, dict, packages.beside).links
    data = link_data(layers, LAYOUT, packages, libraries)
    paths = [link.path for link in (*data, *libraries)]
    assert len(paths) == len({*paths})
    # Nothing can lie in a folder that is a link itself.
    assert not [one for one in paths for other in paths if one.startswith(f"{other}/")]
    return {link.path.replace(f"{SITE}/", "@"): link.layer for link in (*data, *libraries)}


def messages(*layers: LayerContents, with_links: bool = True) -> list[str]:
    found = package_files(layers, SITE, links=with_links).findings
    return [finding.message for finding in found]


def test_files_in_lib_and_programs() -> None:
    low = dist(
        *("low", "lib/libx.so.1", "lib/vl/data", "lib/python3.11/site-packages/low.py"),
        *("include/x.h", "include/site/python3.11/low/x.h", "lib64/x", "bin/script", "README"),
        natives={"bin/program": Native("program")},
    )
    expected = {"lib/libx.so.1": "rt", "lib/vl": "rt", "lib64": "rt", "bin/program": "rt"}
    assert links(layer("app", below=["rt"]), layer("rt", low)) == expected
    top = dist("top", "lib/vl/more", "bin/program", "lib64/y")
    assert links(layer("app", top, below=["rt"]), layer("rt", low)) == {
        "lib/libx.so.1": "rt",
        "lib/vl/data": "rt",
        "lib64/x": "rt",
    }


def test_first_layer_counts() -> None:
    layers = layer("app"), layer("left", dist("l", "lib/x")), layer("right", dist("r", "lib/x"))
    assert links(*layers) == {"lib/x": "left"}


def test_library_that_is_linked_anyway_is_linked_once() -> None:
    """Also in a folder that no other layer has: the link of a library lies in it."""
    needs = Native("ext.so", ("liby.so.1",), (), ("$ORIGIN/../../../vl",))
    low = dist("low", "lib/vl/data", natives={"lib/vl/liby.so.1": Native("liby.so.1")})
    top = dist("top", natives={"@top/ext.so": needs})
    assert links(layer("app", top, below=["rt"]), layer("rt", low)) == {
        "lib/vl/data": "rt",
        "lib/vl/liby.so.1": "rt",
    }


def test_excluded_libraries_are_not_linked() -> None:
    natives = {"lib/vl/libx.so": Native("libx.so"), "@pkg/lib/libz.so": Native("libz.so")}
    low = dist("low", "lib/vl/data", "@pkg/lib/data", natives=natives)
    top = dist("top", "@pkg/__init__.py")
    rt = layer("rt", low, excluded=("libx*", f"{SITE}/pkg/*"))
    assert links(layer("app", top, below=["rt"]), rt) == {
        "lib/vl/data": "rt",
        "@pkg/lib/data": "rt",
    }


def test_files_below_for_a_package_above() -> None:
    """As PyQt5 and PyQt5-Qt5 have it."""
    natives = {
        "@qt/Qt/lib/libcore.so.5": Native("libcore.so.5"),
        "@qt/Qt/plugins/x/libx.so": Native(
            "libx.so", ("libcore.so.5",), (), ("$ORIGIN/../../lib",)
        ),
    }
    low = dist("qt-data", "@qt/Qt/translations/de", "@qt/Qt/qt.conf", natives=natives)
    for init in ("regular", "pkgutil", "empty"):
        top = dist("qt", "@qt/__init__.py", init=init)
        assert links(layer("app", top, below=["rt"]), layer("rt", low)) == {"@qt/Qt": "rt"}
    core = Native("core.abi3.so", ("libcore.so.5",), ("$ORIGIN/Qt/lib",))
    top = dist("qt", "@qt/__init__.py", natives={"@qt/core.abi3.so": core})
    layers = layer("app", top, below=["rt"]), layer("rt", low)
    assert links(*layers) == dict.fromkeys(
        ("@qt/Qt/lib", "@qt/Qt/plugins", "@qt/Qt/qt.conf", "@qt/Qt/translations"), "rt"
    )
    assert messages(*layers) == []
    (message,) = messages(*layers, with_links=False)
    assert message == (
        f"The package `qt` of `qt` in layer `app` does not find `{SITE}/qt/Qt/lib/libcore.so.5`"
        " and 3 more, which `qt-data` in layer `rt` puts into its folder"
    )


def test_library_beside_files_of_the_package_has_what_it_needs() -> None:
    """It is linked by itself: its `$ORIGIN` is the upper layer's folder."""
    needs = Native("libx.so", ("liby.so",), (), ("$ORIGIN/../../low.libs",))
    low = dist(
        "low", natives={"@pkg/plugins/libx.so": needs, "@low.libs/liby.so": Native("liby.so")}
    )
    top = dist("top", "@pkg/__init__.py", "@pkg/plugins/own.txt")
    assert links(layer("app", top, below=["rt"]), layer("rt", low)) == {
        "@pkg/plugins/libx.so": "rt",
        "@low.libs": "rt",
    }


def test_library_that_finds_more_from_here_is_linked_by_itself() -> None:
    """As a plugin of PyQt6-Qt6 that needs PyQt6-WebEngine-Qt6."""
    needs = Native("libx.so", ("liby.so",), (), ("$ORIGIN/../../lib",))
    low = dist(
        "low", "@pkg/lib/low", "@pkg/x/plugins/data", natives={"@pkg/x/plugins/libx.so": needs}
    )
    mid = dist("mid", natives={"@pkg/lib/liby.so": Native("liby.so")})
    layers = layer("mid", mid, below=["rt"]), layer("rt", low)
    top = dist("top", "@pkg/__init__.py")
    assert links(layer("app", top, below=["mid", "rt"]), *layers) == {
        "@pkg/lib/liby.so": "mid",
        "@pkg/lib/low": "rt",
        "@pkg/x/plugins/libx.so": "rt",
        "@pkg/x/plugins/data": "rt",
    }


def test_what_has_modules_in_the_package_is_not_its_guest() -> None:
    """A package that another one replaces keeps its files to itself."""
    low = dist("low", "@pkg/__init__.py", "@pkg/data/x", "@pkg/sub/__init__.py", "@pkg/sub/y")
    top = dist("top", "@pkg/__init__.py", "@pkg/sub/__init__.py")
    assert links(layer("app", top, below=["rt"]), layer("rt", low)) == {}
    # The nearest package counts, and a part of a namespace is nobody's guest.
    low = dist("low", "@ns/low/__init__.py", "@ns/low/data", "@ns/other/data", "@ns/m.py")
    top = dist("top", "@ns/top/__init__.py", "@ns/__init__.py", init="empty")
    layers = layer("app", top, below=["rt"]), layer("rt", low)
    assert links(*layers) == {}
    assert messages(*layers) == []


def test_files_above_for_a_package_below() -> None:
    low = dist("low", "@pkg/__init__.py", "@pkg/same", "@open/__init__.py", "@tests/__init__.py")
    paths = "@pkg/x.pyi", "@pkg/py.typed", "@pkg/same", "@pkg/data/x", "@tests/data/x"
    top = dist("top", *paths, "@mine/data")
    layers = layer("app", top, below=["rt"]), layer("rt", low)
    (finding,) = package_files(layers, SITE, links=True).findings
    assert finding.message == (
        f"The package `pkg` of `low` in layer `rt` does not find `{SITE}/pkg/data/x`, which `top`"
        " in layer `app` puts into its folder"
    )
    assert finding.names == ("pkg", "top", "low", f"{SITE}/pkg/data/x")
    assert links(*layers) == {}
    # Who stands on both of them has heard it already; on two that do not know each other, not.
    assert messages(layer("x", below=["app", "rt"]), *layers) == []
    sides = layer("app"), layer("left", dist("l", "@p/__init__.py")), layer("r", dist("r", "@p/d"))
    (message,) = messages(*sides)
    assert "`p` of `l` in layer `left` does not find" in message
