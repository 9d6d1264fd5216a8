"""Plates of South America, Asia and Africa."""

from __future__ import annotations

from synth.layouts.style import Style

_CITIES = ("SP-SAO PAULO", "PR-CURITIBA", "RJ-RIO DE JANEIRO", "SC-JOINVILLE", "MG-BELO HORIZONTE", "RS-PORTO ALEGRE", "PR-MARINGA")

WORLD: tuple[Style, ...] = (
    Style("br", ("@@@*####", "@@@-####", "@@@.####", "@@@ ####"), ("black on grey", "black on grey", "white on red", "black on white", "white on green"),
          aspect=2.7, scale=0.5, kind="br", header=_CITIES, weight=4.0, holes=True),
    Style("br", ("@@@/####",), ("black on grey", "white on red"), aspect=1.15, scale=0.36, kind="br", header=_CITIES, weight=0.7),
    Style("br", ("@@@#@##", "@@@ #@##", "@@@#@##"), ("black on white", "black on white", "red on white", "blue on white"), aspect=3.1, scale=0.55, kind="eu",
          header=("BRASIL",), weight=1.5),
    Style("br", ("@@@/#@##",), ("black on white", "red on white"), aspect=1.2, scale=0.36, kind="eu", header=("BRASIL",), weight=0.4),
    Style("ar", ("@@@ ###", "@@@ ###", "@@@*###"), ("white on black",), aspect=2.3, scale=0.55, kind="ar", header=("ARGENTINA", ""), footer=("", "ARGENTINA"), weight=1.6,
          border=1.0, holes=True),
    Style("ar", ("@@ ### @@", "@@ ### @@", "@@*###*@@"), ("black on white",), aspect=3.1, scale=0.55, kind="eu", header=("REPUBLICA ARGENTINA",), weight=1.4),
    Style("ar", ("@###/@@@", "###/@@@"), ("black on white", "white on black"), aspect=1.3, scale=0.36, kind="eu", weight=0.3),
    Style("in", ("{in} ## @@ ####", "{in}##@@####", "{in} %#@@ ####", "{in} ## @ ####", "{in}-##-@@-####", "{in}.##.@@.####", "{in} %C @ ####", "{in} ## @@ %##",
                 "{in}##@####", "{in} %C @@ ####"),
          ("black on white", "black on white", "black on white", "black on yellow", "white on black", "white on green"), aspect=4.4, scale=0.6, kind="in", band="IND",
          weight=1.2),
    Style("in", ("{in} ## @@ ####", "{in}##@@####", "{in} ## @ ####", "{in} ##@@ %##", "{in}-##-@@-####", "{in}.##.@@.####", "{in} %#@@ ####"),
          ("black on white", "black on white", "black on yellow", "white on black", "white on red"), aspect=4.6, scale=0.55, kind="in", weight=1.5),
    Style("in", ("{in} ## @@/####", "{in} ## @/####", "{in}-##/@@ ####", "{in} ##/@ ####", "{in} ##@@/%###", "{in} %C@/####"),
          ("black on white", "black on white", "black on yellow"), aspect=1.6, scale=0.37, kind="in", weight=1.2),
    Style("vn", ("{vn}@-###.##", "{vn}@-####", "{vn}@ ###.##", "{vn}@#####"), ("black on white", "black on white", "white on blue", "black on yellow"), aspect=4.3, scale=0.62, kind="in",
          letters="ABCDEFGHKLMNPSTUVXYZ", weight=1.0),
    Style("vn", ("{vn}@/###.##", "{vn}-@%/###.##", "{vn}-@#/####", "{vn}@/####", "{vn}-@@/###.##"), ("black on white", "black on white", "black on yellow", "white on blue"), aspect=1.4, scale=0.38,
          kind="in", letters="ABCDEFGHKLMNPSTUVXYZ", weight=1.3),
    Style("tn", ("%##^####", "%## ^ ####", "%#^####", "1##^####", "1## ^ ####", "2##^####", "%##^###", "%#^###", "1## ^ %##", "1##^%#"),
          ("white on black", "white on black", "white on black", "white on black", "white on blue", "white on red"), aspect=4.6, scale=0.55, kind="eu", weight=3.0, border=0.8),
    Style("tn", ("%##^/####", "^/%## ####", "1##/^####"), ("white on black",), aspect=1.8, scale=0.36, kind="eu", weight=0.2),
    Style("sg", ("S@@%###@", "S@@ %## @", "S@@####@"), ("white on black", "white on black", "black on white"), kind="gb", weight=0.3),
    Style("hk", ("@@ %###", "@@%##", "@@@@@@"), ("black on white", "black on yellow"), kind="gb", weight=0.25),
    Style("ae", ("@ %####", "@ %#", "@ %##", "%# %####"), ("black on white",), aspect=3.6, scale=0.5, footer=("DUBAI", "ABU DHABI"), kind="in", weight=0.25),
    Style("au", ("@@@*###", "###*@@@", "@@ ## @@", "#@@ #@@", "@@@-###"), ("black on yellow", "black on white", "blue on white", "green on white", "red on white"), aspect=2.8, scale=0.5,
          kind="us", footer=("NEW SOUTH WALES", "VICTORIA", "QUEENSLAND", ""), weight=0.5),
    Style("za", ("@@ ## @@ GP", "@@@ ### GP", "CA ######", "ND ######", "@@@ ### @"), ("black on white", "blue on white", "black on yellow"), scale=0.6, weight=0.3),
    Style("xx", ("@@@###", "@@#####", "####@@", "#@#@#@#", "@#@#@#@#", "@@@@@@@", "#######", "#####", "@@@@", "###", "@@##@@", "@@@@#####", "##@@@####", "@@ @@ @@", "@@@@@@@@",
                 "########", "@#### ###", "##@ ###", "@@-#### -@@", "@@#@@#@@#", "@@@ @@@ @@@", "##########"),
          ("black on white", "black on yellow", "white on black", "white on blue", "white on red", "white on green", "black on green", "blue on white", "green on white",
           "yellow on black", "red on white", "grey on white"), kind="any", weight=4.0, scale=0.62, aspect=4.2),
    Style("xx", ("@@@/###", "@@@/####", "####/@@", "##@@/####", "@@/####", "@@@@/@@@@", "##/####", "@@##/@@@", "#@@/#@@", "@@@/##", "###/@@@@", "@/####", "@@#/#@#"),
          ("black on white", "black on yellow", "white on black", "white on blue", "white on red", "white on green"), kind="any", weight=1.5, scale=0.38, aspect=1.5),
)
