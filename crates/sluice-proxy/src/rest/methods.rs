//! Every method of BigQuery's REST API, in one table: routes, the discovery document, decoders and refusals come out of it.
//!
//! `action` is what policy is asked, by a name of its schema; a method without one is decided by what its body holds.

/// What the door does with a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duty {
    /// Decoded, decided, sent, and the resource encoded.
    Admit,
    /// Begins a job of any kind.
    Insert,
    JobCancel,
    JobGet,
    JobList,
    /// One answer out of the projects of all connections.
    ProjectList,
    Query,
    /// Not served: why, and what does the same.
    Refuse(&'static str),
    Results,
    /// Rows of a table.
    Rows,
}

/// What policy is asked about: the part of the path that names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Connection,
    Dataset,
    Job,
    Model,
    Project,
    Routine,
    Table,
}

/// The type of a query parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    Flag,
    /// At most this.
    Number(u64),
    Text,
    /// One of these words, by their list.
    Word(&'static [&'static str]),
    /// The same, and it may be repeated.
    Words(&'static [&'static str]),
}

#[derive(Debug, PartialEq, Eq)]
pub struct Method {
    /// `datasets.get`.
    pub name: &'static str,
    pub verb: &'static str,
    /// Below the version of the API.
    pub path: &'static str,
    pub parameters: &'static [(&'static str, Type)],
    /// The resources in the body of the request and of the answer; empty for none.
    pub takes: &'static str,
    pub gives: &'static str,
    pub action: &'static str,
    pub kind: Kind,
    pub duty: Duty,
}

const INT32: Type = Type::Number(i32::MAX as u64);
const UINT32: Type = Type::Number(u32::MAX as u64);
const UINT64: Type = Type::Number(u64::MAX);
const INT64_TIMESTAMP: (&str, Type) = ("formatOptions.useInt64Timestamp", Type::Flag);
const TIMESTAMP_FORMATS: Type = Type::Word(&["TIMESTAMP_OUTPUT_FORMAT_UNSPECIFIED", "FLOAT64", "INT64", "ISO8601_STRING"]);
const TIMESTAMP_FORMAT: (&str, Type) = ("formatOptions.timestampOutputFormat", TIMESTAMP_FORMATS);
const UPDATE_MODES: Type = Type::Word(&["UPDATE_MODE_UNSPECIFIED", "UPDATE_METADATA", "UPDATE_ACL", "UPDATE_FULL"]);
const DATASET_VIEWS: Type = Type::Word(&["DATASET_VIEW_UNSPECIFIED", "METADATA", "ACL", "FULL"]);
const TABLE_VIEWS: Type = Type::Word(&["TABLE_METADATA_VIEW_UNSPECIFIED", "BASIC", "STORAGE_STATS", "FULL"]);
const PROJECTIONS: Type = Type::Word(&["full", "minimal", "FULL", "MINIMAL"]);
/// Not in BigQuery's document, and clients send it all the same.
const PROJECTION: (&str, Type) = ("projection", PROJECTIONS);
const STATES: Type = Type::Words(&["done", "pending", "running", "DONE", "PENDING", "RUNNING"]);
/// Of a policy that is older than conditions: BigQuery knows versions up to 3.
const POLICY_VERSION: (&str, Type) = ("accessPolicyVersion", INT32);

const NO_ROUTINE_BODY: &str = "a routine's body is a statement: send `CREATE OR REPLACE FUNCTION` or `PROCEDURE` as a query job";
const NO_PREDICATE: &str = "a row access policy's predicate is a statement: send `CREATE OR REPLACE ROW ACCESS POLICY` as a query job";

macro_rules! methods {
    ($($name:literal $verb:ident $path:literal $parameters:tt $takes:literal $gives:literal $action:literal $kind:ident $duty:expr;)*) => {
        &[$(Method {
            name: $name,
            verb: stringify!($verb),
            path: $path,
            parameters: &$parameters,
            takes: $takes,
            gives: $gives,
            action: $action,
            kind: Kind::$kind,
            duty: $duty,
        }),*]
    };
}

pub static METHODS: &[Method] = methods! {
    "datasets.delete" DELETE "projects/{projectId}/datasets/{datasetId}" [("deleteContents", Type::Flag)] "" ""
        "datasets.delete" Dataset Duty::Admit;
    "datasets.get" GET "projects/{projectId}/datasets/{datasetId}" [POLICY_VERSION, ("datasetView", DATASET_VIEWS)] "" "Dataset"
        "datasets.get" Dataset Duty::Admit;
    "datasets.insert" POST "projects/{projectId}/datasets" [POLICY_VERSION] "Dataset" "Dataset"
        "datasets.insert" Dataset Duty::Admit;
    "datasets.list" GET "projects/{projectId}/datasets"
        [("all", Type::Flag), ("filter", Type::Text), ("maxResults", UINT32), ("pageToken", Type::Text)] "" "DatasetList"
        "datasets.list" Project Duty::Admit;
    "datasets.patch" PATCH "projects/{projectId}/datasets/{datasetId}" [POLICY_VERSION, ("updateMode", UPDATE_MODES)] "Dataset" "Dataset"
        "datasets.patch" Dataset Duty::Admit;
    "datasets.undelete" POST "projects/{projectId}/datasets/{datasetId}:undelete" [] "UndeleteDatasetRequest" "Dataset"
        "datasets.undelete" Dataset Duty::Admit;
    "datasets.update" PUT "projects/{projectId}/datasets/{datasetId}" [POLICY_VERSION, ("updateMode", UPDATE_MODES)] "Dataset" "Dataset"
        "datasets.update" Dataset Duty::Admit;
    "jobs.cancel" POST "projects/{projectId}/jobs/{jobId}/cancel" [("location", Type::Text), PROJECTION] "" "JobCancelResponse"
        "jobs.cancel" Job Duty::JobCancel;
    "jobs.delete" DELETE "projects/{projectId}/jobs/{jobId}/delete" [("location", Type::Text)] "" ""
        "jobs.delete" Job Duty::Admit;
    "jobs.get" GET "projects/{projectId}/jobs/{jobId}" [("location", Type::Text), PROJECTION] "" "Job"
        "jobs.get" Job Duty::JobGet;
    "jobs.getQueryResults" GET "projects/{projectId}/queries/{jobId}"
        [TIMESTAMP_FORMAT, INT64_TIMESTAMP, ("location", Type::Text), ("maxResults", UINT32), ("pageToken", Type::Text),
            ("startIndex", UINT64), ("timeoutMs", UINT32)] "" "GetQueryResultsResponse"
        "jobs.getQueryResults" Job Duty::Results;
    "jobs.insert" POST "projects/{projectId}/jobs" [] "Job" "Job"
        "" Project Duty::Insert;
    "jobs.list" GET "projects/{projectId}/jobs"
        [("allUsers", Type::Flag), ("maxCreationTime", UINT64), ("maxResults", UINT32), ("minCreationTime", UINT64), ("pageToken", Type::Text),
            ("parentJobId", Type::Text), PROJECTION, ("stateFilter", STATES)] "" "JobList"
        "jobs.list" Project Duty::JobList;
    "jobs.query" POST "projects/{projectId}/queries" [] "QueryRequest" "QueryResponse"
        "" Project Duty::Query;
    "models.delete" DELETE "projects/{projectId}/datasets/{datasetId}/models/{modelId}" [] "" ""
        "models.delete" Model Duty::Admit;
    "models.get" GET "projects/{projectId}/datasets/{datasetId}/models/{modelId}" [] "" "Model"
        "models.get" Model Duty::Admit;
    "models.list" GET "projects/{projectId}/datasets/{datasetId}/models" [("maxResults", UINT32), ("pageToken", Type::Text)] "" "ListModelsResponse"
        "models.list" Dataset Duty::Admit;
    "models.patch" PATCH "projects/{projectId}/datasets/{datasetId}/models/{modelId}" [] "Model" "Model"
        "models.patch" Model Duty::Admit;
    "projects.getServiceAccount" GET "projects/{projectId}/serviceAccount" [] "" "GetServiceAccountResponse"
        "projects.getServiceAccount" Project Duty::Admit;
    "projects.list" GET "projects" [("maxResults", UINT32), ("pageToken", Type::Text)] "" "ProjectList"
        "projects.list" Connection Duty::ProjectList;
    "routines.delete" DELETE "projects/{projectId}/datasets/{datasetId}/routines/{routineId}" [] "" ""
        "routines.delete" Routine Duty::Admit;
    "routines.get" GET "projects/{projectId}/datasets/{datasetId}/routines/{routineId}" [("readMask", Type::Text)] "" "Routine"
        "routines.get" Routine Duty::Admit;
    "routines.getIamPolicy" POST "projects/{projectId}/datasets/{datasetId}/routines/{routineId}:getIamPolicy" [] "GetIamPolicyRequest" "Policy"
        "routines.getIamPolicy" Routine Duty::Admit;
    "routines.insert" POST "projects/{projectId}/datasets/{datasetId}/routines" [] "Routine" "Routine"
        "routines.insert" Dataset Duty::Refuse(NO_ROUTINE_BODY);
    "routines.list" GET "projects/{projectId}/datasets/{datasetId}/routines"
        [("filter", Type::Text), ("maxResults", UINT32), ("pageToken", Type::Text), ("readMask", Type::Text)] "" "ListRoutinesResponse"
        "routines.list" Dataset Duty::Admit;
    "routines.setIamPolicy" POST "projects/{projectId}/datasets/{datasetId}/routines/{routineId}:setIamPolicy" [] "SetIamPolicyRequest" "Policy"
        "routines.setIamPolicy" Routine Duty::Admit;
    "routines.testIamPermissions" POST "projects/{projectId}/datasets/{datasetId}/routines/{routineId}:testIamPermissions" []
        "TestIamPermissionsRequest" "TestIamPermissionsResponse"
        "routines.testIamPermissions" Routine Duty::Admit;
    "routines.update" PUT "projects/{projectId}/datasets/{datasetId}/routines/{routineId}" [] "Routine" "Routine"
        "routines.update" Routine Duty::Refuse(NO_ROUTINE_BODY);
    "rowAccessPolicies.batchDelete" POST "projects/{projectId}/datasets/{datasetId}/tables/{tableId}/rowAccessPolicies:batchDelete" []
        "BatchDeleteRowAccessPoliciesRequest" ""
        "rowAccessPolicies.batchDelete" Table Duty::Admit;
    "rowAccessPolicies.delete" DELETE "projects/{projectId}/datasets/{datasetId}/tables/{tableId}/rowAccessPolicies/{policyId}"
        [("force", Type::Flag)] "" ""
        "rowAccessPolicies.delete" Table Duty::Admit;
    "rowAccessPolicies.get" GET "projects/{projectId}/datasets/{datasetId}/tables/{tableId}/rowAccessPolicies/{policyId}" []
        "" "RowAccessPolicy"
        "rowAccessPolicies.get" Table Duty::Admit;
    "rowAccessPolicies.getIamPolicy" POST
        "projects/{projectId}/datasets/{datasetId}/tables/{tableId}/rowAccessPolicies/{policyId}:getIamPolicy" []
        "GetIamPolicyRequest" "Policy"
        "rowAccessPolicies.getIamPolicy" Table Duty::Admit;
    "rowAccessPolicies.insert" POST "projects/{projectId}/datasets/{datasetId}/tables/{tableId}/rowAccessPolicies" []
        "RowAccessPolicy" "RowAccessPolicy"
        "rowAccessPolicies.insert" Table Duty::Refuse(NO_PREDICATE);
    "rowAccessPolicies.list" GET "projects/{projectId}/datasets/{datasetId}/tables/{tableId}/rowAccessPolicies"
        [("pageSize", INT32), ("pageToken", Type::Text)] "" "ListRowAccessPoliciesResponse"
        "rowAccessPolicies.list" Table Duty::Admit;
    "rowAccessPolicies.testIamPermissions" POST
        "projects/{projectId}/datasets/{datasetId}/tables/{tableId}/rowAccessPolicies/{policyId}:testIamPermissions" []
        "TestIamPermissionsRequest" "TestIamPermissionsResponse"
        "rowAccessPolicies.testIamPermissions" Table Duty::Admit;
    "rowAccessPolicies.update" PUT "projects/{projectId}/datasets/{datasetId}/tables/{tableId}/rowAccessPolicies/{policyId}" []
        "RowAccessPolicy" "RowAccessPolicy"
        "rowAccessPolicies.update" Table Duty::Refuse(NO_PREDICATE);
    "tabledata.insertAll" POST "projects/{projectId}/datasets/{datasetId}/tables/{tableId}/insertAll" []
        "TableDataInsertAllRequest" "TableDataInsertAllResponse"
        "tabledata.insertAll" Table Duty::Admit;
    "tabledata.list" GET "projects/{projectId}/datasets/{datasetId}/tables/{tableId}/data"
        [TIMESTAMP_FORMAT, INT64_TIMESTAMP, ("maxResults", UINT32), ("pageToken", Type::Text), ("selectedFields", Type::Text),
            ("startIndex", UINT64)] "" "TableDataList"
        "tabledata.list" Table Duty::Rows;
    "tables.delete" DELETE "projects/{projectId}/datasets/{datasetId}/tables/{tableId}" [] "" ""
        "tables.delete" Table Duty::Admit;
    "tables.get" GET "projects/{projectId}/datasets/{datasetId}/tables/{tableId}" [("selectedFields", Type::Text), ("view", TABLE_VIEWS)]
        "" "Table"
        "tables.get" Table Duty::Admit;
    "tables.getIamPolicy" POST "projects/{projectId}/datasets/{datasetId}/tables/{tableId}:getIamPolicy" [] "GetIamPolicyRequest" "Policy"
        "tables.getIamPolicy" Table Duty::Admit;
    "tables.insert" POST "projects/{projectId}/datasets/{datasetId}/tables" [] "Table" "Table"
        "tables.insert" Dataset Duty::Admit;
    "tables.list" GET "projects/{projectId}/datasets/{datasetId}/tables" [("maxResults", UINT32), ("pageToken", Type::Text)] "" "TableList"
        "tables.list" Dataset Duty::Admit;
    "tables.patch" PATCH "projects/{projectId}/datasets/{datasetId}/tables/{tableId}" [("autodetect_schema", Type::Flag)] "Table" "Table"
        "tables.patch" Table Duty::Admit;
    "tables.setIamPolicy" POST "projects/{projectId}/datasets/{datasetId}/tables/{tableId}:setIamPolicy" [] "SetIamPolicyRequest" "Policy"
        "tables.setIamPolicy" Table Duty::Admit;
    "tables.testIamPermissions" POST "projects/{projectId}/datasets/{datasetId}/tables/{tableId}:testIamPermissions" []
        "TestIamPermissionsRequest" "TestIamPermissionsResponse"
        "tables.testIamPermissions" Table Duty::Admit;
    "tables.update" PUT "projects/{projectId}/datasets/{datasetId}/tables/{tableId}" [("autodetect_schema", Type::Flag)] "Table" "Table"
        "tables.update" Table Duty::Admit;
};

impl Method {
    /// `bigquery.jobs.query`.
    pub fn id(&self) -> String {
        format!("bigquery.{}", self.name)
    }

    /// The names in the path, in its order.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.path.split('/').filter_map(|part| part.strip_prefix('{')?.split('}').next())
    }

    pub fn parameter(&self, name: &str) -> Option<(&'static str, Type)> {
        self.parameters.iter().find(|(known, _)| *known == name).copied()
    }

    /// The precondition of a change: who read an older state must not write over a newer one.
    pub fn takes_if_match(&self) -> bool {
        matches!(self.verb, "DELETE" | "PATCH" | "PUT") && !self.name.starts_with("jobs.")
    }
}

#[cfg(test)]
pub(in crate::rest) mod tests;
