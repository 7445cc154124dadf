//! Every method of BigQuery's REST API, in one table: routes, discovery document and refusals come out of it.

/// What a method does. `Refused` ones exist in BigQuery and not here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    DatasetsDelete,
    DatasetsGet,
    DatasetsInsert,
    DatasetsList,
    DatasetsPatch,
    DatasetsUpdate,
    JobsCancel,
    JobsDelete,
    JobsGet,
    JobsGetQueryResults,
    JobsInsert,
    JobsList,
    JobsQuery,
    ProjectsGetServiceAccount,
    ProjectsList,
    Refused,
    RoutinesDelete,
    RoutinesGet,
    RoutinesInsert,
    RoutinesList,
    RoutinesUpdate,
    TabledataInsertAll,
    TabledataList,
    TablesDelete,
    TablesGet,
    TablesInsert,
    TablesList,
    TablesPatch,
    TablesUpdate,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Method {
    /// `datasets.get`.
    pub name: &'static str,
    pub id: &'static str,
    pub verb: &'static str,
    /// Below `/bigquery/v2/`.
    pub path: &'static str,
    /// Query parameters that it reads; a star says that it may be repeated.
    pub query: &'static [&'static str],
    /// The resource in the body of the request, and of the answer; empty for none.
    pub takes: &'static str,
    pub gives: &'static str,
    pub operation: Operation,
}

macro_rules! methods {
    ($($name:literal $verb:ident $path:literal $query:tt $takes:literal $gives:literal $operation:ident;)*) => {
        &[$(Method {
            name: $name,
            id: concat!("bigquery.", $name),
            verb: stringify!($verb),
            path: $path,
            query: &$query,
            takes: $takes,
            gives: $gives,
            operation: Operation::$operation,
        }),*]
    };
}

pub static METHODS: &[Method] = methods! {
    "datasets.delete" DELETE "projects/{projectId}/datasets/{datasetId}" ["deleteContents"] "" "" DatasetsDelete;
    "datasets.get" GET "projects/{projectId}/datasets/{datasetId}" ["accessPolicyVersion", "datasetView"] "" "Dataset" DatasetsGet;
    "datasets.insert" POST "projects/{projectId}/datasets" ["accessPolicyVersion"] "Dataset" "Dataset" DatasetsInsert;
    "datasets.list" GET "projects/{projectId}/datasets" ["all", "filter", "maxResults", "pageToken"] "" "DatasetList" DatasetsList;
    "datasets.patch" PATCH "projects/{projectId}/datasets/{datasetId}" ["accessPolicyVersion", "updateMode"] "Dataset" "Dataset" DatasetsPatch;
    "datasets.undelete" POST "projects/{projectId}/datasets/{datasetId}:undelete" [] "UndeleteDatasetRequest" "Dataset" Refused;
    "datasets.update" PUT "projects/{projectId}/datasets/{datasetId}" ["accessPolicyVersion", "updateMode"] "Dataset" "Dataset" DatasetsUpdate;
    "jobs.cancel" POST "projects/{projectId}/jobs/{jobId}/cancel" ["location"] "" "JobCancelResponse" JobsCancel;
    "jobs.delete" DELETE "projects/{projectId}/jobs/{jobId}/delete" ["location"] "" "" JobsDelete;
    "jobs.get" GET "projects/{projectId}/jobs/{jobId}" ["location"] "" "Job" JobsGet;
    "jobs.getQueryResults" GET "projects/{projectId}/queries/{jobId}"
        ["formatOptions.useInt64Timestamp", "location", "maxResults", "pageToken", "startIndex", "timeoutMs"]
        "" "GetQueryResultsResponse" JobsGetQueryResults;
    "jobs.insert" POST "projects/{projectId}/jobs" [] "Job" "Job" JobsInsert;
    "jobs.list" GET "projects/{projectId}/jobs"
        ["allUsers", "maxCreationTime", "maxResults", "minCreationTime", "pageToken", "parentJobId", "projection", "stateFilter*"]
        "" "JobList" JobsList;
    "jobs.query" POST "projects/{projectId}/queries" [] "QueryRequest" "QueryResponse" JobsQuery;
    "models.delete" DELETE "projects/{projectId}/datasets/{datasetId}/models/{modelId}" [] "" "" Refused;
    "models.get" GET "projects/{projectId}/datasets/{datasetId}/models/{modelId}" [] "" "Model" Refused;
    "models.list" GET "projects/{projectId}/datasets/{datasetId}/models" ["maxResults", "pageToken"] "" "ListModelsResponse" Refused;
    "models.patch" PATCH "projects/{projectId}/datasets/{datasetId}/models/{modelId}" [] "Model" "Model" Refused;
    "projects.getServiceAccount" GET "projects/{projectId}/serviceAccount" [] "" "GetServiceAccountResponse" ProjectsGetServiceAccount;
    "projects.list" GET "projects" ["maxResults", "pageToken"] "" "ProjectList" ProjectsList;
    "routines.delete" DELETE "projects/{projectId}/datasets/{datasetId}/routines/{routineId}" [] "" "" RoutinesDelete;
    "routines.get" GET "projects/{projectId}/datasets/{datasetId}/routines/{routineId}" ["readMask"] "" "Routine" RoutinesGet;
    "routines.getIamPolicy" POST "projects/{projectId}/datasets/{datasetId}/routines/{routineId}:getIamPolicy" [] "GetIamPolicyRequest" "Policy" Refused;
    "routines.insert" POST "projects/{projectId}/datasets/{datasetId}/routines" [] "Routine" "Routine" RoutinesInsert;
    "routines.list" GET "projects/{projectId}/datasets/{datasetId}/routines" ["filter", "maxResults", "pageToken", "readMask"] "" "ListRoutinesResponse" RoutinesList;
    "routines.setIamPolicy" POST "projects/{projectId}/datasets/{datasetId}/routines/{routineId}:setIamPolicy" [] "SetIamPolicyRequest" "Policy" Refused;
    "routines.update" PUT "projects/{projectId}/datasets/{datasetId}/routines/{routineId}" [] "Routine" "Routine" RoutinesUpdate;
    "rowAccessPolicies.list" GET "projects/{projectId}/datasets/{datasetId}/tables/{tableId}/rowAccessPolicies" ["pageSize", "pageToken"]
        "" "ListRowAccessPoliciesResponse" Refused;
    "rowAccessPolicies.insert" POST "projects/{projectId}/datasets/{datasetId}/tables/{tableId}/rowAccessPolicies" []
        "RowAccessPolicy" "RowAccessPolicy" Refused;
    "tabledata.insertAll" POST "projects/{projectId}/datasets/{datasetId}/tables/{tableId}/insertAll" []
        "TableDataInsertAllRequest" "TableDataInsertAllResponse" TabledataInsertAll;
    "tabledata.list" GET "projects/{projectId}/datasets/{datasetId}/tables/{tableId}/data"
        ["formatOptions.useInt64Timestamp", "maxResults", "pageToken", "selectedFields", "startIndex"] "" "TableDataList" TabledataList;
    "tables.delete" DELETE "projects/{projectId}/datasets/{datasetId}/tables/{tableId}" [] "" "" TablesDelete;
    "tables.get" GET "projects/{projectId}/datasets/{datasetId}/tables/{tableId}" ["selectedFields", "view"] "" "Table" TablesGet;
    "tables.getIamPolicy" POST "projects/{projectId}/datasets/{datasetId}/tables/{tableId}:getIamPolicy" [] "GetIamPolicyRequest" "Policy" Refused;
    "tables.insert" POST "projects/{projectId}/datasets/{datasetId}/tables" [] "Table" "Table" TablesInsert;
    "tables.list" GET "projects/{projectId}/datasets/{datasetId}/tables" ["maxResults", "pageToken"] "" "TableList" TablesList;
    "tables.patch" PATCH "projects/{projectId}/datasets/{datasetId}/tables/{tableId}" ["autodetect_schema"] "Table" "Table" TablesPatch;
    "tables.setIamPolicy" POST "projects/{projectId}/datasets/{datasetId}/tables/{tableId}:setIamPolicy" [] "SetIamPolicyRequest" "Policy" Refused;
    "tables.testIamPermissions" POST "projects/{projectId}/datasets/{datasetId}/tables/{tableId}:testIamPermissions" []
        "TestIamPermissionsRequest" "TestIamPermissionsResponse" Refused;
    "tables.update" PUT "projects/{projectId}/datasets/{datasetId}/tables/{tableId}" ["autodetect_schema"] "Table" "Table" TablesUpdate;
};

/// The method of a path below the service, and the parts of the path by name. Parts are decoded.
pub fn find(verb: &str, path: &str) -> Option<(&'static Method, Vec<(&'static str, String)>)> {
    METHODS.iter().filter(|method| method.verb == verb).find_map(|method| Some((method, matched(method.path, path)?)))
}

/// The path behind the service's own prefix, which some clients leave out.
pub fn below_service(path: &str) -> &str {
    let path = path.trim_start_matches('/');
    path.strip_prefix("bigquery/v2/").unwrap_or(path)
}

fn matched(template: &'static str, path: &str) -> Option<Vec<(&'static str, String)>> {
    let mut parts = Vec::new();
    let (mut expected, mut given) = (template.split('/'), path.split('/'));
    loop {
        match (expected.next(), given.next()) {
            (None, None) => return Some(parts),
            (Some(expected), Some(given)) => match expected.strip_prefix('{') {
                None if expected == given => {}
                None => return None,
                Some(named) => {
                    let (name, suffix) = named.split_once('}')?;
                    let value = given.strip_suffix(suffix).filter(|value| !value.is_empty())?;
                    // `table:getIamPolicy` is not a table of that name.
                    if suffix.is_empty()
                        && value.rsplit_once(':').is_some_and(|(_, verb)| verb.ends_with("IamPolicy") || verb == "undelete")
                    {
                        return None;
                    }
                    parts.push((name, decoded(value)?));
                }
            },
            _ => return None,
        }
    }
}

/// Percent-decoded; `None` for text that is not UTF-8 afterwards.
pub fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
            let value = digit(rest.next())? * 16 + digit(rest.next())?;
            bytes.push(u8::try_from(value).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn paths_lead_to_methods() {
        let check = |verb: &str, path: &str, expect: Option<&str>| {
            let found = find(verb, below_service(path)).map(|(method, parts)| {
                let parts: Vec<String> = parts.into_iter().map(|(_, value)| value).collect();
                format!("{} {}", method.name, parts.join(","))
            });
            assert_eq!(found.as_deref(), expect, "{verb} {path}");
        };
        check("GET", "/bigquery/v2/projects/p/datasets/d/tables/t", Some("tables.get p,d,t"));
        check("GET", "/projects/p/queries/j", Some("jobs.getQueryResults p,j"));
        check("GET", "/bigquery/v2/projects/example.com%3Ap/datasets", Some("datasets.list example.com:p"));
        check("POST", "/bigquery/v2/projects/p/datasets/d/tables/t:getIamPolicy", Some("tables.getIamPolicy p,d,t"));
        check("POST", "/bigquery/v2/projects/p/jobs/j/cancel", Some("jobs.cancel p,j"));
        check("GET", "/bigquery/v2/projects//datasets", None);
        check("GET", "/bigquery/v2/projects/p/datasets/d/tables/%ff", None);
        check("BREW", "/bigquery/v2/projects", None);
    }

    #[test]
    fn no_method_stands_twice() {
        let names: BTreeSet<&str> = METHODS.iter().map(|method| method.name).collect();
        let routes: BTreeSet<(&str, &str)> = METHODS.iter().map(|method| (method.verb, method.path)).collect();
        assert_eq!((names.len(), routes.len()), (METHODS.len(), METHODS.len()));
    }
}
