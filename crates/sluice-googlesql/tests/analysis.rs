//! What the engine makes of statements.

#[cfg(test)]
mod world;

#[cfg(test)]
mod tests {
    use super::world::{analyze, catalog, engine};
    use sluice_sql::engine::{Engine, Fault};

    fn check(text: &str, expect: &str) {
        match analyze(engine(), text, &catalog()) {
            Ok(tree) => assert_eq!(tree.root.map(|root| tree.kind(root)), Some(expect), "{text}"),
            Err(fault) => panic!("{text}: {fault:?}"),
        }
    }

    #[test]
    fn statements_resolve() {
        check("SELECT id, UPPER(email) e FROM ds.users WHERE name='x' ORDER BY 1 LIMIT 10", "ResolvedQueryStmt");
        check("UPDATE ds.users SET name = 'x' WHERE id = 1", "ResolvedUpdateStmt");
        check("DELETE FROM ds.users WHERE id = 1", "ResolvedDeleteStmt");
        check("INSERT INTO ds.orders (id, user_id) SELECT id, id FROM ds.users", "ResolvedInsertStmt");
    }

    #[test]
    fn names_are_listed() {
        let names = engine().table_names("WITH c AS (SELECT 1) SELECT * FROM c, `a-b.d`.t, x.y.z; DELETE FROM q WHERE true");
        let expect = [vec!["a-b.d", "t"], vec!["x", "y", "z"], vec!["q"]].map(|path| path.into_iter().map(str::to_owned).collect::<Vec<_>>());
        let mut names = names.expect("names");
        names.sort();
        assert_eq!(names, {
            let mut expect = expect.to_vec();
            expect.sort();
            expect
        });
    }

    #[test]
    fn scripts_parse() {
        let tree = engine().parse("DECLARE x INT64; SELECT b'\\xff'; IF x > 1 THEN SELECT 1; END IF;").expect("tree");
        assert_eq!(tree.root.map(|root| tree.kind(root)), Some("ASTScript"));
    }

    #[test]
    fn errors_have_positions() {
        let fault = analyze(engine(), "SELECT nothing\nFROM ds.users", &catalog()).err();
        assert_eq!(fault, Some(Fault::Invalid { message: "Unrecognized name: nothing".to_owned(), line: Some(1), column: Some(8) }));
    }
}
