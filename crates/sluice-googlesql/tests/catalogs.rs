//! Odd catalogs: the module would stop at many of them, so they are put right or refused before it sees them.

#[cfg(test)]
#[expect(dead_code, reason = "shared by all test files, each of which needs a part")]
mod world;

#[cfg(test)]
mod tests {
    use super::world::*;
    use sluice_model::{Field, Type};
    use sluice_sql::engine::*;

    /// `expect` is part of the fault, or "answered".
    fn check(name: &str, text: &str, catalog: &Catalog, expect: &str) {
        let found = match analyze(engine(), text, catalog) {
            Ok(_) => "answered".to_owned(),
            Err(fault) => format!("{fault:?}"),
        };
        assert!(found.contains(expect), "{name}: {found}");
    }

    fn tables(tables: Vec<Table>) -> Catalog {
        Catalog { tables, ..Catalog::default() }
    }

    fn functions(arguments: Vec<Argument>, result: ArgumentKind) -> Catalog {
        Catalog { functions: vec![function("f", Mode::Scalar, arguments, result)], ..Catalog::default() }
    }

    #[test]
    fn tables_of_one_name() {
        let two = tables(vec![table("t", "first", "a INT64"), table("T", "second", "b INT64")]);
        check("the first stays", "SELECT a FROM t", &two, "answered");
        check("the second is not there", "SELECT b FROM t", &two, "Unrecognized name: b");
        let nested = tables(vec![table("d/t", "first", "a INT64"), table("D/u", "second", "b INT64"), table("d", "third", "c INT64")]);
        check("folders of one name are one", "SELECT a, b, c FROM d.t, D.U, d", &nested, "answered");
        check("columns of one name", "SELECT a FROM t", &tables(vec![table("t", "t", "a INT64, A STRING")]), "answered");
    }

    #[test]
    fn odd_names() {
        let dotted = tables(vec![table("p.d.t", "p.d.t", "a INT64"), table("p-q.d/t", "x", "a INT64"), table("p-q/d/t", "x", "a INT64")]);
        check("dots in a part", "SELECT a FROM `p.d.t`", &dotted, "answered");
        check("dashes", "SELECT 1 FROM `p-q.d`.t, p-q.d.t AS u", &dotted, "answered");
        check("no part", "SELECT 1", &tables(vec![Table { path: Vec::new(), ..table("t", "t", "a INT64") }]), "is no path");
        check("an empty part", "SELECT 1", &tables(vec![table("d//t", "t", "a INT64")]), "is no path");
        check("many parts", "SELECT 1", &tables(vec![table(&"d/".repeat(20), "t", "a INT64")]), "is no path");
        let mut empty = table("t", "t", "a INT64");
        empty.columns[0].name.clear();
        check("a column without a name", "SELECT 1 FROM t", &tables(vec![empty]), "Empty column names");
        check("no columns", "SELECT 1 FROM t", &tables(vec![Table { columns: Vec::new(), ..table("t", "t", "a INT64") }]), "answered");
        check("odd letters", "SELECT `é\\n` FROM `t\\u0000ü`", &tables(vec![table("t\0ü", "t", "`é\n` INT64")]), "");
    }

    #[test]
    fn odd_types() {
        let twice =
            Type::Struct(vec![Field { name: "a".to_owned(), kind: Type::Int64 }, Field { name: "A".to_owned(), kind: Type::Int64 }]);
        let of =
            |kind: Type| tables(vec![Table { columns: vec![Column { name: "c".to_owned(), kind, pseudo: false }], ..table("t", "t", "") }]);
        check("fields of one name", "SELECT c FROM t", &of(twice.clone()), "answered");
        check("which field", "SELECT c.a FROM t", &of(twice), "ambiguous");
        check("no fields", "SELECT c FROM t", &of(Type::Struct(Vec::new())), "answered");
        check("an array of arrays", "SELECT c FROM t", &of(Type::array(Type::array(Type::Int64))), "the catalog is refused");
        check("a range of numbers", "SELECT c FROM t", &of(Type::Range(Box::new(Type::Int64))), "the catalog is refused");
        let deep = (0..25).fold(Type::Int64, |kind, _| Type::Struct(vec![Field { name: "f".to_owned(), kind }]));
        check("25 levels", "SELECT c FROM t", &of(deep.clone()), "answered");
        let deepen = |kind, levels| (0..levels).fold(kind, |kind, _| Type::Struct(vec![Field { name: "f".to_owned(), kind }]));
        check("60 levels", "SELECT c FROM t", &of(deepen(deep.clone(), 35)), "nested too deeply");
        check("260 levels", "SELECT c FROM t", &of(deepen(deep, 235)), "nested deeper");
    }

    #[test]
    fn odd_signatures() {
        use ArgumentKind::{Any1, Arbitrary, ArrayOfAny1, Connection as ToConnection, Fixed, Model as AnyModel, Relation, Void};
        let with = |kind, cardinality| Argument { cardinality, ..required(kind) };
        let text = Fixed(Type::String);
        check(
            "optional before required",
            "SELECT 1",
            &functions(vec![with(Arbitrary, Cardinality::Optional), required(Arbitrary)], text.clone()),
            "optional arguments",
        );
        let apart = vec![with(Arbitrary, Cardinality::Repeated), required(Arbitrary), with(Arbitrary, Cardinality::Repeated)];
        check("repeated apart", "SELECT 1", &functions(apart, text.clone()), "side by side");
        let fewer = vec![with(Arbitrary, Cardinality::Repeated), with(Arbitrary, Cardinality::Optional)];
        check("as many optional as repeated", "SELECT 1", &functions(fewer, text.clone()), "more repeated");
        check("a result of no argument", "SELECT 1", &functions(vec![required(Arbitrary)], Any1), "of no argument");
        check("a result of nothing", "SELECT 1", &functions(Vec::new(), Void), "has a value");
        check("an array's element", "SELECT f([1]) + 1", &functions(vec![required(ArrayOfAny1)], Any1), "answered");
        check("a table for a function", "SELECT 1", &functions(vec![required(Relation)], text.clone()), "only a table function");
        check("a model for a function", "SELECT 1", &functions(vec![required(AnyModel)], text.clone()), "only a table function");
        check("a connection for a function", "SELECT 1", &functions(vec![required(ToConnection)], text.clone()), "only a table function");
        check("a relation as result", "SELECT 1", &functions(Vec::new(), Relation), "has a value");
        let mut two = functions(vec![required(Fixed(Type::Int64))], text.clone());
        two.functions[0].signatures.push(Signature { arguments: vec![required(text.clone())], result: text.clone() });
        check("two signatures", "SELECT f(1), f('x')", &two, "answered");
        two.functions[0].signatures.clear();
        check("no signature", "SELECT f(1)", &two, "Invalid");
        let own =
            Catalog { functions: vec![function("upper", Mode::Scalar, vec![required(text.clone())], text.clone())], ..Catalog::default() };
        check("a name of the language's own", "SELECT UPPER('x'), LOWER('x')", &own, "answered");
        let own = |at: &str| Catalog {
            functions: vec![function(at, Mode::Scalar, vec![required(text.clone())], text.clone())],
            ..Catalog::default()
        };
        check("a folder of the language's own", "SELECT net.mine('x'), KEYS.KEYSET_LENGTH(b'')", &own("net/mine"), "answered");
        check("such a folder has nothing of the language's", "SELECT NET.HOST('x')", &own("net/mine"), "Function not found");
        check(
            "a dataset like such a folder",
            "SELECT a, net.host('x') FROM keys.t",
            &tables(vec![table("keys/t", "t", "a INT64")]),
            "answered",
        );
        check("not a function but a folder", "SELECT upper.lower('x'), LOWER('x')", &own("upper/lower"), "answered");
        let many = named("a", text.clone());
        check("names twice", "SELECT 1", &functions(vec![many.clone(), many], text), "twice");
    }

    #[test]
    fn odd_bodies() {
        let with_body = |names: &[&str], arguments: usize, text: &str| {
            let mut catalog = functions(vec![required(ArgumentKind::Arbitrary); arguments], ArgumentKind::Arbitrary);
            let argument_names = names.iter().map(|name| (*name).to_owned()).collect();
            catalog.functions[0].body = Some(Body { argument_names, text: text.to_owned() });
            catalog
        };
        check("a body", "SELECT f(1)", &with_body(&["x"], 1, "x + 1"), "answered");
        check("a broken body", "SELECT f(1)", &with_body(&["x"], 1, "x +"), "Invalid");
        check("an empty body", "SELECT f(1)", &with_body(&["x"], 1, ""), "Invalid");
        check("a body that calls itself", "SELECT f(1)", &with_body(&["x"], 1, "f(x)"), "");
        check("fewer names than arguments", "SELECT f(1, 2)", &with_body(&["x"], 2, "x"), "names");
        check("names twice", "SELECT f(1, 2)", &with_body(&["x", "X"], 2, "x"), "twice");
        let mut aggregate = with_body(&["x"], 1, "SUM(x)");
        aggregate.functions[0].mode = Mode::Aggregate;
        check("an aggregate", "SELECT f(e) FROM UNNEST([1]) e", &aggregate, "answered");
    }

    #[test]
    fn odd_table_functions() {
        use ArgumentKind::{Arbitrary, Relation};
        let of = |arguments: Vec<ArgumentKind>, result| Catalog {
            table_functions: vec![TableFunction { path: path("f"), arguments: arguments.into_iter().map(required).collect(), result }],
            ..Catalog::default()
        };
        let body = |text: &str| TableResult::Query(Body { argument_names: vec!["x".to_owned()], text: text.to_owned() });
        let search = |mut catalog: Catalog| {
            catalog.table_functions[0].path = path("VECTOR_SEARCH");
            catalog
        };
        let mine = search(of(vec![Relation], TableResult::SameAsInput(columns("more STRING"))));
        check("a name of the language's own", "SELECT a, more FROM VECTOR_SEARCH((SELECT 1 AS a))", &mine, "answered");
        check("no columns", "SELECT 1 FROM f()", &of(Vec::new(), TableResult::Columns(Vec::new())), "");
        check("the input of none", "SELECT 1 FROM f()", &of(Vec::new(), TableResult::SameAsInput(Vec::new())), "no table");
        check("a broken body", "SELECT 1 FROM f(1)", &of(vec![Arbitrary], body("SELECT")), "Invalid");
        check("an expression as body", "SELECT 1 FROM f(1)", &of(vec![Arbitrary], body("x")), "Invalid");
        check("a relation in a body", "SELECT a FROM f((SELECT 1 AS a))", &of(vec![Relation], body("SELECT * FROM x")), "answered");
        check("two statements as body", "SELECT 1 FROM f(1)", &of(vec![Arbitrary], body("SELECT 1; SELECT 2")), "Invalid");
    }

    #[test]
    fn other_odd_things() {
        let mut catalog = Catalog::default();
        catalog.models.push(Model { path: path("m"), inputs: Vec::new(), outputs: Vec::new() });
        catalog.models.push(Model { path: path("m"), inputs: columns("a INT64"), outputs: columns("a INT64") });
        catalog.connections.extend([path("c"), path("C")]);
        catalog.constants.extend([Constant { path: path("x"), kind: Type::Int64 }, Constant { path: path("X"), kind: Type::String }]);
        catalog.constants.push(Constant { path: path("a/b"), kind: Type::array(Type::Json) });
        catalog
            .system_variables
            .extend([Constant { path: path("a/b"), kind: Type::Int64 }, Constant { path: path("c"), kind: Type::Int64 }]);
        catalog.procedures.push(Procedure { path: path("p"), arguments: Vec::new() });
        check("all at once", "SELECT x + 1, a.b, @@a.b + @@c", &catalog, "answered");
        check("a call", "CALL p()", &catalog, "answered");
        catalog.system_variables.push(Constant { path: path("C"), kind: Type::Int64 });
        check("system variables of one name", "SELECT @@c", &catalog, "answered");
    }
}
