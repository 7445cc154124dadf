//! `models.get`.

use crate::{ResourceError, data_type, etag, list, reference, text};
use serde_json::Value;
use sluice_sql::catalog::{Column, Model};

pub fn model(resource: &Value) -> Result<Model, ResourceError> {
    let columns = |field: &str| -> Result<Vec<Column>, ResourceError> { list(resource, field).iter().map(column).collect() };
    Ok(Model {
        name: reference(resource, "modelReference", "modelId")?,
        features: columns("featureColumns")?,
        labels: columns("labelColumns")?,
        etag: etag(resource),
        model_type: text(resource, "modelType").unwrap_or_default(),
        remote: resource.get("remoteModelInfo").is_some(),
    })
}

fn column(value: &Value) -> Result<Column, ResourceError> {
    let kind = value.get("type").ok_or_else(|| ResourceError::Missing { field: "type".to_owned() })?;
    Ok(Column { name: text(value, "name")?, kind: data_type(kind)?, required: false, narrow: false })
}
