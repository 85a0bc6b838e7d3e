"""Distributions whose shared libraries find each other in all ways, and the layers they are in.

Everything is written as it works in one site directory: that is the reference. ``core`` stands on
the runtime, ``left`` and ``right`` stand on ``core``, ``app`` on both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from monorepo import RUNTIME
from native_wheels import Library

if TYPE_CHECKING:
    from collections.abc import Mapping

CORE, LEFT, RIGHT, APP = "frameworks/core", "frameworks/left", "frameworks/right", "apps/app"
BASES = {CORE: [RUNTIME], LEFT: [CORE], RIGHT: [CORE], APP: [LEFT, RIGHT]}
LAYERS = (RUNTIME, *BASES)


def _lib(path: str, *needed: str, at: str = "", **other: Any) -> Library:
    return Library(path, needed, run_path=at, **other)


def _user(name: str, *needed: str, at: tuple[str, ...], **other: Any) -> Library:
    """What a package loads that has libraries in the folders ``at`` of the site directory."""
    run_path = ":".join(f"$ORIGIN/../{folder}" for folder in at)
    return Library(f"vl_{name}/libvl{name}.so", needed, run_path=run_path, **other)


# Layer -> distribution -> its libraries.
WHEELS: Mapping[str, Mapping[str, tuple[Library, ...]]] = {
    RUNTIME: {
        "vl-zero": (_lib("vl_zero/lib/libvlzero.so.1"),),
        "vl-data": (_lib("data/lib/libvldata.so.1"),),
        "vl-deep": (_lib("vl_deep/lib/libvldeep.so.1"),),
        "vl-leaf": (_lib("vl_leaf/lib/libvlleaf.so"),),
        "vl-part-one": (_lib("vl_parts/lib/libvlpartone.so"),),
        "vl-twin-low": (_lib("vl_twin_low/libvltwin.so", says="twin-low"),),
    },
    CORE: {
        "vl-one": (_lib("vl_one/lib/libvlone.so.1"),),
        "vl-beside": (
            _lib(
                "vl_beside/libvlbeside.so.1",
                "libvlinner-0a1b2c3d.so.2",
                at="$ORIGIN/../vl_beside.libs",
            ),
            _lib(
                "vl_beside.libs/libvlinner-0a1b2c3d.so.2", "libvlinmost-4e5f6a7b.so.3", at="$ORIGIN"
            ),
            _lib("vl_beside.libs/libvlinmost-4e5f6a7b.so.3"),
        ),
        "vl-native": (
            _lib("vl_native.libs/libvlq-1a2b3c4d.so.1.2.3", "libvlr-5e6f7a8b.so.4", at="$ORIGIN"),
            _lib("vl_native.libs/libvlr-5e6f7a8b.so.4"),
        ),
        # As cuDNN does it: the one that is linked opens the others when it is called.
        "vl-hub": (
            _lib(
                "vl_hub/lib/libvlhub.so.9",
                at="$ORIGIN",
                opened=("libvlhub_ops.so.9", "libvlhub_adv.so.9"),
            ),
            _lib("vl_hub/lib/libvlhub_ops.so.9", "libvlhub_adv.so.9", at="$ORIGIN"),
            _lib("vl_hub/lib/libvlhub_adv.so.9"),
        ),
        "vl-desk": (
            _lib(
                "vl_desk/libvldesk.so.1",
                at="$ORIGIN",
                opened=("libvldesk_ops.so.1", "libvldesk_extra.so.1"),
            ),
            _lib("vl_desk/libvldesk_ops.so.1"),
        ),
        "vl-desk-extra": (_lib("vl_desk/libvldesk_extra.so.1"),),
        "vl-tray": (_lib("vl_tray/libvltray.so.1", "libvldesk.so.1", at="$ORIGIN/../vl_desk"),),
        "vl-office": (
            _lib(
                "vl_office/libvloffice.so.1",
                at="$ORIGIN/../vl_paper/lib",
                opened=("libvlpaper.so.1",),
            ),
            _lib("vl_paper/lib/libvlpaper.so.1"),
        ),
        # A plugin for programs that add no `lib` to the names that they open.
        "vl-engine": (_lib("vl_engines/lib/vlengine.so"),),
        "vl-root": (_lib("libvlroot.so.1"),),
        "vl-nest": (
            _lib("vl_nest/lib/libvlnest.so.1"),
            _lib("vl_nest/lib/sub/libvlnestsub.so.1"),
        ),
        "vl-chain-core": (
            _lib(
                "vl_chain_core/lib/libvlchain.so.1",
                "libvldeep.so.1",
                at="$ORIGIN/../../vl_deep/lib",
            ),
        ),
        "vl-link-core": (
            _lib("vl_link_core/libvllink.so.1", "libvldeep.so.1", at="$ORIGIN/../vl_deep/lib"),
        ),
        "vl-plugin": (_lib("vl_plugins/lib/libvlplugin.so.1"),),
        "vl-ring": (
            _lib("vl_ring_a/lib/libvlringa.so", "libvlringb.so", at="$ORIGIN/../../vl_ring_b/lib"),
            _lib(
                "vl_ring_b/lib/libvlringb.so",
                at="$ORIGIN/../../vl_ring_a/lib",
                back=("libvlringa.so",),
            ),
        ),
        "vl-knot": (
            _lib("vl_knot/libvlknota.so", "libvlknotb.so", at="$ORIGIN/sub"),
            _lib("vl_knot/sub/libvlknotb.so", at="$ORIGIN/..", back=("libvlknota.so",)),
        ),
        # What these two need is in a layer above them.
        "vl-cycle-low": (
            _lib(
                "vl_cycle_low/lib/libvlcyclelow.so",
                at="$ORIGIN/../../vl_cycle_high",
                back=("libvlcycle_high.so",),
            ),
        ),
        "vl-needsup": (
            _lib("vl_needsup/lib/libvlneedsup.so.1", "libvlup.so.1", at="$ORIGIN/../../vl_up/lib"),
        ),
        "vl-twins": (
            _lib("vl_twins/a/libvltwin.so", says="twin-a"),
            _lib("vl_twins/b/libvltwin.so", says="twin-b"),
        ),
        "vl-part-two": (_lib("vl_parts/lib/libvlparttwo.so"),),
        # Found by what its user hands down to it.
        "vl-mid": (_lib("vl_mid/lib/libvlmid.so", "libvlleaf.so"),),
        "vl-family-one": (
            _lib("vl_family/one/lib/libvlfamilyone.so.1"),
            _lib("vl_family/shared/libvlshared.so.1"),
        ),
        "vl-preloaded": (
            _lib("vl_preloaded/libvlpreloaded.so.1", "libvlzero.so.1", at="$ORIGIN/../vl_zero/lib"),
        ),
    },
    LEFT: {
        "vl-usezero": (_user("usezero", "libvlzero.so.1", at=("vl_zero/lib",)),),
        "vl-useone": (_user("useone", "libvlone.so.1", at=("vl_one/lib",)),),
        "vl-usebeside": (_user("usebeside", "libvlbeside.so.1", at=("vl_beside",)),),
        "vl-usenative": (_user("usenative", "libvlq-1a2b3c4d.so.1.2.3", at=("vl_native.libs",)),),
        "vl-usedata": (
            _lib("vl_usedata/lib/libvlusedata.so", "libvldata.so.1", at="$ORIGIN/../../../.."),
            _lib("scripts/vl-program", "libvldata.so.1", at="$ORIGIN/../lib", says="program"),
        ),
        "vl-usehub": (_user("usehub", "libvlhub.so.9", at=("vl_hub/lib",)),),
        "vl-usedesk": (_user("usedesk", "libvldesk.so.1", at=("vl_desk",)),),
        "vl-usechain": (_user("usechain", "libvlchain.so.1", at=("vl_chain_core/lib",)),),
        "vl-uselink": (_user("uselink", "libvllink.so.1", at=("vl_link_core",)),),
        "vl-useplugin": (
            _lib(
                "vl_useplugin/libvluseplugin.so",
                at="$ORIGIN/../vl_plugins/lib",
                opened=("libvlplugin.so.1",),
            ),
        ),
        "vl-usering": (_user("usering", "libvlringa.so", at=("vl_ring_a/lib",)),),
        "vl-useknot": (_user("useknot", "libvlknota.so", at=("vl_knot",)),),
        "vl-cycle-high": (
            _lib(
                "vl_cycle_high/libvlcycle_high.so",
                "libvlcyclelow.so",
                at="$ORIGIN/../vl_cycle_low/lib",
            ),
        ),
        "vl-up": (_lib("vl_up/lib/libvlup.so.1"),),
        "vl-useneedsup": (_user("useneedsup", "libvlneedsup.so.1", at=("vl_needsup/lib",)),),
        "vl-twina": (_user("twina", "libvltwin.so", at=("vl_twins/a",)),),
        "vl-twinb": (_user("twinb", "libvltwin.so", at=("vl_twins/b",)),),
        "vl-twinlow": (
            _user(
                "twinlow",
                "libvltwin.so",
                at=(
                    "vl_twin_low",
                    "vl_twins/a",
                ),
            ),
        ),
        "vl-useparts": (
            _user("useparts", "libvlpartone.so", "libvlparttwo.so", at=("vl_parts/lib",)),
        ),
        "vl-rpath": (
            _user(
                "rpath",
                "libvlmid.so",
                at=(
                    "vl_mid/lib",
                    "vl_leaf/lib",
                ),
                inherited=True,
            ),
        ),
        "vl-runpath": (
            _user(
                "runpath",
                "libvlmid.so",
                at=(
                    "vl_mid/lib",
                    "vl_leaf/lib",
                ),
            ),
        ),
        "vl-family-two": (
            _lib(
                "vl_family/two/lib/libvlfamilytwo.so.1",
                "libvlfamilyone.so.1",
                at="$ORIGIN/../../one/lib",
            ),
            _lib("vl_family/shared/libvlsharedtwo.so.1", "libvlshared.so.1", at="$ORIGIN"),
        ),
        "vl-usefamily": (
            _user(
                "usefamily",
                "libvlfamilytwo.so.1",
                "libvlsharedtwo.so.1",
                at=(
                    "vl_family/two/lib",
                    "vl_family/shared",
                ),
            ),
        ),
        "vl-spelling": (
            _lib(
                "vl_spelling/libvlspelling.so",
                "libvlone.so.1",
                at="/nowhere/lib:${ORIGIN}/./..//vl_one/lib/",
            ),
        ),
        "vl-usetray": (_user("usetray", "libvltray.so.1", at=("vl_tray",)),),
        "vl-useoffice": (_user("useoffice", "libvloffice.so.1", at=("vl_office",)),),
        "vl-useengine": (_user("useengine", opened=("vlengine.so",), at=("vl_engines/lib",)),),
        "vl-useroot": (_user("useroot", "libvlroot.so.1", at=(".",)),),
        "vl-usenest": (
            _user(
                "usenest",
                "libvlnestsub.so.1",
                "libvlnest.so.1",
                at=("vl_nest/lib/sub", "vl_nest/lib"),
            ),
        ),
        "vl-usecoreown": (_user("usecoreown", "libvlcoreown.so.1", at=("vl_coreown/lib",)),),
        "vl-slash": (_lib("vl_slash/libvlslash.so", "$ORIGIN/../vl_one/lib/libvlone.so.1"),),
        "vl-leftpart": (_lib("vl_sides/lib/libvlleftside.so"),),
        "vl-leftdata": (_lib("data/lib/libvlleftdata.so.1", "libvldata.so.1", at="$ORIGIN"),),
        "vl-chain-left": (
            _lib(
                "vl_chain_left/lib/libvlchainleft.so.1",
                "libvlchain.so.1",
                "libvllink.so.1",
                at="$ORIGIN/../../vl_chain_core/lib:$ORIGIN/../../vl_link_core",
            ),
        ),
    },
    RIGHT: {
        "vl-rightpart": (_lib("vl_sides/lib/libvlrightside.so"),),
        "vl-rightone": (_user("rightone", "libvlone.so.1", at=("vl_one/lib",)),),
    },
    APP: {
        "vl-appzero": (_user("appzero", "libvlzero.so.1", at=("vl_zero/lib",)),),
        "vl-appchain": (_user("appchain", "libvlchainleft.so.1", at=("vl_chain_left/lib",)),),
        "vl-appdata": (_user("appdata", "libvlleftdata.so.1", at=("../..",)),),
        "vl-appsides": (
            _user("appsides", "libvlleftside.so", "libvlrightside.so", at=("vl_sides/lib",)),
        ),
        "vl-appboth": (
            _user(
                "appboth",
                "libvluseone.so",
                "libvlrightone.so",
                at=(
                    "vl_useone",
                    "vl_rightone",
                ),
            ),
        ),
    },
}
DEEP = "vlchain(vldeep),vllink(vldeep)"
# Package -> what its library says, in one site directory as in the layers.
SAID = {
    "vl_zero": "vlzero",
    "vl_beside": "vlbeside(vlinner(vlinmost))",
    "vl_link_core": "vllink(vldeep)",
    "vl_usezero": "vlusezero(vlzero)",
    "vl_useone": "vluseone(vlone)",
    "vl_usebeside": "vlusebeside(vlbeside(vlinner(vlinmost)))",
    "vl_usenative": "vlusenative(vlq(vlr))",
    "vl_usedata": "vlusedata(vldata)",
    "vl_usehub": "vlusehub(vlhub(vlhub_ops(vlhub_adv),vlhub_adv))",
    "vl_usedesk": "vlusedesk(vldesk(vldesk_ops,vldesk_extra))",
    "vl_usetray": "vlusetray(vltray(vldesk(vldesk_ops,vldesk_extra)))",
    "vl_useoffice": "vluseoffice(vloffice(vlpaper))",
    "vl_useengine": "vluseengine(vlengine)",
    "vl_useroot": "vluseroot(vlroot)",
    "vl_usenest": "vlusenest(vlnestsub,vlnest)",
    "vl_usecoreown": "vlusecoreown(vlcoreown)",
    "vl_slash": "vlslash(vlone)",
    "vl_usechain": "vlusechain(vlchain(vldeep))",
    "vl_uselink": "vluselink(vllink(vldeep))",
    "vl_useplugin": "vluseplugin(vlplugin)",
    "vl_usering": "vlusering(vlringa(vlringb(vlringa)))",
    "vl_useknot": "vluseknot(vlknota(vlknotb(vlknota)))",
    "vl_cycle_high": "vlcycle_high(vlcyclelow(vlcycle_high))",
    "vl_useneedsup": "vluseneedsup(vlneedsup(vlup))",
    "vl_twina": "vltwina(twin-a)",
    "vl_twinb": "vltwinb(twin-b)",
    "vl_twinlow": "vltwinlow(twin-low)",
    "vl_useparts": "vluseparts(vlpartone,vlparttwo)",
    "vl_rpath": "vlrpath(vlmid(vlleaf))",
    "vl_usefamily": "vlusefamily(vlfamilytwo(vlfamilyone),vlsharedtwo(vlshared))",
    "vl_spelling": "vlspelling(vlone)",
    "vl_rightone": "vlrightone(vlone)",
    "vl_appzero": "vlappzero(vlzero)",
    "vl_appchain": f"vlappchain(vlchainleft({DEEP}))",
    "vl_appdata": "vlappdata(vlleftdata(vldata))",
    "vl_appsides": "vlappsides(vlleftside,vlrightside)",
    "vl_appboth": "vlappboth(vluseone(vlone),vlrightone(vlone))",
    "vl_own": "vlown(vlone)",
    "vl_extension": "vlone",
}

# Of the projects themselves: layer -> distribution -> its libraries.
OWN = {
    CORE: {"vl-coreown": (_lib("vl_coreown/lib/libvlcoreown.so.1"),)},
    APP: {"vl-own": (_user("own", "libvlone.so.1", at=("vl_one/lib",)),)},
}
# An extension module, which needs `Python.h`.
EXTENSION = _lib("vl_extension.abi3.so", "libvlone.so.1", at="$ORIGIN/vl_one/lib")
# Modules beside libraries that are linked, in a namespace package of two layers.
FILES = {
    "vl-family-one": {"vl_family/one/__init__.py": "", "vl_family/one/module.py": "X = 1\n"},
    "vl-family-two": {"vl_family/two/module.py": "X = 2\n"},
}
