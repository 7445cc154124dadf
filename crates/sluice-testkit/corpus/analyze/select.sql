SELECT name, UPPER(ssn) AS s FROM clinic.patients WHERE id IN (1, 2) ORDER BY 1 LIMIT 10
