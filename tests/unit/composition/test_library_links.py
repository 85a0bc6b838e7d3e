"""What is linked, on values: files of made-up layers, and what the loader reads of them."""

from __future__ import annotations

import pytest
from said import Said

from hatch_venvstacks.common.errors import BuildError
from hatch_venvstacks.composition.inventory import Inventory, LayerContents
from hatch_venvstacks.composition.library_links import (
    Link,
    Linking,
    UsedLibrary,
    link_libraries,
    preloaded,
)
from hatch_venvstacks.composition.native_files import Native
from hatch_venvstacks.model.checks import Check, report
from hatch_venvstacks.model.platforms import PLATFORMS

SITE = "lib/python3.11/site-packages"
NO_RUNTIME: dict[str, Native] = {}


def native(
    *needed: str, soname: str = "", rpath: tuple[str, ...] = (), runpath: tuple[str, ...] = ()
) -> Native:
    return Native(soname, needed, rpath, runpath)


def dist(name: str, natives: dict[str, Native], *files: str, digest: str = "") -> Inventory:
    """A distribution of libraries and other files, by their paths in the site directory."""
    found = {f"{SITE}/{path}": digest or f"{name} {path}" for path in (*natives, *files)}
    named = {
        f"{SITE}/{path}": Native(
            one.soname or path.rpartition("/")[2], *list(vars(one).values())[1:]
        )
        for path, one in natives.items()
    }
    return Inventory(name, "1.0", found, {}, named)


def layer(
    name: str, *parts: Inventory, below: tuple[str, ...] = (), excluded: tuple[str, ...] = ()
) -> LayerContents:
    return LayerContents(name, parts, frozenset(below), excluded)


def linking(
    *layers: LayerContents, platform: str = "linux_x86_64", runtime: dict[str, Native] | None = None
) -> Linking:
    return link_libraries(layers, SITE, PLATFORMS[platform], lambda: runtime or NO_RUNTIME)


def links(*layers: LayerContents, platform: str = "linux_x86_64") -> dict[str, str]:
    found = linking(*layers, platform=platform).links
    return {link.path.removeprefix(f"{SITE}/"): link.layer for link in found}


USER = dist("user", {"user/ext.so": native("liba.so.1", runpath=("$ORIGIN/../a/lib",))})
PROVIDER = dist("a", {"a/lib/liba.so.1": native(), "a/lib/libplugin.so": native()})


def test_folder_is_linked_where_it_can_be() -> None:
    found = linking(layer("app", USER), layer("fw", PROVIDER))
    assert found.links == (Link(f"{SITE}/a/lib", "fw"),)
    assert found.used == (UsedLibrary("fw", f"{SITE}/a/lib/liba.so.1", "liba.so.1"),)
    assert found.findings == ()


@pytest.mark.parametrize("run_path", ["${ORIGIN}/../a/lib", "$ORIGIN/./../x/../a/lib/"])
def test_other_spellings_of_a_run_path(run_path: str) -> None:
    user = dist("user", {"user/ext.so": native("liba.so.1", rpath=(run_path,))})
    assert links(layer("app", user), layer("fw", PROVIDER)) == {"a/lib": "fw"}


@pytest.mark.parametrize("run_path", ["/opt/a/lib", "a/lib", "$ORIGIN/" + "../" * 9 + "a", "$LIB"])
def test_run_paths_that_lead_out_of_all_layers(run_path: str) -> None:
    user = dist("user", {"user/ext.so": native("liba.so.1", runpath=(run_path,))})
    found = linking(layer("app", user), layer("fw", PROVIDER))
    # It may well be loaded by an import before.
    assert (found.links, found.findings) == ((), ())


def test_files_are_linked_beside_python_files() -> None:
    provider = dist(
        "a",
        {
            "a/liba.so.1": native("libb.so", runpath=("$ORIGIN/../b",)),
            "a/libsibling.so": native(),
            "a/ext.cpython-311-x86_64-linux-gnu.so": native(),
            "b/libb.so": native(),
        },
        "a/__init__.py",
    )
    user = dist("user", {"user/ext.so": native("liba.so.1", runpath=("$ORIGIN/../a",))})
    assert links(layer("app", user), layer("fw", provider)) == {
        "a/liba.so.1": "fw",
        "a/libsibling.so": "fw",
        "b": "fw",
    }


def test_files_are_linked_where_the_layer_has_the_folder() -> None:
    user = dist(
        "user", {"a/lib/ext.so": native("liba.so.1", runpath=("$ORIGIN",))}, "a/lib/data.bin"
    )
    assert links(layer("app", user), layer("fw", PROVIDER)) == {
        "a/lib/liba.so.1": "fw",
        "a/lib/libplugin.so": "fw",
    }


def test_files_are_linked_where_two_layers_have_the_folder() -> None:
    more = dist("more", {"a/lib/libmore.so": native()})
    found = links(layer("app", USER), layer("left", PROVIDER), layer("right", more))
    assert found == {
        "a/lib/liba.so.1": "left",
        "a/lib/libplugin.so": "left",
        "a/lib/libmore.so": "right",
    }


def test_first_layer_in_import_order_counts() -> None:
    same = dist("a", {"a/lib/liba.so.1": native()})
    found = links(layer("app", USER), layer("left", same), layer("right", PROVIDER))
    # The distribution of the second layer is hidden as a whole.
    assert found == {"a/lib": "left"}


def test_chain_over_layers() -> None:
    middle = dist("m", {"m/lib/libm2.so": native("liba.so.1", runpath=("$ORIGIN/../../a/lib",))})
    user = dist("user", {"user/ext.so": native("libm2.so", runpath=("$ORIGIN/../m/lib",))})
    base = layer("base", PROVIDER)
    # The layer between has a link of its own to what lies below it.
    known = layer("mid", middle, below=("base",))
    assert links(layer("app", user, below=("mid", "base")), known, base) == {"m/lib": "mid"}
    # One that was not built above it has none: then all that is needed is linked.
    apart = layer("mid", middle)
    assert links(layer("app", user), apart, base) == {"m/lib/libm2.so": "mid", "a/lib": "base"}


def test_rpath_is_handed_down_and_runpath_is_not() -> None:
    inner = {"i/libinner.so": native("liba.so.1")}
    folders = ("$ORIGIN/../i", "$ORIGIN/../a/lib")
    for inherits in (True, False):
        user = native("libinner.so", rpath=folders)
        if not inherits:
            user = native("libinner.so", runpath=folders)
        upper = layer("app", dist("user", {"user/ext.so": user, **inner}))
        found = linking(upper, layer("fw", PROVIDER))
        # What may be opened from a folder later is there in any case.
        assert found.links == (Link(f"{SITE}/a/lib", "fw"),)
        assert bool(found.used) == inherits


def test_runpath_of_a_library_hides_inherited_folders() -> None:
    inner = native("liba.so.1", runpath=("$ORIGIN/nowhere",))
    user = native("libinner.so", rpath=("$ORIGIN/../i", "$ORIGIN/../a/lib"))
    found = linking(
        layer("app", dist("user", {"user/ext.so": user, "i/libinner.so": inner})),
        layer("fw", PROVIDER),
    )
    assert found.used == ()


def test_cycles_end() -> None:
    one = native("libtwo.so", rpath=("$ORIGIN/../two",))
    two = native("libone.so", rpath=("$ORIGIN/../one",))
    upper = layer("app", dist("one", {"one/libone.so": one}))
    lower = layer("fw", dist("two", {"two/libtwo.so": two}))
    # From a linked folder the second would not find the first.
    assert links(upper, lower) == {"two/libtwo.so": "fw"}
    both = layer("fw", dist("both", {"one/libone.so": one, "two/libtwo.so": two}))
    user = dist("user", {"user/ext.so": native("libone.so", runpath=("$ORIGIN/../one",))})
    assert links(layer("app", user), both) == {"one": "fw"}


def test_library_in_the_layer_s_own_lib() -> None:
    user = dist("user", {"user/ext.so": native("libdata.so", runpath=("$ORIGIN/../../..",))})
    data = Inventory("d", "1", {"lib/libdata.so": "x"}, {}, {"lib/libdata.so": native()})
    found = linking(layer("app", user), layer("fw", data))
    assert found.links == (Link("lib/libdata.so", "fw"),)


def test_library_of_the_runtime_itself() -> None:
    needed = native("libpython3.11.so.1.0", runpath=("$ORIGIN/../../..",))
    user = layer("app", dist("user", {"user/ext.so": needed}))
    runtime = {"lib/libpython3.11.so.1.0": native(soname="libpython3.11.so.1.0")}
    found = linking(user, layer("rt"), runtime=runtime)
    assert found.links == (Link("lib/libpython3.11.so.1.0", "rt"),)
    # Where the runtime is the layer that is built, it lies there.
    assert linking(layer("rt", *user.parts), runtime=runtime).links == ()


def test_excluded_libraries() -> None:
    for pattern in ("liba*", f"{SITE}/a/lib/*"):
        lower = layer("fw", PROVIDER, excluded=(pattern,))
        found = linking(layer("app", USER), lower)
        assert not any("liba" in link.path for link in found.links)
        assert [one.names[0] for one in found.findings] == ["liba.so.1"]
        # Its own layer has it all the same.
        own = layer("fw", PROVIDER, USER, excluded=(pattern,))
        assert linking(own).findings == ()


def said(found: Linking) -> list[str]:
    """The lines of what is found, where nothing is said of how much it counts."""
    lines = Said()
    report(found.findings, {}, "app", lines)
    return lines.lines


def test_missing_libraries_are_found_for_each_file() -> None:
    needs = native("libcuda.so.1", "libc.so.6", "ld-linux-x86-64.so.2", "libmissing.so")
    user = dist("user", {"u/a.so": needs, "u/b.so": needs})
    found = linking(layer("app", user))
    assert [(str(one.check), one.names) for one in found.findings] == [
        (str(Check.MISSING_LIBRARY), (name, "user", f"{SITE}/u/{file}.so"))
        for name in ("libcuda.so.1", "libmissing.so")
        for file in ("a", "b")
    ]
    provided = linking(layer("app", user), layer("rt"), runtime={"lib/libcuda.so.1": native()})
    assert [one.names[0] for one in provided.findings] == ["libmissing.so"] * 2


def test_a_library_of_the_runtime_under_the_name_that_macos_has() -> None:
    user = dist("user", {"u/a.so": native("@rpath/libpython3.11.dylib", "@rpath/libgone.dylib")})
    runtime = {"lib/libpython3.11.dylib": native(soname="/install/lib/libpython3.11.dylib")}
    found = linking(layer("app", user), layer("rt"), platform="macosx_arm64", runtime=runtime)
    assert [finding.names[0] for finding in found.findings] == ["libgone.dylib"]


def test_missing_libraries_are_one_line_a_distribution() -> None:
    needs = native("libz9.so", "libcuda.so.1")
    second = dist("b-second", {"b/1.so": native("libcuda.so.1")})
    first = dist("a-first", {f"a/{number}.so": needs for number in range(12)})
    program = Inventory("a-first", "1.0", {"bin/p": "p"}, {}, {"bin/p": native("libp.so")})
    lack = "needs libraries that no layer has and that linux_x86_64 does not guarantee"
    many = f"`{SITE}/a/0.so` and 11 more"
    lost = f"`libcuda.so.1` ({many}), `libp.so` (`bin/p`), `libz9.so` ({many})"
    assert said(linking(layer("app", second, first, program))) == [
        f"`a-first` {lack}: {lost} (missing-library)",
        f"`b-second` {lack}: `libcuda.so.1` (`{SITE}/b/1.so`) (missing-library)",
    ]


@pytest.mark.parametrize(
    ("platform", "needed", "other"),
    [
        ("musllinux_x86_64", "libc.so.6", "glibc"),
        ("musllinux_x86_64", "libpthread.so.0", "glibc"),
        ("musllinux_x86_64", "ld-linux-x86-64.so.2", "glibc"),
        ("musllinux_aarch64", "ld-linux-aarch64.so.1", "glibc"),
        ("linux_x86_64", "libc.musl-x86_64.so.1", "musl"),
        ("linux_x86_64", "libc.so", "musl"),
        ("linux_aarch64", "/lib/ld-musl-aarch64.so.1", "musl"),
    ],
)
def test_file_for_another_c_library(platform: str, needed: str, other: str) -> None:
    user = dist("user", {"u/a.so": native(needed, "libX11.so.6", "libz.so.1")})
    found = linking(layer("app", user), platform=platform)
    name = needed.rpartition("/")[2]
    mine = {"glibc": "musl", "musl": "glibc"}[other]
    items = {one.names[0]: one.item for one in found.findings}
    assert items == {
        **({"libX11.so.6": "`libX11.so.6`"} if mine == "musl" else {}),
        name: f"`{needed}` of {other} instead of {mine}",
    }
    (line,) = said(found)
    assert f"{platform} does not guarantee: " in line
    assert f"`{needed}` of {other} instead of {mine} (`{SITE}/u/a.so`)" in line


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_what_musl_guarantees(machine: str) -> None:
    names = (f"libc.musl-{machine}.so.1", f"ld-musl-{machine}.so.1", "libc.so", "libz.so.1")
    user = dist("user", {"u/a.so": native(*names, "libgcc_s.so.1")})
    found = linking(layer("app", user), platform=f"musllinux_{machine}")
    assert [one.names[0] for one in found.findings] == ["libgcc_s.so.1"]
    assert (
        linking(layer("app", user), platform="macosx_arm64")
        .findings[0]
        .message.endswith("macosx_arm64 does not guarantee")
    )


def test_conflicts_are_told_all_at_once() -> None:
    low = {
        "low/liblow.so": native("libx.so", "liby.so", rpath=("$ORIGIN/../x",)),
        "x/libx.so": native(),
        "x/liby.so": native(),
    }
    user = native("liblow.so", runpath=("$ORIGIN/../low",))
    other = {"user/ext.so": user, "x/libx.so": native(), "x/liby.so": native()}
    with pytest.raises(BuildError) as caught:
        linking(layer("app", dist("user", other)), layer("fw", dist("low", low)))
    assert caught.value.message.splitlines() == [
        f"`{SITE}/low/liblow.so` of `low` needs `{SITE}/x/{name}.so` of `low` in layer `fw`,"
        " but would get that of `user` in layer `app`"
        for name in ("libx", "liby")
    ]
    same = dist("user", other, digest="same"), dist("low", low, digest="same")
    assert links(layer("app", same[0]), layer("fw", same[1])) == {"low/liblow.so": "fw"}


def test_link_that_has_no_place() -> None:
    user = native("liba.so.1", runpath=("$ORIGIN/../a/lib",))
    with pytest.raises(BuildError, match=r"needed at `.*a/lib.*`, but `.*/a` is a file"):
        linking(layer("app", dist("user", {"user/ext.so": user}, "a")), layer("fw", PROVIDER))


def test_mach_o() -> None:
    user = native(
        "@rpath/liba.dylib",
        "@loader_path/../b/libb.dylib",
        "/usr/lib/libSystem.B.dylib",
        "/opt/homebrew/lib/libz.dylib",
        rpath=("@loader_path/../a/lib", "/usr/local/lib"),
    )
    inner = native("@rpath/libc.dylib", "@executable_path/../lib/libpython3.11.dylib")
    lower = layer(
        "fw",
        dist("a", {"a/lib/liba.dylib": native()}),
        dist("b", {"b/libb.dylib": inner, "a/lib/libc.dylib": native()}),
    )
    upper = layer("app", dist("user", {"user/ext.so": user}))
    found = linking(upper, lower, platform="macosx_arm64")
    assert {link.path.removeprefix(f"{SITE}/"): link.layer for link in found.links} == {
        "a/lib": "fw",
        "b": "fw",
    }
    assert UsedLibrary("fw", f"{SITE}/a/lib/libc.dylib", "libc.dylib") in found.used
    assert [one.names[0] for one in found.findings] == ["libz.dylib"]


def test_nothing_is_linked_on_windows() -> None:
    user = dist("user", {"user/a.dll": native("b.dll")})
    assert linking(layer("app", user), layer("fw"), platform="win_amd64") == Linking()


def test_preloaded_libraries() -> None:
    app, fw = layer("app", USER), layer("fw", PROVIDER)
    runtime = {"lib/libpython3.so": native(soname="libpython3.so")}

    def found(*patterns: str) -> list[tuple[str, str]]:
        return preloaded(patterns, [app, fw], lambda: runtime)

    assert found("liba.so.?") == [("fw", f"{SITE}/a/lib/liba.so.1")]
    assert found("libplugin*", "lib*") == [
        ("fw", f"{SITE}/a/lib/libplugin.so"),
        ("fw", f"{SITE}/a/lib/liba.so.1"),
        ("fw", "lib/libpython3.so"),
    ]
    with pytest.raises(BuildError, match="names a library that no layer has: `libnone"):
        found("liba*", "libnone.so")
