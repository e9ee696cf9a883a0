#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Which symbols does libqnet.so show? Turns calls.def into what the linker needs.

    make_exports.py calls.def exports.map exports.ld

exports.map  version script: every name and alias of calls.def, nothing else
exports.ld   name = qnet_name; for each of them: a row without a body is an undefined symbol
"""

import re
import sys


def rows(text):
    """Yields (name, [aliases]) for each QNET_CALL row."""
    text = re.sub(r"//[^\n]*", "", text)
    for match in re.finditer(r"QNET_CALL\(", text):
        fields, depth, start = [], 1, match.end()
        at = start
        while depth > 0:
            letter = text[at]
            if letter in "(<":
                depth += 1
            elif letter in ")>":
                depth -= 1
            if (letter == "," and depth == 1) or depth == 0:
                fields.append(text[start:at].strip())
                start = at + 1
            at += 1
        if len(fields) < 4:
            sys.exit(f"calls.def: row needs four fields: {fields}")
        yield fields[1], fields[4:]


def main():
    source, version_script, linker_script = sys.argv[1:]
    with open(source, encoding="utf-8") as file:
        pairs = [(symbol, name) for name, aliases in rows(file.read()) for symbol in [name, *aliases]]
    seen = set()
    for symbol, _ in pairs:
        if symbol in seen:
            sys.exit(f"calls.def: {symbol} appears twice")
        seen.add(symbol)
    with open(version_script, "w", encoding="utf-8") as file:
        file.write("{\n global:\n" + "".join(f"  {symbol};\n" for symbol, _ in pairs) + " local: *;\n};\n")
    with open(linker_script, "w", encoding="utf-8") as file:
        file.writelines(f"{symbol} = qnet_{name};\n" for symbol, name in pairs)


if __name__ == "__main__":
    main()
