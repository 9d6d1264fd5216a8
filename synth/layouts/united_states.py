"""Plates of the United States and their neighbours: common forms of the states, taxis, trucks and vanity plates."""

from __future__ import annotations

from synth.layouts.style import Style

_DEALERS = (
    "", "", "", "HONDA OF THE VALLEY", "AUTO GROUP", "CITY MOTORS", "WWW.BESTCARS.COM", "555-718-0142", "LEASING DIRECT",
    "SUBURBAN TOYOTA", "CENTRAL AVE NISSAN", "PREMIER AUTO MALL", "BROOKLYN", "THE RIGHT CHOICE",
)


def _state(name: str, *patterns: str, paints: tuple[str, ...], footer: tuple[str, ...] = (), weight: float = 1.0,
           letters: str = "ABCDEFGHJKLMNPRSTUVWXYZ", art: bool = False) -> Style:
    return Style(
        "us", patterns, paints, aspect=2.0, scale=0.44, kind="us", weight=weight, header=(name,),
        footer=footer, holes=True, art=art, letters=letters, border=0.3,
    )


_GOLD = ("blue on gold", "blue on gold", "blue on white", "blue on white", "black on yellow")
_VANITY = (
    "@@@@@@@", "@@@@@@", "@@@@@", "@@@@", "@@@", "@@", "@@@ @@@", "@@ @@@@", "@@@@ @@", "@@@@@ @", "@@@@%", "@@@ %#", "@@@@##",
    "%@@@@@", "@@@%@@@", "@@ %", "@-%", "%@", "@@@@@@@@", "%@@@", "####", "@ ###", "%## @",
)

UNITED_STATES: tuple[Style, ...] = (
    _state("NEW YORK", "@@@*####", "@@@*####", "@@@-####", "@@@ ####", paints=_GOLD, footer=("EMPIRE STATE", "EXCELSIOR", "THE EMPIRE STATE", ""),
           weight=4.0),
    _state("NEW YORK", "T######C", paints=("black on yellow", "blue on gold", "blue on white", "black on white"), footer=("T&LC",), weight=2.2),
    _state("NEW YORK", "Y######C", "#@##~@", "#@##", "%@##~@", paints=("black on white", "black on grey", "black on yellow"), footer=("TAXI", "T&LC"),
           weight=0.9),
    _state("NEW YORK", "#####*@@", "#####-@@", "#####*@@", paints=_GOLD, footer=("COMMERCIAL", "APPORTIONED", "OMNIBUS"), weight=1.2),
    _state("NEW YORK", "<AV>####", "<BB>####", "<AA>####", "<SP>###", "<TR>####", "#### ~#~#", paints=_GOLD, footer=("", "TRAILER"), weight=0.5),
    _state("NEW YORK", *_VANITY, paints=_GOLD, footer=("EMPIRE STATE", "EXCELSIOR"), weight=0.8, letters="ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
    _state("New Jersey", "@##*@@@", "@##*@@@", "@@@*##@", "@@@*##@", "@@*###@", "@@##*@@".replace("*", " "), paints=("black on pale yellow", "black on white", "black on yellow"),
           footer=("Garden State", "COMMERCIAL"), weight=2.5),
    _state("PENNSYLVANIA", "@@@*####", "@@@-####", "@@@ ####", "@@#####", paints=("blue on white", "blue on pale yellow", "blue on sky"),
           footer=("visitPA.com", "KEYSTONE STATE", "www.state.pa.us"), weight=1.3, art=True),
    _state("Connecticut", "@@*#####", "###*@@@", "@@-#####", "#@@@@#", "@ #####", paints=("blue on sky", "black on sky"), footer=("Constitution State",), art=True),
    _state("Massachusetts", "#@@@ ##", "### @@#", "#@@ ###", "%### @@", "### @@@", paints=("red on white", "green on white"), footer=("The Spirit of America",)),
    _state("CALIFORNIA", "#@@@###", "#@@@###", "#@#####", "##### @#", "%@@@###", paints=("blue on white", "blue on white", "yellow on black"),
           footer=("dmv.ca.gov", ""), weight=1.8),
    _state("TEXAS", "@@@*####", "@@@-####", "@## @@@", "###*@@@", paints=("black on white", "blue on white", "blue on sky"), footer=("The Lone Star State", ""),
           weight=1.3, art=True),
    _state("FLORIDA", "@@@ @##", "@@@*@##", "@## #@@", "### @@@", "@@@ ###", "@@ ##@", paints=("green on white", "green on white"), footer=("SUNSHINE STATE", "IN GOD WE TRUST"),
           weight=1.3, art=True),
    _state("VIRGINIA", "@@@-####", "@@@ ####", "@@@-###", paints=("blue on white", "black on white"), footer=("", "VIRGINIA IS FOR LOVERS")),
    _state("Maryland", "#@@####", "%@@ ####", "@@@ ###", paints=("black on white", "black on white"), footer=("www.maryland.gov", ""), art=True),
    _state("ILLINOIS", "@@ #####", "@ ### ###", "### ####", "@ ######", paints=("blue on sky", "red on white", "black on sky"), footer=("LAND OF LINCOLN",), art=True),
    _state("OHIO", "@@@ ####", "@@@*####", "@@## @@", paints=("blue on white", "black on white"), footer=("BIRTHPLACE OF AVIATION",), art=True),
    _state("MICHIGAN", "@@@ ####", "#@@ @##", "@@@ ###", paints=("blue on white", "white on blue"), footer=("PURE MICHIGAN", "GREAT LAKES")),
    _state("GEORGIA", "@@@ ####", "@@@####", "#### @@", "@@@*###", paints=("black on white",), footer=("COBB", "FULTON", "GWINNETT", "DEKALB"), art=True),
    _state("NORTH CAROLINA", "@@@-####", "@@@ ####", paints=("blue on white", "red on white"), footer=("FIRST IN FLIGHT",), art=True),
    _state("WASHINGTON", "@@@####", "@@@ ####", "### @@@", "@@@-###", paints=("blue on white", "blue on sky"), footer=("EVERGREEN STATE",), art=True),
    _state("ARIZONA", "@@@####", "@@@ ####", "### @@@", paints=("green on white", "blue on sky", "white on green"), footer=("GRAND CANYON STATE",), art=True),
    _state("Colorado", "@@@-###", "###-@@@", "@@@ @##", paints=("green on white", "white on green"), art=True),
    _state("MINNESOTA", "@@@ ###", "###-@@@", "### @@@", paints=("blue on white", "blue on sky"), footer=("10,000 lakes",), art=True),
    _state("WISCONSIN", "@@@-####", "###-@@@", "@@@ ####", paints=("black on white", "red on white"), footer=("AMERICA'S DAIRYLAND",), art=True),
    _state("INDIANA", "###@@@", "###@@", "@@@###", paints=("blue on white", "blue on sky"), footer=("IN GOD WE TRUST",), art=True),
    _state("TENNESSEE", "@##-##@", "@@@ ####", "### @@@", paints=("green on white", "blue on white"), footer=("THE VOLUNTEER STATE", "Shelby"), art=True),
    _state("MISSOURI", "@@# @#@", "@@@ ###", "### @@@", paints=("blue on white", "green on white"), footer=("SHOW-ME STATE",), art=True),
    _state("ALABAMA", "#@#####", "##@@###", "%#@##@#", "#@##@##", paints=("blue on sky", "black on white"), footer=("Sweet Home",), art=True),
    _state("Vermont", "@@@ ###", "### @@@", paints=("white on green",), footer=("Green Mountain State",)),
    _state("Maine", "#### @@", "#### @@", "### @@@", paints=("blue on white", "black on white"), footer=("Vacationland",), art=True),
    _state("NEW HAMPSHIRE", "### ####", "%## ####", paints=("green on white", "green on white"), footer=("LIVE FREE OR DIE",), art=True),
    _state("Rhode Island", "@@-###", "###-###", "@@ ###", "##### ", paints=("blue on white", "black on sky"), footer=("Ocean State",), art=True),
    _state("DELAWARE", "######", "%#####", paints=("yellow on blue",), footer=("THE FIRST STATE",)),
    _state("NEVADA", "##@*#@#", "###-@@@", "### @@@", paints=("blue on sky", "black on sky"), footer=("THE SILVER STATE",), art=True),
    _state("OREGON", "### @@@", "@@@ ###", "###*@@@", paints=("blue on sky", "black on sky"), art=True),
    _state("UTAH", "@## #@@", "@@@ ###", "###*@@@", paints=("black on white", "blue on white"), footer=("GREATEST SNOW ON EARTH", "LIFE ELEVATED"), art=True),
    _state("South Carolina", "@@@ ###", "### @@@", "@@@*###", paints=("blue on white",), footer=("SMILING FACES", "While I Breathe I Hope"), art=True),
    _state("Louisiana", "@@@ ###", "### @@@", "###*@@@", paints=("blue on white",), footer=("Sportsman's Paradise",), art=True),
    _state("Kentucky", "### @@@", "@#@ ###", "@@@ ###", paints=("blue on sky", "blue on white"), footer=("Bluegrass State", "UNBRIDLED SPIRIT"), art=True),
    _state("IDAHO", "#@ ####", "#@ #@###", "1A @####", paints=("blue on sky", "red on white"), footer=("FAMOUS POTATOES",), art=True),
    _state("OKLAHOMA", "@@@-###", "### @@@", "@@@ ###", paints=("blue on sky", "green on white"), footer=("EXPLORE OKLAHOMA",), art=True),
    _state("NEW MEXICO", "###-@@@", "@@@@##", "### @@@", paints=("red on white", "yellow on blue", "black on yellow"), footer=("LAND OF ENCHANTMENT",)),
    _state("U.S. GOVERNMENT", "G## #####", "G##-####@", "G## ####@", paints=("blue on white", "black on white"), footer=("FOR OFFICIAL USE ONLY",), weight=0.4),
    _state("", *_VANITY, paints=("blue on white", "black on white", "blue on sky", "red on white", "green on white", "white on blue", "yellow on black"),
           footer=("", *_DEALERS), weight=2.5, letters="ABCDEFGHIJKLMNOPQRSTUVWXYZ", art=True),
    _state("", "@@@ ####", "### @@@", "@@@ ###", "@@@####", "#@@@###", "@## @@@", "@@@ ##@", "#### @@", "@@#####", "#@@ ###", "######", "@#####@",
           "@@@ #@#", "##@ @@#", "#@#@##", "### ###", "@@####", "##@###", "@#@ #@#", "@@@ @@##",
           paints=("blue on white", "black on white", "blue on sky", "red on white", "green on white", "white on blue", "black on yellow",
                   "blue on gold", "white on green", "blue on pale yellow", "orange on white", "grey on white"),
           footer=("", *_DEALERS), weight=5.0, letters="ABCDEFGHIJKLMNOPQRSTUVWXYZ", art=True),
    Style("ca", ("@@@@ ###", "@@@ ###", "###-@@@", "@@# ##@", "@@@@*###", "@## @@@", "%##@"), ("blue on white", "red on white", "black on white"), aspect=2.0,
          scale=0.44, kind="us", header=("ONTARIO", "QUEBEC", "ALBERTA", "BRITISH COLUMBIA", "MANITOBA"), weight=1.2,
          footer=("YOURS TO DISCOVER", "JE ME SOUVIENS", "BEAUTIFUL", ""), holes=True),
    Style("mx", ("@@@-##-##", "@@@-###-@", "@##-@@@", "###-@@@", "@@-##-###"), ("black on white", "green on white", "red on white"), aspect=2.0, scale=0.38, kind="us",
          header=("JALISCO", "NUEVO LEON", "DISTRITO FEDERAL", "EDO MEX"), footer=("MEXICO", "TRANSPORTE PRIVADO"), holes=True, weight=0.8),
)
