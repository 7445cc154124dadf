#legacySQL
SELECT * FROM [p:d.t]
