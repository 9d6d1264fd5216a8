"""Formats of Asia, Africa and Oceania, where the plate's number is written with Latin letters and digits."""

from __future__ import annotations

from plates.pattern import Format

_IN = (
    "AN AP AR AS BR CG CH DD DL DN GA GJ HP HR JH JK KA KL LA LD MH ML MN MP MZ NL OD OR PB PY RJ SK "
    "TG TN TR TS UA UK UP WB "
)
_VN = " ".join(f"{number:02d}" for number in (11, 12, *range(14, 100)))
_VIETNAMESE = "ABCDEFGHKLMNPRSTUVXYZ"
_ID = (
    " A AA AB AD AE AG B BA BB BD BE BG BH BK BL BM BN BP D DA DB DC DD DE DG DH DK DL DM DN DP DR DS"
    " DT E EA EB ED F G H"
    " K KB KH KT KU L M N P PA PB R S T W Z"
)

FORMATS: tuple[Format, ...] = (
    Format(
        "in-standard",
        "in",
        "India: state, district of 1 or 2 digits, up to 3 letters, 4 digits",
        ("<state>DD?L{1,2}DDDD", "<state>DDLLLDDDD", "<state>DDDDDD", "dlDD?cL{1,2}DDDD"),
        letters="ABCDEFGHJKLMNPQRSTUVWXYZ",
        codes={"state": _IN},
        weight=8,
    ),
    Format(
        "in-short",
        "in",
        "India with the number written short: state, district, letters, 1 to 3 digits",
        ("<state>DD?L{1,3}ND{0,2}",),
        codes={"state": _IN},
        weight=0.5,
    ),
    Format(
        "in-bharat",
        "in",
        "India, Bharat series: year, BH, 4 digits, 1 or 2 letters",
        ("DDbhDDDDL{1,2}",),
        letters="ABCDEFGHJKLMNPQRSTUVWXYZ",
        weight=0.5,
    ),
    Format(
        "vn-car",
        "vn",
        "Vietnam, cars: province of 2 digits, series letter, 4 or 5 digits",
        ("<province>LDDDDD", "<province>LDDDD"),
        letters=_VIETNAMESE,
        codes={"province": _VN},
        weight=4,
    ),
    Format(
        "vn-motorcycle",
        "vn",
        "Vietnam, motorcycles: province of 2 digits, series letter and a digit or letter, 4 or 5 digits",
        ("<province>LNDDDDD", "<province>LNDDDD", "<province>LLDDDDD", "<province>LLDDDD"),
        letters=_VIETNAMESE,
        codes={"province": _VN},
        weight=4,
    ),
    Format(
        "tn-standard",
        "tn",
        "Tunisia: up to 3 digits, the country's name in Arabic (written T), 1 to 4 digits",
        ("ND{0,2}tD{1,4}",),
        weight=10,
    ),
    Format(
        "tn-other",
        "tn",
        "Tunisia, special series: RS or other letters beside digits",
        ("D{3,6}rs", "rsD{3,6}"),
        weight=0.3,
    ),
    Format(
        "sg-standard",
        "sg",
        "Singapore: 2 or 3 letters, 1 to 4 digits, check letter",
        ("LLL?ND{0,3}V",),
        letters="ABCDEFGHJKLMNPRSTUVWXYZ",
        second="ABCDEGHJKLMPRSTUXYZ",
    ),
    Format(
        "hk-standard",
        "hk",
        "Hong Kong: 2 letters, 1 to 4 digits",
        ("LLND{0,3}",),
        letters="ABCDEFGHJKLMNPRSTUVWXYZ",
    ),
    Format(
        "my-standard",
        "my",
        "Malaysia: 1 to 3 letters, 1 to 4 digits, at times a letter",
        ("L{1,3}ND{0,3}V?",),
        letters="ABCDEFGHJKLMNPQRSTUVWXY",
    ),
    Format(
        "id-standard",
        "id",
        "Indonesia: area, 1 to 4 digits, up to 3 letters",
        ("<area>ND{0,3}L{1,3}",),
        codes={"area": _ID},
    ),
    Format("ph-standard", "ph", "Philippines: 3 letters, 3 or 4 digits", ("LLLDDDD?",)),
    Format("pk-standard", "pk", "Pakistan: 2 to 4 letters, 2 to 4 digits", ("L{2,4}D{2,4}",)),
    Format(
        "ae-standard",
        "ae",
        "United Arab Emirates: code of a letter or digits, up to 5 digits",
        ("LND{0,4}", "NDND{3,4}", "NDDDDD?"),
        weight=1,
    ),
    Format(
        "sa-standard",
        "sa",
        "Saudi Arabia: 4 digits, 3 letters",
        ("D{1,4}LLL", "LLLD{1,4}"),
        letters="ABDEGHJKLNRSTUVXZ",
    ),
    Format("il-standard", "il", "Israel: 7 or 8 digits", ("DDDDDDDD?",)),
    Format("kz-standard", "kz", "Kazakhstan: 3 digits, 2 or 3 letters, region of 2 digits", ("DDDL{2,3}DD",)),
    Format(
        "uz-standard",
        "uz",
        "Uzbekistan: region of 2 digits, letter, 3 digits, 2 letters",
        ("DDLDDDLL", "DDDDDLLL"),
    ),
    Format(
        "za-gauteng",
        "za",
        "South Africa, Gauteng and new provinces: 2 or 3 letters, 2 or 3 digits, province",
        ("LLDDLL<province>", "LLLDDD<province>"),
        letters="BCDFGHJKLMNPRSTVWXYZ",
        codes={"province": "GP MP L NC EC FS NW ZN"},
        weight=3,
    ),
    Format(
        "za-town",
        "za",
        "South Africa, Western Cape and Natal: town, 1 to 6 digits",
        ("cLL?LD{1,6}", "caD{1,6}", "nL{1,2}D{1,6}"),
        weight=1,
    ),
    Format("ng-standard", "ng", "Nigeria: 3 letters, 2 or 3 digits, 2 letters", ("LLLDDD?LL",)),
    Format(
        "ke-standard",
        "ke",
        "Kenya: K, 2 letters, 3 digits, letter",
        ("kLLDDDL",),
        letters="ABCDEFGHJKLMNPQRSTUVWXYZ",
    ),
    Format("gh-standard", "gh", "Ghana: region, 1 to 4 digits, year", ("LLD{1,4}DD",)),
    Format(
        "au-standard",
        "au",
        "Australia: 6 characters by state and series",
        ("LLLDDD", "LLLDDL", "LLDDLL", "NLLNLL", "DDDLLL", "LDDDLLL", "sDDDLLL", "NLLLDDD", "LDDLLL"),
    ),
    Format(
        "nz-standard",
        "nz",
        "New Zealand: 3 letters, 3 digits; older 2 letters, 4 digits",
        ("LLLDDD", "LLDDDD"),
    ),
)
