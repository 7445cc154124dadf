EXECUTE IMMEDIATE "EXECUTE IMMEDIATE 'SELECT ssn FROM clinic.patients WHERE id = ?' USING 1"; CALL clinic.archive_visits(1);
