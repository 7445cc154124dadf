//! What an instance does before it is copied as the state that every call starts from.
//!
//! The module sets much up when it is first used: descriptions of its own messages, time zones, numbers, patterns. What is set up before the copy is
//! taken costs no later call anything.

use crate::catalog;
use crate::encode::{Record, encode};
use crate::evaluate::values;
use crate::host::start::Warming;
use crate::options::Language;
use crate::schema::Schema;
use sluice_model::{Field, Type};
use sluice_sql::engine::{Catalog, Column, Parameters, Table};

const SERVICE: &str = "zetasql.local_service";
/// The number that the module gives to the first catalog that is registered. A wrong one stops the start.
const FIRST: i64 = 0;
/// Scripts are parsed, and never analysed as a whole.
const SCRIPT: &str = "DECLARE x INT64 DEFAULT 1; BEGIN IF x > 0 THEN SELECT (SELECT MAX(a.b) FROM t AS a JOIN u USING (c)) AS m; \
    ELSE SET x = 2; END IF; EXCEPTION WHEN ERROR THEN SELECT @@error.message; END; FOR r IN (SELECT 1 AS y) DO SELECT r.y; END FOR";
const STATEMENTS: &[&str] = &[
    "SELECT TIMESTAMP '2020-01-01 00:00:00 America/New_York', DATE '2020-01-01', NUMERIC '1.5', JSON '{\"a\": 1}', b'x', [1, 2], (1, 'a')",
    "SELECT *, x.number + 1, x.text = 'a' AND NOT x.truth, CASE WHEN x.number > 1 THEN 'b' ELSE UPPER(x.text) END, COALESCE(x.text, ''), \
        REGEXP_CONTAINS(x.text, r'^a'), CAST(x.number AS STRING), x.record.part, x.list[SAFE_OFFSET(0)], JSON_VALUE(x.document, '$.a'), \
        x.number / 100, SAFE_DIVIDE(x.number, 2), EXTRACT(YEAR FROM x.day), DATE_TRUNC(x.day, MONTH), x.moment, x.decimal, x.bytes \
        FROM w.warm AS x LEFT JOIN w.warm AS y ON x.number = y.number WHERE x.number IN (1, 2) OR EXISTS (SELECT 1 FROM w.warm) ORDER BY 1 DESC",
    "WITH c AS (SELECT text, number, ROW_NUMBER() OVER (PARTITION BY text ORDER BY number DESC) AS place, SUM(number) OVER () AS total FROM w.warm) \
        SELECT text, COUNT(*) AS count, COUNT(DISTINCT number), SUM(IF(place = 1, number, 0)), MAX(total), ARRAY_AGG(number IGNORE NULLS LIMIT 2) \
        FROM c WHERE place < 3 GROUP BY text HAVING COUNT(*) > 1 QUALIFY RANK() OVER (ORDER BY text) = 1 ORDER BY 2 LIMIT 10",
    "SELECT text, part FROM w.warm, UNNEST(list) AS part WITH OFFSET AS place UNION ALL SELECT DISTINCT text, number FROM w.warm \
        WHERE number = (SELECT MAX(other.number) FROM w.warm AS other WHERE other.text = warm.text)",
    "SELECT * FROM (SELECT text, number, truth FROM w.warm) PIVOT (SUM(number) FOR text IN ('a', 'b'))",
    "FROM w.warm |> WHERE number > 1 |> EXTEND ARRAY(SELECT AS STRUCT e AS f FROM UNNEST(list) AS e) AS more |> AGGREGATE COUNT(*) AS n GROUP BY text",
    "INSERT INTO w.warm (text, number) SELECT text, @parameter FROM w.warm",
    "UPDATE w.warm SET text = 'a' WHERE number = 1",
    "DELETE FROM w.warm WHERE number = 1",
    "MERGE w.warm AS t USING w.warm AS s ON t.number = s.number WHEN MATCHED THEN UPDATE SET text = s.text \
        WHEN NOT MATCHED THEN INSERT (text) VALUES (s.text)",
    "CREATE OR REPLACE TABLE w.other PARTITION BY day CLUSTER BY text OPTIONS (description = 'a') AS SELECT * EXCEPT (list) FROM w.warm",
];

/// Every call that a statement may bring, with requests as they are made for statements.
pub fn warming(schema: &Schema, language: &Language) -> Result<Warming, String> {
    let write = |message: &str, record: &Record| encode(schema, &format!("{SERVICE}.{message}"), record).map_err(|fault| fault.to_string());
    let mut warming = Vec::new();
    for text in STATEMENTS.iter().chain([&SCRIPT]) {
        let plain = Record::new().with("sql_statement", *text).with("options", language.item()).with("allow_script", true);
        let parse = Record::new().with("sql_statement", *text).with("options", language.of_syntax()).with("allow_script", true);
        warming.push(("Parse", write("ParseRequest", &parse)?));
        warming.push(("ExtractTableNamesFromStatement", write("ExtractTableNamesFromStatementRequest", &plain)?));
    }
    let catalog = Catalog { tables: vec![table()], ..Catalog::default() };
    let registration = catalog::record(&catalog, language, |_, kind| Ok(values::plainest(kind))).map_err(|fault| format!("{fault:?}"))?;
    let registration = Record::new().with("simple_catalog", registration);
    warming.push(("RegisterCatalog", write("RegisterCatalogRequest", &registration)?));
    for text in STATEMENTS {
        let options = language.analysis(text, &Parameters::None, &catalog);
        let analysis = Record::new().with("sql_statement", *text).with("options", options).with("registered_catalog_id", FIRST);
        warming.push(("Analyze", write("AnalyzeRequest", &analysis)?));
    }
    warming.push(("UnregisterCatalog", write("UnregisterRequest", &Record::new().with("registered_id", FIRST))?));
    Ok(warming)
}

/// A column of every family of types.
fn table() -> Table {
    let record = Type::Struct(vec![Field { name: "part".to_owned(), kind: Type::String }]);
    let columns = [
        ("number", Type::Int64),
        ("text", Type::String),
        ("truth", Type::Bool),
        ("decimal", Type::Numeric),
        ("fraction", Type::Float64),
        ("day", Type::Date),
        ("moment", Type::Timestamp),
        ("bytes", Type::Bytes),
        ("document", Type::Json),
        ("record", record.clone()),
        ("list", Type::array(Type::Int64)),
        ("records", Type::array(record)),
    ];
    let column = |(name, kind): (&str, Type)| Column { name: name.to_owned(), kind, pseudo: false };
    Table {
        path: vec!["w".to_owned(), "warm".to_owned()],
        full_name: "w.warm".to_owned(),
        columns: columns.map(column).into(),
        value_table: false,
    }
}
