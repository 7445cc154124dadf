MERGE clinic.patients AS t USING staging.raw_patients AS s ON t.id = s.id WHEN MATCHED THEN UPDATE SET name = 'x' WHEN NOT MATCHED THEN INSERT ROW
