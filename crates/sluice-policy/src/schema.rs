//! The schema that policies are checked against: published as a file, and the only list of actions that there is.

use crate::problem::Problem;
use cedar_policy::{Entity, EntityId, EntityTypeName, EntityUid, Schema};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::LazyLock;

/// `schema/sluice.cedarschema`, as it was when this program was built.
pub const SCHEMA: &str = include_str!("../schema/sluice.cedarschema");

const SCHEMA_FILE: &str = "sluice.cedarschema";

/// Names of the schema, made once.
#[derive(Debug)]
pub(crate) struct Vocabulary {
    pub schema: Schema,
    actions: BTreeMap<String, Action>,
    types: HashMap<&'static str, EntityTypeName>,
}

#[derive(Debug)]
pub(crate) struct Action {
    pub uid: EntityUid,
    /// With the groups above it.
    pub entity: Entity,
    pub groups: Vec<EntityUid>,
    /// The kinds of callers and of things that it can be asked about.
    principals: BTreeSet<String>,
    resources: BTreeSet<String>,
}

const TYPES: [&str; 14] = [
    "Agent",
    "Column",
    "Connection",
    "Dataset",
    "Group",
    "Job",
    "Label",
    "Model",
    "Person",
    "Pipeline",
    "Project",
    "Routine",
    "Service",
    "Table",
];

impl Vocabulary {
    pub fn shared() -> Result<&'static Vocabulary, &'static Problem> {
        static SHARED: LazyLock<Result<Vocabulary, Problem>> = LazyLock::new(|| Vocabulary::read(SCHEMA));
        SHARED.as_ref()
    }

    fn read(text: &str) -> Result<Vocabulary, Problem> {
        let broken = |text: String| Problem::new(SCHEMA_FILE, text);
        let (schema, _) = Schema::from_cedarschema_str(text).map_err(|error| Problem::of(SCHEMA_FILE, text, &error))?;
        let entities = schema.action_entities().map_err(|error| broken(error.to_string()))?;
        let mut actions = BTreeMap::new();
        for entity in entities.iter() {
            let uid = entity.uid();
            let groups: Vec<EntityUid> = entities.ancestors(&uid).into_iter().flatten().cloned().collect();
            let principals = schema.principals_for_action(&uid).into_iter().flatten().map(EntityTypeName::to_string).collect();
            let resources = schema.resources_for_action(&uid).into_iter().flatten().map(EntityTypeName::to_string).collect();
            actions.insert(uid.id().unescaped().to_owned(), Action { uid, entity: entity.clone(), groups, principals, resources });
        }
        let mut types = HashMap::new();
        for name in TYPES {
            types.insert(name, name.parse().map_err(|error| broken(format!("{error}")))?);
        }
        Ok(Vocabulary { schema, actions, types })
    }

    /// None: nothing of that name can be asked, so it is refused.
    pub fn action(&self, name: &str) -> Option<&Action> {
        self.actions.get(name)
    }

    /// Whether the schema has such a question at all.
    pub fn applies(&self, action: &str, principal: &str, resource: &str) -> Result<(), String> {
        let known = self.action(action).ok_or_else(|| format!("`{action}` is nothing that policy knows"))?;
        if !known.principals.contains(principal) || !known.resources.contains(resource) {
            return Err(format!("`{action}` is nothing that a {principal} can ask of a {resource}"));
        }
        Ok(())
    }

    pub fn actions(&self) -> impl Iterator<Item = (&str, &Action)> {
        self.actions.iter().map(|(name, action)| (name.as_str(), action))
    }

    /// An entity of a type that stands in `TYPES`.
    pub fn uid(&self, kind: &'static str, id: &str) -> Option<EntityUid> {
        self.types.get(kind).map(|name| EntityUid::from_type_name_and_id(name.clone(), EntityId::new(id)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_schema_is_whole() {
        let vocabulary = Vocabulary::shared().unwrap();
        for name in TYPES {
            assert!(vocabulary.schema.entity_types().any(|known| known.to_string() == name), "{name}");
        }
        assert_eq!(vocabulary.schema.entity_types().count(), TYPES.len());
        for (name, action) in vocabulary.actions() {
            assert!(!action.groups.is_empty() || matches!(name, "connect" | "disputed") || name.starts_with(char::is_uppercase), "{name}");
        }
    }

    #[test]
    fn a_broken_schema_says_where() {
        let problem = Vocabulary::read("entity Group;\nentity Person in [Grup];").unwrap_err();
        assert!(problem.text.contains("Grup"), "{problem}");
        let problem = Vocabulary::read("entity Group;\nentity Person in Group]").unwrap_err();
        assert_eq!(problem.line, Some(2), "{problem}");
    }
}
