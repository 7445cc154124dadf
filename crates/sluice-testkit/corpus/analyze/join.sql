SELECT p.name, COUNT(*) FROM clinic.patients AS p LEFT JOIN clinic.visits AS v ON v.patient_id = p.id GROUP BY ALL HAVING COUNT(*) > 1
