"""A buyer's list on the page for wholesale orders: what is taken, asked and left out.

The site is as it is built, with the example's price book and the policy that it is served with; no
service is behind it.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from infra.security_policy import content_security_policy
from spillway.price_book import catalogue, example
from spillway.run.storefront.site import build
from tests.web.test_pages import violations
from tests.web.visitor import type_over

_POLICY = content_security_policy([])
_ORIGIN = "http://localhost"
_CATALOGUE = "/catalogues/0-0.json"
_SESSION = {"access_token": "", "ends_at": 9e15, "customer": {"name": "Buyer", "trade": True}}


@pytest.fixture(scope="module")
def site() -> dict[str, tuple[str, bytes]]:
    """What is served, with its media type, by path."""
    files = {f"/{file.key}": (file.media_type, file.content) for file in build({})}
    listed = {"books": [{"begins": 0, "catalogue": _CATALOGUE}]}
    for path, content in (("/prices.json", listed), (_CATALOGUE, catalogue(example()))):
        files[path] = ("application/json", json.dumps(content).encode())
    return files


@pytest.fixture
def page(browser: Browser, site: dict[str, tuple[str, bytes]]) -> Iterator[Page]:
    """The page, as a buyer sees it who has ordered nothing yet."""

    def answer(route: Route) -> None:
        path = urlsplit(route.request.url).path
        media_type, content = site.get(path, site.get(f"{path}.html", ("text/plain", b"")))
        headers = {"content-type": media_type, "content-security-policy": _POLICY}
        route.fulfill(headers=headers, body=content)

    context = browser.new_context(base_url=_ORIGIN, locale="en-GB")
    context.route("**/*", answer)
    # A page that has no address yet may not use its storage.
    session = json.dumps(json.dumps(_SESSION))
    context.add_init_script(f"if (location.host) sessionStorage.session ??= {session}")
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto("/wholesale")
    expect(page.locator("#quick-order")).to_be_visible()
    yield page
    context.close()
    assert complaints == []


def upload(page: Page, content: bytes, name: str = "order.csv") -> None:
    page.set_input_files("#file", {"name": name, "mimeType": "text/csv", "buffer": content})


def paste(page: Page, text: str) -> None:
    page.fill("#sheet", text)
    page.get_by_role("button", name="Add lines").click()


def choose(page: Page, name: str) -> None:
    page.locator("#question").get_by_role("button", name=name).click()


def ordered(page: Page) -> list[tuple[str, int]]:
    """The order's lines, as they are stored."""
    stored = page.evaluate("JSON.parse(localStorage['basket.wholesale'] ?? '{}').lines ?? []")
    return [(line["sku"], line["quantity"]) for line in stored]


@pytest.mark.every_browser
def test_a_mended_file_taken_again_is_not_ordered_twice(page: Page) -> None:
    upload(page, "SKU,Qty\nMUG-SAGE,12\nPLATE-OAT,7\nSOAP-MOSS,24\nNOPE,1\n".encode("utf-16"))
    expect(page.locator("#taken-title")).to_have_text("2 lines added")
    expect(page.locator("#errors-title")).to_have_text("2 lines left out")
    assert page.input_value("#sheet") == "SKU,Qty\nPLATE-OAT,7\nNOPE,1"

    mended = b"SKU,Qty\nMUG-SAGE,12\nPLATE-OAT,6\nSOAP-MOSS,48\n"
    upload(page, mended)
    question = page.locator("#question")
    expect(question).to_contain_text("2 lines of this list have items that are in it already, 1 ")
    assert ordered(page) == [("MUG-SAGE", 12), ("SOAP-MOSS", 24)], "nothing before the answer"
    choose(page, "Cancel")
    assert ordered(page) == [("MUG-SAGE", 12), ("SOAP-MOSS", 24)]

    upload(page, mended)
    choose(page, "Add: 5 lines")
    expect(page.locator("#taken-body")).to_contain_text("5 lines now. 2 items are in it more")
    assert page.input_value("#sheet") == "SKU,Qty\nPLATE-OAT,7\nNOPE,1"
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#line-count")).to_have_text("2 lines")

    upload(page, mended)
    choose(page, "Replace: 3 lines")
    expect(page.locator("#rows tr")).to_have_count(3)
    assert ordered(page) == [("MUG-SAGE", 12), ("PLATE-OAT", 6), ("SOAP-MOSS", 48)]
    assert page.input_value("#sheet") == ""
    page.get_by_role("button", name="Remove all").click()
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#rows tr")).to_have_count(3)


def test_what_was_left_out_is_mended_in_the_box_and_asks_nothing(page: Page) -> None:
    paste(page, "SKU,Qty\nMUG-SAGE,12\nMUG_SAGE,6\nPLATE-OAT,7")
    expect(page.locator("#errors-list li").first).to_contain_text("Is it MUG-SAGE?")
    rest = page.get_by_text("The lines in the box above are not part of this order.")
    page.reload()
    expect(rest).to_be_visible()
    paste(page, "SKU,Qty\nMUG-SAGE,6\nPLATE-OAT,7")
    expect(
        page.locator("#question")
    ).to_be_visible()  # another page: what was left out is not known
    choose(page, "Add: 2 lines")
    paste(page, "SKU,Qty\nPLATE-OAT,6")
    expect(page.locator("#line-count")).to_have_text("3 lines")
    expect(rest).to_be_hidden()
    assert ordered(page) == [("MUG-SAGE", 12), ("MUG-SAGE", 6), ("PLATE-OAT", 6)]

    paste(page, "SKU,Qty\nMUG-SAGE,12\nNOPE,6")
    choose(page, "Add: 4 lines")
    paste(page, "SKU,Qty\nMUG-SAGE,12\nPLATE-OAT,6")
    expect(page.locator("#question")).to_be_visible()  # more lines than were left out


def test_a_line_that_was_removed_is_put_back_where_it_was(page: Page) -> None:
    lines = [("MUG-SAGE", 12), ("PLATE-OAT", 6), ("MUG-SAGE", 6), ("BOWL-SEA", 6)]
    paste(page, "\n".join(f"{sku},{quantity}" for sku, quantity in lines))
    remove = page.locator("#rows").get_by_role("button", name="Remove")
    remove.nth(1).click()
    remove.nth(1).click()
    expect(page.locator("#line-count")).to_have_text("2 lines")
    quantity = page.locator("#rows input").nth(1)
    type_over(quantity, "12")
    quantity.press("Tab")
    back = page.get_by_role("button", name="Put it back")
    expect(page.locator("#rows .gone").last).to_contain_text("Stoneware mug, sage removed.")
    back.last.click()
    back.first.click()
    assert ordered(page) == [*lines[:3], ("BOWL-SEA", 12)]
    expect(page.locator("#rows .sum")).to_have_text(["£84.00", "£55.50", "£42.00", "£99.00"])
    assert violations(page) == []


def test_what_is_in_the_box_is_not_lost_to_a_file_or_a_reload(page: Page) -> None:
    page.fill("#sheet", "BOWL-SEA;6")
    upload(page, "Größe,SKU,Qty\n5 €,PLATE-OAT,7\n".encode("windows-1252"))
    expect(page.locator("#errors-title")).to_have_text("1 line left out")
    page.reload()
    kept = "BOWL-SEA;6\nGröße;SKU;Qty\n5 €;PLATE-OAT;7"
    expect(page.locator("#sheet")).to_have_value(kept)


def test_numbers_and_columns_are_asked_about_before_anything_is_taken(page: Page) -> None:
    paste(page, "Vara;Pris;Foo\nMUG-SAGE;7;12.000\nSOAP-MOSS;4;24.000")
    page.get_by_label("Quantities", exact=True).select_option("C: Foo, such as 12.000")
    choose(page, "Read it like this")
    expect(page.locator("#question")).to_contain_text("What does “12.000” mean?")
    assert violations(page) == []
    assert ordered(page) == []
    choose(page, "12000")
    expect(page.locator("#rows tr")).to_have_count(2)
    assert ordered(page) == [("MUG-SAGE", 12_000), ("SOAP-MOSS", 24_000)]


def test_sums_and_cases_are_asked_about_before_anything_is_taken(page: Page) -> None:
    grouped = "SKU,Qty\nMUG-SAGE,36\nMUG-SAGE,12\nMUG-SAGE,24\nBOWL-SEA,6\nBOWL-SEA,6 boxes"
    paste(page, grouped)
    expect(page.locator("#question")).to_contain_text("What does “boxes” mean?")
    choose(page, "6 pieces")
    expect(page.locator("#question")).to_contain_text("Is row 2 a sum?")
    assert ordered(page) == []
    choose(page, "Pass over such rows")
    expect(page.locator("#taken-body")).to_contain_text("2 rows with sums of others")
    assert ordered(page) == [("MUG-SAGE", 12), ("MUG-SAGE", 24), ("BOWL-SEA", 6)]


def test_columns_that_were_read_can_be_others(page: Page) -> None:
    upload(page, b"SKU,Pcs,Wanted\nMUG-SAGE,6,12\nSOAP-MOSS,24,48\nPLATE-OAT,1,x\n")
    expect(page.locator("#taken-body")).to_contain_text("quantities in column B (“Pcs”)")
    page.get_by_role("button", name="Read other columns").click()
    assert ordered(page) == []
    expect(page.get_by_label("Items", exact=True)).to_have_value("0")
    page.get_by_label("Quantities", exact=True).select_option("2")
    choose(page, "Read it like this")
    expect(page.locator("#taken-title")).to_have_text("2 lines added")
    assert ordered(page) == [("MUG-SAGE", 12), ("SOAP-MOSS", 48)]
    assert page.input_value("#sheet") == "SKU,Pcs,Wanted\nPLATE-OAT,1,x"


def test_fields_read_numbers_like_lists(page: Page) -> None:
    page.fill("#new-sku", "mug-sage")
    for written in ("12.000", "1,2", "+12", "0xC", "1.2e1", ""):
        page.fill("#new-quantity", written)
        page.get_by_role("button", name="Add", exact=True).click()
        expect(page.locator("#add-problem")).not_to_be_empty()
    page.fill("#new-quantity", "1 200")
    page.get_by_role("button", name="Add", exact=True).click()
    field = page.get_by_label("Quantity of Stoneware mug")
    for written in ("12.000", "7", "0", "NaN", ""):
        type_over(field, written)
        field.press("Tab")
        expect(field).to_have_value("1200")
        expect(page.locator("#rows .problem")).to_contain_text("It is 1200 as before.")
    assert ordered(page) == [("MUG-SAGE", 1200)]
    type_over(field, "\uff112")
    field.press("Tab")
    expect(field).to_have_value("12")
    expect(page.locator("#rows .problem")).to_have_count(0)
    assert ordered(page) == [("MUG-SAGE", 12)]


def test_no_other_order_leads_to_the_checkout_than_was_typed(page: Page) -> None:
    page.fill("#new-sku", "SOAP-MOSS")
    page.fill("#new-quantity", "24")
    page.get_by_role("button", name="Add", exact=True).dblclick()
    expect(page.locator("#add-problem")).to_be_empty()
    for lines, text in ((2, "BOWL-SEA,6"), (3, "MUG-SAGE,12")):
        page.fill("#sheet", text)
        page.get_by_role("button", name="Add lines").dblclick()
        expect(page.locator("#taken-body")).to_contain_text(f"{lines} lines now.")
    assert ordered(page) == [("SOAP-MOSS", 24), ("BOWL-SEA", 6), ("MUG-SAGE", 12)]
    go = page.get_by_role("link", name="Go to checkout")
    field = page.get_by_label("Quantity of Stoneware mug")
    type_over(field, "7")
    go.click()
    expect(field).to_be_focused()
    expect(field).to_have_value("12")
    page.fill("#new-sku", "BOWL-SEA")
    go.click()
    expect(page.locator("#new-sku")).to_be_focused()
    expect(page.locator("#add-problem")).to_contain_text("This line is not added yet")
    assert urlsplit(page.url).path == "/wholesale"
    go.click()
    page.wait_for_url("**/checkout?channel=wholesale")


def test_of_a_file_with_too_many_lines_the_rest_is_kept_and_counted(page: Page) -> None:
    rows = [f"SOAP-MOSS,{24 * number}" for number in range(1, 5_001)]
    upload(page, "\n".join(["sku,quantity", *rows]).encode())
    expect(page.locator("#taken-title")).to_have_text("2,000 lines added")
    expect(page.locator("#errors-title")).to_have_text("3,000 lines left out")
    expect(page.locator("#errors-list")).to_contain_text("Rows 2,002 to 5,001: ")
    assert page.input_value("#sheet").splitlines() == ["sku,quantity", *rows[2_000:]]


def test_what_can_t_be_stored_is_not_taken_and_stays_in_the_box(page: Page) -> None:
    paste(page, "MUG-SAGE,12")
    expect(page.locator("#rows tr")).to_have_count(1)
    page.evaluate(
        "void (Storage.prototype.setItem = (key, value) => {"
        " if (value.includes('SOAP-MOSS')) throw new DOMException('', 'QuotaExceededError'); })"
    )
    paste(page, "SOAP-MOSS,24")
    expect(page.locator("#taken-title")).to_have_text("Nothing was added")
    expect(page.locator("#taken-body")).to_contain_text("Your browser can't store so many lines.")
    expect(page.locator("#rows tr")).to_have_count(1)
    assert page.input_value("#sheet") == "SOAP-MOSS,24"


def test_rows_with_the_same_fault_are_one_entry(page: Page) -> None:
    paste(page, "\n".join(["SKU,Qty", *["MUG-SAGE,6\nSOAP-MOSS,"] * 10, "NOPE,1", "SOAP-MOSS,"]))
    expect(page.locator("#taken-title")).to_have_text("10 lines added")
    expect(page.locator("#errors-title")).to_have_text("12 lines left out")
    expect(page.locator("#errors-list strong")).to_have_text(
        ["Rows 3, 5, 7, 9, 11, 13, 15, 17 and 3 more, column B: ", "Row 22, column A: "]
    )


@pytest.mark.every_browser
def test_a_workbook_is_read_as_its_program_shows_it(page: Page) -> None:
    upload(page, workbook(), "order.xlsx")
    expect(page.locator("#question")).to_contain_text("Which sheet is the order?")
    expect(page.locator("#question-choices button")).to_have_text(["May", "June", "Cancel"])
    choose(page, "May")
    expect(page.locator("#taken-body")).to_contain_text("the sheet “May”: items in column B")
    assert ordered(page) == [("MUG-SAGE", 12), ("SOAP-MOSS", 1200), ("BOWL-SEA", 6)]
    expect(page.locator("#errors-list strong")).to_have_text(
        ["Row 8, column D: ", "Row 9, column D: ", "Row 10, column B: "]
    )
    assert page.input_value("#sheet").splitlines() == [
        "\t品番\tNote\t数量",
        "\tPLATE-OAT\t\t1.2340",
        "\tPLATE-INK\t\t2026-03-01",
        "\tBOWL-OAT\t\t6",
    ]
    assert violations(page) == []


def test_a_workbook_says_beside_its_numbers_what_they_are(page: Page) -> None:
    """Units that a format shows, sums by formula, cells that are struck through or merged."""
    rows = [
        ("Item", inline("B1", "Qty")),
        ("MUG-SAGE", '<c r="B2" s="1"><v>12</v></c>'),
        ("BOWL-SEA", '<c r="B3" s="2"><v>6</v></c>'),
        ("", '<c r="B4"><v>18</v></c>'),
        ("Part 1", '<c r="B5"><f t="shared" ref="B5:C5" si="0">SUBTOTAL(9,B2:B4)</f><v>0</v></c>'),
        ("PLATE-OAT", '<c r="B6" s="3"><v>6</v></c>'),
        ("BOWL-OAT", '<c r="B7"><f>SUM(B2:B3)</f><v>18</v></c>'),
        ("PLATE-INK", '<c r="B8"><f>SUM(C8:D8)</f><v>6</v></c>'),
        ("MUG-INK", '<c r="B9"><f>6*2</f></c>'),
        ("MUG-CLAY", '<c r="B10" t="b"><v>1</v></c>'),
    ]
    sheet = data(
        *(
            f'<row r="{row}">{inline(f"A{row}", item) if item else ""}{count}</row>'
            for row, (item, count) in enumerate(rows, start=1)
        )
    )
    merged = '<mergeCells><mergeCell ref="A3:A4"/></mergeCells>'
    styles = (
        '<numFmts><numFmt numFmtId="164" formatCode="0&quot; Karton&quot;;-0"/>'
        '<numFmt numFmtId="165" formatCode="#,##0\\ &quot;pcs&quot;"/></numFmts>'
        "<fonts><font/><font><strike/></font></fonts>"
        '<cellXfs><xf numFmtId="0"/><xf numFmtId="164"/><xf numFmtId="165"/>'
        '<xf numFmtId="0" fontId="1"/></cellXfs>'
    )
    upload(page, book([("Order", sheet + merged)], styles=styles), "order.xlsx")
    expect(page.locator("#question")).to_contain_text("“Karton”")
    choose(page, "12 cases of 6")
    expect(page.locator("#taken-body")).to_contain_text("1 row with sums of others was passed over")
    expected = [("MUG-SAGE", 72), ("BOWL-SEA", 6), ("BOWL-SEA", 18), ("PLATE-INK", 6)]
    assert ordered(page) == expected
    problems = page.locator("#errors-list li")
    for index, words in enumerate(("struck through", "sum", "formula", "TRUE")):
        expect(problems.nth(index)).to_contain_text(words)
    expect(problems).to_have_count(4)


def test_another_kind_of_file_is_refused_by_name(page: Page) -> None:
    for names, kind in (
        (["mimetype", "content.xml"], ".ods"),
        (["Index/Document.iwa"], "Numbers"),
        (["xl/workbook.bin"], ".xlsb"),
        (["word/document.xml"], "zip"),
        (["xl/workbook.xml"], "damaged"),
    ):
        upload(page, packed(dict.fromkeys(names, "")), "order.xlsx")
        expect(page.locator("#taken-body")).to_contain_text(kind)
    upload(page, b"sku,quantity\n")
    expect(page.locator("#taken-body")).to_have_text("There are no lines in this list.")


def test_without_a_connection_lists_are_read_and_workbooks_say_why_not(page: Page) -> None:
    page.context.set_offline(True)
    page.route("**/assets/*", lambda route: route.abort())
    upload(page, workbook(), "order.xlsx")
    expect(page.locator("#taken-body")).to_contain_text("without a connection")
    paste(page, "MUG-SAGE,6")
    expect(page.locator("#taken-title")).to_have_text("1 line added")
    paste(page, "Artikel;Menge\nPLATE-OAT;6")
    expect(page.locator("#question")).to_contain_text("Which columns")


def packed(parts: dict[str, str]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    return content.getvalue()


_MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
_PACKAGE = 'xmlns="http://schemas.openxmlformats.org/package/2006/relationships"'
_KINDS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def book(
    sheets: list[tuple[str, str]], *, texts: Sequence[str] = (), styles: str = "", hidden: str = ""
) -> bytes:
    """A workbook: its sheets' names and XML, its shared texts and styles, and a hidden sheet."""

    def relations(*targets: tuple[str, str]) -> str:
        each = (
            f'<Relationship Id="r{index}" Type="{_KINDS}/{kind}" Target="{target}"/>'
            for index, (kind, target) in enumerate(targets)
        )
        return f"<Relationships {_PACKAGE}>{''.join(each)}</Relationships>"

    states = ("hidden" if name == hidden else "visible" for name, _ in sheets)
    named = (
        f'<sheet name="{name}" sheetId="{index + 1}" state="{state}" r:id="r{index}"/>'
        for index, ((name, _), state) in enumerate(zip(sheets, states, strict=True))
    )
    paths = [f"worksheets/sheet{index + 1}.xml" for index in range(len(sheets))]
    # Excel's are relative, others' absolute.
    paths[-1] = f"/xl/{paths[-1]}"
    shared = (f"<si>{text}</si>" for text in texts)
    return packed(
        {
            "_rels/.rels": relations(("officeDocument", "xl/workbook.xml")),
            "xl/workbook.xml": f'<workbook {_MAIN} xmlns:r="{_KINDS}">'
            f"<sheets>{''.join(named)}</sheets></workbook>",
            "xl/_rels/workbook.xml.rels": relations(
                *(("worksheet", path) for path in paths),
                ("sharedStrings", "sharedStrings.xml"),
                ("styles", "styles.xml"),
            ),
            "xl/sharedStrings.xml": f"<sst {_MAIN}>{''.join(shared)}</sst>",
            "xl/styles.xml": f"<styleSheet {_MAIN}>{styles}</styleSheet>",
            **{
                f"xl/{path.removeprefix('/xl/')}": f"<worksheet {_MAIN}>{xml}</worksheet>"
                for path, (_, xml) in zip(paths, sheets, strict=True)
            },
        }
    )


def data(*rows: str) -> str:
    return f"<sheetData>{''.join(rows)}</sheetData>"


def inline(place: str, text: str, style: int = 0) -> str:
    return f'<c r="{place}" s="{style}" t="inlineStr"><is><t>{text}</t></is></c>'


def workbook() -> bytes:
    """As Excel in Japanese writes it: shared texts with reading aids, a rich text, a formula, a
    date, a hidden row and a hidden sheet. Where a cell is may be left out."""
    texts = [
        '<t>品番</t><rPh sb="0" eb="2"><t>ヒンバン</t></rPh><phoneticPr fontId="1"/>',
        "<t>数量</t>",
        '<r><t>MUG</t></r><r><rPr><b/></rPr><t xml:space="preserve">-SAGE</t></r>',
        "<t>two_x000a_lines</t>",
    ]
    may = data(
        '<row r="2"><c r="B2" t="str"><v>Order form</v></c></row>',
        '<row r="4"><c r="B4" t="s"><v>0</v></c><c t="inlineStr"><is><t>Note</t></is></c>',
        '<c r="D4" t="s"><v>1</v></c></row>',
        '<row><c r="B5" t="s"><v>2</v></c>',
        '<c r="D5" s="2"><f>6*2</f><v>11.999999999999998</v></c></row>',
        f'<row r="6">{inline("B6", "SOAP-MOSS")}<c r="C6" t="s"><v>3</v></c>',
        '<c r="D6" s="1"><v>1.2E3</v></c></row>',
        f'<row r="7">{inline("B7", "BOWL-SEA")}<c r="D7" t="str"><f>"6"</f><v>6</v></c></row>',
        f'<row r="8">{inline("B8", "PLATE-OAT")}<c r="D8"><v>1.234</v></c></row>',
        f'<row r="9">{inline("B9", "PLATE-INK")}<c r="D9" s="3"><v>46082</v></c></row>',
        f'<row r="10" hidden="1">{inline("B10", "BOWL-OAT")}<c r="D10"><v>6</v></c></row>',
    )
    june = data(f'<row r="1">{inline("A1", "MUG-INK")}<c r="B1"><v>6</v></c></row>')
    date = "[$-411]yyyy&quot;年&quot;m&quot;月&quot;"
    return book(
        [("May", may), ("Empty", data()), ("Old", june), ("June", june)],
        texts=texts,
        hidden="Old",
        styles=f'<numFmts><numFmt numFmtId="164" formatCode="{date}"/></numFmts>'
        '<cellXfs><xf numFmtId="0"/><xf numFmtId="3"/><xf numFmtId="1"/><xf numFmtId="164"/>'
        "</cellXfs>",
    )
