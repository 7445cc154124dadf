SELECT AS STRUCT STRUCT(ssn AS a, [STRUCT(name AS b)] AS c).c[SAFE_OFFSET(0)].b, JSON '{"a": [1]}'atients
