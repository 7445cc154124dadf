SELECT b'\xff\x00', r'\d', """a
b""", '\U0001F600', `a` FROM (SELECT 1 AS a) -- x /* y */ # z
