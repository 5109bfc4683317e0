//! GitHub's official OpenAPI description, and what is not as it says.

mod finding;
mod operation;
mod schema;
mod undeclared;

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use serde::Deserialize;
use serde_json::{Value, json};

pub use finding::{Finding, Part, Side};
pub(crate) use operation::{Operation, PathParameters};
use schema::{Mismatch, Schema};

use crate::Home;

/// The description, with the schemas that were asked for so far.
pub(crate) struct Contract {
    document: Value,
    operations: Vec<Operation>,
    schemas: Mutex<HashMap<String, Arc<Result<Schema, String>>>>,
}

/// The body of an answer.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Said<'a> {
    Nothing,
    Json(&'a Value),
    /// Of another media type, of which the description has no schema.
    Raw,
}

/// The parts of the file that a contract needs; the examples, most of it, are skipped while reading.
#[derive(Deserialize)]
struct File {
    paths: Value,
    components: Components,
}

#[derive(Deserialize)]
struct Components {
    schemas: Value,
    parameters: Value,
    responses: Value,
}

impl Contract {
    /// The description that the installer laid down for this user, read once in a process.
    ///
    /// # Errors
    /// One sentence when the file is missing or cannot be read.
    pub(crate) fn of_user() -> Result<Arc<Self>, String> {
        static READ: OnceLock<Result<Arc<Contract>, String>> = OnceLock::new();
        READ.get_or_init(|| {
            let home = Home::of_user().ok_or("Neither TIDEGATE_TESTBED nor HOME is set.")?;
            Self::read(&home.github_description()).map(Arc::new)
        })
        .clone()
    }

    fn read(path: &Path) -> Result<Self, String> {
        let text = fs::read_to_string(path).map_err(|error| {
            format!(
                "GitHub's description is not at {} ({error}): run `make testbed-install`.",
                path.display()
            )
        })?;
        let File { paths, components } = serde_json::from_str(&text)
            .map_err(|error| format!("{} is not GitHub's description: {error}", path.display()))?;
        let Components { schemas, parameters, responses } = components;
        Ok(Self::new(json!({
            "paths": paths,
            "components": {"schemas": schemas, "parameters": parameters, "responses": responses},
        })))
    }

    fn new(document: Value) -> Self {
        Self { operations: Operation::all(&document), document, schemas: Mutex::default() }
    }

    /// The operation that a method and a raw path mean.
    pub(crate) fn operation(&self, method: &str, path: &str) -> Option<(&Operation, PathParameters)> {
        operation::find(&self.operations, method, path)
    }

    /// Every operation of the description.
    #[cfg(test)]
    pub(crate) fn operations(&self) -> impl Iterator<Item = &Operation> {
        self.operations.iter()
    }

    /// All that is wrong with a request. `body` is `None` when none was sent.
    pub(crate) fn request(
        &self,
        operation: &Operation,
        path: &PathParameters,
        query: &[(String, String)],
        body: Option<&Value>,
    ) -> Vec<Finding> {
        let finding = |part, instance: &str, schema: &str, message: String| {
            finding(operation, Side::Request, part, instance, schema, message)
        };
        let mut found = Vec::new();
        for parameter in &operation.parameters {
            let part = if parameter.in_query { Part::Query } else { Part::Path };
            let values: Vec<&str> = if parameter.in_query {
                query.iter().filter(|(name, _)| *name == parameter.name).map(|(_, value)| &**value).collect()
            } else {
                path.get(&parameter.name).map(String::as_str).into_iter().collect()
            };
            if parameter.required && values.is_empty() {
                let message = format!("\"{}\" wasn't supplied.", parameter.name);
                found.push(finding(part, &parameter.name, &parameter.schema, message));
            }
            for value in values {
                let typed = self.typed(&parameter.schema, value);
                for it in self.mismatches(&parameter.schema, &typed) {
                    found.push(finding(part, &parameter.name, &it.schema, it.message));
                }
            }
        }
        for (name, _) in query {
            if !operation.parameters.iter().any(|other| other.in_query && other.name == *name) {
                let message = format!("\"{name}\" is not a query parameter of this operation.");
                found.push(finding(Part::Query, name, &format!("{}/parameters", operation.pointer), message));
            }
        }
        found.extend(self.request_body(operation, body));
        found
    }

    fn request_body(&self, operation: &Operation, body: Option<&Value>) -> Vec<Finding> {
        let finding = |instance: &str, schema: &str, message: String| {
            finding(operation, Side::Request, Part::Body, instance, schema, message)
        };
        match (&operation.body, body) {
            (Some((schema, _)), Some(body)) => {
                let mut all = self.mismatches(schema, body);
                all.extend(undeclared::undeclared(&self.document, schema, body));
                all.into_iter().map(|it| finding(&it.instance, &it.schema, it.message)).collect()
            }
            (Some((_, true)), None) => {
                let at = format!("{}/requestBody/required", operation.pointer);
                vec![finding("", &at, "A body wasn't supplied.".to_owned())]
            }
            // Many clients send `{}` with a request that has nothing to say; GitHub takes it for nothing.
            (None, Some(body)) if *body != json!({}) => {
                vec![finding("", &operation.pointer, "This operation takes no body.".to_owned())]
            }
            _ => Vec::new(),
        }
    }

    /// All that is wrong with an answer.
    pub(crate) fn answer(&self, operation: &Operation, status: u16, said: Said<'_>) -> Vec<Finding> {
        let finding = |part, instance: &str, schema: &str, message: String| {
            finding(operation, Side::Answer, part, instance, schema, message)
        };
        let declared = operation.answers.get(&status);
        if declared.is_none() && !anywhere(status) {
            let at = format!("{}/responses", operation.pointer);
            return vec![finding(Part::Status, "", &at, format!("{status} is not declared here."))];
        }
        let at = format!("{}/responses/{status}", operation.pointer);
        match (declared.and_then(Option::as_ref), said) {
            (Some(schema), Said::Json(body)) => {
                let mut all = self.mismatches(schema, body);
                if status < 400 {
                    all.extend(undeclared::undeclared(&self.document, schema, body));
                }
                all.into_iter().map(|it| finding(Part::Body, &it.instance, &it.schema, it.message)).collect()
            }
            (Some(schema), Said::Nothing) => {
                vec![finding(Part::Body, "", schema, "A body wasn't given.".to_owned())]
            }
            (None, Said::Json(body)) if status >= 400 => self
                .mismatches("/components/schemas/basic-error", body)
                .into_iter()
                .map(|it| finding(Part::Body, &it.instance, &it.schema, it.message))
                .collect(),
            (None, Said::Json(_)) => {
                vec![finding(Part::Body, "", &at, "No body is declared here.".to_owned())]
            }
            (_, Said::Raw) | (None, Said::Nothing) => Vec::new(),
        }
    }

    /// A parameter's text as the JSON value that its schema speaks of.
    fn typed(&self, schema: &str, text: &str) -> Value {
        let plain = || Value::String(text.to_owned());
        match self.document.pointer(schema).and_then(|schema| schema["type"].as_str()) {
            Some("integer") => text.parse::<i64>().map_or_else(|_| plain(), Value::from),
            Some("boolean") => text.parse::<bool>().map_or_else(|_| plain(), Value::from),
            _ => plain(),
        }
    }

    fn mismatches(&self, pointer: &str, value: &Value) -> Vec<Mismatch> {
        match &*self.schema(pointer) {
            Ok(schema) => schema.mismatches(value),
            Err(message) => vec![Mismatch {
                instance: String::new(),
                schema: pointer.to_owned(),
                message: format!("The schema itself cannot be used: {message}"),
            }],
        }
    }

    fn schema(&self, pointer: &str) -> Arc<Result<Schema, String>> {
        let mut schemas = self.schemas.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = schemas.get(pointer) {
            return Arc::clone(known);
        }
        let made = Arc::new(Schema::compile(&self.document, pointer));
        schemas.insert(pointer.to_owned(), Arc::clone(&made));
        made
    }
}

/// Statuses that every operation can answer with, though the description seldom lists them.
fn anywhere(status: u16) -> bool {
    matches!(status, 304 | 400 | 401 | 403 | 404 | 415 | 422 | 429 | 500..=599)
}

fn finding(
    operation: &Operation,
    side: Side,
    part: Part,
    instance: &str,
    schema: &str,
    message: String,
) -> Finding {
    Finding {
        operation: operation.id.clone(),
        side,
        part,
        instance: instance.to_owned(),
        schema: format!("#{schema}"),
        message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_description_says_how_to_get_it() {
        let error = Contract::read(Path::new("/nowhere/api.json")).err().unwrap();
        assert!(error.contains("run `make testbed-install`"), "{error}");
    }

    #[test]
    fn every_schema_that_the_testbed_acts_out_compiles() {
        let contract = Contract::of_user().unwrap();
        let mut compiled = 0;
        for operation in &contract.operations {
            if crate::github::api::endpoint(&operation.id).is_none() {
                continue;
            }
            let body = operation.body.iter().map(|(schema, _)| schema);
            let parameters = operation.parameters.iter().map(|parameter| &parameter.schema);
            for pointer in body.chain(parameters).chain(operation.answers.values().flatten()) {
                let schema = contract.schema(pointer);
                assert!(schema.is_ok(), "{pointer}: {:?}", schema.as_ref().as_ref().err());
                compiled += 1;
            }
        }
        assert!(compiled > 200, "{compiled}");
    }
}
