"""The servers of `shw dev`, `shw demo` and the tests: a database and a broker on 127.0.0.1, sure to end with us."""
