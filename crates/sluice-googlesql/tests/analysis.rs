//! What the engine makes of statements.

#[cfg(test)]
mod world;

#[cfg(test)]
mod statements {
    use super::world::{analyze, engine, full_catalog};

    fn check(text: &str, expect: &str) {
        match analyze(engine(), text, &full_catalog()) {
            Ok(tree) => assert_eq!(tree.root.map(|root| tree.kind(root)), Some(expect), "{text}"),
            Err(fault) => panic!("{text}: {fault:?}"),
        }
    }

    #[test]
    fn queries() {
        let query = |text| check(text, "ResolvedQueryStmt");
        query("SELECT id, UPPER(email) e FROM ds.users WHERE name='x' ORDER BY 1 LIMIT 10");
        query("SELECT u.addr.city, p.num FROM ds.users u, u.phones p WHERE EXISTS (SELECT 1 FROM ds.orders o WHERE o.user_id = u.id)");
        query("FROM ds.users |> WHERE id > 1 |> AGGREGATE COUNT(*) AS n GROUP BY name |> ORDER BY n");
        query("SELECT * FROM (SELECT status, amount FROM ds.orders) PIVOT(SUM(amount) FOR status IN ('a', 'b'))");
        query("SELECT * FROM (SELECT name, email FROM ds.users) UNPIVOT(v FOR k IN (name, email))");
        query("WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 5) SELECT * FROM r");
        query("SELECT id, ROW_NUMBER() OVER (PARTITION BY name ORDER BY id) FROM ds.users QUALIFY ROW_NUMBER() OVER (ORDER BY id) = 1");
        query("SELECT doc.a.b, SAFE_CAST(id AS STRING), COALESCE(name, @p) FROM ds.users");
        query("SELECT * FROM ds.orders FOR SYSTEM_TIME AS OF TIMESTAMP '2020-01-01 00:00:00+00'");
        query("SELECT `name` FROM `ds`.`users` TABLESAMPLE SYSTEM (10 PERCENT)");
        query("SELECT event, _TABLE_SUFFIX FROM `p.ds.events_*` WHERE _TABLE_SUFFIX = '1'");
        query("SELECT TIMESTAMP '2020-01-01 00:00:00 Europe/Berlin', RANGE_START(active), gap, ST_ASTEXT(loc) FROM ds.users");
        query("SELECT x, @@dataset_id FROM ds.users");
    }

    #[test]
    fn stubs() {
        let query = |text| check(text, "ResolvedQueryStmt");
        query("SELECT SEARCH(u, 'x'), SEARCH(email, 'x', analyzer => 'LOG_ANALYZER') FROM ds.users u");
        query("SELECT AI.GENERATE(('hi ', email), connection_id => 'c').result, IDENT(u.addr).city, ANYF(1, 'x', u, [1]) FROM ds.users u");
        query("SELECT myagg(email), myagg(id) OVER () FROM ds.users GROUP BY id");
        query("SELECT mymask(ssn, 'z') FROM ds.users");
        query("SELECT email, z FROM mytvf(1)");
        query("SELECT * FROM EXTERNAL_QUERY('c', 'select 1')");
        query("SELECT * FROM APPENDS(TABLE ds.users, NULL, NULL)");
        query("SELECT * FROM ML.PREDICT(MODEL ds.m, TABLE ds.users)");
        query("SELECT * FROM MORE((SELECT id FROM ds.users))");
    }

    #[test]
    fn changes_of_rows() {
        check("UPDATE ds.users SET name = 'x' WHERE id = 1", "ResolvedUpdateStmt");
        check("DELETE FROM ds.users WHERE id = 1", "ResolvedDeleteStmt");
        check("INSERT INTO ds.orders (id, user_id) SELECT id, id FROM ds.users", "ResolvedInsertStmt");
        check("MERGE ds.users u USING ds.orders o ON u.id = o.user_id WHEN MATCHED THEN UPDATE SET name = o.status", "ResolvedMergeStmt");
        check("TRUNCATE TABLE ds.users", "ResolvedTruncateStmt");
    }

    #[test]
    fn definitions() {
        check("CREATE TABLE ds.n PARTITION BY DATE(ts) AS SELECT * FROM ds.orders", "ResolvedCreateTableAsSelectStmt");
        check("CREATE TABLE ds.n (a INT64 NOT NULL OPTIONS(description='x'), b NUMERIC(10, 2))", "ResolvedCreateTableStmt");
        check("CREATE TABLE ds.n CLONE ds.users", "ResolvedCreateTableStmt");
        check("CREATE SNAPSHOT TABLE ds.n CLONE ds.users", "ResolvedCreateSnapshotTableStmt");
        check("CREATE VIEW ds.v (a OPTIONS(description='x')) AS SELECT id FROM ds.users", "ResolvedCreateViewStmt");
        check("CREATE MATERIALIZED VIEW ds.v AS SELECT id FROM ds.users", "ResolvedCreateMaterializedViewStmt");
        check("CREATE TEMP FUNCTION f(x INT64) AS (x + 1)", "ResolvedCreateFunctionStmt");
        check("CREATE TEMP FUNCTION f(x STRING) RETURNS STRING LANGUAGE js AS 'return x'", "ResolvedCreateFunctionStmt");
        check("CREATE TABLE FUNCTION ds.f(x INT64) AS SELECT x", "ResolvedCreateTableFunctionStmt");
        check("CREATE PROCEDURE ds.q() BEGIN SELECT 1; END", "ResolvedCreateProcedureStmt");
        check("CREATE MODEL ds.n OPTIONS(model_type='linear_reg') AS SELECT id FROM ds.users", "ResolvedCreateModelStmt");
        check("CREATE SEARCH INDEX i ON ds.users(name)", "ResolvedCreateIndexStmt");
        check("CREATE VECTOR INDEX i ON ds.users(tags)", "ResolvedCreateIndexStmt");
        check("CREATE RESERVATION `p.us.r` OPTIONS(slots = 1)", "ResolvedCreateEntityStmt");
        check("CREATE ROW ACCESS POLICY r ON ds.users GRANT TO ('user:a@b.c') FILTER USING (id = 1)", "ResolvedCreateRowAccessPolicyStmt");
        check("CREATE EXTERNAL TABLE ds.n OPTIONS(format='CSV', uris=['gs://b/*'])", "ResolvedCreateExternalTableStmt");
        check("CREATE SCHEMA n OPTIONS(location='eu')", "ResolvedCreateSchemaStmt");
        check("ALTER TABLE ds.users ADD COLUMN n STRING, DROP COLUMN name", "ResolvedAlterTableStmt");
        check("ALTER TABLE ds.users ALTER COLUMN id SET DATA TYPE NUMERIC", "ResolvedAlterTableStmt");
        check("DROP TABLE IF EXISTS ds.users", "ResolvedDropStmt");
        check("UNDROP SCHEMA ds", "ResolvedUndropStmt");
    }

    #[test]
    fn other_statements() {
        check("EXPORT DATA OPTIONS(uri='gs://b/*.csv', format='CSV') AS SELECT email FROM ds.users", "ResolvedExportDataStmt");
        check("EXPORT DATA WITH CONNECTION `p.us.c` OPTIONS(uri='gs://b/*') AS SELECT email FROM ds.users", "ResolvedExportDataStmt");
        check("LOAD DATA INTO ds.orders FROM FILES(format='CSV', uris=['gs://b/x'])", "ResolvedAuxLoadDataStmt");
        check("GRANT `roles/bigquery.dataViewer` ON TABLE ds.users TO 'user:a@b.c'", "ResolvedGrantStmt");
        check("CALL ds.p(1)", "ResolvedCallStmt");
        check("SET @@dataset_id = 'x'", "ResolvedAssignmentStmt");
        check("EXECUTE IMMEDIATE 'SELECT 1'", "ResolvedExecuteImmediateStmt");
        check("ASSERT (SELECT COUNT(*) FROM ds.users) > 1 AS 'few'", "ResolvedAssertStmt");
        check("BEGIN TRANSACTION", "ResolvedBeginStmt");
        check("EXPLAIN SELECT 1", "ResolvedExplainStmt");
    }
}

#[cfg(test)]
mod trees {
    use super::world::{analyze, catalog, engine, full_catalog};
    use sluice_model::Type;
    use sluice_sql::engine::{Engine, Fault, Parameters, Question, Target};
    use sluice_sql::tree::{NodeId, Tree};

    fn kinds(text: &str) -> Vec<&'static str> {
        let tree = analyze(engine(), text, &full_catalog()).expect(text);
        tree.nodes.iter().map(|node| node.kind).collect()
    }

    /// Only bodies are put in place of calls; pivots and the like stay as they were written.
    #[test]
    fn rewrites_are_ours() {
        let contains = |text, kind| assert!(kinds(text).contains(&kind), "{text}: no {kind}");
        contains("SELECT * FROM (SELECT status, amount FROM ds.orders) PIVOT(SUM(amount) FOR status IN ('a', 'b'))", "ResolvedPivotScan");
        contains("SELECT * FROM (SELECT name, email FROM ds.users) UNPIVOT(v FOR k IN (name, email))", "ResolvedUnpivotScan");
        contains("SELECT ARRAY_FILTER(tags, t -> t > 'a') FROM ds.users", "ResolvedInlineLambda");
        contains("SELECT status FROM ds.orders GROUP BY GROUPING SETS (status, ())", "ResolvedGroupingSet");
        contains("SELECT mymask(ssn, 'z') FROM ds.users", "ResolvedSubqueryExpr");
        contains("SELECT z FROM mytvf(1)", "ResolvedTableScan");
        assert!(!kinds("SELECT z FROM mytvf(1)").contains(&"ResolvedTVFScan"));
    }

    #[test]
    fn base_classes_are_folded_and_wrappers_are_gone() {
        let tree = analyze(engine(), "SELECT id FROM ds.users", &catalog()).expect("tree");
        assert!(tree.nodes.iter().all(|node| !node.kind.starts_with("Any")), "a wrapper is left");
        assert!(tree.nodes.iter().all(|node| node.fields.iter().all(|(name, _)| *name != "parent")), "a base class is left");
        let scan = find(&tree, "ResolvedTableScan");
        assert_eq!(tree.path(scan, &["table"]).and_then(|table| tree.text(table, "full_name")), Some("p.ds.users"));
        assert_eq!(tree.children(scan, "column_list").len(), 1, "columns that are not used are pruned");
    }

    #[test]
    fn expressions_and_parameters() {
        let ask = |text, target, parameters: &Parameters| engine().analyze(&Question { text, target, parameters, catalog: &catalog() });
        let tree = ask("(SELECT MAX(id) FROM ds.users) + 1", Target::Expression, &Parameters::None).expect("tree");
        assert_eq!(tree.root.map(|root| tree.kind(root)), Some("ResolvedFunctionCall"));
        let named = Parameters::Named(vec![("p".to_owned(), Type::array(Type::String))]);
        assert!(ask("SELECT 1 FROM ds.users WHERE name IN UNNEST(@p)", Target::Statement, &named).is_ok());
        assert!(matches!(ask("SELECT @q", Target::Statement, &named), Err(Fault::Invalid { .. })));
        let positional = Parameters::Positional(vec![Type::Int64]);
        assert!(ask("SELECT 1 FROM ds.users WHERE id = ?", Target::Statement, &positional).is_ok());
        assert!(matches!(ask("SELECT ?, ?", Target::Statement, &positional), Err(Fault::Invalid { .. })));
        assert!(ask("SELECT 1 FROM ds.users WHERE id = @x", Target::Statement, &Parameters::None).is_ok());
        let open = ask("SELECT 1 FROM ds.users WHERE id = ?", Target::Statement, &Parameters::None);
        assert!(open.is_ok(), "{open:?}");
    }

    #[test]
    fn names_are_listed() {
        let names = engine().table_names("WITH c AS (SELECT 1) SELECT * FROM c, `a-b.d`.t, x.y.z; DELETE FROM q WHERE true");
        let mut names = names.expect("names").iter().map(|path| path.join("/")).collect::<Vec<_>>();
        names.sort();
        assert_eq!(names, ["a-b.d/t", "q", "x/y/z"]);
    }

    #[test]
    fn scripts_parse() {
        let tree = engine().parse("DECLARE x INT64; SELECT b'\\xff'; IF x > 1 THEN SELECT 1; END IF;").expect("tree");
        assert_eq!(tree.root.map(|root| tree.kind(root)), Some("ASTScript"));
        find(&tree, "ASTIfStatement");
    }

    #[test]
    fn errors_have_positions() {
        let fault = analyze(engine(), "SELECT 1,\n nothing FROM ds.users", &catalog()).err();
        assert_eq!(fault, Some(Fault::Invalid { message: "Unrecognized name: nothing".to_owned(), line: Some(2), column: Some(2) }));
    }

    fn find(tree: &Tree, kind: &str) -> NodeId {
        let position = tree.nodes.iter().position(|node| node.kind == kind).expect(kind);
        NodeId(u32::try_from(position).expect("position"))
    }
}
