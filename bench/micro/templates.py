"""Rendering: the table of an order, twenty rows of four fields, one of them through a function; and what is around it."""

from collections.abc import Callable

from postroad.templates import compile_template

TABLE = """<table>
{{#each items}}
  <tr><td>{{sku}}</td><td>{{title}}</td><td>{{quantity}}</td><td>{{formatMoney price "EUR"}}</td></tr>
{{/each}}
</table>
"""
PLAIN_FUNCTION = TABLE.replace('{{formatMoney price "EUR"}}', "{{upper colour}}")
LETTER = """<p>Dear {{default name "customer"}},</p>
{{#if order.paid}}<p>your order {{order.id}} was paid on {{formatDate order.at "D MMMM YYYY" "Europe/Berlin"}}.</p>
{{else}}<p>we are waiting for {{formatMoney order.total "EUR"}}.</p>{{/if}}
{{> footer}}
"""
FOOTER = "<p>{{company.name}}, {{company.city}}</p>\n"
DATA = {
    "items": [
        {
            "sku": f"B-{number}",
            "title": f"Widget & co {number}",
            "quantity": number,
            "price": number * 1.25,
            "colour": "red",
        }
        for number in range(20)
    ]
}
LETTER_DATA = {
    "name": "Ada",
    "order": {"id": 4711, "paid": True, "at": "2026-11-27T06:30:00Z", "total": 99.5},
    "company": {"name": "Example", "city": "Oslo"},
}


def cases() -> dict[str, Callable[[], object]]:
    """Name the operations."""
    table, plain = compile_template(TABLE), compile_template(PLAIN_FUNCTION)
    letter, partials = compile_template(LETTER), {"footer": compile_template(FOOTER)}
    return {
        "a table of 20 rows, one field in four a text function": lambda: plain.render(DATA),
        "a table of 20 rows, one field in four an amount of money": lambda: table.render(DATA),
        "a letter with a condition, a date and a partial": lambda: letter.render(LETTER_DATA, partials=partials),
        "compile the table": lambda: compile_template(TABLE),
    }
