"""Formats of the Americas. States of the United States and provinces of Canada are regions of their own."""

from __future__ import annotations

from plates.pattern import Format

_STATES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("al", "Alabama", ("DLDDDLL", "DDLDDDL", "DDLLDDD", "DLDDLDL", "NDLDDDD")),
    ("ak", "Alaska", ("LLLDDD",)),
    ("az", "Arizona", ("LLLDDDD", "LLLDLDL", "LDLLLDL", "DLLDLDL")),
    ("ar", "Arkansas", ("DDDLLL", "LLLDDL", "LLLDDD")),
    ("ca", "California", ("NLLLDDD", "DLDDDDD", "DDDDDLD")),
    ("co", "Colorado", ("LLLDDD", "DDDLLL", "LLLLDD", "LLLLDL", "LLLDDDD")),
    ("ct", "Connecticut", ("LLDDDDD", "DDDLLL", "DLLLLD", "LDDDDD")),
    ("de", "Delaware", ("ND{3,5}",)),
    ("dc", "District of Columbia", ("LLDDDD",)),
    (
        "fl",
        "Florida",
        ("LLLLDD", "LDDDLL", "LDDDLL", "DDDDLL", "DDDLLL", "LLLLDL", "LLDDLL", "LDDLLL", "LDDDLL"),
    ),
    ("ga", "Georgia", ("LLLDDDD",)),
    ("hi", "Hawaii", ("LLLDDD",)),
    ("id", "Idaho", ("NLDDDDD", "NLDDDDL", "DLLDDDL", "NDLDDDD", "NDLDDDL", "LDDDDDD")),
    ("il", "Illinois", ("LLDDDDD", "LDDDDDD", "DDDDDDD", "LLLDDD")),
    ("in", "Indiana", ("DDDLLL", "DDDLL", "LLLDDD", "DDDL")),
    ("ia", "Iowa", ("LLLDDD", "DDDLLL")),
    ("ks", "Kansas", ("DDDLLL", "DDDDLLL", "LLLDDD")),
    ("ky", "Kentucky", ("DDDLLL", "LLLDDD", "LDLDDD")),
    ("la", "Louisiana", ("DDDLLL", "LLLDDD")),
    ("me", "Maine", ("DDDDLL", "DDDLLL", "LLLDDD")),
    ("md", "Maryland", ("NLLDDDD", "LLLDDD", "LDLDDDD")),
    ("ma", "Massachusetts", ("NLLLDD", "DDDLLD", "DLLDDD", "DDDLLL", "DDDDLL")),
    ("mi", "Michigan", ("LLLDDDD", "DLLLDD", "DLLLDL", "LLLDDD")),
    ("mn", "Minnesota", ("LLLDDD", "DDDLLL")),
    ("ms", "Mississippi", ("LLLDDDD", "LLLDDD", "LLDDDD")),
    ("mo", "Missouri", ("LLDLDL", "LLLDDD", "DLLLDDD")),
    ("mt", "Montana", ("NDDDDDL", "NDDDDDDL", "LLLDDD", "NDDDDD")),
    ("ne", "Nebraska", ("LLLDDD", "NDLDDDD", "NLDDDDD", "NLDDDD")),
    ("nv", "Nevada", ("DDDLDD", "DDLDDD", "DDDLLL", "LLLDDD")),
    ("nh", "New Hampshire", ("DDDDDDD", "DDDDDD")),
    ("nj", "New Jersey", ("LDDLLL", "LLLDDL", "LLDDDL", "LLDDLL", "LLLDDD")),
    ("nm", "New Mexico", ("LLLLDD", "DDDLLL", "LLLDDD")),
    ("nc", "North Carolina", ("LLLDDDD",)),
    ("nd", "North Dakota", ("LLLDDD", "DDDLLL")),
    ("oh", "Ohio", ("LLLDDDD", "LLDDLL")),
    ("ok", "Oklahoma", ("LLLDDD", "DDDLLL")),
    ("or", "Oregon", ("DDDLLL", "LLLDDD")),
    ("pa", "Pennsylvania", ("LLLDDDD",)),
    ("ri", "Rhode Island", ("LLDDD", "DDDDDD", "DLLDDD")),
    ("sc", "South Carolina", ("LLLDDD", "DDDDLL")),
    ("sd", "South Dakota", ("DLLDDD", "NDLDDD", "DDLLDD")),
    ("tn", "Tennessee", ("LDDDDL", "DDDLLL", "LLLDDD", "LLLDDDD")),
    ("tx", "Texas", ("LLLDDDD", "LDDLLL", "LLDLDDD", "DDDLLL")),
    ("ut", "Utah", ("LDDDLL", "DLDLL", "LDDDLL", "LDDNLL", "DLDDL", "LDDDL")),
    ("vt", "Vermont", ("LLLDDD", "DDDLLL")),
    ("va", "Virginia", ("LLLDDDD", "LLDDDDL")),
    ("wa", "Washington", ("LLLDDDD", "DDDLLL", "LLLDDD")),
    ("wv", "West Virginia", ("DLLDDD", "LLLDDD", "DLDDDD")),
    ("wi", "Wisconsin", ("LLLDDDD", "DDDLLL")),
    ("wy", "Wyoming", ("NDDDDD", "NDDDDDD")),
)

_CONSONANTS = "BCDFGHJKLMNPQRSTVWXYZ"

FORMATS: tuple[Format, ...] = (
    *(
        Format(
            f"us-{code}-standard", f"us-{code}", f"United States, {name}: common passenger forms", patterns
        )
        for code, name, patterns in _STATES
    ),
    Format("us-ny-standard", "us-ny", "United States, New York: 3 letters, 4 digits", ("LLLDDDD",), weight=6),
    Format(
        "us-ny-taxi",
        "us-ny",
        "United States, New York, for hire: T or Y, 6 digits, C",
        ("tDDDDDDc", "yDDDDDDc", "DLDDL"),
        weight=3,
    ),
    Format(
        "us-ny-commercial",
        "us-ny",
        "United States, New York, commercial and trailers",
        ("DDDDDLL", "LLDDDDD", "LLDDDD"),
        weight=1.5,
    ),
    Format(
        "us-government",
        "us",
        "United States, federal government: G, digits, at times a letter",
        ("gDD{5,7}L?",),
        weight=0.1,
    ),
    Format(
        "us-chosen",
        "us",
        "United States, chosen by the owner: letters, at times with digits",
        ("L{2,8}", "L{3,6}ND?", "NL{2,6}"),
        weight=1,
    ),
    Format(
        "us-standard",
        "us",
        "United States: common passenger forms of 6 or 7 characters",
        ("LLLDDDD", "LLLDDD", "DDDLLL", "NLLLDDD", "LDDLLL", "DDDDLL", "LLLLDD"),
        weight=6,
    ),
    Format(
        "us-short",
        "us",
        "United States, special series: up to 7 digits, or letters and digits in two groups",
        ("ND{3,6}", "L{1,3}D{2,4}", "D{2,4}L{1,3}"),
        weight=0.4,
    ),
    Format(
        "ca-on-standard", "ca-on", "Canada, Ontario: 4 letters, 3 digits", ("LLLLDDD", "LLDDDDD", "DDDDLL")
    ),
    Format(
        "ca-qc-standard",
        "ca-qc",
        "Canada, Quebec: letter, 2 digits, 3 letters",
        ("LDDLLL", "DDDLLL", "LLLDDD", "LDDDDDD"),
    ),
    Format(
        "ca-bc-standard",
        "ca-bc",
        "Canada, British Columbia: 2 letters, digit, 2 digits, letter",
        ("LLDDDL", "LLLDDD", "DDDLLL", "LLDDDD"),
    ),
    Format("ca-ab-standard", "ca-ab", "Canada, Alberta: 3 letters, 4 digits", ("LLLDDDD", "LLLDDD")),
    Format(
        "ca-standard", "ca", "Canada, other provinces: 3 letters, 3 digits", ("LLLDDD", "DDDLLL"), weight=0.3
    ),
    Format(
        "mx-standard",
        "mx",
        "Mexico, private: 3 letters and 3 or 4 digits",
        ("LLLDDDL", "LLLDDDD", "LDDLLL", "DDDLLL", "LLLDDD", "NDLLLD"),
        letters="ABCDEFGHJKLMNPRSTUVWXYZ",
        weight=4,
    ),
    Format(
        "mx-truck",
        "mx",
        "Mexico, lorries: 2 letters, 5 digits, or the reverse",
        ("LLDDDDD", "LLDDDDL", "DDDDLL"),
        letters="ABCDEFGHJKLMNPRSTUVWXYZ",
    ),
    Format("br-old", "br", "Brazil before 2018: 3 letters, 4 digits", ("LLLDDDD",), weight=1),
    Format(
        "br-mercosul",
        "br",
        "Brazil since 2018 (Mercosul): 3 letters, digit, letter, 2 digits",
        ("LLLDLDD",),
        weight=1,
    ),
    Format("ar-old", "ar", "Argentina 1995 to 2016: 3 letters, 3 digits", ("LLLDDD",), weight=1),
    Format(
        "ar-mercosul",
        "ar",
        "Argentina since 2016 (Mercosul): 2 letters, 3 digits, 2 letters",
        ("LLDDDLL",),
        weight=1,
    ),
    Format(
        "ar-motorcycle",
        "ar",
        "Argentina, motorcycles: a letter, 3 digits, 3 letters; or 3 digits, 3 letters",
        ("LDDDLLL", "DDDLLL"),
        weight=0.3,
    ),
    Format("uy-standard", "uy", "Uruguay: 3 letters, 4 digits", ("LLLDDDD",)),
    Format(
        "py-standard", "py", "Paraguay: 4 letters, 3 digits; older 3 letters, 3 digits", ("LLLLDDD", "LLLDDD")
    ),
    Format(
        "cl-standard",
        "cl",
        "Chile: 4 consonants, 2 digits; older 2 letters, 4 digits",
        ("LLLLDD", "VVDDDD"),
        letters="BCDFGHJKLPRSTVWXYZ",
    ),
    Format(
        "co-standard",
        "co",
        "Colombia: 3 letters, 3 digits; motorcycles with a last letter",
        ("LLLDDD", "LLLDDL"),
    ),
    Format("pe-standard", "pe", "Peru: letter, letter or digit, letter, 3 digits", ("LALDDD", "LLDDDD")),
    Format("ec-standard", "ec", "Ecuador: 3 letters, 3 or 4 digits", ("LLLDDDD?",)),
    Format("bo-standard", "bo", "Bolivia: 3 or 4 digits, 3 letters", ("DDDD?LLL",)),
    Format("ve-standard", "ve", "Venezuela: 2 letters, 3 digits, 2 letters", ("LLDDDLL", "LDDLLDL")),
    Format(
        "cr-standard",
        "cr",
        "Costa Rica: 3 consonants, 3 digits; older 6 digits",
        ("LLLDDD", "DDDDDD"),
        letters=_CONSONANTS,
    ),
)
