"""The vocabulary in which a kind of plate is written down.

A pattern is a string read from left to right:

    @ letter    # digit    % digit but 0    {name} one of CODES[name]    A-Z 0-9 themselves
    space: gap    -: dash    .: dot    *: emblem    /: new line    ^: the word Tunis in Arabic, labelled T
    <XY>: small stacked letters that are not part of the number
    ~: the next character is small, and part of the number
"""

from __future__ import annotations

from dataclasses import dataclass, field

Colour = tuple[int, int, int]
"""Blue, green, red, 0 to 255."""

PAINTS: dict[str, tuple[Colour, Colour]] = {
    # name: (ground, ink)
    "black on white": ((236, 240, 240), (24, 22, 22)),
    "black on yellow": ((28, 190, 245), (20, 22, 24)),
    "black on pale yellow": ((130, 215, 235), (30, 30, 30)),
    "black on grey": ((190, 192, 190), (26, 26, 26)),
    "blue on gold": ((35, 165, 240), (70, 30, 20)),
    "blue on white": ((238, 238, 236), (120, 50, 25)),
    "red on white": ((238, 240, 240), (30, 20, 170)),
    "green on white": ((236, 240, 238), (50, 105, 20)),
    "white on black": ((26, 24, 24), (225, 226, 226)),
    "white on red": ((45, 35, 160), (232, 232, 235)),
    "white on blue": ((135, 60, 25), (235, 236, 236)),
    "white on green": ((70, 110, 30), (232, 236, 232)),
    "black on green": ((120, 190, 90), (25, 25, 25)),
    "yellow on black": ((28, 26, 26), (60, 200, 235)),
    "yellow on blue": ((120, 50, 20), (70, 205, 245)),
    "black on sky": ((225, 200, 165), (40, 25, 20)),
    "blue on sky": ((235, 215, 190), (105, 40, 20)),
    "blue on pale yellow": ((150, 220, 235), (110, 45, 20)),
    "grey on white": ((225, 228, 228), (90, 88, 86)),
    "orange on white": ((230, 236, 240), (30, 90, 210)),
}

_LISTED = {
    "ro": """
        AB AG AR BC BH BN BR BT BV BZ CJ CL CS CT CV DB DJ GJ GL GR HD HR IF IL IS MH MM MS NT OT PH SB SJ
        SM SV TL TM TR VL VN VS
    """,
    "in": """
        AN AP AR AS BR CG CH DD DL DN GA GJ HP HR JH JK KA KL LA LD MH ML MN MP MZ NL OD OR PB PY RJ SK TN
        TR TS UK UP WB
    """,
    "de": """
        A B C D E F G H K L M N P R S W Z AA AB AC AD AK AM AN AS AW BA BB BC BH BI BL BM BN BO BP BS BT CE
        CO DA DD DE DN DO DU EE EF EI EL EN ER ES EU FB FD FF FG FL FN FO FR FS FT FU GE GF GG GI GL GM GO
        GR GS GT HA HB HD HE HH HI HL HM HN HO HR HS HX IK IN IZ JE KA KB KE KF KH KI KL KN KO KR KS KT KU
        LA LB LD LI LM LU MA MB MD ME MG MH MK MM MQ MS MV MZ NB ND NE NF NI NK NM NR NU NW OA OB OD OF OG
        OL OS PA PB PE PF PI PM PS RA RE RM RO RS RT RV RW RZ SB SC SE SG SI SK SL SM SN SO SP ST SU SW TF
        TR TS TU UL UM UN VB VS WE WI WL WN WO WR WT WU ABG AIC ALF BAD BAR BGL BIR BIT BOR CHA CLP COE CUX
        DAH DAN DAU DEG DGF DIN DLG EBE EBN EIC EMD ERB ERH ERZ ESB FDS FRG FRI FTL GAP GER GTH HAL HAM HAS
        HBN HDH HEF HEI HOL HOM HSK HST HVL KEH KIB KLE KUS LAU LDK LER LIF LIP LOS LRO LUP LWL MEI MIL MKK
        MOL MSP MTK MTL MUR MYK NEA NES NEW NMS NOH NOL NOM NVP NWM OAL OHA OHV OHZ OPR OSL PAF PAN PCH PIR
        PLO REG RUD RUG SAD SAW SFA SHA SHG SHK SIG SIM SLF SLK SLS SOK SOM SPN SRB STA STD STL SUW TBB TIR
        TUT UEM VEC VER VIE VOG WAF WAK WEN WES WHV WIL WIT WND WOB WST WTM WUG WUN
    """,
    "pl": """
        WA WB WD WE WF WI WN WX WY WU WR WL WS WZ WPR WPI WOT WGM KR KN KT KO KS KRA KWI KCH KOS GD GA GS
        GDA GPU GWE PO PZ PN PK PKA DW DJ DL DB DWR DSW ES EL EP EBE EPA EZG SK SO SC SB SBI SCI SZ SG SL
        SGL STY RZ RP RK RT RJA LU LB LC LUB LPU BI BL BS BIA ZS ZK ZKO ZGR FG FZ FSW NO NE NOS CB CT CG CIN
        TK TKI TSA OP ON OPO
    """,
    "sk": """
        BA BB BJ BL BR BY DT GA GL HC HE IL KA KE KK KM KN KS LC LM LV MA MI ML MT NM NO NR NZ PB PD PE PK
        PN PO PP PU PV RA RS RV SA SB SC SE SI SK SL SN SO SP TN TO TR TS TT TV VK VT ZA ZC ZH ZM ZV
    """,
    "at": """
        W G L S K B E AM BL BN BZ DL DO EF EU FB FE FF FK FR GB GD GF GM GR GS GU HA HB HF HL HO IL IM JE JU
        JW KB KF KI KL KO KR KS KU LA LB LE LF LI LL LN LZ MA MD ME MI MU MZ ND NK OP OW PE PL RA RE RI RO
        SB SD SE SL SO SP SR SV SW SZ TA TU UU VB VI VK VL VO WB WE WK WL WN WO WT WU WY WZ ZE ZT ZW
    """,
    "ch": """
        AG AI AR BE BL BS FR GE GL GR JU LU NE NW OW SG SH SO SZ TG TI UR VD VS ZG ZH
    """,
    "hr": """
        ZG ST RI OS ZD PU SB SI VK KA DU VZ CK KC BJ GS IM KR KZ MA NA NG OG PZ SK SL VT VU ZU DJ DA
    """,
    "si": """
        LJ MB CE KR KP NM GO MS KK PO SG
    """,
    "bg": """
        A B C CA CB CC CH CO E EB EH H K KH M OB P PA PB PK PP T TX X Y
    """,
    "rs": """
        BG NS NI KG SU ZR PA KS SM VA CA JA KV LE LO PO PI PK PZ RU SA SD SO UE VR VS ZA BO AR
    """,
    "ua": """
        AA AB AC AE AH AI AK AM AO AP AT AX BA BB BC BE BH BI BK BM BO BT BX CA CB CE CH KA KB KC
    """,
    "me": """
        PG NK HN KO BD BA UL CT TV BP PV PL
    """,
    "mk": """
        SK BT OH KU PP ST TE VE GV SR KI KO
    """,
    "no": """
        AA AB DA DK DN EA EB EK EL EV FA FH HB HF HJ JA JK KH KJ LA LE NA NF PP PR RE RJ RK SD SP SU TA UB
        UF VA VH XA XE YA YE ZY
    """,
    "gr": """
        YAB YBE ZXA IKA IKN NXK MEA PAM XHA KHI AHE NBM ZEN YKB IZT KBX TPX EPE HNX HPA OPM
    """,
    "dk": """
        AB AD AE AH AL AM AN AP AS AT AU AV AW AX AY BA BB BC BD BE BM CA CB CC CE CH DB DD EA EE EK HB JA
        KC ME NA NB NL NZ OH PE RA RX SE ST TM TN UJ UV VX XB XM YA YN ZM ZY
    """,
}

_IRISH_YEARS = (
    *(f"{year:02d}" for year in (*range(87, 100), *range(13))),
    *(f"{year}{half}" for year in range(13, 26) for half in "12"),
)

_IRISH_COUNTIES = """
    D C G L K W MH KE WX KK CW LH TN TS DL MO MN SO RN LM WH OY LS CE CN WD LK
"""

CODES: dict[str, tuple[str, ...]] = {
    **{name: tuple(codes.split()) for name, codes in _LISTED.items()},
    "tr": tuple(f"{number:02d}" for number in range(1, 82)),
    "vn": tuple(f"{number:02d}" for number in (11, 12, *range(14, 44), *range(47, 100))),
    "gb": tuple(f"{a}{b}" for a in "ABCDEFGHKLMNOPRSVWY" for b in "ABCDEFGHJKLMNOPRSTUVWXY"),
    "gbyear": tuple(f"{number:02d}" for number in (*range(2, 26), *range(51, 76))),
    "ie": tuple(f"{year}-{county}" for year in _IRISH_YEARS for county in _IRISH_COUNTIES.split()),
}
"""Codes of provinces, counties and offices, umlauts folded as plates' texts are labelled."""


@dataclass(frozen=True)
class Style:
    """One kind of plate.

    `aspect` is width over height; `scale` the characters' height over the plate's, for each line;
    `band` the country code in a blue band at the left, `band_right` draws one at the right as well; `header`
    and `footer` are the lines of small print above and below the number, one of which is chosen ("": none).
    """

    region: str
    patterns: tuple[str, ...]
    paints: tuple[str, ...] = ("black on white",)
    aspect: float = 4.7
    scale: float = 0.68
    kind: str = "eu"
    weight: float = 1.0
    band: str = ""
    band_right: bool = False
    header: tuple[str, ...] = ()
    footer: tuple[str, ...] = ()
    holes: bool = False
    art: bool = False
    letters: str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    face: str = ""
    """Kind of typeface where it is narrower than `kind`."""
    border: float = field(default=0.6)
    """Chance of a printed or embossed line round the plate."""
