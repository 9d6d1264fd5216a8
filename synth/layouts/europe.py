"""Plates of Europe, Turkey and their two-line forms."""

from __future__ import annotations

from synth.layouts.style import Style

_NO_Q = "ABCDEFGHJKLMNPRSTUVWXYZ"
_GREEK = "ABEZHIKMNOPTYX"
_CONSONANTS = "BCDFGHJKLMNPRSTVWXYZ"
_WHITE = ("black on white",)
_DEALER = ("", "", "", "AUTOHAUS", "AUTO CENTER", "GARAGE MOTORS 0123", "WWW.CARS.EU", "LEASING TEL 555 0199")


def _one(region: str, band: str, *patterns: str, paints: tuple[str, ...] = _WHITE, letters: str = _NO_Q,
         right: bool = False, weight: float = 1.0) -> Style:
    return Style(region, patterns, paints, band=band, letters=letters, band_right=right, weight=weight, footer=_DEALER)


def _two(region: str, band: str, *patterns: str, paints: tuple[str, ...] = _WHITE, letters: str = _NO_Q) -> Style:
    return Style(region, patterns, paints, aspect=1.4, scale=0.38, band=band, letters=letters, weight=0.45)


EUROPE: tuple[Style, ...] = (
    _one("de", "D", "{de}*@@ ###", "{de}*@ ####", "{de}*@@ %###", "{de}*@ %##", "{de}*@@ %#", "{de} @@%###", "{de}*@ %#",
         "{de}-@@ %##", "%-####", "{de} %#-###", "{de}*@@ %##E", "{de}*@@ %##H", weight=2.5),
    _two("de", "D", "{de}*/@ %##", "{de}/@@ %##", "{de}*/@@ %#", "{de}/@ %###", "{de} @/%##"),
    _one("fr", "F", "@@-###-@@", "@@-###-@@", "@@-###-@@", "%### @@ 75", "%## @@@ 13", "%## @@ ##", right=True, weight=1.6,
         paints=("black on white", "black on white", "black on yellow")),
    _two("fr", "F", "@@-###/@@", "%##@@/##", "@@/###-@@"),
    _one("es", "E", "#### @@@", "#### @@@", "M-#### @@", "B #### @@", "GC-%###-@", letters=_CONSONANTS, weight=1.5),
    _two("es", "E", "####/@@@", letters=_CONSONANTS),
    _one("it", "I", "@@*###@@", "@@ ###@@", "@@ ### @@", right=True, weight=1.5),
    _two("it", "I", "@@/###@@", "@@/#####", "@@ ##/###", paints=("black on white", "black on white", "black on yellow")),
    _one("pt", "P", "##-##-@@", "##-@@-##", "@@-##-##", "@@ ## @@"),
    _two("pt", "P", "##-@@/##", "@@-##/##"),
    _one("nl", "NL", "##-@@-@@", "##-@@@-#", "@@-###-@", "#-@@@-##", "@@-@@-##", "@@-##-@@", "@-###-@@", letters=_CONSONANTS,
         paints=("black on yellow",), weight=1.5),
    Style("nl", ("##-@@-@@", "@@-##-##"), ("white on blue", "white on black"), weight=0.3),
    _two("nl", "NL", "@@/##-@@", "@@-##/@@", "##-@@@/#", "@@/@@-##", "##/@@-##", paints=("black on yellow",)),
    Style("nl", ("@@/##-##",), ("white on black", "white on blue"), aspect=1.4, scale=0.38, weight=0.2),
    _one("be", "B", "1-@@@-###", "2-@@@-###", "@@@-###", "###-@@@", "1*@@@-###", "@-###-@@", paints=("red on white",), weight=1.3),
    _two("be", "B", "1-@@@/###", "@@@/###", paints=("red on white",)),
    Style("be", ("EUR*####", "EUR####"), ("blue on sky", "blue on white"), weight=0.2),
    _one("lu", "L", "@@ ####", "@@ %###", "####", paints=("black on yellow",)),
    Style("ch", ("{ch}*######", "{ch} %#####", "{ch}*%####", "{ch} ####"), weight=0.8, border=0.2),
    Style("ch", ("*{ch}*/%#####", "{ch}/######", "*{ch}*/####", "{ch}/%#### "), aspect=1.5, scale=0.38, weight=0.6),
    Style("li", ("FL*%####",), ("white on black",), weight=0.15),
    _one("at", "A", "{at}*###@@", "{at}*####@", "{at}*%## @@", "{at} %#### @", "{at}*@@@ #", "{at} ### @@", paints=("black on white",),
         weight=1.2),
    _two("at", "A", "{at}*/###@@", "{at}*/%##@", "{at}/%### @"),
    _one("pl", "PL", "{pl} #####", "{pl} ####@", "{pl} ###@@", "{pl} @####", "{pl} ##@@", "{pl} @###", "@# @@@@", "@# @@@@@",
         weight=1.6),
    _two("pl", "PL", "{pl}/####", "{pl}/@###", "{pl}/#####", "{pl}/##@@", "{pl}/####@", "{pl}/#@##"),
    _one("cz", "CZ", "#@# ####", "#@@ ####", "#@#*####", "@@@ ##-##", "@@@ ##-##", weight=1.1),
    _two("cz", "CZ", "#@#*/####", "#@/####", "#@*/####", "@@@*/####"),
    _one("sk", "SK", "{sk}*###@@", "{sk}-###@@", "{sk} ###@@"),
    _two("sk", "SK", "{sk}*/###@@", "{sk}/###@@"),
    _one("hu", "H", "@@@-###", "@@@-###", "@@ @@-###"),
    _two("hu", "H", "@@@/###", "@@@-/###"),
    _one("ro", "RO", "{ro} ## @@@", "{ro} ##@@@", "B ## @@@", "B ### @@@", "{ro} ######", weight=1.8),
    _two("ro", "RO", "{ro} ##/@@@", "B ##/@@@"),
    _one("bg", "BG", "{bg} #### @@", "{bg}####@@", "{bg} #### @", letters="ABCEHKMOPTXY"),
    _two("bg", "BG", "{bg} @@/####", "{bg}-@/####", letters="ABCEHKMOPTXY"),
    _one("gr", "GR", "{gr}-####", "@@@-####", "@@@=####".replace("=", "-"), letters=_GREEK),
    _two("gr", "GR", "@@@/###", "@@@-/####", letters=_GREEK),
    Style("hr", ("{hr}*###-@@", "{hr}*####-@", "{hr} *%###-@@"), band="", weight=0.7),
    _one("hr", "HR", "{hr}*###-@@", "{hr}*####-@@"),
    _one("si", "SLO", "{si}*@@-###", "{si}*##-@@@", "{si} @#-###", "{si}*###-@@", "{si}*@@@@@@", paints=("black on white", "black on white")),
    _one("rs", "SRB", "{rs}*###-@@", "{rs}*####-@@"),
    _one("ba", "BIH", "@##-@-###"),
    _one("me", "MNE", "{me}*@@###", "{me}*##@@"),
    _two("me", "MNE", "{me}*/@@###"),
    _one("mk", "MK", "{mk}*###-@@", "{mk}-####-@@"),
    _one("al", "AL", "@@ ###@@", right=True),
    _one("ua", "UA", "{ua} #### @@", "{ua}####@@", letters="ABCEHIKMOPTX", weight=0.8),
    Style("by", ("#### @@-#",), letters="ABCEHIKMOPTX", weight=0.4),
    _two("by", "", "#### /@@-#", "#@@-/####", letters="ABCEHIKMOPTX"),
    _one("md", "MD", "@@@ ###", "C @@ ###"),
    _one("lt", "LT", "@@@ ###", "@@@:###".replace(":", "*"), weight=0.9),
    _two("lt", "LT", "@@@/###", "###/@@"),
    _one("lv", "LV", "@@-####", "@@-###", "@@-%#", weight=0.9),
    _two("lv", "LV", "@@/####", "@@-/###"),
    _one("ee", "EST", "### @@@", "###@@@"),
    _one("fi", "FIN", "@@@-###", "@@@-%#", "@@-###", weight=1.0),
    Style("fi", ("@@@-###", "@@-%##"), ("white on black", "black on white"), weight=0.3),
    _two("fi", "FIN", "@@@/###", "@@-/###"),
    _one("se", "S", "@@@ ###", "@@@*###", "@@@ ##@", "@@@@@@", weight=1.2),
    _two("se", "S", "@@@/###", "@@@*/###"),
    _one("no", "N", "{no} #####", "{no}*#####", "@@ #####", weight=0.9),
    Style("no", ("{no} #####",), ("black on white", "black on green", "yellow on blue"), weight=0.3),
    Style("no", ("{no}/#####", "@@/#####", "CD/#####"), ("black on white", "black on white", "orange on white", "yellow on blue"),
          aspect=1.4, scale=0.38, weight=0.4),
    _one("dk", "DK", "{dk} ## ###", "{dk} ##.###", "@@ ## ###"),
    _two("dk", "DK", "{dk} ##/###", "{dk}##/ ###", "@@ ##/###"),
    Style("dk", ("@@ ## ###",), ("black on white", "black on yellow"), weight=0.3),
    Style("is", ("@@*@##", "@@-###", "@@*###", "@@*##@"), ("blue on white", "black on white"), weight=0.4),
    Style("is", ("@@-/###", "@@*/@##"), ("blue on white",), aspect=1.4, scale=0.38, weight=0.3),
    _one("cy", "CY", "@@@ ###", "@@@###"),
    _one("mt", "M", "@@@ ###"),
    Style("mc", ("####", "@###", "*@###"), ("blue on white",), weight=0.2, header=("", "PRINCIPAUTE DE MONACO")),
    _one("gb", "GB", "{gb}{gbyear} @@@", "@%## @@@", "@@@ %##@", "@@@ %##", "%## @@@", "@@ ####", "@@@@ %#", weight=1.2),
    Style("gb", ("{gb}{gbyear} @@@", "{gb}{gbyear} @@@", "@%## @@@", "@@@ %##@", "{gb}{gbyear}@@@", "@@ %###"),
          ("black on white", "black on yellow"), kind="gb", footer=_DEALER, weight=1.8, scale=0.7),
    Style("gb", ("{gb}{gbyear}/@@@", "@%##/@@@", "@@@/%##", "@@@/%##@"), ("black on white", "black on yellow", "white on black"),
          kind="gb", aspect=1.4, scale=0.38, weight=0.6),
    Style("gb", ("J%####", "J %#####", "%#####", "@@@ %###"), ("black on white", "black on yellow"), kind="gb", weight=0.3),
    _one("ie", "IRL", "{ie}-%####", "{ie}-%###", "{ie}-%#", "{ie}-%##", weight=1.0),
    Style("ie", ("{ie}/%####", "{ie}/%###"), band="IRL", aspect=1.4, scale=0.38, weight=0.2),
    _one("tr", "TR", "{tr} @@ ###", "{tr} @ ####", "{tr} @@@ ##", "{tr} @@@ ###", "{tr} @@ ####", weight=1.3),
    _two("tr", "TR", "{tr} @@/###", "{tr} @/####", "{tr}/@@ ###"),
    Style("eu", ("@@ @@@ ##", "@@@@@@", "@@@ @@@@", "@ %#", "@@@ %", "@@@ 1", "@%@@@", "@@@@@ %", "### @@ ##", "## @@ ##", "CD ## ###",
                 "%### CD ##", "@@@@@", "@@ @@@@", "@@ %", "## ## ##", "@### ##"),
          ("black on white", "black on yellow", "white on black", "green on white", "blue on white", "red on white", "white on blue",
           "white on red", "yellow on blue"), weight=2.0, footer=_DEALER),
    Style("eu", ("@@/####", "@@@/####", "####/@@@", "@@ ##/@@@", "@@#/###", "@@/##-@@", "@@@@/%##"),
          ("black on white", "black on yellow", "white on black", "white on blue"), aspect=1.4, scale=0.38, weight=0.8),
)
