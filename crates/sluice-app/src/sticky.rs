//! Labels stay: a policy tag that was seen once counts from then on. Only a person takes a label off.

use crate::gateway::Gateway;
use crate::ports::{InForce, KeepFault};
use crate::refusal::Why;
use sluice_model::ColumnPath;
use sluice_policy::Known;
use std::sync::Arc;

impl Gateway {
    /// In `known`, and kept for good where nobody had seen it.
    pub(crate) async fn remember_tags(&self, known: &mut Known, tags: &[(ColumnPath, String)]) -> Result<(), Why> {
        let is_new = |tag: &&(ColumnPath, String)| known.tag(&tag.0, &tag.1);
        let tags: Vec<(ColumnPath, String)> = tags.iter().filter(is_new).cloned().collect();
        if tags.is_empty() {
            return Ok(());
        }
        self.keep(move |in_force| in_force.remember(&tags)).await
    }

    pub(crate) async fn keep(&self, work: impl FnOnce(&dyn InForce) -> Result<(), KeepFault> + Send + 'static) -> Result<(), Why> {
        let in_force = Arc::clone(&self.parts.in_force);
        let kept = tokio::task::spawn_blocking(move || work(in_force.as_ref())).await;
        match kept.unwrap_or_else(|_| Err(KeepFault("the work broke off".to_owned()))) {
            Ok(()) => Ok(()),
            Err(fault) => {
                self.parts.alarm.raise("labels cannot be kept, so what needs that is refused");
                Err(Why::Labels(fault))
            }
        }
    }
}
