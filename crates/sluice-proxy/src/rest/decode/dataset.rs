//! Datasets: who may reach them, how long what is in them lives.

use super::super::configuration::FormFault;
use super::super::configuration::fault::Path;
use super::super::configuration::message::table::{DATASET_REFERENCE, TABLE_REFERENCE};
use super::super::configuration::shape::{self, Message, Shape, TEXT, dropped, kept, refused};
use super::{Call, Decoded, dataset_name, object, reference, says};
use sluice_policy::Resource;

const LABELS_MAX: usize = 64;
/// BigQuery takes 2 500 authorized resources of a dataset.
const ACCESS_MAX: usize = 5_000;
const LONG: Shape = Shape::Long { least: 0 };

const KEY: &str = "names an encryption key, which the gateway does not choose for a caller: have it set by whoever administers the project";
const ELSEWHERE: &str =
    "makes a dataset that stands for data elsewhere, which labels would not follow: have it made by whoever administers the project";
const TAGS: &str = "sets tags that rules of access depend on: have them set by whoever administers the project";
const CASE: &str = "would give each table many names, and labels are kept by one: leave it out";

static DATASET: Message = Message {
    name: "Dataset",
    fields: &[
        kept("datasetReference", Shape::Object(&DATASET_REFERENCE)),
        kept("friendlyName", TEXT),
        kept("description", TEXT),
        kept("labels", Shape::Texts(LABELS_MAX)),
        kept("location", TEXT),
        kept("access", Shape::List(&Shape::Object(&ACCESS), ACCESS_MAX)),
        kept("defaultTableExpirationMs", LONG),
        kept("defaultPartitionExpirationMs", LONG),
        kept("maxTimeTravelHours", LONG),
        kept("storageBillingModel", Shape::Words(&["STORAGE_BILLING_MODEL_UNSPECIFIED", "LOGICAL", "PHYSICAL"])),
        kept("defaultCollation", TEXT),
        kept("defaultRoundingMode", Shape::Words(&["ROUNDING_MODE_UNSPECIFIED", "ROUND_HALF_AWAY_FROM_ZERO", "ROUND_HALF_EVEN"])),
        refused("isCaseInsensitive", CASE),
        refused("defaultEncryptionConfiguration", KEY),
        refused("linkedDatasetSource", ELSEWHERE),
        refused("externalDatasetReference", ELSEWHERE),
        refused("externalCatalogDatasetOptions", ELSEWHERE),
        refused("resourceTags", TAGS),
        dropped("catalogSource"),
        dropped("creationTime"),
        dropped("etag"),
        dropped("id"),
        dropped("kind"),
        dropped("lastModifiedTime"),
        dropped("linkedDatasetMetadata"),
        dropped("restrictions"),
        dropped("satisfiesPzi"),
        dropped("satisfiesPzs"),
        dropped("selfLink"),
        dropped("tags"),
        dropped("type"),
    ],
};

static ACCESS: Message = Message {
    name: "Dataset.access",
    fields: &[
        kept("role", TEXT),
        kept("userByEmail", TEXT),
        kept("groupByEmail", TEXT),
        kept("domain", TEXT),
        kept("specialGroup", TEXT),
        kept("iamMember", TEXT),
        kept("view", Shape::Object(&TABLE_REFERENCE)),
        kept("routine", Shape::Object(&ROUTINE_REFERENCE)),
        kept("dataset", Shape::Object(&ACCESS_DATASET)),
        kept("condition", Shape::Object(&CONDITION)),
    ],
};

static ACCESS_DATASET: Message = Message {
    name: "DatasetAccessEntry",
    fields: &[
        kept("dataset", Shape::Object(&DATASET_REFERENCE)),
        kept("targetTypes", Shape::List(&Shape::Words(&["TARGET_TYPE_UNSPECIFIED", "VIEWS", "ROUTINES"]), 4)),
    ],
};

static ROUTINE_REFERENCE: Message =
    Message { name: "RoutineReference", fields: &[kept("projectId", TEXT), kept("datasetId", TEXT), kept("routineId", TEXT)] };

pub(super) static CONDITION: Message =
    Message { name: "Expr", fields: &[kept("expression", TEXT), kept("title", TEXT), kept("description", TEXT), kept("location", TEXT)] };

static UNDELETE: Message = Message { name: "UndeleteDatasetRequest", fields: &[kept("deletionTime", TEXT)] };

pub fn dataset(call: &Call<'_>) -> Result<Decoded, FormFault> {
    let is_new = call.matched.method.name == "datasets.insert";
    let mut body = object(&DATASET, call)?;
    let names = reference(&mut body, call.matched, "datasetReference", &["projectId", "datasetId"], is_new)?;
    let [project, dataset] = names.as_slice() else { return Err(FormFault::invalid(&Path::ROOT, "names no dataset")) };
    let place = Resource::Dataset { project: project.clone(), dataset: dataset.clone() };
    let mut also = Vec::new();
    let mut ask = |action: &str| also.push((action.to_owned(), place.clone()));
    // Who is not in the new list loses what they had; and a whole update without a list is one.
    if body.contains_key("access") || call.matched.method.name == "datasets.update" {
        ask("grant");
        ask("revoke");
    }
    if says(&body, "defaultTableExpirationMs") {
        ask("drop");
    }
    if says(&body, "defaultPartitionExpirationMs") || says(&body, "maxTimeTravelHours") {
        ask("delete");
    }
    Ok(Decoded { body: Some(body), also, resource: Some(place), ..Decoded::default() })
}

pub fn undelete(call: &Call<'_>) -> Result<Decoded, FormFault> {
    let body = shape::object(&UNDELETE, call.body, &Path::ROOT)?;
    Ok(Decoded { body: Some(body), changes: vec![dataset_name(call.matched)], ..Decoded::default() })
}
