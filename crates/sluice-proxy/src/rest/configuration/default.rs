//! Defaults of columns: SQL that stands in a schema. It is evaluated with rows that others add, so it is understood before it is taken.

use super::fault::Path;
use serde_json::Value;
use sluice_app::Expression;

/// Those of a schema, in whatever depth, each with the place where it stands.
pub(in crate::rest) fn expressions(schema: Option<&Value>, at: &Path<'_>) -> Vec<Expression> {
    let mut found = Vec::new();
    collect(schema, at, &mut found);
    found
}

fn collect(schema: Option<&Value>, at: &Path<'_>, found: &mut Vec<Expression>) {
    let fields = schema.and_then(|schema| schema.get("fields")).and_then(Value::as_array);
    let at = at.name("fields");
    for (place, field) in fields.into_iter().flatten().enumerate() {
        let at = at.place(place);
        if let Some(text) = field.get("defaultValueExpression").and_then(Value::as_str) {
            found.push(Expression { field: at.name("defaultValueExpression").to_string(), text: text.to_owned() });
        }
        collect(Some(field), &at, found);
    }
}
