//! What was there before Tidegate, when no release has taken its place: it is left as it was found.

use serde_json::{Map, Value, json};

use super::Work;
use crate::target::TargetError;
use crate::target::kubernetes::manifests::{APP, ENVIRONMENT, Object};
use crate::target::kubernetes::names::{RELEASE, ROLLOUT};

impl Work {
    /// Takes our marks off what was there before the first release.
    pub(in super::super) async fn leave_found(&self) -> Result<(), TargetError> {
        let Some(baseline) = self.frame().baseline else { return Ok(()) };
        for object in self.bundle(&baseline).await?.objects() {
            if self.is_ours(object).await? {
                self.applier.change(&object.key, &without_marks(object)).await?;
            }
        }
        Ok(())
    }
}

/// The change that takes off what the object did not have when it was found.
fn without_marks(object: &Object) -> Value {
    let own = &object.value["metadata"];
    let gone = |list: &str, marks: &[&str]| -> Map<String, Value> {
        let foreign = marks.iter().filter(|mark| own[list][**mark].is_null());
        foreign.map(|mark| ((*mark).to_owned(), Value::Null)).collect()
    };
    let (labels, annotations) =
        (gone("labels", &[APP, ENVIRONMENT, RELEASE]), gone("annotations", &[ROLLOUT]));
    json!({ "metadata": { "labels": labels, "annotations": annotations } })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::target::kubernetes::manifests::parse;

    #[test]
    fn only_what_was_not_there_before_is_taken_off() {
        let text = format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{ name: web, labels: {{ a: b, {APP}: own }} }}\nspec: {{}}\n"
        );
        let object = parse(Path::new("x.yaml"), &text).unwrap().remove(0);
        let change = without_marks(&object);
        assert_eq!(
            change,
            json!({ "metadata": { "labels": { ENVIRONMENT: null, RELEASE: null }, "annotations": { ROLLOUT: null } } })
        );
    }
}
