FROM clinic.patients |> WHERE id > 1 |> EXTEND CONCAT(name, ssn) AS x |> AGGREGATE COUNT(*) AS c GROUP BY x |> ORDER BY c DESC
