"""Formats of Europe and its neighbours."""

from __future__ import annotations

from plates.pattern import Format

_CYRILLIC = "ABEKMHOPCTYX"  # the letters that Cyrillic and Latin share
_GREEK = "ABEZHIKMNOPTYX"  # the letters that Greek and Latin share
_NO_OQ = "ABCDEFGHIJKLMNPRSTUVWXYZ"
_NO_IO = "ABCDEFGHJKLMNPQRSTUVWXYZ"
_NO_Q = "ABCDEFGHIJKLMNOPRSTUVWXYZ"
_FRENCH = "ABCDEFGHJKLMNPQRSTVWXYZ"  # without I, O, U
_CONSONANTS = "BCDFGHJKLMNPRSTVWXYZ"
_DUTCH = "BDFGHJKLNPRSTVXZ"

_AT = (
    " W G L S I K B E P N BA BB BL BM BN BR BZ DL DO EF EU FB FE FF FK FR GB GD GF GM GR GS GU GW HA"
    " HB HE HF HL HO IL IM"
    " JE JO JU JW KB KF KG KI KL KO KR KS KU LA LB LE LF LI LL LN LZ MA MD ME MI ML MT MU MW MZ ND NK"
    " OP OW PE PL PT RA"
    " RE RI RO SB SD SE SL SO SP SR SV SW SZ TA TU UU VB VI VK VL VO WB WE WL WN WO WT WU WY WZ ZE ZT ZV"
)
_BG = "A B BH BP BT C CA CB CC CH CM CO CT E EB EH EP H K KH M OB P PA PB PK PP T TX X Y"
_CH = "AG AI AR BE BL BS FR GE GL GR JU LU NE NW OW SG SH SO SZ TG TI UR VD VS ZG ZH"
_HR = (
    "BJ BM CK DA DE DJ DU GS IM KA KC KR KT KZ MA NA NG OG OS PU PZ RI SB SI SK SL ST SB VK VT VU VZ ZD ZG ZU"
)
_IE = "C CE CN CW D DL G KE KK KY L LD LH LK LM LS MH MN MO OY RN SO T TN TS W WD WH WX WW"
_RO = (
    " AB AG AR BC BH BN BR BT BV BZ CJ CL CS CT CV DB DJ GJ GL GR HD HR IF IL IS MH MM MS NT OT PH SB"
    " SJ SM SV TL TM TR"
    " VL VN VS"
)
_SI = "CE GO KK KP KR LJ MB MS NM PO SG"
_SK = (
    " BA BB BJ BL BN BR BS BT BY CA DK DS DT GA GL HC HE IL KA KE KK KM KN KS LC LE LM LV MA MI ML MT"
    " MY NM NO NR NZ PB PD"
    " PE PK PN PO PP PT PU PV RA RK RS RV SA SB SC SE SI SK SL SN SO SP SV TN TO TR TS TT TV VK VT ZA"
    " ZC ZH ZM ZV"
)
_TR = " ".join(f"{number:02d}" for number in range(1, 82))
_UA = (
    " AA AB AC AE AH AI AK AM AO AP AT AX BA BB BC BE BH BI BK BM BO BT BX CA CB CE CH KA KB KC KE KH"
    " KI KK KM KO KP KT KX"
    " HA HB HC HE HH HI HK HM HO HP HT HX IA IB IC II"
)
_DK = "ABCDEFGHJKLMNPRSTUVXYZ"

FORMATS: tuple[Format, ...] = (
    Format(
        "de-standard",
        "de",
        "Germany: district of 1 to 3 letters, 1 or 2 letters, 1 to 4 digits, at most 8 in all",
        ("LLND{0,3}", "LLLND{0,3}", "LLLLND{0,3}", "LLLLLND{0,2}"),
        weight=8,
    ),
    Format(
        "de-suffix",
        "de",
        "Germany: the standard form with E (electric) or H (historic) at its end",
        (
            "LL{1,3}ND{0,2}e",
            "LL{1,3}ND{0,2}h",
            "LLLLLNDe",
            "LLLLLNDh",
            "LLND{3,3}e",
            "LLND{3,3}h",
            "LLLND{3,3}e",
            "LLLND{3,3}h",
        ),
    ),
    Format(
        "de-authority",
        "de",
        "Germany: district and digits alone (authorities, export, dealers)",
        ("L{1,3}ND{1,5}",),
        weight=0.4,
    ),
    Format(
        "fr-standard",
        "fr",
        "France since 2009: 2 letters, 3 digits, 2 letters, without I, O and U",
        ("LLDDDLL",),
        letters=_FRENCH,
        weight=6,
    ),
    Format(
        "fr-department",
        "fr",
        "France before 2009: digits, letters, department",
        ("ND{1,3}L{2,3}DD", "ND{1,2}L{2,3}2a", "ND{1,2}L{2,3}2b"),
        letters=_FRENCH,
    ),
    Format(
        "es-standard",
        "es",
        "Spain since 2000: 4 digits, 3 consonants without Q",
        ("DDDDLLL",),
        letters=_CONSONANTS,
        weight=8,
    ),
    Format(
        "es-province", "es", "Spain before 2000: province, 4 digits, 1 or 2 letters", ("V{1,2}DDDDL{1,2}",)
    ),
    Format(
        "es-moped",
        "es",
        "Spain, mopeds: C, 4 digits, 3 consonants",
        ("cDDDDLLL",),
        letters=_CONSONANTS,
        weight=0.5,
    ),
    Format(
        "it-standard",
        "it",
        "Italy since 1994: 2 letters, 3 digits, 2 letters, without I, O, Q, U",
        ("LLDDDLL",),
        letters="ABCDEFGHJKLMNPRSTVWXYZ",
        weight=8,
    ),
    Format(
        "it-motorcycle",
        "it",
        "Italy, motorcycles: 2 letters, 5 digits",
        ("LLDDDDD",),
        letters="ABCDEFGHJKLMNPRSTVWXYZ",
    ),
    Format("pt-standard", "pt", "Portugal since 2020: 2 letters, 2 digits, 2 letters", ("LLDDLL",), weight=3),
    Format(
        "pt-older",
        "pt",
        "Portugal before 2020: 2 letters and 4 digits in three orders",
        ("DDDDLL", "DDLLDD", "LLDDDD"),
        weight=4,
    ),
    Format(
        "nl-standard",
        "nl",
        "Netherlands: 6 characters in three groups, without vowels",
        (
            "LLDDDL",
            "LDDDLL",
            "DDLLLD",
            "DLLLDD",
            "DDLLLL",
            "LLLLDD",
            "LLDDLL",
            "DDLLDD",
            "LLDDDD",
            "DDDDLL",
            "DLLDDD",
            "DDDLLD",
        ),
        letters=_DUTCH + "MWC",
        weight=4,
    ),
    Format(
        "nl-older",
        "nl",
        "Netherlands before 1978 and special series: 2 letters and 4 digits, or 4 letters and 2 digits",
        ("LLDDDD", "DDDDLL", "DDLLDD", "LLDDLL", "DDLLLL"),
        weight=0.4,
    ),
    Format(
        "be-standard", "be", "Belgium since 2010: an index digit, 3 letters, 3 digits", ("NLLLDDD",), weight=5
    ),
    Format("be-older", "be", "Belgium before 2010: 3 letters and 3 digits", ("LLLDDD", "DDDLLL"), weight=2),
    Format(
        "be-motorcycle",
        "be",
        "Belgium, trailers, motorcycles and taxis: a letter, 3 letters or digits",
        ("LDDDLL", "LLLDDD", "1LLLDDD", "mLLDDD", "qLLLDDD"),
        weight=0.5,
    ),
    Format("lu-standard", "lu", "Luxembourg: 2 letters and 4 digits", ("LLDDDD",), letters=_NO_IO, weight=4),
    Format("lu-digits", "lu", "Luxembourg: 4 or 5 digits", ("NDDD", "NDDDD")),
    Format(
        "at-standard",
        "at",
        "Austria: district, digits, letters",
        ("<district>ND{0,4}L{1,3}",),
        letters=_NO_Q,
        codes={"district": _AT},
        weight=6,
    ),
    Format(
        "at-chosen",
        "at",
        "Austria, chosen: district, letters, digits",
        ("<district>L{1,5}ND{0,3}",),
        codes={"district": _AT},
    ),
    Format(
        "ch-standard", "ch", "Switzerland: canton, 1 to 6 digits", ("<canton>ND{0,5}",), codes={"canton": _CH}
    ),
    Format("li-standard", "li", "Liechtenstein: FL, 1 to 6 digits", ("flND{0,5}",)),
    Format(
        "pl-two",
        "pl",
        "Poland: district of 2 letters, 5 characters with at least 1 digit",
        ("VVDDDDD", "VVDDDDL", "VVDDDLL", "VVDLDDD", "VVDLLDD"),
        letters="ACEFGHJKLMNPRSTUVWXY",
        second=_NO_Q,
        weight=4,
    ),
    Format(
        "pl-three",
        "pl",
        "Poland: district of 3 letters, 4 or 5 characters",
        (
            "VVVLDDD",
            "VVVDDLL",
            "VVVDLDD",
            "VVVDDLD",
            "VVVDLLD",
            "VVVLLDD",
            "VVVDDDDD",
            "VVVDDDDL",
            "VVVDDDLL",
            "VVVLDDL",
            "VVVDLLD",
        ),
        letters="ACEFGHJKLMNPRSTUVWXY",
        second=_NO_Q,
        weight=4,
    ),
    Format(
        "pl-chosen",
        "pl",
        "Poland, chosen or motorcycle: a letter, a digit, 3 to 5 characters; or district and 3 or 4",
        ("VDL{3,5}", "VDL{2,4}D{1,2}", "VVDDDD", "VVDDDL", "VVDDLD", "VVDLDD", "VVLDDD"),
        second=_NO_Q,
        weight=0.5,
    ),
    Format(
        "cz-standard",
        "cz",
        "Czechia since 2001: a digit, the region's letter, a digit or letter, 4 digits",
        ("DVDDDDD", "DVLDDDD"),
        second="ABCEHJKLMPSTUZ",
        letters=_NO_OQ,
        weight=6,
    ),
    Format("cz-older", "cz", "Czechia before 2001: 2 or 3 letters, 4 digits", ("L{2,3}DDDD",), weight=1),
    Format(
        "cz-motorcycle",
        "cz",
        "Czechia, motorcycles: a digit, the region's letter, 4 digits",
        ("DVDDDD",),
        second="ABCEHJKLMPSTUZ",
        weight=0.5,
    ),
    Format(
        "sk-standard",
        "sk",
        "Slovakia: district, 3 digits, 2 letters",
        ("<district>DDDLL",),
        codes={"district": _SK},
        letters=_NO_Q,
        weight=4,
    ),
    Format(
        "sk-new",
        "sk",
        "Slovakia since 2023: 2 letters, 3 digits, 2 letters",
        ("aaDDDLL", "abDDDLL"),
        letters=_NO_Q,
        weight=0.5,
    ),
    Format("hu-standard", "hu", "Hungary before 2022: 3 letters, 3 digits", ("LLLDDD",), weight=4),
    Format("hu-new", "hu", "Hungary since 2022: 4 letters, 3 digits", ("LLLLDDD",), weight=2),
    Format(
        "ro-standard",
        "ro",
        "Romania: county, 2 digits (3 in Bucharest), 3 letters without Q, the first not I or O",
        ("<county>DDLVV", "bDDLVV", "bNDDLVV"),
        letters="ABCDEFGHJKLMNPRSTUVWXYZ",
        second=_NO_Q,
        codes={"county": _RO},
        weight=10,
    ),
    Format(
        "ro-provisional",
        "ro",
        "Romania, provisional: county, 3 to 6 digits",
        ("<county>DDD{1,4}", "bDDD{1,4}"),
        codes={"county": _RO},
        weight=0.6,
    ),
    Format(
        "bg-standard",
        "bg",
        "Bulgaria: region, 4 digits, 1 or 2 letters",
        ("<region>DDDDL{1,2}",),
        letters=_CYRILLIC,
        codes={"region": _BG},
    ),
    Format(
        "bg-motorcycle",
        "bg",
        "Bulgaria, motorcycles and older plates: region, 1 or 2 letters, 4 digits",
        ("<region>L{1,2}DDDD", "<region>DDDD"),
        letters=_CYRILLIC,
        codes={"region": _BG},
        weight=0.2,
    ),
    Format(
        "gr-standard",
        "gr",
        "Greece: 3 letters, 4 digits, with the letters that Greek and Latin share",
        ("LLLNDDD",),
        letters=_GREEK,
        weight=5,
    ),
    Format(
        "gr-motorcycle",
        "gr",
        "Greece, motorcycles: 3 letters, 1 to 3 digits",
        ("LLLND{0,2}",),
        letters=_GREEK,
    ),
    Format(
        "hr-standard",
        "hr",
        "Croatia: city, 3 or 4 digits, 1 or 2 letters",
        ("<city>DDDD?L{1,2}",),
        letters=_NO_Q,
        codes={"city": _HR},
    ),
    Format(
        "si-standard",
        "si",
        "Slovenia: region, 5 or 6 characters in two groups",
        (
            "<region>LLDDD",
            "<region>DDLLL",
            "<region>DDLDD",
            "<region>LDDDD",
            "<region>DDDLL",
            "<region>LDDDL",
            "<region>DDLLD",
            "<region>LDLDD",
            "<region>LLDDL",
        ),
        letters=_NO_OQ,
        codes={"region": _SI},
    ),
    Format("cy-standard", "cy", "Cyprus: 2 or 3 letters, 3 digits", ("L{2,3}DDD",), letters=_GREEK),
    Format("mt-standard", "mt", "Malta: 3 letters, 3 digits", ("LLLDDD",)),
    Format(
        "ie-standard",
        "ie",
        "Ireland: year (and half since 2013), county, 1 to 6 digits",
        ("DD<county>ND{0,5}", "DD1<county>ND{0,5}", "DD2<county>ND{0,5}"),
        codes={"county": _IE},
    ),
    Format("dk-standard", "dk", "Denmark: 2 letters, 5 digits", ("LLDDDDD",), letters=_DK, weight=6),
    Format(
        "dk-trailer", "dk", "Denmark, trailers: 2 letters, 4 digits", ("LLDDDD",), letters=_DK, weight=0.5
    ),
    Format("ee-standard", "ee", "Estonia: 3 digits, 3 letters", ("DDDLLL", "DDLLL"), letters=_NO_Q),
    Format("lv-standard", "lv", "Latvia: 2 letters, 1 to 4 digits", ("LLND{0,3}",), letters=_NO_Q),
    Format("lt-standard", "lt", "Lithuania: 3 letters, 3 digits", ("LLLDDD",), letters=_NO_Q, weight=4),
    Format(
        "lt-other",
        "lt",
        "Lithuania, motorcycles, trailers, taxis: letters and digits",
        ("DDDLL", "LLDDD", "tLDDDDD", "eLDDDD"),
    ),
    Format("fi-standard", "fi", "Finland: 2 or 3 letters, 1 to 3 digits", ("L{2,3}ND{0,2}",), letters=_NO_Q),
    Format(
        "se-standard",
        "se",
        "Sweden: 3 letters, 2 digits, a digit or letter",
        ("LLLDDD", "LLLDDV"),
        letters="ABCDEFGHJKLMNOPRSTUWXYZ",
        second="ABCDEFGHJKLMNPRSTUWXYZ",
    ),
    Format(
        "gb-current",
        "gb",
        "Great Britain since 2001: area of 2 letters, age of 2 digits, 3 letters",
        ("LLDDVVV",),
        letters="ABCDEFGHJKLMNOPRSTUVWXY",
        second="ABCDEFGHJKLMNOPRSTUVWXYZ",
        weight=12,
    ),
    Format(
        "gb-prefix",
        "gb",
        "Great Britain 1983 to 2001: year letter, 1 to 3 digits, 3 letters",
        ("LND{0,2}LLL",),
        letters="ABCDEFGHJKLMNPRSTVWXYZ",
        weight=1.5,
    ),
    Format(
        "gb-suffix",
        "gb",
        "Great Britain 1963 to 1983: 3 letters, 1 to 3 digits, year letter",
        ("LLLND{0,2}L",),
        weight=0.6,
    ),
    Format(
        "gb-dateless",
        "gb",
        "Great Britain before 1963: letters and digits",
        ("L{1,3}ND{0,3}", "ND{0,3}L{1,3}"),
        weight=0.4,
    ),
    Format(
        "gb-ni",
        "gb",
        "Northern Ireland: 3 letters with I or Z, 1 to 4 digits",
        ("LiVND{0,3}", "LVzND{0,3}", "ViLND{0,3}", "iLVND{0,3}"),
        weight=0.4,
    ),
    Format(
        "no-standard",
        "no",
        "Norway: 2 letters, 5 digits",
        ("LLNDDDD",),
        letters="ABCDEFHJKLNPRSTUVWXYZ",
        weight=6,
    ),
    Format(
        "no-short",
        "no",
        "Norway, motorcycles and trailers: 2 letters, 4 digits",
        ("LLNDDD",),
        letters="ABCDEFHJKLNPRSTUVWXYZ",
        weight=0.7,
    ),
    Format("is-standard", "is", "Iceland: 2 letters, a digit or letter, 2 digits", ("LLDDD", "LLLDD")),
    Format(
        "ua-standard",
        "ua",
        "Ukraine: region, 4 digits, 2 letters",
        ("<region>DDDDLL",),
        letters="ABCEHIKMOPTX",
        codes={"region": _UA},
    ),
    Format(
        "by-standard",
        "by",
        "Belarus: 4 digits, 2 letters, region digit",
        ("DDDDLLV", "DDDDLLN"),
        letters="ABCEHIKMOPTX",
    ),
    Format("md-standard", "md", "Moldova: 3 letters, 3 digits", ("LLLDDD",), weight=3),
    Format("md-older", "md", "Moldova before 2015: district letters, 2 letters, 3 digits", ("L{1,2}LLDDD",)),
    Format("rs-standard", "rs", "Serbia: city, 3 to 5 digits, 2 letters", ("LLDDDD{0,2}LL",)),
    Format(
        "ba-standard",
        "ba",
        "Bosnia and Herzegovina: letter, 2 digits, letter, 3 digits",
        ("LDDLDDD",),
        letters="AEJKMOT",
    ),
    Format(
        "me-standard",
        "me",
        "Montenegro: city, 2 letters, 3 digits",
        ("<city>LLDDD",),
        codes={"city": "AN BA BD BP BR CT DG GS HN KL KO MK NK PG PL PT PV RO SN TV TZ UL ZB"},
    ),
    Format("mk-standard", "mk", "North Macedonia: city, 3 or 4 digits, 2 letters", ("LLDDDD?LL",)),
    Format(
        "al-standard",
        "al",
        "Albania: 2 letters, 3 digits, 2 letters",
        ("LLDDDLL",),
        letters="ABCDEFGHJKLMNPRSTUVWXYZ",
    ),
    Format("xk-standard", "xk", "Kosovo: region digits 01 to 07, 3 digits, 2 letters", ("0NDDDLL",)),
    Format(
        "tr-standard",
        "tr",
        "Turkey: province 01 to 81, 1 to 3 letters, 2 to 5 digits",
        ("<province>LDDDDD?", "<province>LLDDDD?", "<province>LLLDDD?"),
        letters="ABCDEFGHIJKLMNOPRSTUVYZ",
        codes={"province": _TR},
    ),
    Format(
        "ru-standard",
        "ru",
        "Russia: a letter, 3 digits, 2 letters, region of 2 or 3 digits",
        ("LDDDLLDDD?",),
        letters=_CYRILLIC,
    ),
    Format("ge-standard", "ge", "Georgia: 2 letters, 3 digits, 2 letters", ("LLDDDLL",)),
    Format("am-standard", "am", "Armenia: 2 or 3 digits, 2 letters, 2 or 3 digits", ("DDLLDDD", "DDDLLDD")),
    Format("az-standard", "az", "Azerbaijan: region of 2 digits, 2 letters, 3 digits", ("DDLLDDD",)),
    Format("mc-standard", "mc", "Monaco: 4 characters", ("DDDD", "LDDD", "DDDL")),
    Format("ad-standard", "ad", "Andorra: a letter, 4 digits", ("LDDDD",)),
    Format("sm-standard", "sm", "San Marino: a letter, 4 or 5 digits", ("LDDDDD?",)),
    Format("gi-standard", "gi", "Gibraltar: G, 4 digits, a letter", ("gDDDDL",)),
)
